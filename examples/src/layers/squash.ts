/**
 * Makes one layer of several.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { flatten, fromTar, type Tree } from '@varve/layer'

/** Squashes all layers (uncompressed archives, base first) but the base, which stays shared. */
export async function squashAboveBase(archives: readonly string[]): Promise<Tree> {
  const layers = await Promise.all(archives.map((file) => fromTar(fileSource(file))))
  return flatten(layers, { from: 1 })
}
