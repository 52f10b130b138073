/**
 * Blobs at `cas/<sha256 in hexadecimal>`.
 *
 * @module
 */
import {
  algorithmOf,
  bytesSource,
  type ByteSource,
  type Digest,
  DigestError,
  hexOf,
  type OpenOptions,
  streamSource,
  verify,
  withSignal,
} from '@varve/digest'
import type { BlobStore, Ingest, PutOutcome, StoreOptions } from '../blob-store.ts'
import { isEmptyDigest } from '../empty-blob.ts'
import { download, type RemoteBlob } from './download.ts'
import { eachAtOnce } from './each-at-once.ts'
import type { Server } from './server.ts'
import { putCounted } from './unknown-size.ts'

/** Blobs known to be damaged; beyond so many the oldest are forgotten, and found again when they are read. */
const MAX_DAMAGED = 10_000

/** What the blobs of a server need beside it. */
export interface HttpBlobsOptions {
  /** Questions at once. */
  readonly concurrency: number
  /** Where bytes of unknown number are counted. */
  readonly spool: BlobStore | string | undefined
  readonly ingest: (ref: string, options?: StoreOptions) => Promise<Ingest>
}

/**
 * The blobs of a server. Only those that a sha256 names are stored, as the protocol knows no others; the rest is
 * missing, and its put `skipped`.
 *
 * What was found damaged is a miss from then on, in this process, until a put has written it anew.
 */
export function createHttpBlobs(server: Server, { concurrency, spool, ingest }: HttpBlobsOptions): BlobStore {
  const damaged = new Set<Digest>()

  const sizeOf = async (digest: Digest, signal: AbortSignal | undefined): Promise<number | undefined> => {
    if (!isStorable(digest) || damaged.has(digest)) return undefined
    const size = await server.size(pathOf(digest), signal)
    // Only the empty blob is empty.
    return size === 0 ? undefined : size
  }

  const markDamaged = (digest: Digest): void => {
    damaged.add(digest)
    const [oldest] = damaged
    if (damaged.size > MAX_DAMAGED && oldest !== undefined) damaged.delete(oldest)
  }

  const write = async (digest: Digest, source: ByteSource, signal?: AbortSignal): Promise<PutOutcome> => {
    // The last bytes are held back until all are proven: the server never has a whole body of wrong ones.
    const proven = streamSource(
      (opened) => verify(source.open(withSignal(opened)), { digest, size: source.size }),
      source.size,
    )
    // A body of no bytes would be whole as soon as it is announced.
    if (source.size === 0) for await (const _ of proven.open(withSignal(signal)));
    const outcome = await server.write(pathOf(digest), proven, { signal })
    if (outcome === 'skipped') return 'skipped'
    return damaged.delete(digest) ? 'healed' : 'stored'
  }

  return {
    missing: async (digests, { signal } = {}) => {
      signal?.throwIfAborted()
      const absent = new Set<Digest>()
      const asked = [...new Set(digests)].filter((digest) => !isEmptyDigest(digest))
      await eachAtOnce(asked, concurrency, signal, async (digest, stop) => {
        if ((await sizeOf(digest, stop)) === undefined) absent.add(digest)
      })
      return absent
    },

    get: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      if (isEmptyDigest(digest)) return bytesSource(new Uint8Array())
      const size = await sizeOf(digest, signal)
      if (size === undefined) return undefined
      return remoteSource(server, { digest, path: pathOf(digest), size }, () => markDamaged(digest))
    },

    put: async (digest, source, { signal } = {}) => {
      signal?.throwIfAborted()
      if (isEmptyDigest(digest)) return 'existed'
      if (!isStorable(digest) || server.isReadOnly()) return 'skipped'
      const size = await sizeOf(digest, signal)
      if (size !== undefined && size === (source.size ?? size)) return 'existed'
      // Bytes of another number are not the ones of this name.
      if (size !== undefined) markDamaged(digest)
      if (source.size !== undefined) return write(digest, source, signal)
      return putCounted(spool, digest, source, (copy) => write(digest, copy, signal), signal)
    },

    ingest,

    delete: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      if (isEmptyDigest(digest) || !isStorable(digest) || server.isReadOnly()) return false
      return server.remove(pathOf(digest), signal)
    },
  }
}

/** A blob on the server; whole reads are verified, and `onDamage` is told of wrong bytes. */
function remoteSource(server: Server, blob: RemoteBlob, onDamage: () => void): ByteSource {
  const { digest, size } = blob
  return {
    size,
    async *open({ start = 0, end = size, signal }: OpenOptions = {}) {
      signal?.throwIfAborted()
      const last = Math.min(end, size)
      try {
        if (start === 0 && last === size) {
          yield* verify(download(server, blob, { start, signal }), { digest, size })
        } else if (start < last) {
          yield* download(server, blob, { start, end: last, signal })
        }
      } catch (error) {
        if (error instanceof DigestError) onDamage()
        throw error
      }
    },
  }
}

function isStorable(digest: Digest): boolean {
  return algorithmOf(digest) === 'sha256'
}

function pathOf(digest: Digest): string {
  return `cas/${hexOf(digest)}`
}
