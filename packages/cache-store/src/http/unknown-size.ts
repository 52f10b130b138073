/**
 * Puts of bytes whose number nobody knows, while a request has to tell it beforehand.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { type ByteSource, type Digest, verify, withSignal } from '@varve/digest'
import type { BlobStore, Ingest, PutOutcome } from '../blob-store.ts'
import { CacheStoreError } from '../errors.ts'
import { createSpooledIngests } from '../spool.ts'

/** Writes a copy whose size is known. */
export type PutCopy = (copy: ByteSource) => Promise<PutOutcome>

/** Collects and verifies the bytes in `spool`, and gives the copy to `put`; `skipped`, too, if there is no room for it. */
export async function putCounted(
  spool: BlobStore | string | undefined,
  digest: Digest,
  source: ByteSource,
  put: PutCopy,
  signal: AbortSignal | undefined,
): Promise<PutOutcome> {
  let outcome: PutOutcome = 'skipped'
  const spooled = createSpooledIngests(spool, async (_, copy) => {
    outcome = await put(copy)
    // Skipped is an answer to a put, and only to an ingest a failure.
    return outcome === 'skipped' ? 'stored' : outcome
  })
  try {
    const ingest = await spooled.open(`put-${randomBytes(16).toString('hex')}`, withSignal(signal))
    await collect(ingest, digest, source, signal)
    return outcome
  } catch (error) {
    if (error instanceof CacheStoreError && error.code === 'ERR_CACHE_STORE_FULL') return 'skipped'
    throw error
  } finally {
    await spooled.close()
  }
}

async function collect(
  ingest: Ingest,
  digest: Digest,
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    for await (const chunk of verify(source.open(withSignal(signal)), { digest })) {
      signal?.throwIfAborted()
      await ingest.write(chunk)
    }
    signal?.throwIfAborted()
    await ingest.commit({ digest })
  } catch (error) {
    await ingest.abort()
    throw error
  }
}
