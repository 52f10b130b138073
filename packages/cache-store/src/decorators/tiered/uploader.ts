/**
 * Writes to one tier below the first.
 *
 * @module
 */
import { type ByteSource, type Digest, withSignal } from '@varve/digest'
import type { ActionRecord, RecordOptions, RecordOutcome } from '../../action-index.ts'
import type { BlobStore, PutOutcome, StoreOptions } from '../../blob-store.ts'
import { CacheStoreError } from '../../errors.ts'
import type { Patience } from '../../patience.ts'
import { shared } from '../deduped.ts'
import { isUnwritable } from '../failure.ts'
import { WatchedSource } from '../watched-source.ts'
import type { Ledger } from './ledger.ts'
import type { Remote } from './remote.ts'

/** Uploads that are remembered, to save a second one that was decided on before the first had ended. */
const REMEMBERED = 10_000

/** Finds a blob in the other tiers. */
export type SourceFinder = (
  digest: Digest,
  except: Remote,
  signal: AbortSignal | undefined,
) => Promise<ByteSource | undefined>

/** Puts blobs and records into a tier, and writes into the ledger what it took. Failures reject. */
export class Uploader {
  readonly remote: Remote
  readonly #find: SourceFinder
  readonly #ledger: Ledger
  /** One upload for each digest, whoever wants it. */
  readonly #put: BlobStore['put']
  readonly #running = new Map<Digest, Promise<unknown>>()
  /** Numbers of the latest uploads, oldest first. */
  readonly #uploaded = new Map<Digest, number>()
  #uploads = 0

  constructor(remote: Remote, find: SourceFinder, ledger: Ledger) {
    this.remote = remote
    this.#find = find
    this.#ledger = ledger
    this.#put = shared((digest, source, options) => this.#upload(digest, source, options))
  }

  /** Puts a blob there unless the tier has it: from `source`, or from where the other tiers have it. */
  async blob(digest: Digest, source: ByteSource | undefined, signal?: AbortSignal): Promise<PutOutcome> {
    const since = this.#uploads
    const absent = await this.#missing([digest], signal)
    if (absent.has(digest)) return this.#send(digest, source, since, signal)
    this.#ledger.written({ tier: this.remote.name, what: 'blob', digest }, 'existed')
    return 'existed'
  }

  /** Puts a record there, after all blobs that it names: what names a blob comes after it. */
  async record(
    record: ActionRecord,
    options: RecordOptions,
    signal: AbortSignal | undefined,
  ): Promise<RecordOutcome> {
    const { name: tier, actions } = this.remote
    const { scope } = options
    const subject = { tier, what: 'record', digest: record.key, scope } as const
    const since = this.#uploads
    const needed = new Set([record.keyDoc, ...record.outputs.map((output) => output.digest)])
    for (const digest of await this.#missing(needed, signal)) {
      if (!needed.has(digest)) continue
      if ((await this.#send(digest, undefined, since, signal)) === 'skipped') {
        this.#ledger.written(subject, 'skipped')
        return 'skipped'
      }
    }
    const outcome = await this.remote.attempt('record-put', signal, (patience) =>
      orSkipped(() => actions.put(record, { ...options, signal: patience.signal })),
    )
    if (outcome === 'conflict') this.#ledger.conflict({ tier, key: record.key, scope })
    else this.#ledger.written(subject, outcome)
    return outcome
  }

  /** Waits until the upload of a blob that is under way has ended, and forgets that there was one. */
  async settle(digest: Digest): Promise<void> {
    await this.#running.get(digest)
    this.#uploaded.delete(digest)
  }

  #missing(digests: Iterable<Digest>, signal: AbortSignal | undefined): Promise<Set<Digest>> {
    return this.remote.attempt('missing', signal, (patience) =>
      this.remote.blobs.missing(digests, { signal: patience.signal }),
    )
  }

  /** Sends a blob that was absent when the upload number `since` had ended. */
  async #send(
    digest: Digest,
    given: ByteSource | undefined,
    since: number,
    signal: AbortSignal | undefined,
  ): Promise<PutOutcome> {
    if ((this.#uploaded.get(digest) ?? 0) > since) return 'existed'
    const source = given ?? (await this.#find(digest, this.remote, signal))
    if (source === undefined) {
      throw new CacheStoreError('ERR_CACHE_STORE_MISSING', `The blob ${digest} is in no other tier any more`)
    }
    return this.#put(digest, source, withSignal(signal))
  }

  async #upload(digest: Digest, source: ByteSource, { signal }: StoreOptions = {}): Promise<PutOutcome> {
    const watched = new WatchedSource(source)
    const upload = this.remote.attempt(
      'put',
      signal,
      (patience) =>
        orSkipped(() =>
          this.remote.blobs.put(digest, heldSource(watched, patience), { signal: patience.signal }),
        ),
      (error) => watched.isToBlame(error),
    )
    const settled = upload.catch(() => undefined).then(() => this.#running.delete(digest))
    this.#running.set(digest, settled)
    const outcome = await upload
    if (outcome !== 'skipped') this.#remember(digest)
    this.#ledger.written({ tier: this.remote.name, what: 'blob', digest }, outcome, watched.bytes)
    return outcome
  }

  #remember(digest: Digest): void {
    this.#uploaded.delete(digest)
    this.#uploaded.set(digest, (this.#uploads += 1))
    for (const oldest of this.#uploaded.keys()) {
      if (this.#uploaded.size <= REMEMBERED) return
      this.#uploaded.delete(oldest)
    }
  }
}

/** A tier that is not to be written is no failure. */
async function orSkipped<Outcome>(write: () => Promise<Outcome>): Promise<Outcome | 'skipped'> {
  try {
    return await write()
  } catch (error) {
    if (isUnwritable(error)) return 'skipped'
    throw error
  }
}

/** A source of ours: while it is read, the clock of the tier that it goes to does not run. */
function heldSource(source: ByteSource, patience: Patience): ByteSource {
  return {
    size: source.size,
    async *open(options) {
      let isHeld = true
      patience.hold()
      try {
        for await (const chunk of source.open(options)) {
          patience.resume()
          isHeld = false
          yield chunk
          isHeld = true
          patience.hold()
        }
      } finally {
        if (isHeld) patience.resume()
      }
    },
  }
}
