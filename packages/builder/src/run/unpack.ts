/**
 * Unpacking the layers of a chain, each into a directory that overlay can stack. Runs in the worker.
 *
 * @module
 */
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseDigest } from '@varve/digest'
import { apply, systemAdapter, type UnsupportedAttribute } from '@varve/layer'
import type { UnpackedLayer, UnpackJob } from './job.ts'
import { mountOverlay, runTool, unmount } from './overlay.ts'

const BLOCK = 1024 * 1024

/** Unpacks the layers that are not there yet, in order; tells what could not be set. */
export async function unpackLayers(job: UnpackJob): Promise<string[]> {
  const warnings: string[] = []
  for (const [index, layer] of job.layers.entries()) {
    if (existsSync(layerDirectory(job.directory, layer.name))) continue
    const unsupported = await unpackLayer(job, layer, job.layers.slice(0, index))
    warnings.push(
      ...unsupported.map(({ path, attribute }) => `/${path}: its ${attribute} cannot be set here`),
    )
  }
  return warnings
}

/** Where an unpacked layer is. */
export function layerDirectory(directory: string, name: string): string {
  return join(directory, 'layers', name)
}

/** A whole copy of an unpacked layer, or an empty directory: the way without overlay. */
export function copyLayer(directory: string, name: string | undefined, target: string): void {
  mkdirSync(target, { recursive: true, mode: 0o755 })
  if (name === undefined) return
  const source = layerDirectory(directory, name)
  runTool('cp', ['-a', '--reflink=auto', '--no-target-directory', source, target], '/')
}

/** A layer appears under its name only when it is whole. */
async function unpackLayer(
  { directory, stacking }: UnpackJob,
  layer: UnpackedLayer,
  below: readonly UnpackedLayer[],
): Promise<readonly UnsupportedAttribute[]> {
  const partial = join(directory, 'unpacking', layer.name)
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  mkdirSync(join(directory, 'layers'), { recursive: true })
  const lowers = below.map(({ name }) => name)
  const upper = join(partial, 'upper')
  let unsupported: readonly UnsupportedAttribute[]
  if (stacking === 'overlay' && lowers.length > 0) {
    const target = join(partial, 'merged')
    mountOverlay({ directory, lowers, writable: partial, target })
    unsupported = await applyTo(target, layer)
    unmount(target)
  } else {
    copyLayer(directory, lowers.at(-1), upper)
    unsupported = await applyTo(upper, layer)
  }
  renameSync(upper, layerDirectory(directory, layer.name))
  rmSync(partial, { recursive: true, force: true })
  return unsupported
}

async function applyTo(
  root: string,
  { file, diffID }: UnpackedLayer,
): Promise<readonly UnsupportedAttribute[]> {
  const source = createReadStream(file, { highWaterMark: BLOCK })
  const report = await apply(root, source, { diffID: parseDigest(diffID), adapter: systemAdapter() })
  return report.unsupported
}
