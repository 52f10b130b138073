/**
 * Caches the outputs of any command: the files that it reads are its key, the files that it writes its result.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type BlobStore,
  createSteps,
  type Flight,
  formatDifference,
  type KeyContent,
  type KeyExplanation,
  keyOf,
  type StepResult,
  type Store,
} from '@varve/cache-store'
import type { Descriptor } from '@varve/digest'
import { digestFile, fileSource } from '@varve/digest/node'

/** A command, and what it reads and writes. */
export interface Job {
  readonly directory: string
  readonly command: readonly [program: string, ...args: string[]]
  /** Directories, relative; every file in `inputs` is part of the key, every one in `outputs` of the result. */
  readonly inputs: string
  readonly outputs: string
}

/** The annotation that tells the name of a file (image-spec v1.1.1, annotations.md). */
const TITLE = 'org.opencontainers.image.title'

/** Runs the job, or puts the files there that it wrote before, here or on another machine. Says which, and why. */
export async function runCached(store: Store, job: Job, flight?: Flight): Promise<string> {
  const files: KeyContent = { kv: 1, kind: 'files', fields: listFiles(join(job.directory, job.inputs)) }
  const fields = {
    command: job.command,
    platform: `${process.platform}/${process.arch}`,
    files: keyOf(files),
  }
  const document = { kv: 1, kind: 'command', step: `${job.command[0]} for ${job.outputs}`, fields } as const
  const steps = createSteps({ store, builder: 'example/1', project: 'examples', ...(flight && { flight }) })

  const { outputs, how, why } = await steps.run({ document, parts: [files] }, () => perform(store.blobs, job))
  if (how !== 'built') await restore(store.blobs, join(job.directory, job.outputs), outputs)
  await steps.save()
  return how === 'built' ? `built: ${reasonOf(why)}` : how
}

/** Runs the command in an empty output directory and stores what it leaves there. */
async function perform(blobs: BlobStore, { directory, command, outputs }: Job): Promise<StepResult> {
  const started = performance.now()
  const target = join(directory, outputs)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  const [program, ...args] = command
  const { status, error } = spawnSync(program, args, { cwd: directory, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${program} ended with ${status}`, { cause: error })

  const descriptors: Descriptor[] = []
  for (const [name, digest] of Object.entries(listFiles(target))) {
    const source = fileSource(join(target, name))
    await blobs.put(digest, source)
    const annotations = { [TITLE]: name }
    descriptors.push({ mediaType: 'application/octet-stream', digest, size: source.size ?? 0, annotations })
  }
  return { outputs: descriptors, durationMs: performance.now() - started }
}

/** Writes the files of a result; what is read from a store is verified. */
async function restore(blobs: BlobStore, target: string, outputs: readonly Descriptor[]): Promise<void> {
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  for (const { digest, annotations } of outputs) {
    const name = annotations?.[TITLE] ?? ''
    const source = await blobs.get(digest)
    if (source === undefined || name.split('/').includes('..')) throw new Error(`Cannot restore ${name}`)
    mkdirSync(dirname(join(target, name)), { recursive: true })
    await writeFile(join(target, name), source.open())
  }
}

/** Names and digests, in any order: a key document has one of its own. */
function listFiles(directory: string): Record<string, ReturnType<typeof digestFile>['digest']> {
  const files = readdirSync(directory, { withFileTypes: true, recursive: true }).filter((entry) =>
    entry.isFile(),
  )
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [path.slice(directory.length + 1), digestFile(path).digest]
    }),
  )
}

function reasonOf(why: KeyExplanation | undefined): string {
  return why?.reason === 'changed' ? why.differences.map(formatDifference).join(', ') : (why?.reason ?? '')
}
