/**
 * A store with faults on purpose, to test what stands on top of it.
 *
 * @module
 */
import { type ByteSource, type Digest, digestOf, type OpenOptions } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import { CacheStoreError, type CacheStoreErrorCode } from '../errors.ts'
import { pause } from '../pause.ts'
import type { RefStore } from '../ref-store.ts'
import type { Store, Tier } from '../store.ts'
import type { OperationName } from './operation.ts'

/**
 * Chances of each fault, from 0, the default, to 1. The same seed gives the same faults to the same operations: each
 * depends on the operation, on what it is about, and on how many times it was done before.
 */
export interface ChaosOptions {
  readonly seed?: number
  /** Waits {@link latencyMs} first. */
  readonly slow?: number
  /** Milliseconds. Default 10. */
  readonly latencyMs?: number
  /** Rejects, before or after the operation was done, with one of {@link codes}; reads fail in the middle. */
  readonly failing?: number
  /** Default `ERR_CACHE_STORE_UNAVAILABLE` alone. */
  readonly codes?: readonly CacheStoreErrorCode[]
  /** Waits until the signal aborts; without a signal, for ever. */
  readonly hanging?: number
  /** Reads that end in the middle as if that were the end. */
  readonly truncating?: number
  /** Reads with a wrong byte. */
  readonly corrupting?: number
  /** `missing` finds what is absent, `get` does not find what is present, writes say that they wrote and did not. */
  readonly lying?: number
  /** Default: any operation. */
  readonly operations?: readonly OperationName[]
}

/** Adds faults to a store. They are those that its interfaces allow a bad store: nothing is thrown that is no error. */
export function chaos(store: Store, faults: ChaosOptions): Store
export function chaos(store: Tier, faults: ChaosOptions): Tier
export function chaos(store: Tier & Partial<Store>, faults: ChaosOptions): Tier & Partial<Store> {
  const { actions, refs } = store
  const trouble = new Trouble(faults)
  return {
    blobs: chaoticBlobs(store.blobs, trouble),
    actions: {
      get: (key, scopes, options) =>
        trouble.around('record-get', key, options?.signal, async (dice) =>
          dice.lies() ? undefined : actions.get(key, scopes, options),
        ),
      put: (record, options) =>
        trouble.around('record-put', record.key, options.signal, async (dice) =>
          dice.lies() ? 'created' : actions.put(record, options),
        ),
    },
    ...(refs && { refs: chaoticRefs(refs, trouble) }),
  }
}

function chaoticBlobs(blobs: BlobStore, trouble: Trouble): BlobStore {
  return {
    missing: async (asked, options) => {
      const digests = [...asked]
      return trouble.around('missing', '', options?.signal, async () => {
        const absent = await blobs.missing(digests, options)
        return new Set([...absent].filter((digest) => !trouble.dice('missing', digest).lies()))
      })
    },
    get: (digest, options) =>
      trouble.around('get', digest, options?.signal, async (dice) => {
        const source = dice.lies() ? undefined : await blobs.get(digest, options)
        return source && chaoticSource(digest, source, trouble)
      }),
    put: (digest, source, options) =>
      trouble.around('put', digest, options?.signal, async (dice) =>
        dice.lies() ? 'stored' : blobs.put(digest, source, options),
      ),
    ingest: async (ref, options) => {
      const ingest = await trouble.around('ingest', ref, options?.signal, () => blobs.ingest(ref, options))
      return {
        get offset() {
          return ingest.offset
        },
        write: (chunk) => ingest.write(chunk),
        commit: (expected) => trouble.around('commit', ref, undefined, () => ingest.commit(expected)),
        abort: () => ingest.abort(),
      }
    },
    delete: (digest, options) =>
      trouble.around('delete', digest, options?.signal, async (dice) =>
        dice.lies() ? true : blobs.delete(digest, options),
      ),
  }
}

