/**
 * Ingests of stores that cannot take bytes without knowing their digest: collected near by, then put.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ByteSource, type Digest, type DigestAndSize, withSignal } from '@varve/digest'
import type { BlobStore, Ingest, PutOutcome, StoreOptions } from './blob-store.ts'
import { CacheStoreError } from './errors.ts'
import { createLocalStore } from './local/store.ts'
import { assertIngestName } from './names.ts'

/** Ingests that end in another store. */
export interface SpooledIngests {
  open(ref: string, options?: StoreOptions): Promise<Ingest>
  /** Removes what was collected in a temporary directory. */
  close(): Promise<void>
}

/** Where bytes are collected, and whether they are to be removed once they are put. */
interface Spool {
  readonly blobs: BlobStore
  readonly isOurs: boolean
  remove(): Promise<void>
}

/**
 * Collects ingests in `spool`, a store or the directory of one, and gives whole ones to `put`. Without a spool they are
 * collected in a temporary directory, made when it is first needed.
 *
 * What a commit leaves in a store that was given stays there; from a directory it is removed.
 */
export function createSpooledIngests(
  spool: BlobStore | string | undefined,
  put: (digest: Digest, source: ByteSource, options?: StoreOptions) => Promise<PutOutcome>,
): SpooledIngests {
  let opened: Promise<Spool> | undefined
  // Two commits of the same bytes share one blob, which goes with the last of them.
  const users = new Map<Digest, number>()

  const deliver = async ({ blobs, isOurs }: Spool, actual: DigestAndSize, ref: string): Promise<void> => {
    const { digest } = actual
    users.set(digest, (users.get(digest) ?? 0) + 1)
    try {
      const source = await blobs.get(digest)
      if (source === undefined) throw lost(ref)
      if ((await put(digest, source)) === 'skipped') throw skipped(ref)
    } finally {
      const left = (users.get(digest) ?? 1) - 1
      if (left > 0) users.set(digest, left)
      else users.delete(digest)
      if (left === 0 && isOurs) await blobs.delete(digest)
    }
  }

  return {
    open: async (ref, { signal } = {}) => {
      signal?.throwIfAborted()
      assertIngestName(ref)
      opened ??= openSpool(spool)
      opened.catch(() => {
        opened = undefined
      })
      const place = await opened
      const ingest = await place.blobs.ingest(ref, withSignal(signal))
      return {
        get offset() {
          return ingest.offset
        },
        write: (chunk) => ingest.write(chunk),
        commit: async (expected) => {
          const actual = await ingest.commit(expected)
          await deliver(place, actual, ref)
          return actual
        },
        abort: () => ingest.abort(),
      }
    },

    close: async () => {
      const place = await opened?.catch(() => undefined)
      opened = undefined
      await place?.remove()
    },
  }
}

async function openSpool(spool: BlobStore | string | undefined): Promise<Spool> {
  const nothing = async (): Promise<void> => undefined
  if (typeof spool === 'object') return { blobs: spool, isOurs: false, remove: nothing }
  const directory = spool ?? (await mkdtemp(join(tmpdir(), 'varve-spool-')))
  const { blobs } = await createLocalStore({ directory, durability: 'rename' })
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  return { blobs, isOurs: true, remove: spool === undefined ? remove : nothing }
}

function lost(ref: string): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_MISSING',
    `What the ingest ${JSON.stringify(ref)} collected is gone`,
  )
}

function skipped(ref: string): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_UNWRITABLE',
    `The store has no room for the ingest ${JSON.stringify(ref)}, or is read-only`,
  )
}
