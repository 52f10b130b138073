/**
 * Trust in a store that does not verify: a directory served by somebody, a foreign driver.
 *
 * @module
 */
import { assertExpected, type ByteSource, type Digest, verifiedSource } from '@varve/digest'
import type { BlobStore, Ingest } from '../blob-store.ts'
import { CacheStoreError } from '../errors.ts'
import { isWrongBytes } from './failure.ts'

/**
 * Verifies what goes in and what comes out. A whole read of wrong bytes rejects before its last chunk, and asks the
 * store to delete the blob; bytes of a put are proven before the store has got the last of them. A committed ingest is
 * read back once, since not all of its bytes need to have passed here.
 */
export function verifying(blobs: BlobStore): BlobStore {
  return {
    missing: (digests, options) => blobs.missing(digests, options),
    get: async (digest, options) => {
      const source = await blobs.get(digest, options)
      return source && provenSource(blobs, digest, source)
    },
    put: (digest, source, options) =>
      blobs.put(digest, verifiedSource(source, { digest, size: source.size }), options),
    ingest: async (ref, options) => provenIngest(blobs, await blobs.ingest(ref, options)),
    delete: (digest, options) => blobs.delete(digest, options),
  }
}

function provenSource(blobs: BlobStore, digest: Digest, source: ByteSource): ByteSource {
  const verified = verifiedSource(source, { digest, size: source.size })
  return {
    size: source.size,
    async *open(options) {
      try {
        yield* verified.open(options)
      } catch (error) {
        // Whether that works or not, this reader got no wrong bytes.
        if (isWrongBytes(error)) await blobs.delete(digest).catch(() => false)
        throw error
      }
    },
  }
}

function provenIngest(blobs: BlobStore, ingest: Ingest): Ingest {
  return {
    get offset() {
      return ingest.offset
    },
    write: (chunk) => ingest.write(chunk),
    commit: async (expected = {}) => {
      const committed = await ingest.commit(expected)
      const { digest } = committed
      assertExpected(committed, { digest: expected.digest ?? digest, size: expected.size })
      const source = await blobs.get(digest)
      if (source === undefined) {
        throw new CacheStoreError(
          'ERR_CACHE_STORE_MISSING',
          `The blob ${digest} was committed and is not there`,
        )
      }
      const proven = provenSource(blobs, digest, { size: committed.size, open: (o) => source.open(o) })
      for await (const _ of proven.open());
      return committed
    },
    abort: () => ingest.abort(),
  }
}
