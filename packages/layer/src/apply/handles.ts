/**
 * Directories of a root, held open.
 *
 * On Linux a name in a directory is reached from a descriptor of that directory, `/proc/<pid>/fd/N/name`. So a path is
 * walked once and not for each file, and another process that puts a symlink in the place of a directory that was
 * looked at has no effect: the descriptor is still of that directory. Where there is no such file system, names are
 * joined, and each component was looked at when its node was made.
 *
 * @module
 */
import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync } from 'node:fs'
import { LayerError, quoted, systemCode } from '../errors.ts'
import { joinLocation, type Location } from '../location.ts'
import type { DirectoryNode } from './directory-node.ts'

/** Directories held open at a time: far below the number of files a process may have open. */
const CAPACITY = 256

/** `O_PATH` of Linux, which `node:fs` does not name: a handle that needs no permission to read. */
const O_PATH = 0o10_000_000
const READ_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
const NAME_FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW

/** Options of {@link DirectoryHandles}. */
export interface HandleOptions {
  /** Default 256. */
  readonly capacity?: number
  /** Whether to go by descriptors. Default: where that works. */
  readonly descriptors?: boolean
}

/** Names for what is in the directories of one root. A name is good until the next one is asked for. */
export class DirectoryHandles {
  /** Whether names begin at descriptors. */
  readonly descriptors: boolean
  /** Called before a directory is closed that may be used again. */
  onClose: (node: DirectoryNode, fd: number) => void = () => {}
  readonly #capacity: number
  readonly #rootFd: number = -1
  /** Those that can be closed, least recently used first. */
  readonly #open: Set<DirectoryNode> = new Set()
  #latest: DirectoryNode | undefined

  /** Opens the root, which must be a directory and not a symlink. */
  constructor(root: DirectoryNode, location: Location, options: HandleOptions = {}) {
    this.#capacity = options.capacity ?? CAPACITY
    const opened = options.descriptors === false ? undefined : openRoot(location)
    this.descriptors = opened !== undefined
    root.handle.prefix = location
    if (opened === undefined) return
    root.handle.fd = opened.fd
    root.handle.readable = opened.readable
    root.handle.prefix = prefixOf(opened.fd)
    this.#rootFd = opened.fd
  }

  /** Where a name in a directory lies. */
  at(node: DirectoryNode, name: string): Location {
    return joinLocation(this.prefix(node), name)
  }

  /**
   * Where a name in a directory lies, and with `.` the directory, for an adapter: a child process may look into itself,
   * and perhaps not into this one.
   */
  atForAdapter(node: DirectoryNode, name: string): Location {
    if (!this.descriptors) return name === '.' ? this.self(node) : this.at(node, name)
    this.prefix(node)
    return joinLocation(`/proc/self/fd/${node.handle.fd}`, name)
  }

  /** Where a directory lies, for calls that follow no symlink. */
  self(node: DirectoryNode): Location {
    return this.descriptors ? joinLocation(this.prefix(node), '.') : this.prefix(node)
  }

  /** A descriptor that can read the directory, and set its metadata, if there is one. */
  descriptor(node: DirectoryNode): number | undefined {
    this.prefix(node)
    return node.handle.readable ? node.handle.fd : undefined
  }

  /** What names in a directory begin with, and for calls that follow symlinks the directory itself. */
  prefix(node: DirectoryNode): Location {
    const { handle } = node
    if (handle.prefix === undefined) this.#reach(node)
    else if (node !== this.#latest && this.#open.delete(node)) this.#open.add(node)
    this.#latest = node
    return handle.prefix!
  }

  /** Gives a directory of ours a mode that lets us write to it, and never one that a symlink leads to. */
  unlock(node: DirectoryNode, mode: number): void {
    if (!this.descriptors) return chmodSync(this.prefix(node), mode)
    const fd = openSync(this.at(node.parent!, node.name), NAME_FLAGS)
    try {
      chmodSync(prefixOf(fd), mode)
    } finally {
      closeSync(fd)
    }
  }

  /** Lets go of a directory that is no more. */
  release(node: DirectoryNode): void {
    if (!this.#open.delete(node)) return
    if (this.#latest === node) this.#latest = undefined
    node.handle.prefix = undefined
    closeSync(node.handle.fd)
  }

  close(): void {
    for (const node of this.#open) this.release(node)
    if (this.#rootFd !== -1) closeSync(this.#rootFd)
  }

  #reach(node: DirectoryNode): void {
    const closed: DirectoryNode[] = []
    let from = node
    for (; from.handle.prefix === undefined; from = from.parent!) closed.push(from)
    for (let index = closed.length - 1; index >= 0; index--) {
      const next = closed[index]!
      const location = joinLocation(from.handle.prefix!, next.name)
      if (this.descriptors) this.#openAt(next, location)
      else next.handle.prefix = location
      // On a long way down only its end is kept, so that what was used just before stays open.
      if (index >= this.#capacity / 2) this.#evict(from)
      from = next
    }
  }

  #openAt(node: DirectoryNode, location: Location): void {
    const { handle } = node
    if (this.#open.size >= this.#capacity) {
      for (const oldest of this.#open) {
        if (oldest === node.parent) continue
        this.#evict(oldest)
        break
      }
    }
    const { fd, readable } = openDirectory(location)
    if (handle.inode !== undefined) {
      const { dev, ino } = fstatSync(fd)
      if (dev !== handle.device || ino !== handle.inode) {
        closeSync(fd)
        const message = `The directory ${quoted(node.path)} was replaced while a layer was applied`
        throw new LayerError('ERR_LAYER_CHANGED', message, { path: node.path })
      }
    }
    handle.fd = fd
    handle.readable = readable
    handle.prefix = prefixOf(fd)
    this.#open.add(node)
  }

  #evict(node: DirectoryNode): void {
    if (!this.#open.has(node)) return
    if (node.handle.readable) this.onClose(node, node.handle.fd)
    const { dev, ino } = fstatSync(node.handle.fd)
    node.handle.device = dev
    node.handle.inode = ino
    this.release(node)
  }
}

/** What `/proc/self` leads to: following it anew costs up to a tenth of what making a file costs (measured). */
let ownProcess: string | undefined

function prefixOf(fd: number): string {
  return `/proc/${(ownProcess ??= readOwnProcess())}/fd/${fd}`
}

/** Not `process.pid`: the file system may be that of another process namespace. */
function readOwnProcess(): string {
  try {
    return readlinkSync('/proc/self')
  } catch {
    return 'self'
  }
}

/** A descriptor of a directory, and whether it can be listed by it. */
interface Opened {
  readonly fd: number
  readonly readable: boolean
}

/** A directory that may be searched and not listed can still be named. */
function openDirectory(location: Location): Opened {
  try {
    return { fd: openSync(location, READ_FLAGS), readable: true }
  } catch (error) {
    if (process.platform !== 'linux' || systemCode(error) !== 'EACCES') throw error
    return { fd: openSync(location, NAME_FLAGS), readable: false }
  }
}

/** The root, opened; `undefined` where names cannot begin at descriptors. */
function openRoot(location: Location): Opened | undefined {
  if (process.platform !== 'linux') return undefined
  const opened = openDirectory(location)
  const { dev, ino } = fstatSync(opened.fd)
  // There may be no /proc, or one that is not of this process.
  const named = lstatSync(`${prefixOf(opened.fd)}/.`, { throwIfNoEntry: false })
  if (named?.dev === dev && named.ino === ino) return opened
  closeSync(opened.fd)
  return undefined
}
