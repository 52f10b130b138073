/**
 * Looking steps up, recording them, and telling why one was not found.
 *
 * @module
 */
import {
  type ActionRecord,
  encodeKeyDocument,
  explainKeys,
  decodeKeyDocument,
  formatDifference,
  type KeyContent,
  type KeyDifference,
  keyOf,
  type KeyValue,
  type RecordOutcome,
  type Store,
} from '@varve/cache-store'
import { bytesSource, type Descriptor, type Digest, isDigest, readAll, withSignal } from '@varve/digest'
import { StepHistory } from './step-history.ts'

/** Media type of stored key documents and listings. */
const KEY_DOCUMENT = 'application/vnd.varve.key.v1'
const SCOPE = 'main'
const MAXIMUM_DOCUMENT = 64 * 1024 * 1024
/** Differences named in one reason. */
const SHOWN = 3

/** Where a step's record is looked for and kept. */
export interface StepCacheOptions {
  readonly store: Store
  /** Names whose earlier builds a miss is compared with, such as the context directory. */
  readonly project: string
  /** Recorded as the maker, such as `varve/0.1.0`. */
  readonly builder: string
  /** Do not look anything up; results are recorded all the same. */
  readonly disabled: boolean
  readonly signal?: AbortSignal
}

/** A key document and the listings it names, all of which are stored with the record. */
export interface StepKey {
  readonly document: KeyContent
  readonly listings: readonly KeyContent[]
}

/** What a step made, to be recorded. */
export interface StepOutcome {
  readonly layer: Descriptor
  /** The whole chain, base first. */
  readonly diffIDs: readonly Digest[]
  readonly durationMs: number
}

/** The cache as the executor sees it. */
export class StepCache {
  readonly #options: StepCacheOptions
  readonly #history: StepHistory

  constructor(options: StepCacheOptions) {
    this.#options = options
    this.#history = new StepHistory(options.store.refs, options.project)
  }

  /**
   * The record of a key, if it continues the chain `parent`: a layer is never stacked on another chain than the one
   * it was recorded with.
   */
  async find(key: StepKey, parent: readonly Digest[]): Promise<ActionRecord | undefined> {
    const { store, disabled, signal } = this.#options
    if (disabled) return undefined
    const record = await store.actions.get(keyOf(key.document), [SCOPE], withSignal(signal))
    if (record === undefined || record.diffIDs.length !== parent.length + 1) return undefined
    return parent.every((diffID, index) => record.diffIDs[index] === diffID) ? record : undefined
  }

  /** Records an outcome under a key. Gives `conflict` if another outcome is recorded there: the step is not deterministic. */
  async record(key: StepKey, outcome: StepOutcome, aliasOf?: Digest): Promise<RecordOutcome> {
    const { store, builder, signal, disabled } = this.#options
    const documents = [key.document, ...key.listings]
    for (const document of documents) {
      const bytes = encodeKeyDocument(document)
      await store.blobs.put(keyOf(document), bytesSource(bytes), withSignal(signal))
    }
    const listings = key.listings.map((listing): Descriptor => {
      const bytes = encodeKeyDocument(listing)
      return { mediaType: KEY_DOCUMENT, digest: keyOf(listing), size: bytes.byteLength }
    })
    const digest = keyOf(key.document)
    const record: ActionRecord = {
      kv: 1,
      key: digest,
      keyDoc: digest,
      outputs: [outcome.layer, ...listings],
      diffIDs: outcome.diffIDs,
      createdAt: new Date().toISOString(),
      durationMs: Math.round(outcome.durationMs),
      builder,
      ...(aliasOf !== undefined && { aliasOf }),
    }
    return store.actions.put(record, {
      scope: SCOPE,
      mode: disabled ? 'replace' : 'create',
      ...withSignal(signal),
    })
  }

  /** One line: how a key that missed differs from the nearest one seen before in its stage. */
  async explain(slot: string, key: StepKey): Promise<string> {
    if (this.#options.disabled) return 'the cache was not to be used'
    const { signal } = this.#options
    const earlier = await this.#history.read(slot)
    const digest = keyOf(key.document)
    if (earlier.includes(digest)) return 'its result is no longer in the store'
    let nearest: string[] | undefined
    for (const candidate of earlier.toReversed()) {
      const document = await this.#document(candidate)
      if (document?.kind !== key.document.kind) continue
      const differences = await this.#differences(key, document)
      if (nearest === undefined || differences.length < nearest.length) nearest = differences
      signal?.throwIfAborted()
    }
    if (nearest === undefined) return 'nothing like it was built before'
    const more = nearest.length > SHOWN ? `, and ${nearest.length - SHOWN} more` : ''
    return `${nearest.slice(0, SHOWN).join(', ')}${more}`
  }

  /** Remembers that a key was used in a slot, for the explanations of later builds. */
  remember(slot: string, key: StepKey): void {
    this.#history.add(slot, keyOf(key.document))
  }

  /** Writes what {@link remember} collected. */
  async save(): Promise<void> {
    await this.#history.save()
  }

  /** Differences of two documents; a changed listing is replaced by the files that differ in it. */
  async #differences(missed: StepKey, earlier: KeyContent): Promise<string[]> {
    const lines: string[] = []
    for (const difference of explainKeys(missed.document, earlier)) {
      const [before, after] = [asDigest(difference.before), asDigest(difference.after)]
      const listing = missed.listings.find((each) => after !== undefined && keyOf(each) === after)
      const listingBefore = before === undefined ? undefined : await this.#document(before)
      if (listing === undefined || listingBefore?.kind !== listing.kind) {
        lines.push(formatDifference(difference))
        continue
      }
      const files = explainKeys(listing, listingBefore)
      lines.push(...files.map(formatFile))
    }
    return lines
  }

  async #document(digest: Digest): Promise<KeyContent | undefined> {
    try {
      const source = await this.#options.store.blobs.get(digest)
      return source === undefined
        ? undefined
        : decodeKeyDocument(await readAll(source.open(), MAXIMUM_DOCUMENT))
    } catch {
      // A damaged document costs an explanation, never a build.
      return undefined
    }
  }
}

/** A file's difference, reduced to the attributes that changed; digests are shortened for people. */
function formatFile({ path, before, after }: KeyDifference): string {
  const place = { path: ['files', path.join('/')] }
  if (typeof before !== 'string' || typeof after !== 'string') {
    return formatDifference({
      ...place,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    })
  }
  const [old, now] = [before.split(' '), after.split(' ')]
  const differs = (words: readonly string[], others: readonly string[]): string =>
    words.length === others.length
      ? words.filter((word, index) => word !== others[index]).join(' ')
      : words.join(' ')
  const shorten = (text: string): string => text.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…')
  return `${place.path.join('.')}: ${shorten(differs(old, now))} → ${shorten(differs(now, old))}`
}

function asDigest(value: KeyValue | undefined): Digest | undefined {
  return isDigest(value) ? value : undefined
}
