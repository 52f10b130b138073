/**
 * The directory a layer is applied to: paths are resolved in it, and never out of it.
 *
 * Each component is looked at by itself. A symlink is followed inside the root: an absolute target starts again at the
 * root, `..` stops there. Directories that are known to be real are remembered, as objects and not as names, until
 * they are removed or replaced.
 *
 * @module
 */
import { chmodSync, lstatSync, mkdirSync, readlinkSync, type Stats } from 'node:fs'
import { LayerError, quoted } from '../errors.ts'
import { type Anchor, isLongLocation, type Location, openAnchor } from '../location.ts'
import { loopError, MAX_SYMLINKS } from '../merge/file-system.ts'
import { decodePath, joinPath } from '../path.ts'
import { DEFAULT_DIRECTORY, type DirectoryAttributes, DirectoryNode } from './directory-node.ts'
import type { MetadataWriter } from './metadata.ts'
import { listNames, removeTree } from './remove.ts'

/** Mode of a directory while it is written to. */
const OPEN_MODE = 0o700

/** The root and what is known below it. Close it in the end. */
export class RootDirectory {
  readonly root: DirectoryNode
  /** Called when something that is no directory has to become one. */
  onReplace: (path: string) => void = () => {}
  readonly #metadata: MetadataWriter
  readonly #anchors: Anchor[] = []
  /** Members of one directory come one after the other. */
  #lastPath: string | undefined
  #lastNode: DirectoryNode | undefined

  constructor(location: Location, metadata: MetadataWriter) {
    const stats = lstatSync(location)
    if (!stats.isDirectory()) {
      throw new LayerError('ERR_LAYER_READ', `Not a directory: ${quoted(String(location))}`, { path: '' })
    }
    this.#metadata = metadata
    const place = { location, anchored: false }
    this.root = new DirectoryNode(
      undefined,
      place,
      this.#open(location, stats),
      listNames(location).length === 0,
    )
  }

  close(): void {
    for (const anchor of this.#anchors) anchor.close()
  }

  /** The directory at a path, or `undefined`; nothing is made. */
  find(path: string): DirectoryNode | undefined {
    return path === this.#lastPath ? this.#lastNode : this.#resolve(path, false)
  }

  /** The directory at a path; what is missing, or no directory, is made one. */
  require(path: string): DirectoryNode {
    if (path === this.#lastPath) return this.#lastNode!
    const node = this.#resolve(path, true)!
    this.#lastPath = path
    this.#lastNode = node
    return node
  }

  /** The directory of that name, if that is what it is; not followed if it is a symlink. */
  child(parent: DirectoryNode, name: string): DirectoryNode | undefined {
    const known = parent.children.get(name)
    if (known !== undefined) return known
    const location = parent.at(name)
    const stats = lstatSync(location, { throwIfNoEntry: false })
    return stats?.isDirectory() === true ? this.#adopt(parent, name, stats) : undefined
  }

  /** Makes a directory where nothing is. Mode, owner and time are those of a missing parent until something else is said. */
  make(parent: DirectoryNode, name: string): DirectoryNode {
    const location = parent.at(name)
    mkdirSync(location, OPEN_MODE)
    parent.disturbed = true
    const node = this.#add(parent, name, this.defaultAttributes(), true)
    // It has to get its mode even if nothing comes to be in it.
    node.disturbed = true
    return node
  }

  /** Removes a name with all that is below it, and what was known of it; `false` if there was nothing. */
  remove(parent: DirectoryNode, name: string): boolean {
    this.#lastPath = undefined
    parent.children.delete(name)
    parent.written.delete(name)
    const removed = removeTree(parent.at(name))
    if (removed) parent.disturbed = true
    return removed
  }

  /** What a directory gets that nobody describes. */
  defaultAttributes(): DirectoryAttributes {
    const { mode, mtime, mtimeNs } = DEFAULT_DIRECTORY
    const owner = this.#metadata.ownerOf(DEFAULT_DIRECTORY)
    return owner === undefined ? { mode, mtime, mtimeNs } : { owner, mode, mtime, mtimeNs }
  }

  /** Every known directory with its path, deepest first. */
  deepestFirst(): { readonly path: string; readonly node: DirectoryNode }[] {
    const found = [{ path: '', node: this.root }]
    // The list grows while it is walked: parents before children.
    for (const { path, node } of found) {
      for (const [name, child] of node.children) found.push({ path: joinPath(path, name), node: child })
    }
    return found.toReversed()
  }

  #resolve(path: string, create: boolean): DirectoryNode | undefined {
    let here = this.root
    let hops = 0
    const todo = path.split('/').toReversed()
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        here = here.parent ?? here
        continue
      }
      const known = here.children.get(name)
      if (known !== undefined) {
        here = known
        continue
      }
      // What this layer made is known: a name not in it does not exist.
      const fresh = here.cleared && !here.written.has(name)
      const stats = fresh ? undefined : lstatSync(here.at(name), { throwIfNoEntry: false })
      if (stats?.isDirectory() === true) here = this.#adopt(here, name, stats)
      else if (stats?.isSymbolicLink() === true) {
        const target = decodePath(readlinkSync(here.at(name), 'buffer'))
        if (++hops > MAX_SYMLINKS) throw loopError(path)
        if (target.startsWith('/')) here = this.root
        todo.push(...target.split('/').toReversed())
      } else if (!create) return undefined
      else {
        if (stats !== undefined) {
          this.remove(here, name)
          this.onReplace(path)
        }
        here = this.make(here, name)
      }
    }
    return here
  }

  /** Takes up a directory that was there before. */
  #adopt(parent: DirectoryNode, name: string, stats: Stats): DirectoryNode {
    return this.#add(parent, name, this.#open(parent.at(name), stats), parent.cleared)
  }

  #add(
    parent: DirectoryNode,
    name: string,
    attributes: DirectoryAttributes,
    cleared: boolean,
  ): DirectoryNode {
    const location = parent.at(name)
    const anchor = isLongLocation(location) ? openAnchor(location) : undefined
    if (anchor !== undefined) this.#anchors.push(anchor)
    const place = { location: anchor?.location ?? location, anchored: anchor !== undefined }
    const node = new DirectoryNode(parent, place, attributes, cleared)
    parent.children.set(name, node)
    return node
  }

  /** Makes sure that we can write into a directory; returns what it has to be like again. */
  #open(location: Location, stats: Stats): DirectoryAttributes {
    const time = timeOf(stats)
    const euid = process.geteuid?.() ?? 0
    if (euid === 0 || stats.uid !== euid || (stats.mode & OPEN_MODE) === OPEN_MODE) return time
    const mode = stats.mode & 0o7777
    chmodSync(location, mode | OPEN_MODE)
    return { ...time, mode }
  }
}

/** Rounded to the microseconds Node can set. */
function timeOf({ mtimeMs }: Stats): DirectoryAttributes {
  const mtime = Math.floor(mtimeMs / 1000)
  return { mtime, mtimeNs: Math.min(999_999, Math.round((mtimeMs - mtime * 1000) * 1000)) * 1000 }
}
