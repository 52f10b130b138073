/**
 * A cache for tools: steps that are known by what they depend on, and are done only if nobody has done them.
 *
 * Everything else in this package is what this is made of; a tool with other needs composes it otherwise.
 *
 * @module
 */
import { bytesSource, type Descriptor, type Digest, withSignal } from '@varve/digest'
import type { ActionRecord, RecordOutcome, Scope } from './action-index.ts'
import type { StoreOptions } from './blob-store.ts'
import { createFlight, type Flight } from './flight.ts'
import { encodeKeyDocument, type KeyContent, type KeyDocument, keyOf } from './key-document.ts'
import { createKeyHistory, type KeyExplanation } from './key-history.ts'
import type { Store } from './store.ts'

/** Media type of key documents, where they are outputs of a record. */
export const KEY_DOCUMENT_MEDIA_TYPE = 'application/vnd.varve.key.v1'

/** Who caches, where, and whom it believes. */
export interface StepsOptions {
  readonly store: Store
  /** Recorded as the maker, such as `my-tool/1.2`. */
  readonly builder: string
  /** Keeps equal names of steps apart in explanations, such as the path of a workspace. */
  readonly project: string
  /** Where records are written. Default `main`. */
  readonly scope?: Scope
  /** Scopes whose records are believed, in order. Default: the one written to. */
  readonly trusted?: readonly Scope[]
  /** Lets others wait for what we compute, and the other way round. Default: nobody waits. */
  readonly flight?: Flight
  /** Look nothing up; results are recorded all the same, in place of what is there. */
  readonly disabled?: boolean
  /** What became of a cache that is ill: it never fails a step. `strict` makes it fail. */
  readonly onWarning?: (error: unknown) => void
  readonly strict?: boolean
}

/** A step's document, and the documents that it names by digest, which are stored with it. */
export interface StepKey {
  readonly document: KeyDocument
  readonly parts?: readonly KeyContent[]
}

/** What a step made. Its blobs are in the store already. */
export interface StepResult {
  readonly outputs: readonly Descriptor[]
  /** For layers: the whole chain of uncompressed digests, base first. */
  readonly diffIDs?: readonly Digest[]
  readonly durationMs: number
}

/** How a lookup is narrowed. */
export interface FindOptions extends StoreOptions {
  /** Records older than this many milliseconds are misses. */
  readonly maxAgeMs?: number
}

/** How a result is recorded. */
export interface RecordStepOptions extends StoreOptions {
  readonly aliasOf?: Digest
  /** Overwrite what is recorded: of a step that was done again because its record was too old. Default false. */
  readonly replace?: boolean
}

/** What became of a step. */
export interface StepRun {
  readonly outputs: readonly Descriptor[]
  /** `hit`: known; `joined`: somebody else did it while we waited; `built`: we did it. */
  readonly how: 'hit' | 'joined' | 'built'
  /** Why it was not known, if it was not. */
  readonly why?: KeyExplanation
  /** What became of the record of a step that we did; `conflict` is a step that is not deterministic. */
  readonly recorded?: RecordOutcome | 'failed'
}

/** Steps of one project. */
export interface Steps {
  /** The record of a document, whole and trusted. */
  find(document: KeyContent, options?: FindOptions): Promise<ActionRecord | undefined>
  /** Stores the documents, then the record. `failed` if the cache is ill. */
  record(key: StepKey, result: StepResult, options?: RecordStepOptions): Promise<RecordOutcome | 'failed'>
  /** Looks the step up; if it is not known, does it and records what it made, once among all who share a flight. */
  run(key: StepKey, work: () => Promise<StepResult>, options?: FindOptions): Promise<StepRun>
  /** Why a step is not known. */
  explain(key: StepKey, options?: StoreOptions): Promise<KeyExplanation>
  /** Remembers that a step used a key, for the explanations of later runs; {@link run} does. */
  remember(key: StepKey): void
  /** Writes down what was remembered. */
  save(options?: StoreOptions): Promise<void>
}

/**
 * Caches the steps of a tool.
 *
 * @example
 * const steps = createSteps({ store, builder: 'my-tool/1', project: process.cwd() })
 * const { outputs, how } = await steps.run({ document }, () => compile(store.blobs))
 */
