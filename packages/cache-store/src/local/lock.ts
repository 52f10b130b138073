/**
 * Lock files: exclusive creation, an owner's nonce, and an age.
 *
 * Node has no `flock`. A lock here is held for one rename, by synchronous code, so it needs no heartbeat: one that is
 * older than {@link STALE_MS} was left by a process that died. Its age is taken against a file just written to the
 * same file system, since clocks differ between machines, and pids mean nothing between containers. A lock saves work;
 * what it guards is compared once more before it is replaced.
 *
 * @module
 */
import { closeSync, fstatSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { systemCode, writing } from './failure.ts'
import { readSmallFile, statusOf } from './files.ts'
import { type Place, randomName, temporaryPath } from './place.ts'

/** Thousands of times as long as a lock is held. */
const STALE_MS = 10_000

const MAX_NONCE = 256

/** A lock that was acquired. */
export interface Lock {
  /** Whether it is still this owner's: after a suspension it may have been taken over. */
  isHeld(): boolean
  /** Gives it back; one that was taken over stays where it is. */
  release(): void
}

/** Acquires the lock, or tells `undefined` at once if somebody holds it. A stale one is removed for the next try. */
export function tryLock(place: Place, path: string): Lock | undefined {
  const nonce = randomName()
  return writing(path, () => {
    let fd: number
    try {
      fd = openSync(path, 'wx', 0o644)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
      removeStale(place, path)
      return undefined
    }
    try {
      writeSync(fd, nonce)
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      closeSync(fd)
    }
    return {
      isHeld: () => nonceOf(path) === nonce,
      release: () => {
        if (nonceOf(path) === nonce) removeOwned(place, path, nonce)
      },
    }
  })
}

function removeStale(place: Place, path: string): void {
  const status = statusOf(path)
  const nonce = nonceOf(path)
  if (status === undefined || fileSystemTime(place) - status.mtimeMs < STALE_MS) return
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

function fileSystemTime(place: Place): number {
  const path = temporaryPath(place)
  const fd = openSync(path, 'wx', 0o600)
  try {
    return fstatSync(fd).mtimeMs
  } finally {
    closeSync(fd)
    rmSync(path, { force: true })
  }
}
