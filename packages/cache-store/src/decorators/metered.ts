/**
 * What a store does, told operation by operation.
 *
 * @module
 */
import type { ByteSource, OpenOptions } from '@varve/digest'
import type { RecordOutcome } from '../action-index.ts'
import type { BlobStore, Ingest, PutOutcome } from '../blob-store.ts'
import type { RefStore } from '../ref-store.ts'
import type { Store, Tier } from '../store.ts'
import { codeOf } from './failure.ts'
import { telling } from './listener.ts'
import type { OperationName } from './operation.ts'
import { WatchedSource } from './watched-source.ts'

/** One operation that has ended. */
export interface StoreOperation {
  /** The name that the meter was given. */
  readonly tier: string
  readonly operation: OperationName
  /** `stopped`: the caller's signal aborted, or a reader left early. */
  readonly outcome: 'done' | 'failed' | 'stopped' | 'hit' | 'miss' | PutOutcome | RecordOutcome
  /** Blobs, records and refs that were found. */
  readonly hits: number
  /** Those that were looked for in vain. */
  readonly misses: number
  /** Bytes of blobs that went through: out of the store by `read`, into it by `put` and `commit`. */
  readonly bytes: number
  readonly milliseconds: number
  /** The code of the error, or its name, if it failed. */
  readonly code?: string
}

/** What an operation came to, before it is known how long it took. */
type Result = Pick<StoreOperation, 'outcome'> & Partial<Pick<StoreOperation, 'hits' | 'misses' | 'bytes'>>

/**
 * Tells `onOperation` of every operation when it ends; changes nothing else, whatever `onOperation` does. `tier` names
 * the store in the events.
 */
export function metered(store: Store, onOperation: (operation: StoreOperation) => void, tier?: string): Store
export function metered(store: Tier, onOperation: (operation: StoreOperation) => void, tier?: string): Tier
export function metered(
  store: Tier & Partial<Store>,
  onOperation: (operation: StoreOperation) => void,
  tier: string = 'store',
): Tier & Partial<Store> {
  const stopwatch = new Stopwatch(tier, onOperation)
  const { actions, refs } = store
  return {
    blobs: meteredBlobs(store.blobs, stopwatch),
    actions: {
      get: (key, scopes, options) =>
        stopwatch.time('record-get', options?.signal, () => actions.get(key, scopes, options), found),
      put: (record, options) =>
        stopwatch.time(
          'record-put',
          options.signal,
          () => actions.put(record, options),
          (outcome) => ({ outcome }),
        ),
    },
    ...(refs && { refs: meteredRefs(refs, stopwatch) }),
  }
}

function meteredBlobs(blobs: BlobStore, stopwatch: Stopwatch): BlobStore {
  return {
    missing: (asked, options) => {
      const digests = new Set(asked)
      const run = (): ReturnType<BlobStore['missing']> => blobs.missing(digests, options)
      return stopwatch.time('missing', options?.signal, run, (absent) => ({
        outcome: 'done',
        hits: digests.size - absent.size,
        misses: absent.size,
      }))
    },
    get: async (digest, options) => {
      const source = await stopwatch.time('get', options?.signal, () => blobs.get(digest, options), found)
      return source && meteredSource(source, stopwatch)
    },
    put: (digest, source, options) => {
      const watched = new WatchedSource(source)
      const run = (): Promise<PutOutcome> => blobs.put(digest, watched, options)
      return stopwatch.time('put', options?.signal, run, (outcome) => ({ outcome, bytes: watched.bytes }))
    },
    ingest: async (ref, options) => {
      const ingest = await stopwatch.time('ingest', options?.signal, () => blobs.ingest(ref, options), done)
      return meteredIngest(ingest, stopwatch)
    },
    delete: (digest, options) =>
      stopwatch.time('delete', options?.signal, () => blobs.delete(digest, options), done),
  }
}

function meteredSource(source: ByteSource, stopwatch: Stopwatch): ByteSource {
  return {
    size: source.size,
    async *open(options: OpenOptions = {}) {
      const tell = stopwatch.start('read', options.signal)
      let result: Result = { outcome: 'stopped' }
      let bytes = 0
      let failure: unknown
      try {
        for await (const chunk of source.open(options)) {
          bytes += chunk.byteLength
          yield chunk
        }
        result = { outcome: 'done' }
      } catch (error) {
        result = { outcome: 'failed' }
        failure = error
        throw error
      } finally {
        tell({ ...result, bytes }, failure)
      }
    },
  }
}

function meteredIngest(ingest: Ingest, stopwatch: Stopwatch): Ingest {
  let bytes = 0
  return {
    get offset() {
      return ingest.offset
    },
    write: async (chunk) => {
      const size = chunk.byteLength
      await ingest.write(chunk)
      bytes += size
    },
    commit: (expected) =>
      stopwatch.time(
        'commit',
        undefined,
        () => ingest.commit(expected),
        () => ({ outcome: 'done', bytes }),
      ),
    abort: () => ingest.abort(),
  }
}

function meteredRefs(refs: RefStore, stopwatch: Stopwatch): RefStore {
  return {
    read: (name, options) =>
      stopwatch.time('ref-read', options?.signal, () => refs.read(name, options), found),
    update: (name, merge, options) =>
      stopwatch.time('ref-update', options?.signal, () => refs.update(name, merge, options), done),
    list: (prefix, options) =>
      stopwatch.time('ref-list', options?.signal, () => refs.list(prefix, options), done),
  }
}

class Stopwatch {
  readonly #tier: string
  readonly #tell: (operation: StoreOperation) => void

  constructor(tier: string, onOperation: (operation: StoreOperation) => void) {
    this.#tier = tier
    this.#tell = telling(onOperation)
  }

  /** Begins an operation; what comes back is called at its end. */
  start(operation: OperationName, signal?: AbortSignal): (result: Result, failure?: unknown) => void {
    const begun = performance.now()
    return ({ outcome, hits = 0, misses = 0, bytes = 0 }, failure) => {
      const milliseconds = performance.now() - begun
      const common = { tier: this.#tier, operation, hits, misses, bytes, milliseconds }
      if (outcome !== 'failed') this.#tell({ ...common, outcome })
      else if (signal?.aborted) this.#tell({ ...common, outcome: 'stopped' })
      else this.#tell({ ...common, outcome, code: nameOf(failure) })
    }
  }

  async time<Value>(
    operation: OperationName,
    signal: AbortSignal | undefined,
    run: () => Promise<Value>,
    resultOf: (value: Value) => Result,
  ): Promise<Value> {
    const tell = this.start(operation, signal)
    try {
      const value = await run()
      tell(resultOf(value))
      return value
    } catch (error) {
      tell({ outcome: 'failed' }, error)
      throw error
    }
  }
}

function done(): Result {
  return { outcome: 'done' }
}

function found(value: unknown): Result {
  return value === undefined ? { outcome: 'miss', misses: 1 } : { outcome: 'hit', hits: 1 }
}

function nameOf(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.name : typeof error)
}
