/**
 * Blobs as files.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { type ByteSource, bytesSource, type Digest } from '@varve/digest'
import type { BlobFiles, BlobStore } from '../blob-store.ts'
import { isEmptyDigest } from '../empty-blob.ts'
import { CacheStoreError } from '../errors.ts'
import { blobSource, proveBlob, publishBlob, sizeOfBlob } from './blob-file.ts'
import { readOnly, writing } from './failure.ts'
import { statusOf, writeTemporary } from './files.ts'
import { createIngests } from './ingest.ts'
import { diskBytes } from './listing.ts'
import { openOutlay, withSpace } from './outlay.ts'
import { blobPath, type Place } from './place.ts'
import { receive } from './receive.ts'
import type { Room } from './room.ts'

/** A batch lets other work run after so many names. */
const BATCH = 1000

/**
 * The blobs of a place.
 *
 * A put of a blob that is there reads the stored file, not the source: only a file whose bytes are right is `existed`,
 * any other is put in quarantine and written anew, which is `healed`. Reading is cheaper than the write it saves, and
 * callers ask `missing` first, so it is rare.
 */
export function createLocalBlobs(place: Place, room: Room): BlobStore & BlobFiles {
  const ingests = createIngests(place, room)

  const store = async (
    digest: Digest,
    source: ByteSource,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const outlay = openOutlay(room, blobPath(place, digest))
    let stored: number | undefined
    try {
      const { path, size } = await receive(place, digest, source, outlay, signal)
      publishTemporary(place, path, digest)
      stored = size
    } finally {
      outlay.end(stored)
    }
  }

  return {
    missing: async (digests, { signal } = {}) => {
      const absent = new Set<Digest>()
      let asked = 0
      for (const digest of digests) {
        if (asked % BATCH === 0) {
          if (asked > 0) await new Promise(setImmediate)
          signal?.throwIfAborted()
        }
        asked += 1
        if (!isEmptyDigest(digest) && sizeOfBlob(place, digest) === undefined) absent.add(digest)
      }
      return absent
    },

    get: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      if (isEmptyDigest(digest)) return bytesSource(new Uint8Array())
      const size = sizeOfBlob(place, digest)
      return size === undefined ? undefined : blobSource(place, digest, size)
    },

    put: async (digest, source, { signal } = {}) => {
      signal?.throwIfAborted()
      if (place.readOnly) return 'skipped'
      if (isEmptyDigest(digest)) return 'existed'
      const before = await proveBlob(place, digest, signal)
      if (before === true) return 'existed'
      try {
        await withSpace(room, source.size ?? 0, () => store(digest, source, signal))
      } catch (error) {
        if (error instanceof CacheStoreError && error.code === 'ERR_CACHE_STORE_FULL') return 'skipped'
        throw error
      }
      return before === false ? 'healed' : 'stored'
    },

    ingest: (ref, options) => ingests.open(ref, options),

    delete: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      const path = blobPath(place, digest)
      if (place.readOnly) throw readOnly(path)
      const status = isEmptyDigest(digest) ? undefined : statusOf(path)
      if (status === undefined) return false
      writing(path, () => rmSync(path, { force: true }))
      room.release(diskBytes(status))
      return true
    },

    file: async (digest) => {
      if (sizeOfBlob(place, digest) !== undefined) return blobPath(place, digest)
      if (!isEmptyDigest(digest) || place.readOnly) return undefined
      publishTemporary(place, writeTemporary(place, new Uint8Array()), digest)
      return blobPath(place, digest)
    },
  }
}

function publishTemporary(place: Place, temporary: string, digest: Digest): void {
  try {
    publishBlob(place, temporary, digest)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
