/**
 * The second phase: a plan to images in the store and at their outputs.
 *
 * @module
 */
import { join } from 'node:path'
import { digestOf, hexOf, withSignal } from '@varve/digest'
import { BuilderError } from '../errors.ts'
import type { BuildEvent } from '../events.ts'
import { loadContext, type LoadedContext } from '../execute/context.ts'
import { Executor } from '../execute/executor.ts'
import { StepCache } from '../execute/step-cache.ts'
import { PROXY_ARGUMENTS } from '../frontend/variables.ts'
import { storeImage, storeRoot } from '../output/assemble.ts'
import { writeOutput } from '../output/output.ts'
import type { Plan } from '../plan/plan.ts'
import { createRunner } from '../run/create-runner.ts'
import type { Runner } from '../run/runner.ts'
import { VERSION } from '../version.ts'
import type { BuildResult, StepReport } from './options.ts'
import type { Session } from './session.ts'

/** Executes a plan, stores the images, names them and writes the outputs. */
export async function runPlan(plan: Plan, names: readonly string[], session: Session): Promise<BuildResult> {
  const { options, workspace, store, registries, content } = session
  const steps: StepReport[] = []
  const onEvent = (event: BuildEvent): void => {
    if (event.type === 'step-end') {
      const { type: _, ...report } = event
      steps.push(report)
    }
    options.onEvent?.(event)
  }
  // A step that fails stops the branches beside it.
  const failure = new AbortController()
  const signal =
    options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal])
  const contexts: LoadedContext[] = []
  let runner: Runner | undefined
  const cache = new StepCache({
    store,
    project: `${session.context}\0${session.file}`,
    builder: `varve/${VERSION}`,
    disabled: options.noCache ?? false,
    ...(options.maxAgeMs !== undefined && { maxAgeMs: options.maxAgeMs }),
    onWarning: (error) =>
      onEvent({ type: 'warning', rule: 'CacheFailed', message: `The cache: ${(error as Error).message}` }),
    signal,
  })
  const executor = new Executor({
    plan,
    store,
    content,
    cache,
    openContext: async (name) => {
      const loaded = await openContext(name, session, signal)
      contexts.push(loaded)
      return loaded
    },
    runner: () => (runner ??= createRunner(options.runner ?? 'auto', workspace.runs)),
    proxy: [...(options.buildArgs ?? [])].flatMap(([name, value]) =>
      PROXY_ARGUMENTS.has(name) ? [`${name}=${value}`] : [],
    ),
    onEvent,
    signal,
  })
  onEvent({ type: 'plan', steps: layerSteps(plan) })
  try {
    const images = await Promise.all(
      plan.images.map(async (image) => {
        const root = await executor.root(image.root)
        const base = image.base === undefined ? undefined : executor.image(image.base)
        return storeImage(image, root, base, plan.epoch, store.blobs, signal)
      }),
    )
    const descriptor = await storeRoot(images, store.blobs, signal)
    for (const context of contexts) context.save()
    await cache.save()
    const outputs = options.outputs ?? []
    const isCopied = outputs.some(({ type }) => type !== 'registry')
    if (names.length > 0 || isCopied) await fetchLayers(session, images)
    for (const name of names) await workspace.images.tag(name, descriptor, withSignal(signal))
    for (const output of outputs) {
      const stdout = options.stdout !== undefined && { stdout: options.stdout }
      const writing = { openRegistry: registries.open, signal, ...stdout }
      const message = await writeOutput(output, { descriptor, names }, content, writing)
      onEvent({ type: 'output', message })
    }
    return { descriptor, images, names, steps, plan }
  } catch (error) {
    failure.abort(error)
    options.signal?.throwIfAborted()
    throw error
  } finally {
    await runner?.close()
  }
}

/** A named image is whole, and an output is not begun before all of it is here: what no step needed is fetched now. */
async function fetchLayers({ content, options }: Session, images: BuildResult['images']): Promise<void> {
  for (const { layers } of images) {
    for (const { descriptor } of layers) await content.need(descriptor, options.signal)
  }
}

async function openContext(name: string, session: Session, signal: AbortSignal): Promise<LoadedContext> {
  const { options, workspace, context, file } = session
  const named = name === '' ? undefined : options.contexts?.get(name)
  if (name !== '' && named?.type !== 'directory') {
    throw new BuilderError('ERR_BUILDER_CONTEXT', `There is no directory context ${JSON.stringify(name)}`)
  }
  const directory = named?.type === 'directory' ? named.directory : context
  return loadContext({
    directory,
    hashIndex: join(workspace.hashes, hexOf(digestOf(new TextEncoder().encode(directory)))),
    ...(name === '' && { ignoreFile: `${file}.dockerignore` }),
    epoch: options.epoch ?? 0,
    ...(options.contextModes !== undefined && { modes: options.contextModes }),
    signal,
  })
}

function layerSteps(
  plan: Plan,
): Array<{ readonly step: Plan['images'][number]['root'] & string; readonly name: string }> {
  return [...plan.steps].flatMap(([step, { op }]) =>
    op === 'copy' || op === 'exec' || op === 'workdir'
      ? [{ step, name: plan.labels.get(step)?.name ?? op }]
      : [],
  )
}
