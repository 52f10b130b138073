/**
 * Layers on top of each other, without a disk: image-spec layer.md, "Applying Changesets".
 *
 * @module
 */
import { MemoryFileSystem } from './merge/file-system.ts'
import { sortedTree, type Tree } from './tree.ts'
import { writerOrder } from './writer-order.ts'

/**
 * The tree that results from applying a layer of raw members to `lower`: the one {@link apply} makes on disk.
 *
 * Whiteouts and opaque markers take effect on `lower` only, and are gone from the result. Parents that nobody has are
 * made with mode 0755, owner 0:0 and time 0. Symlinked parents are resolved inside the root. Members take effect in the
 * order in which {@link pack} writes them; a hard link whose target is not there, or is in what the link replaces, waits
 * until all other members have been applied.
 *
 * @throws {LayerError} `ERR_LAYER_WHITEOUT`, `ERR_LAYER_LINK`, `ERR_LAYER_UNSAFE`
 */
export function merge(lower: Tree, layer: Tree): Tree {
  const files = new MemoryFileSystem()
  files.apply(lower, true)
  files.apply(writerOrder(layer))
  return sortedTree([...files.entries()])
}

/** The tree of a whole image: its layers of raw members, base first. Errors as {@link merge}. */
export function fromLayers(layers: Iterable<Tree>): Tree {
  const files = new MemoryFileSystem()
  for (const layer of layers) files.apply(writerOrder(layer))
  return sortedTree([...files.entries()])
}
