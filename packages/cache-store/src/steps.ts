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
  record(
    key: StepKey,
    result: StepResult,
    options?: StoreOptions & { readonly aliasOf?: Digest },
  ): Promise<RecordOutcome | 'failed'>
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
  const flight = options.flight ?? createFlight(undefined)
  const history = createKeyHistory(store, project)

  /** What the cache cannot do is not done; the caller's own signal is no illness. */
  const attempt = async <Result, Otherwise>(
    operation: () => Promise<Result>,
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

  const steps: Steps = {
    find: async (document, { signal, maxAgeMs } = {}) => {
      signal?.throwIfAborted()
      if (disabled) return undefined
      const narrowed = { ...withSignal(signal), ...(maxAgeMs !== undefined && { maxAgeMs }) }
      return attempt(() => store.actions.get(keyOf(document), trusted, narrowed), undefined, signal)
    },

    record: async (key, result, { signal, aliasOf } = {}) => {
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
      const publish = async (): Promise<RecordOutcome> => {
        for (const { descriptor, bytes } of [document, ...parts]) {
          const outcome = await store.blobs.put(descriptor.digest, bytesSource(bytes), withSignal(signal))
          if (outcome === 'skipped') return 'skipped'
        }
        const mode = disabled ? 'replace' : 'create'
        return store.actions.put(record, { scope, mode, ...withSignal(signal) })
      }
      return attempt(publish, 'failed', signal)
    },

    run: async (key, work, { signal, maxAgeMs } = {}) => {
      let why: KeyExplanation | undefined
      let recorded: RecordOutcome | 'failed' | undefined
      const find = { ...withSignal(signal), ...(maxAgeMs !== undefined && { maxAgeMs }) }
      const { value, how } = await flight.run<readonly Descriptor[]>(
        {
          key: keyOf(key.document),
          scope,
          find: async () => outputsOf(await steps.find(key.document, find), key),
          build: async () => {
            why = await steps.explain(key, withSignal(signal))
            const result = await work()
            recorded = await steps.record(key, result, withSignal(signal))
            return result.outputs
          },
        },
        withSignal(signal),
      )
      steps.remember(key)
      return { outputs: value, how, ...(why && { why }), ...(recorded && { recorded }) }
    },

    explain: ({ document, parts }, { signal } = {}) =>
      history.explain(document.step, document, parts, withSignal(signal)),

    remember: ({ document }) => history.add(document.step, keyOf(document)),

    save: async ({ signal } = {}) => attempt(() => history.save(withSignal(signal)), undefined, signal),
  }
  return steps
}

/** Without the documents that {@link Steps.record} has added. */
function outputsOf(
  record: ActionRecord | undefined,
  { parts = [] }: StepKey,
): readonly Descriptor[] | undefined {
  return record?.outputs.slice(0, record.outputs.length - parts.length)
}

function encodeDocument(document: KeyContent): {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
} {
  const bytes = encodeKeyDocument(document)
  const descriptor = { mediaType: KEY_DOCUMENT_MEDIA_TYPE, digest: keyOf(document), size: bytes.byteLength }
  return { descriptor, bytes }
}
