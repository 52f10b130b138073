/**
 * A store in memory: the test double for everything that takes a store, and a cache for one process.
 *
 * @module
 */
import { algorithmOf, assertExpected, type Digest, digestOf, verify, withSignal } from '@varve/digest'
import type { ActionIndex } from './action-index.ts'
import type { BlobStore, Ingest } from './blob-store.ts'
import { joined } from './chunks.ts'
import { CacheStoreError } from './errors.ts'
import { isEmptyDigest } from './empty-blob.ts'
import { assertFlightEntry, type FlightTable } from './flight-table.ts'
import { assertIngestName, assertRefName } from './names.ts'
import { createRecordIndex } from './record-index.ts'
import { assertRefSize, type RefStore } from './ref-store.ts'
import type { Store } from './store.ts'
import type { Trust } from './trust.ts'

/** What a store in memory believes. */
export interface MemoryStoreOptions {
  /** Signs records, and asks for signatures. */
  readonly trust?: Trust
}

/** An empty store. Nothing is ever evicted: it holds what it is given until it is garbage itself. */
export function createMemoryStore({ trust = {} }: MemoryStoreOptions = {}): Store {
  const blobs = createMemoryBlobStore()
  return { blobs, actions: createMemoryActionIndex(blobs, trust), refs: createMemoryRefStore() }
}

/** Blobs in a map. Bytes are copied on the way in and on the way out, so nobody can change what is stored. */
export function createMemoryBlobStore(): BlobStore {
  const blobs = new Map<Digest, Uint8Array>()
  const ingests = new Map<string, Pending>()

  return {
    missing: async (digests, options = {}) => {
      options.signal?.throwIfAborted()
      return new Set([...digests].filter((digest) => !blobs.has(digest) && !isEmptyDigest(digest)))
    },

    get: async (digest, options = {}) => {
      options.signal?.throwIfAborted()
      const bytes = blobs.get(digest) ?? (isEmptyDigest(digest) ? new Uint8Array() : undefined)
      if (bytes === undefined) return undefined
      return {
        size: bytes.byteLength,
        async *open({ start = 0, end = bytes.byteLength, signal } = {}) {
          signal?.throwIfAborted()
          const part = bytes.slice(start, Math.max(start, end))
          if (part.byteLength > 0) yield part
        },
      }
    },

    put: async (digest, source, options = {}) => {
      options.signal?.throwIfAborted()
      if (blobs.has(digest) || isEmptyDigest(digest)) return 'existed'
      const chunks: Uint8Array[] = []
      for await (const chunk of verify(source.open(withSignal(options.signal)), {
        digest,
        size: source.size,
      })) {
        options.signal?.throwIfAborted()
        chunks.push(chunk)
      }
      options.signal?.throwIfAborted()
      blobs.set(digest, joined(chunks))
      return 'stored'
    },

    ingest: async (ref, options = {}) => {
      options.signal?.throwIfAborted()
      assertIngestName(ref)
      const before = ingests.get(ref)
      const pending: Pending = { chunks: before?.chunks ?? [], size: before?.size ?? 0 }
      ingests.set(ref, pending)
      return ingestInto(blobs, ingests, ref, pending)
    },

    delete: async (digest, options = {}) => {
      options.signal?.throwIfAborted()
      return blobs.delete(digest)
    },
  }
}

/** Records in a map, over the blobs that they name. */
export function createMemoryActionIndex(blobs: BlobStore, trust: Trust = {}): ActionIndex {
  const records = new Map<string, Uint8Array>()
  return createRecordIndex(
    {
      read: async (scope, key) => records.get(`${scope}/${key}`),
      create: async (scope, key, bytes) => {
        if (records.has(`${scope}/${key}`)) return false
        records.set(`${scope}/${key}`, bytes)
        return true
      },
      replace: async (scope, key, bytes) => void records.set(`${scope}/${key}`, bytes),
    },
    blobs,
    trust,
  )
}

/** Refs in a map. `merge` is called once, since nobody can come between. */
export function createMemoryRefStore(): RefStore {
  const refs = new Map<string, Uint8Array>()
  return {
    read: async (name, options = {}) => {
      options.signal?.throwIfAborted()
      assertRefName(name)
      return refs.get(name)?.slice()
    },
    update: async (name, merge, options = {}) => {
      options.signal?.throwIfAborted()
      assertRefName(name)
      const document = merge(refs.get(name)?.slice())
      if (document === undefined) {
        refs.delete(name)
        return
      }
      assertRefSize(name, document)
      refs.set(name, document.slice())
    },
    list: async (prefix, options = {}) => {
      options.signal?.throwIfAborted()
      return [...refs.keys()].filter((name) => name.startsWith(prefix)).toSorted()
    },
  }
}

/** Marks of single-flight in a map: for flights within one process, and for tests. */
export function createMemoryFlightTable(): FlightTable {
  const entries = new Map<string, { readonly bytes: Uint8Array; readonly tag: string; readonly at: number }>()
  let writes = 0
  const write = (name: string, bytes: Uint8Array): string => {
    const tag = String((writes += 1))
    entries.set(name, { bytes: bytes.slice(), tag, at: performance.now() })
    return tag
  }
  return {
    create: async (name, bytes, options = {}) => {
      options.signal?.throwIfAborted()
      assertFlightEntry(name, bytes)
      return entries.has(name) ? undefined : write(name, bytes)
    },
    read: async (name, options = {}) => {
      options.signal?.throwIfAborted()
      assertRefName(name)
      const entry = entries.get(name)
      return entry && { bytes: entry.bytes.slice(), tag: entry.tag, ageMs: performance.now() - entry.at }
    },
    replace: async (name, tag, bytes, options = {}) => {
      options.signal?.throwIfAborted()
      assertFlightEntry(name, bytes)
      return entries.get(name)?.tag === tag ? write(name, bytes) : undefined
    },
    remove: async (name, tag, options = {}) => {
      options.signal?.throwIfAborted()
      assertRefName(name)
      return entries.get(name)?.tag === tag && entries.delete(name)
    },
  }
}

/** What an ingest holds. The handle whose object is in the map is the one that may write. */
interface Pending {
  chunks: Uint8Array[]
  size: number
}

function ingestInto(
  blobs: Map<Digest, Uint8Array>,
  ingests: Map<string, Pending>,
  ref: string,
  pending: Pending,
): Ingest {
  let done = false
  const assertOwned = (): void => {
    if (done) throw new TypeError(`The ingest ${JSON.stringify(ref)} has ended`)
    if (ingests.get(ref) === pending) return
    throw new CacheStoreError(
      'ERR_CACHE_STORE_BUSY',
      `Another writer took over the ingest ${JSON.stringify(ref)}`,
    )
  }
  const end = (): void => {
    done = true
    if (ingests.get(ref) === pending) ingests.delete(ref)
  }
  return {
    get offset() {
      return pending.size
    },
    write: async (chunk) => {
      assertOwned()
      pending.chunks.push(chunk.slice())
      pending.size += chunk.byteLength
    },
    commit: async (expected = {}) => {
      assertOwned()
      end()
      const bytes = joined(pending.chunks)
      const digest = digestOf(bytes, expected.digest === undefined ? 'sha256' : algorithmOf(expected.digest))
      const actual = { digest, size: bytes.byteLength }
      assertExpected(actual, { digest: expected.digest ?? digest, size: expected.size })
      blobs.set(digest, bytes)
      return actual
    },
    abort: async () => end(),
  }
}
