/**
 * Looking steps up, recording them, and telling why one was not found: the cache as the executor sees it.
 *
 * @module
 */
import {
  type ActionRecord,
  createSteps,
  formatDifference,
  type KeyContent,
  type KeyDifference,
  type RecordOutcome,
  type StepKey as RecordedKey,
  type Steps,
  type Store,
} from '@varve/cache-store'
import { type Descriptor, type Digest, withSignal } from '@varve/digest'

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
  /**
   * A RUN whose record is older than this many milliseconds is run again: what it fetched may have changed, which no
   * key can tell. Every other step is known by its content, whatever its age.
   */
  readonly maxAgeMs?: number
  /** Told of a cache that is ill, which never fails a build. */
  readonly onWarning: (error: unknown) => void
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

/** The steps of one build. */
export class StepCache {
  readonly #options: StepCacheOptions
  readonly #steps: Steps

  constructor(options: StepCacheOptions) {
    this.#options = options
    const { store, builder, project, disabled, onWarning } = options
    this.#steps = createSteps({ store, builder, project, disabled, onWarning })
  }

  /**
   * The record of a key, if it continues the chain `parent`: a layer is never stacked on another chain than the one
   * it was recorded with.
   */
  async find(key: StepKey, parent: readonly Digest[]): Promise<ActionRecord | undefined> {
    const maxAgeMs = this.#maxAge(key)
    const options = { ...(maxAgeMs !== undefined && { maxAgeMs }), ...withSignal(this.#options.signal) }
    const record = await this.#steps.find(key.document, options)
    if (record === undefined || record.diffIDs.length !== parent.length + 1) return undefined
    return parent.every((diffID, index) => record.diffIDs[index] === diffID) ? record : undefined
  }

  /** Records an outcome under a key. Gives `conflict` if another outcome is recorded there: the step is not deterministic. */
  async record(
    slot: string,
    key: StepKey,
    outcome: StepOutcome,
    aliasOf?: Digest,
  ): Promise<RecordOutcome | 'failed'> {
    const { layer, diffIDs, durationMs } = outcome
    return this.#steps.record(
      recordedKey(slot, key),
      { outputs: [layer], diffIDs, durationMs },
      {
        ...(aliasOf !== undefined && { aliasOf }),
        ...(this.#maxAge(key) !== undefined && { replace: true }),
        ...withSignal(this.#options.signal),
      },
    )
  }

  /** One line: how a key that missed differs from the nearest one seen before in its stage. */
  async explain(slot: string, key: StepKey): Promise<string> {
    const { disabled, signal } = this.#options
    if (disabled) return 'the cache was not to be used'
    const why = await this.#steps.explain(recordedKey(slot, key), withSignal(signal))
    if (why.reason === 'first') return 'nothing like it was built before'
    if (why.reason === 'gone')
      return this.#maxAge(key) === undefined
        ? 'its result is no longer in the store'
        : 'its result is too old, or no longer in the store'
    const lines = why.differences.map((each) =>
      each.within === undefined ? formatDifference(each) : formatFile(each),
    )
    const more = lines.length > SHOWN ? `, and ${lines.length - SHOWN} more` : ''
    return `${lines.slice(0, SHOWN).join(', ')}${more}`
  }

  /** Remembers that a key was used in a slot, for the explanations of later builds. */
  remember(slot: string, key: StepKey): void {
    this.#steps.remember(recordedKey(slot, key))
  }

  /** Writes what {@link remember} collected. */
  async save(): Promise<void> {
    await this.#steps.save()
  }

  #maxAge({ document }: StepKey): number | undefined {
    return document.kind === 'run' ? this.#options.maxAgeMs : undefined
  }
}

function recordedKey(step: string, { document, listings }: StepKey): RecordedKey {
  return { document: { ...document, step }, parts: listings }
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
