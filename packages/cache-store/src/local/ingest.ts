/**
 * Resumable writes of blobs whose digest is not known yet.
 *
 * @module
 */
import { closeSync, fchmodSync, fstatSync, fsync } from 'node:fs'
import { promisify } from 'node:util'
import { algorithmOf, assertExpected, createDigester, type DigestAndSize, DigestError } from '@varve/digest'
import type { Ingest, StoreOptions } from '../blob-store.ts'
import { CacheStoreError } from '../errors.ts'
import { assertIngestName } from '../names.ts'
import { publishBlob, readBlocks } from './blob-file.ts'
import { BLOCK } from './blocks.ts'
import { overBudget, readOnly, systemCode, writingLater } from './failure.ts'
import { statusOf } from './files.ts'
import { withSpace } from './outlay.ts'
import { ingestDirectory, type Place } from './place.ts'
import type { Room } from './room.ts'
import { append, dataPath, isIntact, openData, remove, resume, takenOver, type Upload } from './upload.ts'

/** The ingests of a place. */
export interface Ingests {
  open(ref: string, options?: StoreOptions): Promise<Ingest>
}

const syncFile = promisify(fsync)

/** Opens, resumes and takes over. */
export function createIngests(place: Place, room: Room): Ingests {
  // Hashes in progress of this process, so that a server that opens a ref for each request does not start over.
  const uploads = new Map<string, Upload>()
  return {
    open: async (ref, { signal } = {}) => {
      signal?.throwIfAborted()
      assertIngestName(ref)
      if (place.readOnly) throw readOnly(ingestDirectory(place))
      const known = uploads.get(ref)
      const upload =
        known !== undefined && isIntact(known)
          ? known
          : await withSpace(room, BLOCK, () => resume(place, ref, signal))
      upload.owner = Symbol(ref)
      uploads.set(ref, upload)
      return handleOf(place, room, uploads, upload)
    },
  }
}

function handleOf(place: Place, room: Room, uploads: Map<string, Upload>, upload: Upload): Ingest {
  const { ref, directory, owner } = upload
  const data = dataPath(directory)
  let done = false
  // Writes that are not waited for come in turn, though one of them may have to wait for room.
  let turn: Promise<void> | undefined
  const isOwner = (): boolean => upload.owner === owner && uploads.get(ref) === upload
  const assertOwner = (): void => {
    if (done) throw new TypeError(`The ingest ${JSON.stringify(ref)} has ended`)
    if (!isOwner()) throw takenOver(ref, data)
  }

  return {
    get offset() {
      return upload.offset
    },

    write: async (chunk) => {
      assertOwner()
      const before = turn
      const writing = (async () => {
        await before?.catch(() => undefined)
        await withSpace(room, chunk.byteLength, () => appendWithin(room, upload, chunk, assertOwner))
      })()
      turn = writing
      await writing
    },

    commit: async (expected = {}) => {
      assertOwner()
      await turn?.catch(() => undefined)
      assertOwner()
      done = true
      uploads.delete(ref)
      try {
        const actual = await finish(place, upload, expected)
        publishBlob(place, data, actual.digest)
        remove(directory)
        return actual
      } catch (error) {
        // Bytes that are wrong are of no use; those that only could not be moved can be resumed.
        if (error instanceof DigestError || codeOf(error) === 'ERR_CACHE_STORE_CORRUPT') {
          remove(directory)
          room.release(upload.offset)
        }
        // Whoever took it over may be in the middle of removing the directory.
        throw statusOf(data) === undefined && systemCode(causeOf(error)) === 'ENOENT'
          ? takenOver(ref, data)
          : error
      }
    },

    abort: async () => {
      if (done || !isOwner()) return
      done = true
      uploads.delete(ref)
      remove(directory)
      room.release(upload.offset)
    },
  }
}

async function appendWithin(
  room: Room,
  upload: Upload,
  chunk: Uint8Array,
  assertOwner: () => void,
): Promise<void> {
  const size = chunk.byteLength
  const answer = room.take(size)
  if (!(answer === true || (await answer))) throw overBudget(dataPath(upload.directory))
  let used = 0
  try {
    assertOwner()
    append(upload, chunk)
    used = size
  } finally {
    room.settle(size, used)
  }
}

/** Proves the bytes and brings them to the disk. */
async function finish(
  place: Place,
  upload: Upload,
  expected: Partial<DigestAndSize>,
): Promise<DigestAndSize> {
  const data = dataPath(upload.directory)
  const fd = openData(upload, 'r+')
  try {
    const { size } = fstatSync(fd)
    if (size !== upload.offset) {
      const message = `The ingest ${JSON.stringify(upload.ref)} holds ${size} bytes where ${upload.offset} were written`
      throw new CacheStoreError('ERR_CACHE_STORE_CORRUPT', message, { path: data })
    }
    const actual = await digestAs(upload, fd, expected)
    assertExpected(actual, { digest: expected.digest ?? actual.digest, size: expected.size })
    await writingLater(data, async () => {
      fchmodSync(fd, 0o444)
      if (place.durable) await syncFile(fd)
    })
    return actual
  } finally {
    closeSync(fd)
  }
}

/** The running hash is a sha256; any other algorithm costs a second reading. */
async function digestAs(
  upload: Upload,
  fd: number,
  expected: Partial<DigestAndSize>,
): Promise<DigestAndSize> {
  const algorithm = expected.digest === undefined ? 'sha256' : algorithmOf(expected.digest)
  if (algorithm === 'sha256') return upload.digester.finish()
  const digester = createDigester(algorithm)
  for (const block of readBlocks(fd, dataPath(upload.directory), 0, Infinity, undefined)) {
    digester.update(block)
    await new Promise(setImmediate)
  }
  return digester.finish()
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}

function codeOf(error: unknown): string | undefined {
  return error instanceof CacheStoreError ? error.code : undefined
}
