/**
 * One build, from text to image.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { DigestError } from '@varve/digest'
import { formatReference, parseReference } from '@varve/oci-manifest'
import { parseDockerfile } from '../dockerfile/parse.ts'
import { BuilderError } from '../errors.ts'
import { withTag } from '../execute/base-images.ts'
import { Content } from '../execute/content.ts'
import { existingDirectory } from '../execute/context.ts'
import type { Plan } from '../plan/plan.ts'
import { openBuildStore } from '../cache/build-store.ts'
import { openWorkspace } from '../workspace.ts'
import { makePlan } from './make-plan.ts'
import type { BuildOptions, BuildResult } from './options.ts'
import { accessRegistries } from './registry-access.ts'
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
  const registries = accessRegistries(options, workspace.store.refs)
  const warn = (message: string): void =>
    options.onEvent?.({ type: 'warning', rule: 'CacheFailed', message: `The cache ${message}` })
  const store = await openBuildStore(workspace.store, options.caches ?? [], warn)
  try {
    const content = new Content(store.blobs)
    const session = { options, workspace, store, registries, content, context, file }
    return await runHealing(await makePlan(dockerfile, session), names, session)
  } finally {
    await store.close(options.signal)
    await registries.close()
  }
}

/**
 * Runs a plan, and again whenever a blob turns out to be damaged, or gone although its record was found: nobody finds
 * it any more, so what needs it is fetched or made anew. The same blob twice is no accident.
 */
async function runHealing(plan: Plan, names: readonly string[], session: Session): Promise<BuildResult> {
  const seen = new Set<string>()
  for (;;) {
    try {
      return await runPlan(plan, names, session)
    } catch (error) {
      const lost = lostBlob(error)
      if (lost === undefined || seen.has(lost)) throw error
      seen.add(lost)
      const message = `${lost}; what needs it is made again`
      session.options.onEvent?.({ type: 'warning', rule: 'LostBlob', message })
    }
  }
}

/** What was wrong with a blob, in a sentence that names it. */
function lostBlob(error: unknown): string | undefined {
  const { code, expected, message } = error as Partial<DigestError>
  switch (code as string | undefined) {
    case 'ERR_DIGEST_MISMATCH':
      return `${expected} was damaged`
    case 'ERR_DIGEST_SIZE':
    case 'ERR_CACHE_STORE_MISSING':
    case 'ERR_BUILDER_BLOB':
      return message
    default:
      return undefined
  }
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
