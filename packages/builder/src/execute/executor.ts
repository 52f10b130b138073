/**
 * Walks the graph of a plan: looks steps up, runs those that are not known, independent branches side by side.
 *
 * @module
 */
import type { BlobFiles, BlobStore, Store } from '@varve/cache-store'
import type { Digest } from '@varve/digest'
import type { Image } from '@varve/oci-manifest'
import { BuilderError } from '../errors.ts'
import type { EventListener } from '../events.ts'
import type { Plan, RootStep, Step, StepId } from '../plan/plan.ts'
import type { Runner } from '../run/runner.ts'
import type { Content, StackLayer } from './content.ts'
import type { FileSourceTree } from './context.ts'
import { prepareCopy, type ResolvedSource } from './copy-step.ts'
import { prepareExec } from './exec-step.ts'
import { inlineFiles } from './inline.ts'
import type { StepCache } from './step-cache.ts'
import { diffIDsOf, type RootResult, type StepWork } from './work.ts'
import { prepareWorkdir } from './workdir-step.ts'

/** What the executor works with. */
export interface ExecutorOptions {
  readonly plan: Plan
  readonly store: Store & { readonly blobs: BlobStore & Partial<BlobFiles> }
  readonly content: Content
  readonly cache: StepCache
  /** The files of a context, `''` being the build context. Called once for each. */
  readonly openContext: (name: string) => Promise<FileSourceTree>
  /** Made when the first RUN misses. */
  readonly runner: () => Runner
  /** Proxy variables for RUN, `NAME=value`. */
  readonly proxy: readonly string[]
  readonly onEvent: EventListener
  readonly signal?: AbortSignal
}

/** Executes steps of one plan, each at most once. */
export class Executor {
  readonly #options: ExecutorOptions
  readonly #roots = new Map<StepId, Promise<RootResult>>()
  readonly #files = new Map<StepId, Promise<FileSourceTree>>()

  constructor(options: ExecutorOptions) {
    this.#options = options
  }

  /** The root file system that a step ends in; `null` is the empty one. */
  root(id: StepId | null): Promise<RootResult> {
    if (id === null) return Promise.resolve({ layers: [] })
    return once(this.#roots, id, async () => this.#resolve(id))
  }

  /** The base image of an image step. */
  image(id: StepId): Image {
    const step = this.#step(id)
    if (step.op !== 'image') throw new TypeError(`Not an image step: ${id}`)
    return this.#options.content.image(step.manifest)
  }

  async #resolve(id: StepId): Promise<RootResult> {
    const step = this.#step(id)
    if (step.op === 'context' || step.op === 'inline') throw new TypeError(`Not a root file system: ${id}`)
    if (step.op === 'image') {
      const { manifest, config } = this.image(id)
      const { diff_ids: diffIDs } = config.value.rootfs
      return { layers: manifest.value.layers.map((descriptor, index) => layerAt(descriptor, diffIDs[index])) }
    }
    const { onEvent } = this.#options
    const parent = await this.root(step.parent)
    const name = this.#label(id)
    const started = performance.now()
    onEvent({ type: 'step-start', step: id, name })
    try {
      const work = await this.#prepare(id, step, parent)
      const { layer, hit, why } = await this.#perform(id, work, parent)
      const ms = performance.now() - started
      onEvent({ type: 'step-end', step: id, name, cache: hit ? 'hit' : 'miss', why, ms })
      return { layers: [...parent.layers, layer] }
    } catch (error) {
      onEvent({ type: 'step-error', step: id, name, message: (error as Error).message })
      throw this.#located(id, error)
    }
  }

