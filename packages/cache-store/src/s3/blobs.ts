/**
 * Blobs as objects.
 *
 * @module
 */
import {
  algorithmOf,
  type ByteSource,
  bytesSource,
  type Digest,
  DigestError,
  digestOf,
  type OpenOptions,
  verify,
  withSignal,
} from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import { isEmptyDigest } from '../empty-blob.ts'
import type { SpooledIngests } from '../spool.ts'
import { type Access, readOnly } from './access.ts'
import { download, type DownloadSettings } from './download.ts'
import { kindOf } from './failure.ts'
import type { Keys } from './keys.ts'
import { forEach } from './limit.ts'
import type { ObjectStatus, OpenObject } from './objects.ts'
import { look, type PresenceSettings } from './presence.ts'
import type { Renewal } from './renewal.ts'
import { collected } from './small.ts'
import { upload, type UploadSettings } from './upload.ts'

/** What blobs are made of. */
export interface BlobSettings extends UploadSettings, DownloadSettings, PresenceSettings {
  readonly keys: Keys
  readonly access: Access
  readonly renewal: Renewal
}

/** A first request asks for so much: small blobs, as documents are, then need no second one. */
const PEEK = 16 * 1024

/** The blobs of a bucket. `ingests` collect what has no digest yet, and put it here in the end. */
export function createS3Blobs(settings: BlobSettings, ingests: SpooledIngests): BlobStore {
  const { objects, keys, access, renewal } = settings
  return {
    missing: async (digests, { signal } = {}) => {
      signal?.throwIfAborted()
      const absent = new Set([...digests].filter((digest) => !isEmptyDigest(digest)))
      const due = new Map<Digest, number>()
      const found = (digest: Digest, { ageMs, size }: ObjectStatus): void => {
        absent.delete(digest)
        if (renewal.isDue(ageMs)) due.set(digest, size)
      }
      await look(settings, new Set(absent), found, withSignal(signal))
      await forEach(due, settings.width, async ([digest, size]) => {
        if (!(await renewal.renew(keys.blob(digest), size, withSignal(signal)))) absent.add(digest)
      })
      return absent
    },

    get: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      if (isEmptyDigest(digest)) return bytesSource(new Uint8Array())
      const key = keys.blob(digest)
      const object = await peek(settings, key, signal)
      if (object === undefined) return undefined
      const { size, ageMs, bytes } = object
      if (size === 0 || (bytes !== undefined && digestOf(bytes, algorithmOf(digest)) !== digest)) {
        await discard(settings, key)
        return undefined
      }
      if (renewal.isDue(ageMs) && !(await renewal.renew(key, size, withSignal(signal)))) return undefined
      return bytes === undefined ? objectSource(settings, digest, size) : copyingSource(bytes)
    },

    put: async (digest, source, { signal } = {}) => {
      signal?.throwIfAborted()
      if (access.isReadOnly()) return 'skipped'
      if (isEmptyDigest(digest)) return 'existed'
      const key = keys.blob(digest)
      const before = await objects.head(key, withSignal(signal))
      if (before !== undefined && (source.size ?? before.size) === before.size && before.size > 0) {
        const isThere =
          !renewal.isDue(before.ageMs) || (await renewal.renew(key, before.size, withSignal(signal)))
        if (isThere) return 'existed'
      }
      try {
        const overwrite = before !== undefined
        const outcome = await upload(settings, { key, digest, source, overwrite, signal })
        return overwrite ? 'healed' : outcome
      } catch (error) {
        // Neither of these is the fault of the blob: the caller goes on without the store.
        const kind = kindOf(error)
        if (kind === 'full') access.warn('full', error)
        if (kind === 'full' || kind === 'denied') return 'skipped'
        throw error
      }
    },

    ingest: (ref, options) => ingests.open(ref, options),

    delete: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      if (access.isReadOnly()) throw readOnly()
      if (isEmptyDigest(digest)) return false
      const key = keys.blob(digest)
      // DELETE succeeds whether there is something or not.
      if ((await objects.head(key, withSignal(signal))) === undefined) return false
      return objects.remove(key, undefined, withSignal(signal))
    },
  }
}

/** The size of an object, and its bytes if they are few and came through. */
async function peek(
  { objects }: BlobSettings,
  key: string,
  signal: AbortSignal | undefined,
): Promise<(ObjectStatus & { readonly bytes: Uint8Array | undefined }) | undefined> {
  let object: OpenObject | undefined
  try {
    object = await objects.open(key, 0, PEEK, withSignal(signal))
  } catch (error) {
    // Of an object without bytes there is no range.
    if (kindOf(error) !== 'range') throw error
    return { size: 0, tag: '', ageMs: 0, bytes: undefined }
  }
  if (object === undefined) return undefined
  try {
    const bytes = await collected(object.body, PEEK)
    return { ...object, bytes: object.size === bytes.byteLength ? bytes : undefined }
  } catch {
    // Cut, or too long where ranges are not known: a read of its own finds out.
    signal?.throwIfAborted()
    return { ...object, bytes: undefined }
  }
}

/** Whole reads are verified, and an object found damaged is removed, so that the next put makes it anew. */
function objectSource(settings: BlobSettings, digest: Digest, size: number): ByteSource {
  const key = settings.keys.blob(digest)
  return {
    size,
    open: ({ start = 0, end = size, signal }: OpenOptions = {}) => {
      const last = Math.min(end, size)
      const bytes = download(settings, key, start, Math.max(start, last), signal)
      if (start > 0 || last < size) return bytes
      return guarded(verify(bytes, { digest, size }), (error) =>
        error instanceof DigestError ? discard(settings, key) : undefined,
      )
    },
  }
}

/** Passes everything on, and does something about a failure first. By hand: a generator more costs time per chunk. */
function guarded<Item>(
  items: AsyncGenerator<Item, void, void>,
  onFailure: (error: unknown) => Promise<void> | undefined,
): AsyncIterable<Item> {
  const next = async (): Promise<IteratorResult<Item, void>> => {
    try {
      return await items.next()
    } catch (error) {
      await onFailure(error)
      throw error
    }
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: () => items.return() }) }
}

/** Bytes that stay as they are, whatever their reader does with them. */
function copyingSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    async *open({ start = 0, end = bytes.byteLength, signal }: OpenOptions = {}) {
      signal?.throwIfAborted()
      const part = bytes.slice(start, Math.max(start, end))
      if (part.byteLength > 0) yield part
    },
  }
}

async function discard({ objects, access }: BlobSettings, key: string): Promise<void> {
  if (access.isReadOnly()) return
  try {
    await objects.remove(key, undefined, { once: true })
  } catch (error) {
    access.warn('discard', error)
  }
}
