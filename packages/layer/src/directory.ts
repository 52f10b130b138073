/**
 * Directories as trees.
 *
 * The walk is synchronous: a promise for each entry costs several times the system call (measured, see performance.md
 * in the requirements). It lets the event loop run once in a while.
 *
 * @module
 */
import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { createEntry, type Entry, type EntryType } from './entry.ts'
import { LayerError, type LayerErrorCode, quoted, systemCode } from './errors.ts'
import { FileContent } from './file-content.ts'
import {
  type Anchor,
  isLongLocation,
  joinLocation,
  type Location,
  openAnchor,
  toLocation,
} from './location.ts'
import { decodePath, isAscii, joinPath } from './path.ts'
import { sortedTree, type Tree } from './tree.ts'

/** Numeric owner of a file. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Options of {@link fromDirectory}. */
export interface DirectoryOptions {
  /**
   * What belongs to the tree; not asked about the root. `false` for a directory leaves out all that is in it;
   * `'descend'` leaves out the directory, but not what is in it.
   */
  readonly filter?: (path: string, isDirectory: boolean) => boolean | 'descend'
  /** Times as they are (default), all set to these seconds, or none later than these (`SOURCE_DATE_EPOCH`). */
  readonly mtime?: 'keep' | number | { readonly clamp: number }
  /** Owners as they are (default), or mapped. */
  readonly owner?: 'keep' | Owner | ((uid: number, gid: number) => Owner)
  /** Reads times to the nanosecond. Default: to the microsecond, which is cheaper and all that Node can set. */
  readonly nanoseconds?: boolean
  /** Told of what a tar cannot hold. */
  readonly onSkip?: (path: string, reason: 'socket' | 'unknown') => void
  readonly signal?: AbortSignal
}

/** In nanoseconds. */
const SECOND = 1_000_000_000n

/** Entries between two turns of the event loop. */
const TURN = 4096

/**
 * Reads a directory and all that is in it; the root becomes the entry `''`.
 *
 * The result does not depend on the order in which the system lists names. Of several hard links to one file the first
 * in the order of the tree is the file, the others link to it. Contents are read when they are used, and must not
 * change until then. Extended attributes are unknown: Node cannot read them.
 *
 * @throws {LayerError} `ERR_LAYER_READ` if `root` is not a directory (a symlink is not), or something in it cannot be
 *   read; `ERR_LAYER_CHANGED` if something vanished meanwhile.
 */
export async function fromDirectory(root: string, options: DirectoryOptions = {}): Promise<Tree> {
  options.signal?.throwIfAborted()
  const walk = new DirectoryWalk(toLocation(resolve(root)), options)
  try {
    while (walk.step(TURN)) {
      await setImmediate()
      options.signal?.throwIfAborted()
    }
    return sortedTree(walk.entries)
  } finally {
    walk.close()
  }
}

/** A directory being walked: its names in order, and how far the walk has got. */
interface Frame {
  readonly path: string
  readonly location: Location
  readonly names: readonly string[]
  readonly anchor: Anchor | undefined
  next: number
}

class DirectoryWalk {
  readonly entries: Entry[] = []
  readonly #root: Location
  readonly #options: DirectoryOptions
  readonly #frames: Frame[] = []
  /** First path of every file that has several. */
  readonly #links = new Map<string, string>()

