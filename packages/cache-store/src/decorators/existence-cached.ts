/**
 * Memory of which blobs a store has, where asking is dear.
 *
 * @module
 */
import type { ByteSource, Digest } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import { isLoss } from './failure.ts'

/** How long answers are believed. */
export interface ExistenceCacheOptions {
  /**
   * Milliseconds that "present" is believed, and that a blob which went away may be taken for present. Keep it well
   * below the time that the store keeps what nobody asks for, since an answer from memory does not count there as a
   * use. Default 600,000.
   */
  readonly posTtlMs?: number
  /** Milliseconds that "absent" is believed, and that a blob which others have written may be missed. Default 30,000. */
  readonly negTtlMs?: number
  /** Answers kept; those not used for longest go. Default 100,000. */
  readonly limit?: number
}

/**
 * Remembers what `missing`, `get` and writes have told about blobs, and asks the store only about the others.
 *
 * What was written here is present at once. What was found damaged or gone, or was deleted here, is asked for anew.
 */
export function existenceCached(blobs: BlobStore, cache: ExistenceCacheOptions = {}): BlobStore {
  const { posTtlMs = 600_000, negTtlMs = 30_000, limit = 100_000 } = cache
  const memory = new ExistenceMemory(posTtlMs, negTtlMs, limit)

  const watched = (digest: Digest, source: ByteSource): ByteSource => ({
    size: source.size,
    async *open(options) {
      try {
        yield* source.open(options)
      } catch (error) {
        if (isLoss(error)) memory.forget(digest)
        throw error
      }
    },
  })

  return {
    missing: async (digests, options) => {
      options?.signal?.throwIfAborted()
      const absent = new Set<Digest>()
      const unknown = new Set<Digest>()
      for (const digest of digests) {
        const known = memory.recall(digest)
        if (known === undefined) unknown.add(digest)
        else if (!known) absent.add(digest)
      }
      if (unknown.size === 0) return absent
      const since = memory.now
      const answer = await blobs.missing(unknown, options)
      for (const digest of unknown) {
        if (!memory.learn(digest, !answer.has(digest), since)) absent.add(digest)
      }
      return absent
    },

    get: async (digest, options) => {
      options?.signal?.throwIfAborted()
      if (memory.recall(digest) === false) return undefined
      const since = memory.now
      const source = await blobs.get(digest, options)
      memory.learn(digest, source !== undefined, since)
      return source && watched(digest, source)
    },

    put: async (digest, source, options) => {
      const outcome = await blobs.put(digest, source, options)
      if (outcome !== 'skipped') memory.set(digest, true)
      return outcome
    },

    ingest: async (ref, options) => {
      const ingest = await blobs.ingest(ref, options)
      return {
        get offset() {
          return ingest.offset
        },
        write: (chunk) => ingest.write(chunk),
        commit: async (expected) => {
          const committed = await ingest.commit(expected)
          memory.set(committed.digest, true)
          return committed
        },
        abort: () => ingest.abort(),
      }
    },

    delete: async (digest, options) => {
      try {
        return await blobs.delete(digest, options)
      } finally {
        memory.forget(digest)
      }
    },
  }
}

interface Known {
  readonly isPresent: boolean
  /** By the clock that never goes back. */
  readonly until: number
  /** When it was learnt, in events. */
  readonly at: number
}

/**
 * Answers, least recently used first. Events are numbered, so that an answer which was on its way while we wrote or
 * forgot something is not believed about it afterwards.
 */
class ExistenceMemory {
  readonly #posTtlMs: number
  readonly #negTtlMs: number
  readonly #limit: number
  readonly #known = new Map<Digest, Known>()
  #events = 0
  /** The latest event about a blob of which nothing is remembered. */
  #forgotten = 0

  constructor(posTtlMs: number, negTtlMs: number, limit: number) {
    this.#posTtlMs = posTtlMs
    this.#negTtlMs = negTtlMs
    this.#limit = limit
  }

  /** The number of the latest event. */
  get now(): number {
    return this.#events
  }

  recall(digest: Digest): boolean | undefined {
    const known = this.#known.get(digest)
    if (known === undefined || performance.now() >= known.until) return undefined
    this.#known.delete(digest)
    this.#known.set(digest, known)
    return known.isPresent
  }

  set(digest: Digest, isPresent: boolean): void {
    const until = performance.now() + (isPresent ? this.#posTtlMs : this.#negTtlMs)
    this.#known.delete(digest)
    this.#known.set(digest, { isPresent, until, at: (this.#events += 1) })
    for (const [oldest, { at }] of this.#known) {
      if (this.#known.size <= this.#limit) return
      this.#known.delete(oldest)
      this.#forgotten = Math.max(this.#forgotten, at)
    }
  }

  /** Takes an answer to a question put after the event `since`, and gives the one that holds. */
  learn(digest: Digest, isPresent: boolean, since: number): boolean {
    const known = this.#known.get(digest)
    if (known !== undefined && known.at > since) return known.isPresent
    if (this.#forgotten <= since) this.set(digest, isPresent)
    return isPresent
  }

  forget(digest: Digest): void {
    this.#known.delete(digest)
    this.#forgotten = this.#events += 1
  }
}
