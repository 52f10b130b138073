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
import { systemCode } from '../errors.ts'
import type { Location } from '../location.ts'
import type { DirectoryNode } from './directory-node.ts'
import type { UnsupportedAttribute } from './report.ts'

/** Which owners files get: those in the layer, those of the process, or mapped ones. */
export type OwnerRule = 'keep' | 'ignore' | ((uid: number, gid: number) => Owner)

/** Sets metadata, and remembers what could not be set. */
export class MetadataWriter {
  readonly unsupported: UnsupportedAttribute[] = []
  readonly #owner: OwnerRule

  constructor(owner: OwnerRule) {
    this.#owner = owner
  }

  /** The owner a file is to get; `undefined` to leave it. */
  ownerOf({ uid, gid }: Owner): Owner | undefined {
    if (this.#owner === 'ignore') return undefined
    return this.#owner === 'keep' ? { uid, gid } : this.#owner(uid, gid)
  }

  /** Sets all of an open file; the owner first, since changing it clears setuid. */
  setFile(fd: number, entry: Entry, setXattrs: (() => void) | undefined): void {
    const owner = this.ownerOf(entry)
    if (owner !== undefined) this.#chown(entry.path, () => fchownSync(fd, owner.uid, owner.gid))
    if (setXattrs !== undefined) {
      // Some systems want write permission for setting attributes.
      fchmodSync(fd, entry.mode | 0o200)
      setXattrs()
    }
    fchmodSync(fd, entry.mode)
    const time = this.#seconds(entry.path, entry)
    futimesSync(fd, time, time)
  }

  /** Sets owner and time of what cannot be opened: symlinks, devices, FIFOs. */
  setLink(location: Location, entry: Entry): void {
    const owner = this.ownerOf(entry)
    if (owner !== undefined) this.#chown(entry.path, () => lchownSync(location, owner.uid, owner.gid))
    const time = this.#seconds(entry.path, entry)
    lutimesSync(location, time, time)
  }

  /** Sets what was put off for a directory. */
  setDirectory(node: DirectoryNode, path: string): void {
    const { owner, mode } = node.attributes
    const fd = openSync(node.self, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    try {
      if (owner !== undefined) this.#chown(path, () => fchownSync(fd, owner.uid, owner.gid))
      if (mode !== undefined) fchmodSync(fd, mode)
      const time = this.#seconds(path, node.attributes)
      futimesSync(fd, time, time)
    } finally {
      closeSync(fd)
    }
  }

  #chown(path: string, change: () => void): void {
    try {
      change()
    } catch (error) {
      if (systemCode(error) !== 'EPERM') throw error
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
