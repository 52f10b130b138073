/**
 * One build, from text to image.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { DigestError } from '@varve/digest'
import { formatReference, parseReference } from '@varve/oci-manifest'
import { createRegistryClient } from '@varve/registry'
import { parseDockerfile } from '../dockerfile/parse.ts'
import { BuilderError } from '../errors.ts'
import { withTag } from '../execute/base-images.ts'
import { Content } from '../execute/content.ts'
import { existingDirectory } from '../execute/context.ts'
import type { Plan } from '../plan/plan.ts'
import { openWorkspace } from '../workspace.ts'
import { makePlan } from './make-plan.ts'
import type { BuildOptions, BuildResult } from './options.ts'
import { runPlan } from './run-plan.ts'
import type { Session } from './session.ts'

/**
 * Builds a Dockerfile into the store and whatever outputs are asked for.
 *
 * @throws {BuilderError} with the place in the Dockerfile where there is one; errors of the packages below where they
 *   say it best. On abort, `signal.reason`.
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  options.signal?.throwIfAborted()
  const names = (options.tags ?? []).map((tag) => formatReference(withTag(parseReference(tag))))
  const context = existingDirectory(options.context)
  const file = resolve(options.dockerfile ?? join(context, 'Dockerfile'))
  const dockerfile = parseDockerfile(await readDockerfile(file), {
    file: options.dockerfile ?? basename(file),
  })
  const workspace = await openWorkspace(options.cacheDirectory)
  const registry = options.registry ?? createRegistryClient({ insecure: options.insecure ?? [] })
  try {
    const content = new Content(workspace.store.blobs)
    const session = { options, workspace, registry, content, context, file }
    return await runHealing(await makePlan(dockerfile, session), names, session)
  } finally {
    if (options.registry === undefined) await registry.close()
  }
}

/**
 * Runs a plan, and again whenever a blob of the store turns out to be damaged: reading it has taken it out of the
 * store, so what needs it is fetched or made anew. The same blob damaged twice is no accident.
 */
async function runHealing(plan: Plan, names: readonly string[], session: Session): Promise<BuildResult> {
  const seen = new Set<string>()
  for (;;) {
    try {
      return await runPlan(plan, names, session)
    } catch (error) {
      const digest = damagedBlob(error)
      if (digest === undefined || seen.has(digest)) throw error
      seen.add(digest)
      const message = `${digest} was damaged; what needs it is made again`
      session.options.onEvent?.({ type: 'warning', rule: 'DamagedBlob', message })
    }
  }
}

function damagedBlob(error: unknown): string | undefined {
  const { code, expected, message } = error as Partial<DigestError>
  if (code === 'ERR_DIGEST_MISMATCH') return String(expected)
  return code === 'ERR_DIGEST_SIZE' ? message : undefined
}

/** @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if the file cannot be read. */
async function readDockerfile(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', `Cannot read the Dockerfile ${JSON.stringify(file)}`, {
      cause,
      hint: 'Name it by -f if it is elsewhere',
    })
  }
}