/** All faults of a read happen at one place of it, so that what comes before is right. */
function chaoticSource(digest: Digest, source: ByteSource, trouble: Trouble): ByteSource {
  return {
    size: source.size,
    async *open(options: OpenOptions = {}) {
      const { start = 0, end = Infinity, signal } = options
      const dice = trouble.dice('read', digest)
      await dice.delay(signal)
      const length = Math.min(end, source.size ?? 0) - start
      let rest = Math.floor(dice.roll('place') * Math.max(0, length))
      let isDue = true
      for await (const chunk of source.open(options)) {
        if (!isDue || rest >= chunk.byteLength) {
          rest -= chunk.byteLength
          yield chunk
          continue
        }
        isDue = false
        if (dice.truncates() || dice.fails() || dice.hangs()) {
          if (rest > 0) yield chunk.slice(0, rest)
          if (dice.hangs()) await forever(signal)
          if (dice.fails()) throw dice.error()
          return
        }
        yield dice.corrupts() ? chunk.with(rest, (chunk[rest] ?? 0) ^ 0xff) : chunk
      }
    },
  }
}

function chaoticRefs(refs: RefStore, trouble: Trouble): RefStore {
  return {
    read: (name, options) =>
      trouble.around('ref-read', name, options?.signal, () => refs.read(name, options)),
    update: (name, merge, options) =>
      trouble.around('ref-update', name, options?.signal, () => refs.update(name, merge, options)),
    list: (prefix, options) =>
      trouble.around('ref-list', prefix, options?.signal, () => refs.list(prefix, options)),
  }
}

class Trouble {
  readonly #options: ChaosOptions
  readonly #turns = new Map<string, number>()

  constructor(options: ChaosOptions) {
    this.#options = options
  }

  dice(operation: OperationName, about: string): Dice {
    const name = `${operation} ${about}`
    const turn = this.#turns.get(name) ?? 0
    this.#turns.set(name, turn + 1)
    const { operations, seed = 0 } = this.#options
    const isMeant = operations === undefined || operations.includes(operation)
    return new Dice(`${seed} ${name} ${turn}`, isMeant ? this.#options : {})
  }

  async around<Result>(
    operation: OperationName,
    about: string,
    signal: AbortSignal | undefined,
    run: (dice: Dice) => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted()
    const dice = this.dice(operation, about)
    await dice.delay(signal)
    if (dice.hangs()) await forever(signal)
    if (!dice.fails()) return run(dice)
    // The other half are answers that get lost on their way back.
    if (dice.roll('when') < 0.5) await run(dice)
    throw dice.error()
  }
}

/** What happens to one operation. Asked twice, it gives the same answer. */
class Dice {
  readonly #name: string
  readonly #options: ChaosOptions

  constructor(name: string, options: ChaosOptions) {
    this.#name = name
    this.#options = options
  }

  /** At least 0, less than 1. */
  roll(what: string): number {
    const digest = digestOf(new TextEncoder().encode(`${this.#name} ${what}`))
    return Number.parseInt(digest.slice(-8), 16) / 2 ** 32
  }

  async delay(signal: AbortSignal | undefined): Promise<void> {
    if (this.#happens('slow')) await pause(this.#options.latencyMs ?? 10, signal)
  }

  fails(): boolean {
    return this.#happens('failing')
  }

  hangs(): boolean {
    return this.#happens('hanging')
  }

  truncates(): boolean {
    return this.#happens('truncating')
  }

  corrupts(): boolean {
    return this.#happens('corrupting')
  }

  lies(): boolean {
    return this.#happens('lying')
  }

  error(): CacheStoreError {
    const codes = this.#options.codes ?? []
    const code = codes[Math.floor(this.roll('code') * codes.length)] ?? 'ERR_CACHE_STORE_UNAVAILABLE'
    return new CacheStoreError(code, 'A fault on purpose')
  }

  #happens(what: 'slow' | 'failing' | 'hanging' | 'truncating' | 'corrupting' | 'lying'): boolean {
    const chance = this.#options[what] ?? 0
    return chance > 0 && this.roll(what) < chance
  }
}

function forever(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal?.reason as Error)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}
