/**
 * Files that appear whole or not at all.
 *
 * Small files are written by synchronous calls: for a few kilobytes these cost less than the promises around
 * asynchronous ones.
 *
 * @module
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { CacheStoreError } from '../errors.ts'
import { readFailure, systemCode, writing } from './failure.ts'
import { type Place, quarantinePath, temporaryPath } from './place.ts'

/** How long a use goes unrecorded: times are only written when they are older than this. */
export const TOUCH_AFTER_MS: number = 60 * 60 * 1000

/** Windows has neither flag. A named pipe in place of a file must not make us wait for its writer. */
const OPEN_TO_READ: number = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Status of the name itself, links not followed; `undefined` if there is nothing. */
export function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (systemCode(error) === 'ENOTDIR') return undefined
    throw readFailure(path, error)
  }
}

/**
 * Opens a regular file; `undefined` if there is none, or something else by that name. The caller closes it.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_UNREADABLE`
 */
export function openFile(path: string): number | undefined {
  let fd: number
  try {
    fd = openSync(path, OPEN_TO_READ)
  } catch (error) {
    // ELOOP: a symbolic link, and O_NOFOLLOW; FreeBSD says EMLINK.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EMLINK', 'ENXIO'].includes(systemCode(error) ?? '')) return undefined
    throw readFailure(path, error)
  }
  if (fstatSync(fd).isFile()) return fd
  closeSync(fd)
  return undefined
}

/** The bytes of a small file, or `undefined` if there is none or it is larger than `limit`. */
export function readSmallFile(path: string, limit: number): Uint8Array | undefined {
  const fd = openFile(path)
  if (fd === undefined) return undefined
  try {
    const { size } = fstatSync(fd)
    if (size > limit) return undefined
    const bytes = new Uint8Array(size)
    let length = 0
    for (let read = -1; length < size && read !== 0; length += read)
      read = readSync(fd, bytes, length, size - length, length)
    return bytes.subarray(0, length)
  } catch (error) {
    throw readFailure(path, error)
  } finally {
    closeSync(fd)
  }
}

/** Writes a new file under a temporary name, down to the disk if the store is durable. */
export function writeTemporary(place: Place, bytes: Uint8Array, mode = 0o444): string {
  const path = temporaryPath(place)
  return writing(path, () => {
    const fd = openSync(path, 'wx', mode)
    try {
      writeFully(fd, bytes, 0)
      if (place.durable) fsyncSync(fd)
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      closeSync(fd)
    }
    return path
  })
}

/** Writes all of `bytes`, where a single call may write less. */
export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    done += writeSync(fd, bytes, done, bytes.byteLength - done, position + done)
  }
}

/** Gives a temporary file its name, over whatever has it. The temporary name is gone afterwards in any case. */
export function publish(place: Place, temporary: string, target: string): void {
  try {
    replace(place, temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** As {@link publish}, but a file that cannot be moved stays where it is. */
export function replace(place: Place, from: string, to: string): void {
  moveOver(place, from, to)
  writing(to, () => syncDirectory(place, dirname(to)))
}

/** As {@link replace}, but lasting only when the caller has seen to it. */
export function moveOver(place: Place, from: string, to: string): void {
  writing(to, () => {
    try {
      renameSync(from, to)
    } catch (error) {
      // A directory is no file of ours, and cannot be renamed over.
      if (!statusOf(to)?.isDirectory()) throw error
      quarantine(place, to)
      renameSync(from, to)
    }
  })
}

/** As {@link publish}, but tells `false` if the name is taken. */
export function publishNew(place: Place, temporary: string, target: string): boolean {
  return writing(target, () => {
    try {
      linkSync(temporary, target)
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false
      throw error
    } finally {
      rmSync(temporary, { force: true })
    }
    syncDirectory(place, dirname(target))
    return true
  })
}

/** Makes renames and links in a directory last, if the store is durable. Windows cannot, and need not. */
export function syncDirectory(place: Place, path: string): void {
  if (!place.durable || process.platform === 'win32') return
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Makes a directory of the store, or checks the one that is there; tells whether there was none.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_UNSAFE`, `ERR_CACHE_STORE_UNWRITABLE`
 */
export function ensureDirectory(place: Place, path: string): boolean {
  const status = statusOf(path)
  if (status !== undefined) {
    assertSafe(path, status)
    return false
  }
  writing(path, () => {
    try {
      // Never writable by everybody, even where the umask is 0.
      mkdirSync(path, { mode: 0o775 })
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
    syncDirectory(place, dirname(path))
  })
  assertSafe(path)
  return true
}

/**
 * Refuses a directory through which somebody else could redirect or replace what is in the store.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_UNSAFE`
 */
export function assertSafe(path: string, status: Stats | undefined = statusOf(path)): void {
  const fault = status && faultOf(status)
  if (fault === undefined) return
  throw new CacheStoreError('ERR_CACHE_STORE_UNSAFE', `${JSON.stringify(path)} ${fault}`, { path })
}

/** Whether there is a directory that {@link assertSafe} lets pass. */
export function isSafeDirectory(path: string): boolean {
  const status = statusOf(path)
  return status !== undefined && faultOf(status) === undefined
}

function faultOf(status: Stats): string | undefined {
  if (!status.isDirectory()) return 'is not a directory'
  // Windows reports every directory as writable by all.
  const isOpen = (status.mode & 0o002) !== 0 && process.platform !== 'win32'
  return isOpen ? 'is writable by everybody' : undefined
}

/**
 * Notes that a file was used, and tells `false` if it went away meanwhile. Otherwise best effort: a store on a read-only
 * file system works as well.
 *
 * Whoever is told `true` may count on the file: a collector looks at the time once more before it deletes.
 */
export function touch(place: Place, path: string, status: Stats): boolean {
  if (place.readOnly) return true
  const now = place.clock.now()
  if (Math.abs(now - status.mtimeMs) < TOUCH_AFTER_MS) return true
  return setTime(path, now)
}

/** Sets both times, since the access time alone is moved by every backup and search that passes by. */
export function setTime(path: string, now: number): boolean {
  try {
    lutimesSync(path, now / 1000, now / 1000)
    return true
  } catch (error) {
    // Else its owner is somebody else, and it stays as old as it is.
    return systemCode(error) !== 'ENOENT'
  }
}

/** What others than root may still write on the file system of a place. */
export function freeBytes(place: Place): number {
  const { bavail, bsize } = statfsSync(place.root)
  return bavail * bsize
}

/** Takes something damaged out of the way. Best effort: the next put replaces what could not be moved. */
export function quarantine(place: Place, path: string): void {
  if (place.readOnly) return
  const target = quarantinePath(place, path)
  try {
    renameSync(path, target)
    // Kept for a while from now on, however old it is.
    setTime(target, place.clock.now())
  } catch {
    // It went away, or may not be moved.
  }
}
