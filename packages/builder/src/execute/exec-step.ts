/**
 * RUN.
 *
 * @module
 */
import type { BlobFiles, BlobStore } from '@varve/cache-store'
import { digestStream, withSignal } from '@varve/digest'
import { formatPlatform, hostPlatform, parsePlatform } from '@varve/oci-manifest'
import { BuilderError } from '../errors.ts'
import type { ExecStep } from '../plan/plan.ts'
import type { RunLayer, Runner } from '../run/runner.ts'
import type { Content } from './content.ts'
import { commonFields, diffIDsOf, type RootResult, storeLayer, type StepWork } from './work.ts'

/** A RUN whose inputs are resolved. */
export interface ExecInput {
  readonly step: ExecStep
  readonly parent: RootResult
  readonly epoch: number
  readonly blobs: BlobStore & Partial<BlobFiles>
  readonly content: Content
  /** Proxy variables: given to the process, no part of the key. */
  readonly proxy: readonly string[]
  readonly runner: () => Runner
  readonly onOutput: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void
  readonly onWarning: (message: string) => void
  readonly signal?: AbortSignal
}

/** Prepares a RUN: its root input is the exact chain of layers. */
export function prepareExec(input: ExecInput): StepWork {
  const { step, parent, epoch } = input
  const { platform, args, env, cwd, user, network, scripts } = step
  const fields = {
    ...commonFields(epoch, diffIDsOf(parent)),
    platform,
    args,
    env: Object.fromEntries(
      env.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    ),
    cwd,
    user,
    network,
    scripts: scripts.map(({ name, data }) => ({ name, data })),
  }
  return {
    definition: { document: { kv: 1, kind: 'run', fields }, listings: [] },
    run: () => storeLayer(input.blobs, async (write) => runStep(input, write), input.signal),
  }
}

async function runStep(
  input: ExecInput,
  write: (chunk: Uint8Array) => Promise<void>,
): ReturnType<Parameters<typeof storeLayer>[1]> {
  const { step, epoch, proxy, onOutput, onWarning, signal } = input
  const { args, env, cwd, user, network, scripts } = step
  requireNative(step)
  const layers = await layerFiles(input)
  const request = { layers, args, env: [...env, ...proxy], cwd, user, network, scripts, epoch }
  try {
    const outcome = await input.runner().run(request, { onOutput, write }, withSignal(signal))
    for (const warning of outcome.warnings) onWarning(warning)
    return outcome.layer
  } catch (error) {
    if ((error as Partial<BuilderError>).code !== 'ERR_BUILDER_RUN') await proveLayers(input)
    throw error
  }
}

/** The runner reads layers as files. If it failed, a read through the store tells whether one of them is damaged. */
async function proveLayers({ parent, content, signal }: ExecInput): Promise<void> {
  for (const { descriptor } of parent.layers) {
    const source = await content.need(descriptor, signal)
    await digestStream(source.open(withSignal(signal)))
  }
}

/** Foreign machine code needs an emulator, which is not set up by this runner. */
function requireNative({ platform }: ExecStep): void {
  const host = hostPlatform()
  if (parsePlatform(platform).architecture === host.architecture) return
  throw new BuilderError('ERR_BUILDER_RUNNER', `RUN for ${platform} cannot run on ${formatPlatform(host)}`, {
    hint: 'Build it on that architecture, or use only COPY, ADD and metadata in this stage',
  })
}

/** The parent's layers as files, which is how the worker process can read them. */
async function layerFiles({ parent, blobs, content, signal }: ExecInput): Promise<RunLayer[]> {
  const layers: RunLayer[] = []
  for (const { descriptor, diffID } of parent.layers) {
    await content.need(descriptor, signal)
    const file = await blobs.file?.(descriptor.digest)
    if (file === undefined) {
      throw new BuilderError('ERR_BUILDER_RUNNER', `The layer ${descriptor.digest} is not a file`, {
        hint: 'RUN needs a store on disk',
      })
    }
    layers.push({ descriptor, diffID, file })
  }
  return layers
}
