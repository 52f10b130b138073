/**
 * Owners, modes and times.
 *
 * @module
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  openSync,
} from 'node:fs'
import type { Owner } from '../directory.ts'
import type { Entry } from '../entry.ts'
import { LayerError, systemCode } from '../errors.ts'
import type { Location } from '../location.ts'
import { type Birth, hasMode, hasOwner, newBirthplace } from './birth.ts'
import type { DirectoryNode } from './directory-node.ts'
import type { DirectoryHandles } from './handles.ts'
import type { OwnerRule } from './owners.ts'
import type { UnsupportedAttribute } from './report.ts'

/** Of a chown: not permitted, or an id that the user namespace or the file system does not have. */
const OWNER_REFUSALS: ReadonlySet<string | undefined> = new Set(['EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS'])

/** Sets metadata, and remembers what could not be set. */
export class MetadataWriter {
  readonly unsupported: UnsupportedAttribute[] = []
  readonly #owner: OwnerRule

  constructor(owner: OwnerRule) {
    this.#owner = owner
  }

  /** The owner a file is to get; `undefined` to leave it. */
  ownerOf({ path, uid, gid }: Owner & { readonly path: string }): Owner | undefined {
    if (this.#owner === 'ignore') return undefined
    if (this.#owner === 'keep') return { uid, gid }
    try {
      const owner = this.#owner(uid, gid)
      if (owner === undefined) this.unsupported.push({ path, attribute: 'owner' })
      return owner
    } catch (error) {
      if (!(error instanceof LayerError)) throw error
      throw new LayerError(error.code, error.message, { path, cause: error })
    }
  }

  /** Sets the owner of a new open file: before mode and attributes, since changing it clears setuid and capabilities. */
  setFileOwner(fd: number, entry: Entry, birth: Birth | undefined): void {
    const owner = this.ownerOf(entry)
    if (owner === undefined || hasOwner(birth, owner)) return
    this.#chown(entry.path, () => fchownSync(fd, owner.uid, owner.gid))
  }

  /** Lets whoever owns an open file write to it by name, until its mode is set. */
  setWritable(fd: number, { mode }: Entry): void {
    fchmodSync(fd, mode | 0o200)
  }

  /** Sets mode and time of an open file; nothing may change it after that. */
  setFileMode(fd: number, entry: Entry, birth: Birth | undefined): void {
    if (!hasMode(birth, entry.mode)) fchmodSync(fd, entry.mode)
    const time = this.#seconds(entry.path, entry)
    futimesSync(fd, time, time)
  }

  /** Sets owner and time of what cannot be opened: symlinks, devices, FIFOs. */
  setLink(location: Location, entry: Entry, birth: Birth | undefined): void {
    const owner = this.ownerOf(entry)
    if (owner !== undefined && !hasOwner(birth, owner)) {
      this.#chown(entry.path, () => lchownSync(location, owner.uid, owner.gid))
    }
    const time = this.#seconds(entry.path, entry)
    lutimesSync(location, time, time)
  }

  /** Sets what was put off for a directory. */
  setDirectory(handles: DirectoryHandles, node: DirectoryNode, path: string): void {
    const held = handles.descriptor(node)
    if (held !== undefined) return this.setOpenDirectory(held, node, path)
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
    const fd = openSync(handles.self(node), flags)
    try {
      this.setOpenDirectory(fd, node, path)
    } finally {
      closeSync(fd)
    }
  }

  /** The same for one that is open. */
  setOpenDirectory(fd: number, node: DirectoryNode, path: string): void {
    const { uid, gid, mode } = node.attributes
    const before = this.unsupported.length
    const owner = uid === undefined || gid === undefined ? undefined : this.ownerOf({ path, uid, gid })
    if (owner !== undefined && !hasOwner(node.owner, owner)) {
      this.#chown(path, () => fchownSync(fd, owner.uid, owner.gid))
      node.owner = node.mode = undefined
      node.birthplace = newBirthplace()
    }
    if (mode !== undefined && mode !== node.mode) {
      fchmodSync(fd, mode)
      node.mode = mode
      node.birthplace = newBirthplace()
    }
    const time = this.#seconds(path, node.attributes)
    futimesSync(fd, time, time)
    // A directory that is written to again is set again, and reported once.
    if (node.reported) this.unsupported.length = before
    else node.reported = this.unsupported.length > before
  }

  #chown(path: string, change: () => void): void {
    try {
      change()
    } catch (error) {
      if (!OWNER_REFUSALS.has(systemCode(error))) throw error
      this.unsupported.push({ path, attribute: 'owner' })
    }
  }

  /** Node takes a negative time for "now". */
  #seconds(path: string, { mtime, mtimeNs }: Pick<Entry, 'mtime' | 'mtimeNs'>): number {
    if (mtime < 0) {
      this.unsupported.push({ path, attribute: 'mtime' })
      return 0
    }
    return toSeconds(mtime, mtimeNs)
  }
}

/**
 * Node passes times on as floating-point seconds, cut to microseconds. A quarter of one is added, more than the rounding
 * of today's seconds takes away, so that what comes out is the microsecond that went in.
 */
function toSeconds(mtime: number, mtimeNs: number): number {
  const microseconds = Math.floor(mtimeNs / 1000)
  return microseconds === 0 ? mtime : mtime + (microseconds + 0.25) / 1e6
}
