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
import type { Location } from '../location.ts'
import { loopError, MAX_SYMLINKS } from '../merge/file-system.ts'
import { decodePath, joinPath } from '../path.ts'
import { birthOf, covers, hasMode } from './birth.ts'
import { DEFAULT_DIRECTORY, type DirectoryAttributes, DirectoryNode } from './directory-node.ts'
import { DirectoryHandles, type HandleOptions } from './handles.ts'
import { listNames, removeName } from './remove.ts'

/** What a directory must let us do while it is written to, and what it may let others do before its owner is set. */
const OPEN_MODE = 0o700
const SAFE_MODE = 0o755
const DEFAULT_MODE = 0o755

/** The root and what is known below it. Close it in the end. */
export class RootDirectory {
  readonly root: DirectoryNode
  readonly handles: DirectoryHandles
  /** Called when something that is no directory has to become one. */
  onReplace: (path: string) => void = () => {}
  /** Counts the times others had a chance to change what holds for the whole process. */
  turn = 0
  /** Members of one directory come one after the other. */
  #lastPath: string | undefined
  #lastNode: DirectoryNode | undefined

  constructor(location: Location, options: HandleOptions = {}) {
    const stats = lstatSync(location)
    if (!stats.isDirectory()) {
      throw new LayerError('ERR_LAYER_READ', `Not a directory: ${quoted(String(location))}`, { path: '' })
    }
    this.root = new DirectoryNode(undefined, '', attributesOf(stats), false)
    if (needsUnlock(stats)) chmodSync(location, (stats.mode & 0o7777) | OPEN_MODE)
    this.handles = new DirectoryHandles(this.root, location, options)
    this.root.cleared = this.list(this.root).length === 0
  }

  close(): void {
    this.handles.close()
  }

  /** Where a name in a directory lies. Good until another one is asked for. */
  at(node: DirectoryNode, name: string): Location {
    return this.handles.at(node, name)
  }

  /** Names in a directory. */
  list(node: DirectoryNode): string[] {
    return listNames(this.handles.prefix(node))
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
    const stats = lstatSync(this.at(parent, name), { throwIfNoEntry: false })
    return stats?.isDirectory() === true ? this.#adopt(parent, name, stats) : undefined
  }

  /**
   * Makes a directory where nothing is, and where that can be with the `mode` it is to get. Its metadata is that of a
   * missing parent until something else is said.
   */
  make(parent: DirectoryNode, name: string, mode: number = DEFAULT_MODE): DirectoryNode {
    const { birthplace } = parent
    const location = this.at(parent, name)
    const asked = (mode & SAFE_MODE) | OPEN_MODE
    mkdirSync(location, asked)
    parent.disturb()
    const node = new DirectoryNode(parent, name, DEFAULT_DIRECTORY, true, birthplace)
    parent.children.set(name, node)
    if (!covers(birthplace.directory, this.turn, asked)) {
      birthplace.directory = birthOf(lstatSync(location), this.turn, asked)
    }
    node.owner = birthplace.directory
    if (hasMode(birthplace.directory, asked)) node.mode = asked
    node.attributed = false
    // It has to get its mode even if nothing comes to be in it.
    node.disturb()
    return node
  }

  /** Removes a name with all that is below it, and what was known of it; `false` if there was nothing. */
  remove(parent: DirectoryNode, name: string): boolean {
    this.#lastPath = undefined
    const known = parent.children.get(name)
    if (known !== undefined) this.handles.release(known)
    parent.children.delete(name)
    parent.written.delete(name)
    const removed = removeName(this.handles, parent, name)
    if (removed) parent.disturb()
    return removed
  }

  /** Every known directory with its path, each after all that are in it, so that few have to be opened again. */
  *childrenFirst(): Generator<{ readonly path: string; readonly node: DirectoryNode }, void, void> {
    const frames = [{ path: '', node: this.root, children: this.root.children.entries() }]
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const next = frame.children.next()
      if (next.done === true) {
        frames.pop()
        yield frame
      } else {
        const [name, node] = next.value
        frames.push({ path: joinPath(frame.path, name), node, children: node.children.entries() })
      }
    }
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
      const stats = fresh ? undefined : lstatSync(this.at(here, name), { throwIfNoEntry: false })
      if (stats?.isDirectory() === true) here = this.#adopt(here, name, stats)
      else if (stats?.isSymbolicLink() === true) {
        const target = decodePath(readlinkSync(this.at(here, name), 'buffer'))
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

  /** Takes up a directory that was there before, and makes sure that we can write into it. */
  #adopt(parent: DirectoryNode, name: string, stats: Stats): DirectoryNode {
    const node = new DirectoryNode(parent, name, attributesOf(stats), parent.cleared)
    parent.children.set(name, node)
    if (needsUnlock(stats)) this.handles.unlock(node, (stats.mode & 0o7777) | OPEN_MODE)
    return node
  }
}

/** Whether a directory of ours does not let us write into it; root is always let. */
function needsUnlock({ uid, mode }: Stats): boolean {
  const euid = process.geteuid?.() ?? 0
  return euid !== 0 && uid === euid && (mode & OPEN_MODE) !== OPEN_MODE
}

/** What a directory that is there has to be like again in the end; the time as exactly as Node can set it. */
function attributesOf(stats: Stats): DirectoryAttributes {
  const mtime = Math.floor(stats.mtimeMs / 1000)
  const mtimeNs = Math.min(999_999, Math.round((stats.mtimeMs - mtime * 1000) * 1000)) * 1000
  return needsUnlock(stats) ? { mtime, mtimeNs, mode: stats.mode & 0o7777 } : { mtime, mtimeNs }
}
