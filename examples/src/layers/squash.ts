/**
 * Makes one layer of several.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { flatten, fromTar, type Tree } from '@varve/layer'

/** Squashes uncompressed layers, base first, into one on top of the base, which stays shared. */
export async function squash(archives: readonly string[]): Promise<Tree> {
  const layers = await Promise.all(archives.map((file) => fromTar(fileSource(file))))
  return flatten(layers, { from: 1 })
}
