/**
 * Several layers as one, with whatever lies below them still shared.
 *
 * @module
 */
import { composeLayers } from './flatten/compose.ts'
import { difference } from './flatten/difference.ts'
import { MemoryFileSystem } from './merge/file-system.ts'
import { fromLayers } from './merge.ts'
import { Tree } from './tree.ts'
import { writerOrder } from './writer-order.ts'

/** Options of {@link flatten}. */
export interface FlattenOptions {
  /** The first layer to squash, counted from the base, which is 0 (default). */
  readonly from?: number
  /** The first layer not to squash any more; default: all from `from` on. Layers from here on have no part in it. */
  readonly to?: number
  /**
   * What the squashed layers lie on: the tree of an image, or `'unknown'`. By default the layers below `from`, which
   * are not looked at if this is given.
   */
  readonly base?: Tree | 'unknown'
}

/**
 * Squashes layers of raw members, base first: on what lies below, the result makes exactly what the layers make one
 * after the other.
 *
 * With nothing below, the result is the tree of an image, the same as {@link fromLayers}. Otherwise it is the raw
 * members of one layer: what differs from the base, every directory above it, and a whiteout for each thing of the base
 * that is gone, unless something above it is gone or is no directory any more. There are no opaque markers. A file that
 * was written again is in the layer although it may be the same. Hard links to a file of the base take the file along,
 * with all of its names.
 *
 * With an unknown base every whiteout and opaque marker is kept that may hide something there. No directory of the base
 * is then supposed to be a symlink, hard links to files of the base stay links, and directories that the layers have no
 * entry for get none.
 *
 * @throws {LayerError} as {@link merge}; `ERR_LAYER_WHITEOUT` if the layer would need a member whose name reads as a
 *   whiteout; `ERR_LAYER_LINK` if a hard link leads to a file of an unknown base that the layers replace or hide.
 */
export function flatten(layers: Iterable<Tree>, options: FlattenOptions = {}): Tree {
  const all = [...layers]
  const { from = 0, to = all.length, base } = options
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > all.length) {
    throw new TypeError(`There is no range of layers from ${from} to ${to}`)
  }
  const range = all.slice(from, to)
  if (base === 'unknown') return composeLayers(range)
  if (base === undefined && from === 0) return fromLayers(range)
  const files = new MemoryFileSystem()
  if (base !== undefined) files.apply(base, true)
  else for (const layer of all.slice(0, from)) files.apply(writerOrder(layer))
  const before = files.inodes()
  for (const layer of range) files.apply(writerOrder(layer))
  return difference(before, files.inodes())
}
