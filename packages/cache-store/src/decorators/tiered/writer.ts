/**
 * Hands on what the first tier has got to the tiers below: at once, or in the background.
 *
 * @module
 */
import type { ByteSource, Digest } from '@varve/digest'
import type { ActionRecord, RecordOptions, RecordOutcome, Scope } from '../../action-index.ts'
import type { PutOutcome } from '../../blob-store.ts'
import { WatchedSource } from '../watched-source.ts'
import type { FlushReport, TierSubject } from './events.ts'
import type { Ledger } from './ledger.ts'
import { Queue, type QueueOptions } from './queue.ts'
import type { Remote } from './remote.ts'
import { type SourceFinder, Uploader } from './uploader.ts'

/** A record on its way, and how it is to be written. */
interface Pending {
  readonly record: ActionRecord
  readonly scope: Scope
  readonly mode: 'create' | 'replace'
  readonly asIs: boolean
}

/** The way to one tier. Records that wait are kept here, since a later one takes an earlier one's place. */
interface Lane {
  readonly remote: Remote
  readonly uploader: Uploader
  readonly queue: Queue
  readonly records: Map<string, Pending>
}

/** Writes to all tiers that are written to. */
export class Writer {
  readonly #lanes: readonly Lane[]
  readonly #ledger: Ledger
  /** Of what runs in the background: one each, since a signal is not made for many listeners. */
  readonly #running = new Set<AbortController>()
  #ending: AbortSignal | undefined
  #isClosed = false

  constructor(remotes: readonly Remote[], find: SourceFinder, ledger: Ledger, queue: QueueOptions) {
    this.#ledger = ledger
    this.#lanes = remotes
      .filter(({ write }) => write !== 'none')
      .map((remote) => ({
        remote,
        uploader: new Uploader(remote, find, ledger),
        queue: new Queue(queue),
        records: new Map<string, Pending>(),
      }))
  }

  /** @throws {TypeError} after `close`. */
  assertOpen(): void {
    if (this.#isClosed) throw new TypeError('The tiered store is closed')
  }

  /**
   * Hands on a blob. With a `source`, since the first tier has no room for it, that happens at once, and the best
   * outcome is given.
   */
  async blob(digest: Digest, source: ByteSource | undefined, signal?: AbortSignal): Promise<PutOutcome> {
    const watched = source && new WatchedSource(source)
    const outcomes = await all(this.#lanes, async ({ remote, uploader, queue }) => {
      // It goes there when a record names it.
      if (watched === undefined && remote.takes === 'recorded') return 'skipped'
      if (watched === undefined && remote.write === 'back') {
        const job = (): Promise<void> => this.#blobLater(uploader, digest)
        await queue.add(`blob ${digest}`, job, signal)
        return 'skipped'
      }
      try {
        return await uploader.blob(digest, watched, signal)
      } catch (error) {
        signal?.throwIfAborted()
        if (watched?.isToBlame(error)) throw error
        return this.#lose(remote, { what: 'blob', digest }, error)
      }
    })
    return outcomes.find((outcome) => outcome !== 'skipped') ?? 'skipped'
  }

  /** Hands on a record; at once if `isUrgent`, since the first tier has no room for it. */
  async record(record: ActionRecord, options: RecordOptions, isUrgent: boolean): Promise<RecordOutcome> {
    const { scope, mode = 'create', asIs = false, signal } = options
    const outcomes = await all(this.#lanes, async (lane) => {
      const { remote, uploader } = lane
      if (!isUrgent && remote.write === 'back') {
        await this.#recordLater(lane, { record, scope, mode, asIs }, signal)
        return 'skipped'
      }
      try {
        return await uploader.record(record, { scope, mode, asIs }, signal)
      } catch (error) {
        signal?.throwIfAborted()
        return this.#lose(remote, { what: 'record', digest: record.key, scope }, error)
      }
    })
    return outcomes.find((outcome) => outcome !== 'skipped') ?? 'skipped'
  }

  /** Copies a blob to the tiers above the one where it was found, in the background, and only where there is room. */
  fill(digest: Digest, above: readonly Remote[]): void {
    for (const { remote, uploader, queue } of this.#lanes) {
      if (this.#isClosed || !above.includes(remote) || !queue.hasRoom) continue
      void queue.add(`blob ${digest}`, () => this.#blobLater(uploader, digest))
    }
  }

  /** Sees to it that nothing brings a blob back that is about to be deleted, and tells where it is to be deleted. */
  async forget(digest: Digest): Promise<Remote[]> {
    return all(this.#lanes, async ({ remote, uploader, queue }) => {
      await queue.drop(`blob ${digest}`)
      await uploader.settle(digest)
      return remote
    })
  }

  /** Waits for everything in the background. Rejects with the first loss of a tier whose errors are not ignored. */
  async flush(signal?: AbortSignal): Promise<FlushReport> {
    await all(this.#lanes, ({ queue }) => queue.idle(signal))
    const report = this.#ledger.take()
    const strict = new Set(
      this.#lanes.filter(({ remote }) => remote.isStrict).map(({ remote }) => remote.name),
    )
    const loss = report.lost.find(({ tier }) => strict.has(tier))
    if (loss !== undefined) throw loss.error
    return report
  }

  /** As {@link flush}, and nothing is written afterwards. When `signal` aborts, what is left is given up. */
  async close(signal?: AbortSignal): Promise<FlushReport> {
    this.#isClosed = true
    const giveUp = (): void => {
      this.#ending = signal
      for (const controller of this.#running) controller.abort(signal?.reason)
    }
    if (signal?.aborted) giveUp()
    else signal?.addEventListener('abort', giveUp, { once: true })
    try {
      return await this.flush()
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  async #blobLater(uploader: Uploader, digest: Digest): Promise<void> {
    try {
      await this.#inBackground((ending) => uploader.blob(digest, undefined, ending))
    } catch (error) {
      this.#ledger.lost({ tier: uploader.remote.name, what: 'blob', digest, error })
    }
  }

  async #inBackground<Result>(run: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    this.#ending?.throwIfAborted()
    const controller = new AbortController()
    this.#running.add(controller)
    try {
      return await run(controller.signal)
    } finally {
      this.#running.delete(controller)
    }
  }

  async #recordLater(lane: Lane, pending: Pending, signal: AbortSignal | undefined): Promise<void> {
    const { remote, uploader, queue, records } = lane
    const { key } = pending.record
    const name = `record ${pending.scope} ${key}`
    // One that was to replace what is there still is.
    const mode = records.get(name)?.mode === 'replace' ? 'replace' : pending.mode
    records.set(name, { ...pending, mode })
    const job = async (): Promise<void> => {
      const { record, ...options } = records.get(name) ?? pending
      records.delete(name)
      try {
        await this.#inBackground((ending) => uploader.record(record, options, ending))
      } catch (error) {
        this.#ledger.lost({ tier: remote.name, what: 'record', digest: key, scope: pending.scope, error })
      }
    }
    try {
      await queue.add(name, job, signal)
    } catch (error) {
      // Its caller did not wait for room.
      records.delete(name)
      throw error
    }
  }

  #lose(remote: Remote, subject: Omit<TierSubject, 'tier'>, error: unknown): 'skipped' {
    this.#ledger.lost({ tier: remote.name, ...subject, error })
    if (remote.isStrict) throw error
    return 'skipped'
  }
}

/** Runs `each` for all at once, and waits for all before it rejects. */
async function all<Item, Result>(
  items: readonly Item[],
  each: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = await Promise.allSettled(items.map(each))
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}