  /** Looks the step up by its definition, then by its content; runs it if neither is known. */
  async #perform(
    id: StepId,
    work: StepWork,
    parent: RootResult,
  ): Promise<{ layer: StackLayer; hit: boolean; why: string }> {
    const { cache, onEvent, plan, signal } = this.#options
    const before = diffIDsOf(parent)
    const slot = plan.labels.get(id)?.slot ?? ''
    const { definition } = work
    const known = await cache.find(definition, before)
    if (known !== undefined) {
      cache.remember(slot, definition)
      return { layer: recordedLayer(known), hit: true, why: 'same inputs' }
    }
    const content = await work.content?.()
    const same = content === undefined ? undefined : await cache.find(content, before)
    if (same !== undefined) {
      await cache.record(
        slot,
        definition,
        { layer: recordedLayer(same).descriptor, diffIDs: same.diffIDs, durationMs: 0 },
        same.key,
      )
      cache.remember(slot, definition)
      return { layer: recordedLayer(same), hit: true, why: 'other instruction, same files' }
    }
    const why = await cache.explain(slot, definition)
    onEvent({ type: 'step-miss', step: id, name: this.#label(id), why })
    signal?.throwIfAborted()
    const started = performance.now()
    const layer = await work.run()
    const outcome = {
      layer: layer.descriptor,
      diffIDs: [...before, layer.diffID],
      durationMs: performance.now() - started,
    }
    const outcomes = [
      ...(content === undefined ? [] : [await cache.record(slot, content, outcome)]),
      await cache.record(slot, definition, outcome),
    ]
    if (outcomes.includes('conflict')) {
      const message = `${this.#label(id)} gave another result than before from the same inputs`
      onEvent({ type: 'warning', rule: 'NonDeterministic', message })
    }
    cache.remember(slot, definition)
    return { layer, hit: false, why }
  }

  async #prepare(
    id: StepId,
    step: Exclude<RootStep, { op: 'image' }>,
    parent: RootResult,
  ): Promise<StepWork> {
    const { plan, store, content, signal } = this.#options
    const { location } = plan.labels.get(id) ?? {}
    const common = {
      parent,
      parentTree: () => content.tree(parent.layers, signal),
      epoch: plan.epoch,
      blobs: store.blobs,
      location,
      ...(signal !== undefined && { signal }),
    }
    switch (step.op) {
      case 'copy': {
        const sources = await Promise.all(step.sources.map(({ from }) => this.#source(from)))
        return prepareCopy({ ...common, step, sources })
      }
      case 'workdir':
        return prepareWorkdir({ ...common, step })
      default:
        return prepareExec({
          ...common,
          step,
          content,
          proxy: this.#options.proxy,
          runner: this.#options.runner,
          onOutput: this.#logOf(id),
          onWarning: (message) => {
            const { onEvent } = this.#options
            onEvent({
              type: 'warning',
              rule: 'LostAttributes',
              message,
              ...(location !== undefined && { location }),
            })
          },
        })
    }
  }

  async #source(id: StepId): Promise<ResolvedSource> {
    const step = this.#step(id)
    const { content, openContext, signal } = this.#options
    switch (step.op) {
      case 'context':
        return { kind: 'files', files: await once(this.#files, id, () => openContext(step.name)) }
      case 'inline':
        return { kind: 'files', files: inlineFiles(step, this.#options.plan.epoch) }
      default: {
        const root = await this.root(id)
        return { kind: 'root', root, tree: () => content.tree(root.layers, signal) }
      }
    }
  }

  #logOf(id: StepId): (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void {
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
    return (stream, chunk) => {
      const text = decoders[stream].decode(chunk, { stream: true })
      this.#options.onEvent({ type: 'step-log', step: id, stream, text })
    }
  }

  /** Adds the place in the Dockerfile to an error that does not know it. */
  #located(id: StepId, error: unknown): unknown {
    const { location } = this.#options.plan.labels.get(id) ?? {}
    if (!(error instanceof BuilderError) || error.location !== undefined || location === undefined)
      return error
    return new BuilderError(error.code, error.message, {
      cause: error.cause,
      location,
      instruction: this.#label(id),
      ...(error.exitCode !== undefined && { exitCode: error.exitCode }),
      ...(error.hint !== undefined && { hint: error.hint }),
    })
  }

  #step(id: StepId): Step {
    const step = this.#options.plan.steps.get(id)
    if (step === undefined) throw new TypeError(`The plan has no step ${id}`)
    return step
  }

  #label(id: StepId): string {
    return this.#options.plan.labels.get(id)?.name ?? id
  }
}

function layerAt(descriptor: StackLayer['descriptor'], diffID: Digest | undefined): StackLayer {
  if (diffID === undefined)
    throw new BuilderError('ERR_BUILDER_BASE', 'The base image has more layers than diffIDs')
  return { descriptor, diffID }
}

function recordedLayer({
  outputs,
  diffIDs,
}: {
  outputs: readonly StackLayer['descriptor'][]
  diffIDs: readonly Digest[]
}): StackLayer {
  const [descriptor] = outputs
  const diffID = diffIDs.at(-1)
  if (descriptor === undefined || diffID === undefined) throw new TypeError('A record without a layer')
  return { descriptor, diffID }
}

function once<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  let made = map.get(key)
  if (made === undefined) {
    made = make()
    map.set(key, made)
  }
  return made
}
