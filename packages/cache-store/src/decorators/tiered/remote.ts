/**
 * A tier below the first, which may be slow, ill or gone without harm to anybody.
 *
 * @module
 */
import { type ByteSource, type Digest, type OpenOptions, verify, withSignal } from '@varve/digest'
import type { ActionIndex } from '../../action-index.ts'
import type { BlobStore } from '../../blob-store.ts'
import { CacheStoreError } from '../../errors.ts'
import { Patience, within } from '../../patience.ts'
import type { Tier } from '../../store.ts'
import { isWrongBytes } from '../failure.ts'
import type { OperationName } from '../operation.ts'
import { WatchedSource } from '../watched-source.ts'
import { Breaker, type BreakerOptions, type Ticket } from './breaker.ts'
import type { TierEvent } from './events.ts'

/** How a tier is used. */
export interface RemoteSettings {
  readonly name: string
  readonly write: 'back' | 'through' | 'none'
  readonly takes: 'all' | 'recorded'
  /** Whether a write that it does not take fails. */
  readonly isStrict: boolean
  readonly timeoutMs: number
  readonly breaker: BreakerOptions
}

/** Runs operations of one tier: bounded in time, counted by its breaker, and told of if they fail. */
export class Remote {
  readonly name: string
  readonly write: RemoteSettings['write']
  readonly takes: RemoteSettings['takes']
  readonly isStrict: boolean
  readonly blobs: BlobStore
  readonly actions: ActionIndex
  readonly #timeoutMs: number
  readonly #breaker: Breaker
  readonly #tell: (event: TierEvent) => void

  constructor(tier: Tier, settings: RemoteSettings, tell: (event: TierEvent) => void) {
    const { name: tierName } = settings
    this.name = tierName
    this.write = settings.write
    this.takes = settings.takes
    this.isStrict = settings.isStrict
    this.blobs = tier.blobs
    this.actions = tier.actions
    this.#timeoutMs = settings.timeoutMs
    this.#tell = tell
    this.#breaker = new Breaker(settings.breaker, (state) => tell({ type: 'breaker', tier: tierName, state }))
  }

  /**
   * Runs an operation. The clock of its `patience` runs from one held moment to the next.
   *
   * Rejects with what it rejects with. `isOurs` says of a failure that the tier is not to blame for it.
   *
   * @throws {CacheStoreError} `ERR_CACHE_STORE_UNAVAILABLE` if the tier takes too long, or is being left alone.
   */
  async attempt<Result>(
    operation: OperationName,
    signal: AbortSignal | undefined,
    run: (patience: Patience) => Promise<Result>,
    isOurs: (error: unknown) => boolean = () => false,
  ): Promise<Result> {
    signal?.throwIfAborted()
    const ticket = this.#admit()
    try {
      const result = await within(this.#timeoutMs, signal, run)
      ticket.settle(operation, 'good')
      return result
    } catch (error) {
      const isInnocent = signal?.aborted === true || isOurs(error)
      if (!isInnocent) this.#tell({ type: 'failed', tier: this.name, operation, error })
      ticket.settle(operation, isInnocent ? 'unknown' : 'bad')
      throw error
    }
  }

  /** Runs an operation whose failure is an answer too: `otherwise`. */
  async ask<Result, const Otherwise>(
    operation: OperationName,
    signal: AbortSignal | undefined,
    run: (patience: Patience) => Promise<Result>,
    otherwise: Otherwise,
  ): Promise<Result | Otherwise> {
    try {
      return await this.attempt(operation, signal, run)
    } catch {
      signal?.throwIfAborted()
      return otherwise
    }
  }

  /** Looks for a blob; what comes is to be read by {@link paced} or {@link proven}. */
  get(digest: Digest, signal: AbortSignal | undefined): Promise<ByteSource | undefined> {
    const get = (patience: Patience): Promise<ByteSource | undefined> =>
      this.blobs.get(digest, { signal: patience.signal })
    return this.ask('get', signal, get, undefined)
  }

  /**
   * The bytes of a source that this tier gave, with patience for each chunk. Whoever reads them to the end says whether
   * they were right: {@link wereRight}, {@link wereWrong}.
   */
  paced(source: ByteSource): ByteSource {
    return { size: source.size, open: (options) => this.#pace(source, options) }
  }

  /** As {@link paced}, and verified if they are read as a whole. */
  proven(digest: Digest, source: ByteSource): ByteSource {
    return { size: source.size, open: (options) => this.#prove(digest, source, options) }
  }

  wereRight(): void {
    this.#breaker.succeeded('read')
  }

  wereWrong(error: unknown): void {
    this.#tell({ type: 'failed', tier: this.name, operation: 'read', error })
    this.#breaker.failed('read')
  }

  #admit(): Ticket {
    const ticket = this.#breaker.admit()
    if (ticket !== undefined) return ticket
    const message = `The tier ${JSON.stringify(this.name)} has failed too often and is left alone for a while`
    throw new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', message)
  }

  async *#pace(source: ByteSource, options: OpenOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    const { signal } = options
    signal?.throwIfAborted()
    const ticket = this.#admit()
    const patience = new Patience(this.#timeoutMs, signal)
    let verdict: 'bad' | 'unknown' = 'unknown'
    let reader: AsyncIterator<Uint8Array> | undefined
    try {
      reader = source.open({ ...options, signal: patience.signal })[Symbol.asyncIterator]()
      for (;;) {
        const { done, value } = await patience.wait(reader.next())
        if (done) return
        patience.hold()
        yield value
        patience.resume()
      }
    } catch (error) {
      if (!signal?.aborted) {
        verdict = 'bad'
        this.#tell({ type: 'failed', tier: this.name, operation: 'read', error })
      }
      throw error
    } finally {
      ticket.settle('read', verdict)
      // One that hangs is not waited for.
      if (!patience.signal.aborted && reader?.return)
        await patience.wait(reader.return()).catch(() => undefined)
      patience.end()
    }
  }

  async *#prove(
    digest: Digest,
    source: ByteSource,
    options: OpenOptions = {},
  ): AsyncGenerator<Uint8Array, void, void> {
    const { start = 0, end = Infinity, signal } = options
    const { size } = source
    if (start > 0 || end < (size ?? Infinity)) {
      yield* this.#pace(source, options)
      return
    }
    const watched = new WatchedSource(this.paced(source))
    try {
      yield* verify(watched.open(withSignal(signal)), { digest, size })
      this.wereRight()
    } catch (error) {
      if (isWrongBytes(error) && !watched.hasFailed) this.wereWrong(error)
      throw error
    }
  }
}
