/**
 * The process inside the namespaces: unpacks layers, mounts them, runs one command, packs what it changed.
 *
 * Everything it mounts is in a mount namespace of its own and everything it starts in a pid namespace of which it is
 * the first process, so nothing outlives it. It ends when its standard input closes: with its parent.
 *
 * @module
 */
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, write, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { parseDigest } from '@varve/digest'
import { apply, packLayer } from '@varve/layer'
import { BuilderError } from '../errors.ts'
import { captureCopy, captureOverlay } from './capture.ts'
import {
  type ExecJob,
  type Job,
  LAYER_FD,
  type Reply,
  REPLY_FD,
  type UnpackedLayer,
  type UnpackJob,
} from './job.ts'
import { mountOverlay, runTool, unmount } from './overlay.ts'
import { runProcess } from './process.ts'

const writeTo = promisify(write)

/** Reads the job, does it, replies, exits. */
function main(): void {
  process.umask(0o022)
  const lines = createInterface({ input: process.stdin })
  lines.once('line', (line) => {
    void perform(JSON.parse(line) as Job).then(reply, fail)
  })
  // The parent is gone: as the first process of the pid namespace this takes everything along.
  lines.once('close', () => process.exit(1))
}

async function perform(job: Job): Promise<Reply> {
  switch (job.kind) {
    case 'probe':
      return { ok: true, stacking: probeOverlay(job.directory) }
    case 'remove':
      rmSync(job.directory, { recursive: true, force: true })
      return { ok: true }
    case 'unpack':
      for (const [index, layer] of job.layers.entries()) await unpack(job, layer, job.layers.slice(0, index))
      return { ok: true }
    default:
      return execute(job)
  }
}

/** Overlay is missing in some kernels, and refuses upper directories on some file systems. */
function probeOverlay(directory: string): 'overlay' | 'copy' {
  const probe = join(directory, 'probe')
  const target = join(probe, 'merged')
  try {
    mountOverlay({ directory, lowers: [], writable: probe, target })
    unmount(target)
    return 'overlay'
  } catch {
    return 'copy'
  } finally {
    rmSync(probe, { recursive: true, force: true })
  }
}

async function unpack(job: UnpackJob, layer: UnpackedLayer, below: readonly UnpackedLayer[]): Promise<void> {
  const directory = join(job.directory, 'layers', layer.name)
  if (existsSync(directory)) return
  const partial = join(job.directory, 'unpacking', layer.name)
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  mkdirSync(join(job.directory, 'layers'), { recursive: true })
  const lowers = below.map(({ name }) => name)
  const upper = join(partial, 'upper')
  if (job.stacking === 'overlay' && lowers.length > 0) {
    const target = join(partial, 'merged')
    mountOverlay({ directory: job.directory, lowers, writable: partial, target })
    await applyTo(target, layer)
    unmount(target)
  } else {
    copyTree(job, lowers.at(-1), upper)
    await applyTo(upper, layer)
  }
  renameSync(upper, directory)
  rmSync(partial, { recursive: true, force: true })
}

async function applyTo(root: string, { file, diffID }: UnpackedLayer): Promise<void> {
  await apply(root, createReadStream(file, { highWaterMark: 1024 * 1024 }), { diffID: parseDigest(diffID) })
}

/** A whole copy of an unpacked layer, or an empty directory. */
function copyTree(
  { directory }: { readonly directory: string },
  layer: string | undefined,
  target: string,
): void {
  mkdirSync(target, { recursive: true, mode: 0o755 })
  if (layer === undefined) return
  runTool(
    'cp',
    ['-a', '--reflink=auto', '--no-target-directory', join(directory, 'layers', layer), target],
    '/',
  )
}

async function execute(job: ExecJob): Promise<Reply> {
  const run = join(job.directory, 'runs', job.run)
  const merged = join(run, 'merged')
  const lower = join(run, 'lower')
  const overlay = job.stacking === 'overlay'
  if (overlay) {
    mountOverlay({ directory: job.directory, lowers: job.layers, writable: run, target: merged })
    mountOverlay({ directory: job.directory, lowers: job.layers, target: lower })
  } else {
    const top = job.layers.at(-1)
    copyTree(job, top, merged)
    if (top === undefined) mkdirSync(lower)
    runTool('mount', ['--bind', merged, merged], '/')
  }
  const exitCode = await runProcess(merged, run, job)
  if (exitCode !== 0) {
    return {
      ok: false,
      code: 'ERR_BUILDER_RUN',
      message: `${JSON.stringify(job.request.args.join(' '))} ended with exit code ${exitCode}`,
      exitCode,
    }
  }
  const { epoch } = job.request
  const top = job.layers.at(-1)
  const before = top === undefined ? lower : join(job.directory, 'layers', top)
  const tree = overlay
    ? await captureOverlay({ upper: join(run, 'upper'), lower, merged, epoch })
    : await captureCopy(before, merged, epoch)
  const layer = await packLayer(tree, { write: writeLayer })
  return { ok: true, layer }
}

async function writeLayer(chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength;) {
    offset += (await writeTo(LAYER_FD, chunk, offset, chunk.byteLength - offset)).bytesWritten
  }
}

function reply(message: Reply): void {
  writeSync(REPLY_FD, `${JSON.stringify(message)}\n`)
  process.exit(0)
}

function fail(error: unknown): void {
  const { message } = error as Error
  if (error instanceof BuilderError) {
    const { code, exitCode, hint } = error
    reply({
      ok: false,
      code,
      message,
      ...(exitCode !== undefined && { exitCode }),
      ...(hint !== undefined && { hint }),
    })
    return
  }
  const stderr = (error as { stderr?: Uint8Array }).stderr?.toString().trim() ?? ''
  reply({ ok: false, code: 'ERR_BUILDER_RUNNER', message: stderr === '' ? message : `${message}: ${stderr}` })
}

main()