  constructor(root: Location, options: DirectoryOptions) {
    this.#root = root
    this.#options = options
    const stats = attempt('', () => lstatSync(root), 'ERR_LAYER_READ')
    if (!stats.isDirectory()) {
      throw new LayerError('ERR_LAYER_READ', `Not a directory: ${quoted(String(root))}`, { path: '' })
    }
    this.entries.push(this.#entry('', 'directory', root, stats))
    this.#enter('', root)
  }

  /** Takes so many names; `false` when there are no more. */
  step(count: number): boolean {
    for (let left = count; left > 0; left--) {
      const frame = this.#frames.at(-1)
      if (frame === undefined) return false
      const name = frame.names[frame.next++]
      if (name === undefined) this.#frames.pop()?.anchor?.close()
      else this.#visit(frame, name)
    }
    return true
  }

  close(): void {
    for (const { anchor } of this.#frames) anchor?.close()
  }

  #visit(frame: Frame, rawName: string): void {
    const name = isAscii(rawName) ? rawName : decodePath(Buffer.from(rawName, 'latin1'))
    const path = joinPath(frame.path, name)
    const location = joinLocation(frame.location, name)
    const stats = attempt(path, () => lstatSync(location), 'ERR_LAYER_CHANGED')
    const type = typeOf(stats)
    const wanted = this.#options.filter?.(path, type === 'directory') ?? true
    if (wanted === false) return
    if (type === undefined) {
      this.#options.onSkip?.(path, stats.isSocket() ? 'socket' : 'unknown')
      return
    }
    if (wanted === true) this.entries.push(this.#entry(path, type, location, stats))
    if (type === 'directory') this.#enter(path, location)
  }

  #enter(path: string, location: Location): void {
    const anchor = isLongLocation(location)
      ? attempt(path, () => openAnchor(location), 'ERR_LAYER_CHANGED')
      : undefined
    const here = anchor?.location ?? location
    // One byte a character keeps names exact, and sorts them by their bytes.
    const names = attempt(path, () => readdirSync(here, 'latin1'), 'ERR_LAYER_CHANGED').toSorted()
    this.#frames.push({ path, location: here, names, anchor, next: 0 })
  }

  #entry(path: string, type: EntryType, location: Location, stats: Stats): Entry {
    const owner = this.#owner(stats)
    const { mtime, mtimeNs } = this.#time(path, location, stats)
    const target = stats.nlink > 1 && type !== 'directory' ? this.#linkTarget(path, location) : path
    const linked = target !== path
    const device = type === 'char' || type === 'block'
    const file = type === 'file' && !linked
    return createEntry({
      path,
      type: linked ? 'hardlink' : type,
      mode: stats.mode & 0o7777,
      uid: owner.uid,
      gid: owner.gid,
      size: file ? stats.size : 0,
      mtime,
      mtimeNs,
      linkname: linked ? target : type === 'symlink' ? readLink(path, location) : '',
      // The encoding of glibc's gnu_dev_major and gnu_dev_minor; what is above 32 bits needs no care here.
      devMajor: device ? (stats.rdev >>> 8) & 0xfff : 0,
      devMinor: device ? (stats.rdev & 0xff) | ((stats.rdev >>> 12) & 0xfff00) : 0,
      content: file ? new FileContent(this.#root, path, stats.size) : undefined,
    })
  }

  #owner({ uid, gid }: Stats): Owner {
    const { owner = 'keep' } = this.#options
    if (owner === 'keep') return { uid, gid }
    return typeof owner === 'function' ? owner(uid, gid) : owner
  }

  #time(path: string, location: Location, stats: Stats): Pick<Entry, 'mtime' | 'mtimeNs'> {
    const { mtime: rule = 'keep', nanoseconds = false } = this.#options
    if (typeof rule === 'number') return { mtime: rule, mtimeNs: 0 }
    const time = nanoseconds
      ? exactTime(path, location)
      : (quickTime(stats) ?? exactTime(path, location, 1000))
    if (rule === 'keep' || time.mtime < rule.clamp) return time
    return { mtime: rule.clamp, mtimeNs: 0 }
  }

  /** The first path of the same file: device and inode, as exact numbers (an inode can be beyond 2^53). */
  #linkTarget(path: string, location: Location): string {
    const { dev, ino } = attempt(path, () => lstatSync(location, { bigint: true }), 'ERR_LAYER_CHANGED')
    const key = `${dev}:${ino}`
    const first = this.#links.get(key)
    if (first === undefined) this.#links.set(key, path)
    return first ?? path
  }
}

/**
 * The time as microseconds out of the floating-point milliseconds Node gives, which are a quarter of a microsecond
 * apart; `undefined` at a whole second, where the rounding could have crossed from the second before.
 */
function quickTime({ mtimeMs }: Stats): Pick<Entry, 'mtime' | 'mtimeNs'> | undefined {
  const mtime = Math.floor(mtimeMs / 1000)
  const rest = mtimeMs - mtime * 1000
  if (rest === 0) return undefined
  return { mtime, mtimeNs: Math.min(999_999, Math.round(rest * 1000)) * 1000 }
}

function exactTime(path: string, location: Location, unit: number = 1): Pick<Entry, 'mtime' | 'mtimeNs'> {
  const { mtimeNs: total } = attempt(path, () => lstatSync(location, { bigint: true }), 'ERR_LAYER_CHANGED')
  const rest = ((total % SECOND) + SECOND) % SECOND
  const mtimeNs = Number(rest)
  return { mtime: Number((total - rest) / SECOND), mtimeNs: mtimeNs - (mtimeNs % unit) }
}

function readLink(path: string, location: Location): string {
  return decodePath(attempt(path, () => readlinkSync(location, 'buffer'), 'ERR_LAYER_CHANGED'))
}

function typeOf(stats: Stats): EntryType | undefined {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  if (stats.isFIFO()) return 'fifo'
  if (stats.isCharacterDevice()) return 'char'
  if (stats.isBlockDevice()) return 'block'
  return undefined
}

/** Names the path in the error; what is gone although it was listed gets the code `gone`. */
function attempt<T>(path: string, action: () => T, gone: LayerErrorCode): T {
  try {
    return action()
  } catch (error) {
    const code = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL'].includes(systemCode(error) ?? '')
      ? gone
      : 'ERR_LAYER_READ'
    throw new LayerError(code, `Cannot read ${quoted(path === '' ? '/' : path)}`, { path, cause: error })
  }
}
