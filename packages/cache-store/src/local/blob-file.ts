/**
 * One stored blob as a file: look at it, prove it, read it.
 *
 * @module
 */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  algorithmOf,
  type ByteSource,
  createDigester,
  type Digest,
  DigestError,
  type OpenOptions,
  verify,
} from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { readFailure, systemCode } from './failure.ts'
import { ensureDirectory, isSafeDirectory, openFile, quarantine, replace, statusOf, touch } from './files.ts'
import { blobPath, type Place } from './place.ts'
import { isEmptyDigest } from '../empty-blob.ts'

/** One synchronous read of this size costs less than the promise around an asynchronous one. */
const BLOCK = 1024 * 1024

/** How reading fails where the file is to blame. */
const LOST = new Set(['EIO', 'EACCES', 'EPERM'])

/** Hashing lets other work run after this many bytes, some tens of milliseconds. */
const BREATH = 16 * BLOCK

/** Why a blob is looked at: to be used, which keeps it from being collected, or only to be checked. */
type Purpose = 'use' | 'check'

/**
 * Size of a stored blob, or `undefined`. What lies there and can be no blob, such as a symbolic link or a file that a
 * power failure left empty, is put in quarantine.
 */
export function sizeOfBlob(place: Place, digest: Digest, purpose: Purpose = 'use'): number | undefined {
  const path = blobPath(place, digest)
  // The directory of the usual algorithm was looked at when the store was opened.
  if (algorithmOf(digest) !== 'sha256' && !isSafeDirectory(dirname(path))) return undefined
  const status = statusOf(path)
  if (status === undefined) return undefined
  if (!status.isFile() || (status.size === 0) !== isEmptyDigest(digest)) {
    quarantine(place, path)
    return undefined
  }
  return purpose === 'check' || touch(place, path, status) ? status.size : undefined
}

/**
 * Reads a stored blob through and tells whether its bytes are right; `undefined` if there is none. A damaged one is in
 * quarantine afterwards.
 */
export async function proveBlob(
  place: Place,
  digest: Digest,
  signal?: AbortSignal,
  purpose: Purpose = 'use',
): Promise<boolean | undefined> {
  const path = blobPath(place, digest)
  if (statusOf(path) === undefined) return undefined
  let fd: number | undefined
  try {
    if (sizeOfBlob(place, digest, purpose) === undefined) return false
    fd = openFile(path)
    if (fd === undefined) return undefined
    if (await hashesTo(fd, path, digest, signal)) return true
  } catch (error) {
    // Unreadable is as bad as wrong: the bytes are about to be written again. Being out of file descriptors is not.
    if (!(error instanceof CacheStoreError) || !LOST.has(systemCode(error.cause) ?? '')) throw error
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
  quarantine(place, path)
  return false
}

/** The bytes of a stored blob; whole reads are verified, and a file found damaged is put in quarantine. */
export function blobSource(place: Place, digest: Digest, size: number): ByteSource {
  const path = blobPath(place, digest)
  return {
    size,
    async *open({ start = 0, end = size, signal }: OpenOptions = {}) {
      signal?.throwIfAborted()
      const fd = openFile(path)
      if (fd === undefined) {
        throw new CacheStoreError('ERR_CACHE_STORE_MISSING', `The blob ${digest} is no longer in the store`, {
          path,
        })
      }
      try {
        if (start > 0 || end < size) {
          yield* readPart(fd, path, start, Math.min(end, size), signal)
          return
        }
        yield* verify(readBlocks(fd, path, 0, Infinity, signal), { digest, size })
      } catch (error) {
        // Looked at once more, since another process may have replaced the file after its size was taken.
        if (error instanceof DigestError && !(await hashesTo(fd, path, digest, signal)))
          quarantineOpen(place, fd, path)
        throw error
      } finally {
        closeSync(fd)
      }
    },
  }
}

/** Makes a file a blob, whose bytes are verified and on the disk; it stays where it is if that fails. */
export function publishBlob(place: Place, from: string, digest: Digest): void {
  const target = blobPath(place, digest)
  ensureDirectory(place, dirname(target))
  replace(place, from, target)
}

/** Blocks of `[start, end)`, each a new array that the reader may keep. */
export function* readBlocks(
  fd: number,
  path: string,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Generator<Uint8Array, void, void> {
  const last = Math.min(end, fstatSync(fd).size)
  for (let position = start; position < last;) {
    signal?.throwIfAborted()
    const block = new Uint8Array(Math.min(BLOCK, last - position))
    const read = readInto(fd, path, block, position)
    if (read === 0) return
    position += read
    yield block.subarray(0, read)
  }
}

function* readPart(
  fd: number,
  path: string,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Generator<Uint8Array, void, void> {
  let position = start
  for (const block of readBlocks(fd, path, start, end, signal)) {
    position += block.byteLength
    yield block
  }
  if (position >= end) return
  throw new DigestError('ERR_DIGEST_SIZE', `The blob ended at ${position} of ${end} bytes`, {
    expected: end,
    actual: position,
  })
}

async function hashesTo(fd: number, path: string, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  const digester = createDigester(algorithmOf(digest))
  const block = new Uint8Array(Math.min(BLOCK, fstatSync(fd).size))
  let position = 0
  for (let read = readInto(fd, path, block, 0); read > 0; read = readInto(fd, path, block, position)) {
    digester.update(block.subarray(0, read))
    position += read
    if (position % BREATH === 0) {
      await new Promise(setImmediate)
      signal?.throwIfAborted()
    }
  }
  return digester.finish().digest === digest
}

function readInto(fd: number, path: string, block: Uint8Array, position: number): number {
  try {
    return readSync(fd, block, 0, block.byteLength, position)
  } catch (error) {
    throw readFailure(path, error)
  }
}

/** Only if the name still means the file that was read: a put may have healed it meanwhile. */
function quarantineOpen(place: Place, fd: number, path: string): void {
  const [opened, named] = [fstatSync(fd), statusOf(path)]
  if (opened.ino === named?.ino && opened.dev === named.dev) quarantine(place, path)
}