export function createSteps(options: StepsOptions): Steps {
  const { store, builder, project, scope = 'main', trusted = [scope], disabled = false } = options
  // Who looks nothing up cannot wait for anybody's record either.
  const flight = (disabled ? undefined : options.flight) ?? createFlight(undefined)
  const history = createKeyHistory(store, project)

  /** What the cache cannot do is not done; the caller's own signal is no illness. */
  const attempt = async <Result, const Otherwise>(
    operation: () => Result | Promise<Result>,
    otherwise: Otherwise,
    signal: AbortSignal | undefined,
  ): Promise<Result | Otherwise> => {
    try {
      return await operation()
    } catch (error) {
      signal?.throwIfAborted()
      if (options.strict || error instanceof TypeError) throw error
      options.onWarning?.(error)
      return otherwise
    }
  }

  const look = async (
    keyFor: () => Digest,
    { signal, maxAgeMs }: FindOptions,
  ): Promise<ActionRecord | undefined> => {
    signal?.throwIfAborted()
    if (disabled) return undefined
    const narrowed = { ...withSignal(signal), ...(maxAgeMs !== undefined && { maxAgeMs }) }
    return attempt(() => store.actions.get(keyFor(), trusted, narrowed), undefined, signal)
  }

  const steps: Steps = {
    find: (document, narrowed = {}) => look(() => keyOf(document), narrowed),

    record: async (key, result, { signal, aliasOf, replace = disabled } = {}) => {
      const publish = async (): Promise<RecordOutcome> => {
        const parts = (key.parts ?? []).map((part) => encodeDocument(part))
        const document = encodeDocument(key.document)
        const record: ActionRecord = {
          kv: 1,
          key: document.descriptor.digest,
          keyDoc: document.descriptor.digest,
          outputs: [...result.outputs, ...parts.map(({ descriptor }) => descriptor)],
          diffIDs: result.diffIDs ?? [],
          createdAt: new Date().toISOString(),
          durationMs: Math.round(result.durationMs),
          builder,
          ...(aliasOf !== undefined && { aliasOf }),
        }
        for (const { descriptor, bytes } of [document, ...parts]) {
          const outcome = await store.blobs.put(descriptor.digest, bytesSource(bytes), withSignal(signal))
          if (outcome === 'skipped') return 'skipped'
        }
        return store.actions.put(record, {
          scope,
          mode: replace ? 'replace' : 'create',
          ...withSignal(signal),
        })
      }
      return attempt(publish, 'failed', signal)
    },

    run: async (key, work, { signal, maxAgeMs } = {}) => {
      let why: KeyExplanation | undefined
      let recorded: RecordOutcome | 'failed' | undefined
      const find = { ...withSignal(signal), ...(maxAgeMs !== undefined && { maxAgeMs }) }
      // Once, since those who wait for somebody else ask again and again.
      const digest = await attempt(() => keyOf(key.document), undefined, signal)
      // A document beyond the limits costs the cache, and not the step.
      if (digest === undefined) return { outputs: (await work()).outputs, how: 'built', recorded: 'failed' }
      const { value, how } = await flight.run<readonly Descriptor[]>(
        {
          key: digest,
          scope,
          find: async () => outputsOf(await look(() => digest, find), key),
          build: async () => {
            why = await steps.explain(key, withSignal(signal))
            const result = await work()
            const replace = disabled || maxAgeMs !== undefined
            recorded = await steps.record(key, result, { replace, ...withSignal(signal) })
            return result.outputs
          },
        },
        withSignal(signal),
      )
      history.add(key.document.step, digest)
      return { outputs: value, how, ...(why && { why }), ...(recorded && { recorded }) }
    },

    explain: ({ document, parts }, { signal } = {}) =>
      attempt(
        () => history.explain(document.step, document, parts, withSignal(signal)),
        { reason: 'first' },
        signal,
      ),

    remember: ({ document }) => {
      try {
        history.add(document.step, keyOf(document))
      } catch (error) {
        if (options.strict || error instanceof TypeError) throw error
        options.onWarning?.(error)
      }
    },

    save: async ({ signal } = {}) => attempt(() => history.save(withSignal(signal)), undefined, signal),
  }
  return steps
}

/** Without the documents that {@link Steps.record} has added; another tool may have recorded it without them. */
function outputsOf(
  record: ActionRecord | undefined,
  { parts = [] }: StepKey,
): readonly Descriptor[] | undefined {
  if (record === undefined) return undefined
  const added = new Set(parts.map((part) => keyOf(part)))
  return record.outputs.filter(
    ({ mediaType, digest }) => mediaType !== KEY_DOCUMENT_MEDIA_TYPE || !added.has(digest),
  )
}

function encodeDocument(document: KeyContent): {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
} {
  const bytes = encodeKeyDocument(document)
  const descriptor = { mediaType: KEY_DOCUMENT_MEDIA_TYPE, digest: keyOf(document), size: bytes.byteLength }
  return { descriptor, bytes }
}
