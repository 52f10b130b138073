/**
 * Changes as the members of a layer: image-spec layer.md, "Representing Changes".
 *
 * @module
 */
import type { Change } from './diff.ts'
import { LinkGroups } from './diff/link-groups.ts'
import { createEntry, type Entry, withPath } from './entry.ts'
import { LayerError, quoted } from './errors.ts'
import { linkTo } from './merge/file-system.ts'
import { comparePaths, parentOf } from './path.ts'
import { Tree } from './tree.ts'
import { formatWhiteout, WHITEOUT_PREFIX } from './whiteout.ts'

/**
 * The raw members of the layer that makes `changes` to whatever `upper` was compared with.
 *
 * Added and modified paths become members; deleted ones become explicit whiteouts, never opaque markers. Every directory
 * above a member is a member too, changed or not, so that whoever unpacks the layer by itself gives it the right mode
 * and owner; the root only if it changed. Of the names of one file that are in the layer the first is the file, and the
 * others link to it; a name outside is never linked to.
 *
 * @throws {LayerError} `ERR_LAYER_WHITEOUT` for a file whose name begins with `.wh.`: no layer can hold it.
 */
export function layerTree(changes: readonly Change[], upper: Tree): Tree {
  const links = new LinkGroups(upper)
  const members = new Map<string, Entry>()
  const files = new Map<string, string>()
  for (const change of changes.toSorted((a, b) => comparePaths(a.path, b.path))) {
    const { path } = change
    checkName(path)
    if (change.kind === 'delete') {
      if (isHidden(path, upper, members)) continue
      addParents(path, upper, members)
      members.set(formatWhiteout(path), whiteoutOf(path))
      continue
    }
    const entry = upper.get(path) ?? change.entry
    if (entry === undefined) throw new TypeError(`The upper tree has no entry for ${quoted(path)}`)
    addParents(path, upper, members)
    members.set(path, member(entry, links, files))
  }
  return Tree.from(members.values())
}

function member(entry: Entry, links: LinkGroups, files: Map<string, string>): Entry {
  if (entry.type === 'directory') return entry
  const file = links.resolve(entry)
  const first = files.get(file.path)
  if (first !== undefined) return linkTo(file, entry.path, first)
  files.set(file.path, entry.path)
  return withPath(file, entry.path)
}

function addParents(path: string, upper: Tree, members: Map<string, Entry>): void {
  for (let above = parentOf(path); above !== '' && !members.has(above); above = parentOf(above)) {
    const entry = upper.get(above)
    if (entry?.type === 'directory') members.set(above, entry)
  }
}

/** Whether something above the path is hidden already, or is no directory any more, so that nothing is left to hide. */
function isHidden(path: string, upper: Tree, members: ReadonlyMap<string, Entry>): boolean {
  if (path === '') throw new TypeError('The root of a tree cannot be deleted')
  for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
    const entry = upper.get(above)
    if (entry !== undefined) return entry.type !== 'directory'
    if (members.has(formatWhiteout(above))) return true
  }
  return false
}

/** The whiteout of a path: an empty regular file with nothing of its own, so that equal changes give equal bytes. */
export function whiteoutOf(path: string): Entry {
  return createEntry({ path: formatWhiteout(path), type: 'file', mode: 0 })
}

/** Refuses names of real files that a layer would read as whiteouts, or that are below such a name. */
export function checkName(path: string): void {
  if (path.startsWith(WHITEOUT_PREFIX) || path.includes(`/${WHITEOUT_PREFIX}`)) {
    throw new LayerError('ERR_LAYER_WHITEOUT', `A layer cannot hold the name ${quoted(path)}`, { path })
  }
}
