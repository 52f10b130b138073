/**
 * One RUN on unpacked layers: mount, run, read back, pack. Runs in the worker.
 *
 * @module
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { packLayer, type Tree } from '@varve/layer'
import { attributeWarnings, captureCopy, captureOverlay } from './capture.ts'
import type { ExecJob, Reply } from './job.ts'
import { mountOverlay, runTool } from './overlay.ts'
import { runProcess } from './process.ts'
import { copyLayer, layerDirectory } from './unpack.ts'

/** A mounted root file system, and how to read back what changed in it. */
interface MountedRoot {
  readonly root: string
  capture(): Promise<Tree>
}

/** Runs the job's command; the bytes of the layer go to `write`. */
export async function execute(job: ExecJob, write: (chunk: Uint8Array) => Promise<void>): Promise<Reply> {
  const run = join(job.directory, 'runs', job.run)
  const mounted = job.stacking === 'overlay' ? mountStack(job, run) : mountCopy(job, run)
  const exitCode = await runProcess(mounted.root, run, job)
  if (exitCode !== 0) {
    const command = JSON.stringify(job.request.args.join(' '))
    const message = `${command} ended with exit code ${exitCode}`
    return { ok: false, code: 'ERR_BUILDER_RUN', message, exitCode }
  }
  const layer = await packLayer(await mounted.capture(), { write })
  return { ok: true, layer, warnings: attributeWarnings() }
}

function mountStack({ directory, layers, request }: ExecJob, run: string): MountedRoot {
  const merged = join(run, 'merged')
  const lower = join(run, 'lower')
  const upper = join(run, 'upper')
  mountOverlay({ directory, lowers: layers, writable: run, target: merged })
  mountOverlay({ directory, lowers: layers, target: lower })
  const views = { upper, lower, merged, epoch: request.epoch }
  return { root: merged, capture: () => captureOverlay(views) }
}

function mountCopy({ directory, layers, request }: ExecJob, run: string): MountedRoot {
  const merged = join(run, 'merged')
  const empty = join(run, 'empty')
  const top = layers.at(-1)
  mkdirSync(empty, { recursive: true })
  copyLayer(directory, top, merged)
  // The sandbox moves the root, so it must be a mount.
  runTool('mount', ['--bind', merged, merged], '/')
  const before = top === undefined ? empty : layerDirectory(directory, top)
  return { root: merged, capture: () => captureCopy(before, merged, request.epoch) }
}
