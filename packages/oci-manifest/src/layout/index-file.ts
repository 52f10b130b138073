/**
 * `index.json` of a layout: read whole, changed under a lock.
 *
 * image-spec v1.1.1, image-layout.md, "index.json file".
 *
 * @module
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Parsed } from '../document.ts'
import { OciManifestError } from '../errors.ts'
import { type ImageIndex, parseIndex } from '../image-index.ts'
import { formatRoots, openRoots, type RawEntry, ROOTS_LIMITS } from '../roots-writer.ts'
import { readSmallFile, removeAbandoned, replaceFile, REREAD_MS } from './files.ts'
import { acquireLock, type Lock, type LockOptions } from './lock.ts'

/** Gives the new entries, or the same array if there is nothing to do. */
export type Change = (entries: readonly RawEntry[]) => readonly RawEntry[]

const RETRIES = 10

/** Work on one layout by one process takes turns, instead of all waiting for the file. */
const turns = new Map<string, Promise<void>>()

/** Reads the file as it is now: the old one or the new one, never a part. */
export function readIndexFile(root: string): Promise<Parsed<ImageIndex> | undefined> {
  return readAs(root, (bytes) => parseIndex(bytes, ROOTS_LIMITS))
}

/**
 * Changes the entries, and makes the file if there is none.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_LOCKED`
 */
export async function updateIndexFile(root: string, change: Change, options: LockOptions): Promise<void> {
  for (let attempt = 0; attempt < RETRIES; attempt += 1) {
    if (await withIndexLock(root, options, (lock) => tryUpdate(root, change, lock))) return
  }
  throw new OciManifestError('ERR_OCI_MANIFEST_LOCKED', `The lock was taken away ${RETRIES} times`)
}

/**
 * Does something while nobody changes `index.json`, except those who know of no lock.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_LOCKED`
 */
export async function withIndexLock<T>(
  root: string,
  options: LockOptions,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const before = turns.get(root) ?? Promise.resolve()
  const turn = before.then(async () => {
    const lock = await acquireLock(join(root, 'index.json.lock'), options)
    try {
      return await work(lock)
    } finally {
      await lock.release()
    }
  })
  const settled = turn.then(
    () => undefined,
    () => undefined,
  )
  turns.set(root, settled)
  void settled.then(() => turns.get(root) === settled && turns.delete(root))
  await unlessAborted(before, options.signal)
  return turn
}

/** Waits, but not after an abort. */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
  let abort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
  })
  try {
    await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Tells whether the change is in the file, as far as the lock can promise it. */
async function tryUpdate(root: string, change: Change, lock: Lock): Promise<boolean> {
  await removeAbandoned(root)
  const now = await readAs(root, openRoots)
  const { index, entries } = now ?? openRoots()
  const changed = change(entries)
  if (changed === entries && now !== undefined) return true
  const chunks = [formatRoots({ index, entries: changed })]
  const path = join(root, 'index.json')
  const placed = await replaceFile({ root, path, chunks, confirm: () => lock.isHeld() })
  // Who took the lock away at the last moment may have read the file before this change was in it.
  return placed && lock.isHeld()
}

/** Other tools write the file in place, so that it is cut off for a moment; what is not understood is read again. */
async function readAs<T>(root: string, parse: (bytes: Uint8Array) => T): Promise<T | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    const bytes = await readSmallFile(join(root, 'index.json'), ROOTS_LIMITS.maxBytes)
    if (bytes === undefined) return undefined
    try {
      return parse(bytes)
    } catch (error) {
      const wait = REREAD_MS[attempt]
      if (wait === undefined) throw error
      await sleep(wait)
    }
  }
}
