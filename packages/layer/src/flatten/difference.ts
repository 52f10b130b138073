/**
 * What happened to a file system held in memory, as the members of one layer.
 *
 * @module
 */
import { type Entry, withPath } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { whiteoutOf } from '../layer-tree.ts'
import { linkTo } from '../merge/file-system.ts'
import type { Inode } from '../merge/node.ts'
import { parentOf } from '../path.ts'
import { Tree } from '../tree.ts'
import { formatWhiteout, isWhiteout } from '../whiteout.ts'

/** Paths in order with what they stand for, the root first. */
export type Inodes = ReadonlyMap<string, Inode>

/**
 * The raw members that turn `before` into `after`. Files are told apart by identity and not by what is in them, so
 * nothing is read and nothing is missed; only directories are compared.
 */
export function difference(before: Inodes, after: Inodes): Tree {
  const members = new Map<string, Entry>()
  const first = new Map<Inode, string>()
  // All names of a file go together, those that are as before too: a link may not lead out of its layer.
  const changed = new Set<Inode>()
  for (const [path, inode] of after) if (!isSame(before.get(path), inode)) changed.add(inode)
  const names = [...after.keys()]
  for (const [at, path] of names.entries()) {
    const inode = after.get(path)!
    if (!changed.has(inode) || (path === '' && inode.layer === -1)) continue
    addParents(path, after, members)
    const target = first.get(inode)
    if (target === undefined) first.set(inode, path)
    if (isWhiteout(path)) checkUnwritten(path, inode, names[at + 1])
    else
      members.set(
        path,
        target === undefined ? withPath(inode.entry, path) : linkTo(inode.entry, path, target),
      )
  }
  for (const path of before.keys()) {
    // What is below something that is gone, or is no directory any more, went with it.
    if (after.has(path) || after.get(parentOf(path))?.entry.type !== 'directory') continue
    addParents(path, after, members)
    members.set(formatWhiteout(path), whiteoutOf(path))
  }
  return Tree.from(members.values())
}

function addParents(path: string, after: Inodes, members: Map<string, Entry>): void {
  for (let above = parentOf(path); above !== '' && !members.has(above); above = parentOf(above)) {
    if (!isWhiteout(above)) members.set(above, withPath(after.get(above)!.entry, above))
  }
}

/**
 * Lets directories pass that are named like whiteouts. They come of members such as `.wh.a/b`, and only of them, never
 * with metadata, so that something in them makes them again.
 */
function checkUnwritten(path: string, { entry, layer }: Inode, next: string | undefined): void {
  if (entry.type === 'directory' && layer === -1 && next?.startsWith(`${path}/`) === true) return
  throw new LayerError('ERR_LAYER_WHITEOUT', `A layer cannot hold the name ${quoted(path)}`, { path })
}

function isSame(before: Inode | undefined, after: Inode): boolean {
  if (before === after) return true
  if (before?.entry.type !== 'directory' || after.entry.type !== 'directory') return false
  const old = before.entry
  const now = after.entry
  return (
    old.mode === now.mode &&
    old.uid === now.uid &&
    old.gid === now.gid &&
    old.mtime === now.mtime &&
    old.mtimeNs === now.mtimeNs &&
    equalMaps(old.xattrs, now.xattrs) &&
    equalMaps(old.pax, now.pax)
  )
}

/** What is unknown is the same as what is unknown, and as nothing else. */
function equalMaps(
  left: ReadonlyMap<string, Uint8Array> | undefined,
  right: ReadonlyMap<string, Uint8Array> | undefined,
): boolean {
  if (left === undefined || right === undefined || left.size !== right.size) return left === right
  for (const [key, value] of left) {
    const other = right.get(key)
    if (other === undefined || Buffer.compare(value, other) !== 0) return false
  }
  return true
}
