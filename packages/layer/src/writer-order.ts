/**
 * The order of members in a layer.
 *
 * @module
 */
import type { Entry } from './entry.ts'
import { comparePaths } from './path.ts'
import type { Tree } from './tree.ts'
import { isWhiteout, WHITEOUT_PREFIX } from './whiteout.ts'

/**
 * The entries of a tree of raw members as they are written: each directory before what is in it, and in each directory
 * the whiteouts first, since "whiteout files SHOULD be placed before sibling entries" (image-spec layer.md,
 * "Whiteouts").
 */
export function writerOrder(tree: Tree): Iterable<Entry> {
  for (const { path } of tree) {
    if (isMarked(path)) return [...tree].toSorted((a, b) => compareMembers(a.path, b.path))
  }
  return tree
}

/** {@link isWhiteout}, for asking of every member: next to none has the letters anywhere (measured). */
export function isMarked(path: string): boolean {
  return path.includes(WHITEOUT_PREFIX) && isWhiteout(path)
}

/** Compares component by component; a last component that is a whiteout goes before every other name. */
function compareMembers(a: string, b: string): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const start = at === 0 ? 0 : a.lastIndexOf('/', at - 1) + 1
  const left = isLastWhiteout(a, start)
  const right = isLastWhiteout(b, start)
  if (left !== right) return left ? -1 : 1
  return comparePaths(a, b)
}

function isLastWhiteout(path: string, start: number): boolean {
  return path.startsWith(WHITEOUT_PREFIX, start) && !path.includes('/', start)
}
