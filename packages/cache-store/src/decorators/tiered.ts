/**
 * Several tiers as one store: a near one, and others that are farther, larger or shared.
 *
 * @module
 */
import { type ByteSource, type Digest, withSignal } from '@varve/digest'
import type { StoreOptions } from '../blob-store.ts'
import type { Store, Tier } from '../store.ts'
import { telling } from './listener.ts'
import { createTieredActions } from './tiered/actions.ts'
import { createTieredBlobs } from './tiered/blobs.ts'
import type { BreakerOptions } from './tiered/breaker.ts'
import type { FlushReport, TierEvent } from './tiered/events.ts'
import { First } from './tiered/first.ts'
import { Ledger } from './tiered/ledger.ts'
import type { QueueOptions } from './tiered/queue.ts'
import { Remote } from './tiered/remote.ts'
import { Writer } from './tiered/writer.ts'

export type { BreakerOptions, QueueOptions }
export type { FlushReport, TierConflict, TierEvent, TierLoss, TierSubject } from './tiered/events.ts'

/** `back`: in the background; `through`: before the write is fulfilled; `none`: never. */
export type TierWriteMode = 'back' | 'through' | 'none'

/** A tier below the first, used otherwise than the others. */
export interface PlacedTier {
  readonly tier: Tier
  /** For events and reports. Default `l1`, `l2` and so on. */
  readonly name?: string
  /** Whether anything is looked for in it. Default true. */
  readonly read?: boolean
  readonly write?: TierWriteMode
  /** Which blobs are written to it: `all`, the default, or only what a record names, with the record. */
  readonly takes?: 'all' | 'recorded'
  /** Whether a write that this tier does not take rejects. */
  readonly errors?: 'ignore' | 'reject'
}

/** How tiers work together. */
export interface TieredOptions {
  /** Default `back`. */
  readonly write?: TierWriteMode
  /**
   * What becomes of a build whose cache is ill. `ignore`, the default: nothing; what fails is told by events and
   * counts as a miss, or as `skipped`. `l0`: what fails in the first tier rejects. `all`: so does a write that fails
   * in any tier, in the background at the next {@link TieredStore.flush}. A read of a lower tier never rejects.
   */
  readonly errors?: 'ignore' | 'l0' | 'all'
  /**
   * Milliseconds that a lower tier may take to answer, or to give or take the next chunk, before it counts as failed.
   * Default 10,000.
   */
  readonly timeoutMs?: number
  readonly breaker?: BreakerOptions
  readonly queue?: QueueOptions
  readonly onEvent?: (event: TierEvent) => void
}

/** A store of tiers. */
export interface TieredStore extends Store {
  /**
   * Waits for the writes in the background, and tells what became of all writes to lower tiers since it was asked
   * last. What a process does not wait for before it ends is lost.
   */
  flush(options?: StoreOptions): Promise<FlushReport>
  /** As {@link flush}, and writes are a `TypeError` afterwards. An aborted signal gives up what is left. */
  close(options?: StoreOptions): Promise<FlushReport>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Puts tiers behind each other. Refs are the first tier's.
 *
 * Reads ask the first tier, and the others in order only for what it lacks, so that a build whose results are all near
 * asks nobody else. A blob found below is copied into the tiers above it and read from the first; a record found below
 * is kept in the first. Outputs of a record may lie in any tier. A lower tier that is slow, ill, damaged or gone is a
 * miss; one that fails again and again is left alone for a while.
 *
 * Writes go to the first tier, then to the others; to each, blobs before the record that names them. `delete` deletes
 * in every tier that is written to.
 *
 * A record of a lower tier is believed if that tier's index believes it and, where the first tier keeps it, the first
 * tier's too. Give each index its verifier.
 *
 * @example
 * const store = tiered([await createLocalStore({ directory }), shared], { onEvent: console.error })
 * // …
 * const { lost } = await store.close()
 */
export function tiered(
  tiers: readonly [first: Store, ...rest: ReadonlyArray<Tier | PlacedTier>],
  options: TieredOptions = {},
): TieredStore {
  const { write = 'back', errors = 'ignore', timeoutMs = 10_000, breaker = {}, queue = {} } = options
  const [store, ...rest] = tiers
  const tell = telling(options.onEvent)
  const first = new First('l0', store, errors !== 'ignore', tell)
  const all = rest.map((entry, index) => {
    const placed: PlacedTier = 'tier' in entry ? entry : { tier: entry }
    const settings = {
      name: placed.name ?? `l${index + 1}`,
      write: placed.write ?? write,
      takes: placed.takes ?? 'all',
      isStrict: placed.errors === undefined ? errors === 'all' : placed.errors === 'reject',
      timeoutMs,
      breaker,
    }
    return { remote: new Remote(placed.tier, settings, tell), isRead: placed.read ?? true }
  })
  const remotes = all.map(({ remote }) => remote)
  const readable = all.filter(({ isRead }) => isRead).map(({ remote }) => remote)

  const sourceFor = async (
    digest: Digest,
    except: Remote,
    signal: AbortSignal | undefined,
  ): Promise<ByteSource | undefined> => {
    const get = (): Promise<ByteSource | undefined> => store.blobs.get(digest, withSignal(signal))
    const near = await first.ask('get', signal, get, undefined)
    if (near !== undefined) return near
    for (const remote of readable) {
      if (remote === except) continue
      const source = await remote.get(digest, signal)
      if (source !== undefined) return remote.proven(digest, source)
    }
    return undefined
  }

  const ledger = new Ledger(tell)
  const writer = new Writer(remotes, sourceFor, ledger, queue)
  const blobs = createTieredBlobs(first, readable, writer, tell)
  const close = ({ signal }: StoreOptions = {}): Promise<FlushReport> => writer.close(signal)
  return {
    blobs,
    actions: createTieredActions(first, readable, blobs, writer, ledger, tell),
    refs: store.refs,
    flush: ({ signal } = {}) => writer.flush(signal),
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  }
}
