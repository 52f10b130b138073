/**
 * Single-flight within a process: what many do at once is done once.
 *
 * @module
 */
import { type ByteSource, type Digest, withSignal } from '@varve/digest'
import type { BlobStore, PutOutcome, StoreOptions } from '../blob-store.ts'
import { within } from '../patience.ts'
import { WatchedSource } from './watched-source.ts'

/**
 * Of many puts of one digest at once the first one runs, and all get its outcome. One that fails because of its own
 * source, or is aborted, makes way for the next, which tries with its own. A store that fails fails for all that wait.
 *
 * Questions asked in the same turn of the event loop are one question. A caller's signal ends that caller's waiting.
 */
export function deduped(blobs: BlobStore): BlobStore {
  return {
    missing: batched((digests, options) => blobs.missing(digests, options)),
    get: (digest, options) => blobs.get(digest, options),
    put: shared((digest, source, options) => blobs.put(digest, source, options)),
    ingest: (ref, options) => blobs.ingest(ref, options),
    delete: (digest, options) => blobs.delete(digest, options),
  }
}

/** One run of `put` for each digest at any time. */
export function shared(put: BlobStore['put']): BlobStore['put'] {
  /** Fulfilled with `undefined` by a run that failed in a way that is its own. */
  const running = new Map<Digest, Promise<PutOutcome | undefined>>()

  const lead = async (digest: Digest, source: ByteSource, signal?: AbortSignal): Promise<PutOutcome> => {
    const watched = new WatchedSource(source)
    const run = put(digest, watched, withSignal(signal))
    const forOthers = run.catch((error: unknown) => {
      if (signal?.aborted || watched.isToBlame(error)) return undefined
      throw error
    })
    // Maybe nobody waits.
    forOthers.catch(() => undefined)
    running.set(digest, forOthers)
    try {
      return await run
    } finally {
      if (running.get(digest) === forOthers) running.delete(digest)
    }
  }

  return async (digest, source, { signal } = {}) => {
    signal?.throwIfAborted()
    for (let other = running.get(digest); other !== undefined; other = running.get(digest)) {
      const outcome = await within(Infinity, signal, () => other)
      if (outcome !== undefined) return outcome
    }
    return lead(digest, source, signal)
  }
}

/** Questions that are put together; stopped when the last one who asked has gone away. */
interface Batch {
  readonly digests: Set<Digest>
  readonly controller: AbortController
  readonly answer: Promise<Set<Digest>>
  waiting: number
}

function batched(missing: BlobStore['missing']): BlobStore['missing'] {
  let open: Batch | undefined

  const begin = (): Batch => {
    const digests = new Set<Digest>()
    const controller = new AbortController()
    const answer = Promise.resolve().then(() => {
      if (open?.digests === digests) open = undefined
      return missing(digests, { signal: controller.signal })
    })
    // Maybe all have gone away.
    answer.catch(() => undefined)
    return { digests, controller, answer, waiting: 0 }
  }

  return async (asked, { signal }: StoreOptions = {}) => {
    signal?.throwIfAborted()
    const digests = [...asked]
    const batch = (open ??= begin())
    for (const digest of digests) batch.digests.add(digest)
    batch.waiting += 1
    try {
      const absent = await within(Infinity, signal, () => batch.answer)
      return new Set(digests.filter((digest) => absent.has(digest)))
    } finally {
      batch.waiting -= 1
      if (batch.waiting === 0 && signal?.aborted) {
        if (open === batch) open = undefined
        batch.controller.abort(signal.reason)
      }
    }
  }
}
