/**
 * Lock files: exclusive creation, an owner's nonce, and an age.
 *
 * Node has no `flock`. Most locks here are held for one rename, by synchronous code, and need no heartbeat: one that is
 * older than its `staleMs` was left by a process that died. A lock that is held for longer is renewed by its owner. The
 * age is taken by the clock of the file system, since clocks differ between machines, and pids mean nothing between
 * containers. A lock saves work; what it guards is looked at once more before it is changed.
 *
 * @module
 */
import { closeSync, constants, fstatSync, futimesSync, linkSync, openSync, renameSync, rmSync } from 'node:fs'
import { systemCode, writing } from './failure.ts'
import { readSmallFile, statusOf, writeFully } from './files.ts'
import { type Place, randomName, temporaryPath } from './place.ts'

/** Thousands of times as long as a lock without heartbeat is held. */
const STALE_MS = 10_000

const MAX_NONCE = 256

/** A lock that was acquired. */
export interface Lock {
  /** Whether it is still this owner's: after a suspension it may have been taken over. */
  isHeld(): boolean
  /** Makes it young again; tells `false` if it was taken over. */
  renew(): boolean
  /** Gives it back; one that was taken over stays where it is. */
  release(): void
}

/** How a lock is acquired. */
export interface LockOptions {
  /** Older than this it belongs to nobody. Default: 10 seconds. */
  readonly staleMs?: number
  /** On a full disk an empty file will do, which its owner knows by its inode. */
  readonly evenIfFull?: boolean
}

/** Acquires the lock, or tells `undefined` at once if somebody holds it. A stale one is removed for the next try. */
export function tryLock(place: Place, path: string, options: LockOptions = {}): Lock | undefined {
  const { staleMs = STALE_MS, evenIfFull = false } = options
  return writing(path, () => {
    let fd: number
    try {
      fd = openSync(path, 'wx', 0o644)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
      removeStale(place, path, staleMs)
      return undefined
    }
    const nonce = randomName()
    try {
      return ownLock(place, path, fstatSync(fd).ino, writeNonce(fd, nonce, evenIfFull))
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      closeSync(fd)
    }
  })
}

/** `nonce` is empty if there was no room for one. */
function ownLock(place: Place, path: string, inode: number, nonce: string): Lock {
  const isHeld = (): boolean => nonceOf(path) === nonce && (nonce !== '' || statusOf(path)?.ino === inode)
  return {
    isHeld,
    renew: () => isHeld() && setOwnTime(path, inode, place.clock.now()),
    release: () => {
      if (isHeld()) removeOwned(place, path, nonce)
    },
  }
}

function writeNonce(fd: number, nonce: string, evenIfFull: boolean): string {
  try {
    writeFully(fd, new TextEncoder().encode(nonce), 0)
    return nonce
  } catch (error) {
    if (!evenIfFull || !['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) throw error
    return ''
  }
}

/** Through an open file, so that a lock that has become somebody else's meanwhile is not renewed for them. */
function setOwnTime(path: string, inode: number, now: number): boolean {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0))
  } catch {
    return false
  }
  try {
    if (fstatSync(fd).ino !== inode) return false
    futimesSync(fd, now / 1000, now / 1000)
    return true
  } catch {
    return false
  } finally {
    closeSync(fd)
  }
}

/** A time from the future is as bad as one long past: no owner has written it. */
function removeStale(place: Place, path: string, staleMs: number): void {
  const status = statusOf(path)
  const nonce = nonceOf(path)
  if (status === undefined || Math.abs(place.clock.now() - status.mtimeMs) < staleMs) return
  removeOwned(place, path, nonce)
}

/**
 * Removes a lock by renaming it first and looking at what was caught: between a look and an unlink it could have
 * become somebody else's, and that one is put back.
 */
function removeOwned(place: Place, path: string, nonce: string | undefined): void {
  const caught = temporaryPath(place)
  try {
    renameSync(path, caught)
    if (nonceOf(caught) !== nonce) linkSync(caught, path)
  } catch (error) {
    // ENOENT: somebody else removed it. EEXIST: the lock has a new owner, and the one caught finds that out.
    if (!['ENOENT', 'EEXIST'].includes(systemCode(error) ?? '')) throw error
  } finally {
    rmSync(caught, { recursive: true, force: true })
  }
}

function nonceOf(path: string): string | undefined {
  const bytes = readSmallFile(path, MAX_NONCE)
  return bytes && new TextDecoder().decode(bytes)
}
