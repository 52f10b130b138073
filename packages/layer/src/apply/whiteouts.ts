/**
 * Whiteouts on disk: image-spec layer.md, "Whiteouts" and "Opaque Whiteout".
 *
 * They hide what the layers below have, never what this layer has, and it does not matter where among its entries they
 * come. So a marker removes at once all that this layer has not written, and needs to remember only that.
 *
 * @module
 */
import { DEFAULT_DIRECTORY, type DirectoryNode } from './directory-node.ts'
import type { RootDirectory } from './root-directory.ts'

/** Removes a name, except for what this layer wrote at or below it. */
export function hideName(root: RootDirectory, parent: DirectoryNode, name: string): void {
  if (parent.written.has(name)) return
  const child = parent.children.get(name)
  if (child?.isOurs === true) {
    forget(child)
    clearDirectory(root, child)
  } else if (!parent.cleared) root.remove(parent, name)
}

/**
 * Removes all that is in a directory, except for what this layer wrote.
 *
 * A directory that is cleared stays so: what comes later is of this layer. So any number of markers costs one walk.
 */
export function clearDirectory(root: RootDirectory, directory: DirectoryNode): void {
  const stack = [directory]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.cleared) continue
    node.cleared = true
    for (const name of root.list(node)) {
      if (node.written.has(name)) continue
      const child = node.children.get(name)
      if (child?.isOurs === true) {
        forget(child)
        stack.push(child)
      } else root.remove(node, name)
    }
  }
}

/** A directory that was hidden, and is here only for what this layer put in it, has no metadata left. */
function forget(node: DirectoryNode): void {
  if (node.explicit) return
  node.attributes = DEFAULT_DIRECTORY
  node.disturb()
}
