/**
 * A lock between processes, on a file.
 *
 * The file is made exclusively and names its owner, who touches it while it works. A lock is stale if its owner is dead,
 * which can be told on the same machine, or if nobody has touched it for a while, by the clock of the one who waits:
 * clocks of other machines do not matter. NFS before version 3 has no exclusive creation, and there the lock does not
 * hold; where directory caching delays what others see (EFS, NFS with `actimeo`), waiting takes longer.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { OciManifestError } from '../errors.ts'
import { isSystemError, system, temporaryPath } from './files.ts'
import { hostScope, isAlive } from './owner.ts'

/** How patient to be. */
export interface LockOptions {
  /** When to give up. Default 30 s. */
  readonly timeoutMs?: number
  /** How long an untouched lock of an unknown owner is respected. Default 10 s. */
  readonly staleMs?: number
  readonly signal?: AbortSignal
}

/** A lock that is ours, unless somebody thought us dead. */
export interface Lock {
  /** Whether it still is. To be asked right before what it protects. */
  isHeld(): boolean
  /** Gives it up; leaves alone what is not ours. */
  release(): Promise<void>
}

/** What the file says. */
interface Owner {
  readonly pid: number
  /** Where `pid` means something. */
  readonly host: string
  readonly token: string
}

/** A lock as seen by someone who waits. */
interface Sighting {
  readonly isFile: boolean
  readonly text: string
  readonly inode: number
  readonly touched: number
  readonly since: number
}

const HEARTBEAT_MS = 1000

/** The longest time between two tries. */
const MAX_WAIT_MS = 15

/** What is read of a file that may be anybody's. Ours are shorter. */
const MAX_TEXT_BYTES = 4096

/**
 * Waits for the lock.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_LOCKED` when the time is up, with `owner`.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<Lock> {
  const { timeoutMs = 30_000, staleMs = 10_000, signal } = options
  const deadline = performance.now() + timeoutMs
  let sighting: Sighting | undefined
  for (;;) {
    signal?.throwIfAborted()
    const lock = await tryLock(path)
    if (lock !== undefined) return lock
    sighting = await look(path, sighting)
    if (sighting !== undefined && isStale(sighting, staleMs)) {
      await takeAway(path, sighting)
      continue
    }
    if (performance.now() >= deadline) throw timedOut(path, timeoutMs, sighting)
    // Random, so that those who wait do not all come back at once; and often, since an owner who has more to do leaves it
    // free for less than a millisecond. Who came back every 100 ms was seen to get nothing in 30 s.
    await wait(1 + Math.random() * MAX_WAIT_MS, undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        signal?.throwIfAborted()
        throw error
      },
    )
  }
}

async function tryLock(path: string): Promise<Lock | undefined> {
  const owner: Owner = { pid: process.pid, host: hostScope(), token: randomUUID() }
  const text = JSON.stringify(owner)
  let handle: FileHandle
  try {
    handle = await open(path, 'wx', 0o644)
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return undefined
    return system(Promise.reject(error))
  }
  // The handle, not the path: if the lock was taken from us, the one in its place is not ours to touch.
  const heartbeat = setInterval(() => void touch(handle), HEARTBEAT_MS)
  heartbeat.unref()
  const isHeld = (): boolean => readTextIfThere(path) === text
  const release = async (): Promise<void> => {
    clearInterval(heartbeat)
    if (isHeld()) await unlink(path).catch(() => undefined)
    await handle.close()
  }
  try {
    await system(handle.writeFile(text))
  } catch (error) {
    clearInterval(heartbeat)
    await unlink(path).catch(() => undefined)
    await handle.close()
    throw error
  }
  return { isHeld, release }
}

async function touch(handle: FileHandle): Promise<void> {
  const now = new Date()
  // A missed beat is harmless, and the handle may just have been closed.
  await handle.utimes(now, now).catch(() => undefined)
}

async function look(path: string, before: Sighting | undefined): Promise<Sighting | undefined> {
  try {
    const found = await lstat(path)
    const { ino: inode, mtimeMs: touched } = found
    const isFile = found.isFile()
    const text = isFile ? readText(path) : ''
    const same = before?.text === text && before.inode === inode && before.touched === touched
    return same ? before : { isFile, text, inode, touched, since: performance.now() }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    return system(Promise.reject(error))
  }
}

/** The beginning of a file, not through a link, and without waiting for the other end of a pipe. */
function readText(path: string): string {
  // Windows lacks both flags, and does not need them.
  const flags = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  const file = openSync(path, constants.O_RDONLY | flags)
  try {
    const buffer = Buffer.alloc(MAX_TEXT_BYTES)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, MAX_TEXT_BYTES, 0))
  } finally {
    closeSync(file)
  }
}

function readTextIfThere(path: string): string | undefined {
  try {
    return readText(path)
  } catch {
    return undefined
  }
}

function isStale({ isFile, text, since }: Sighting, staleMs: number): boolean {
  // A link, a pipe or a directory is nobody's lock that is known here, and whatever it is, not ours to take away.
  if (!isFile) return false
  const owner = parseOwner(text)
  if (owner !== undefined && owner.host === hostScope() && !isAlive(owner.pid)) return true
  return performance.now() - since >= staleMs
}

/** Removes a stale lock, and only that one, even if a live one has taken its place by now. */
async function takeAway(path: string, sighting: Sighting): Promise<void> {
  const aside = temporaryPath(dirname(path))
  try {
    await rename(path, aside)
  } catch (error) {
    // Somebody else was faster.
    if (isSystemError(error, 'ENOENT')) return
    await system(Promise.reject(error))
  }
  const text = readTextIfThere(aside)
  const { ino: inode } = await lstat(aside)
  // Put back what was not meant; if that fails, its owner finds out by `isHeld`, and starts again.
  if (text !== sighting.text || inode !== sighting.inode) await link(aside, path).catch(() => undefined)
  await unlink(aside).catch(() => undefined)
}

function parseOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null
    const { pid, host, token } = owner ?? {}
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
    return typeof host === 'string' && typeof token === 'string' ? { pid, host, token } : undefined
  } catch {
    // Not written yet, or not ours.
    return undefined
  }
}

function timedOut(path: string, timeoutMs: number, sighting: Sighting | undefined): OciManifestError {
  const found = parseOwner(sighting?.text ?? '')
  const owner = found === undefined ? 'unknown' : `process ${found.pid} on ${found.host}`
  return new OciManifestError(
    'ERR_OCI_MANIFEST_LOCKED',
    `${JSON.stringify(path)} has been held for ${timeoutMs} ms, now by ${owner}`,
    { owner },
  )
}
