/**
 * What the kinds of steps have in common: a key, perhaps a second one, and work to be done on a miss.
 *
 * @module
 */
import type { BlobStore, KeyValue } from '@varve/cache-store'
import { type Descriptor, type Digest, withSignal } from '@varve/digest'
import { type PackedLayer, packLayer, type Tree } from '@varve/layer'
import { randomBytes } from 'node:crypto'
import { BuilderError } from '../errors.ts'
import { COMPAT } from '../plan/plan.ts'
import type { StackLayer } from './content.ts'
import type { StepKey } from './step-cache.ts'

/** A root file system, as the layers that make it. */
export interface RootResult {
  readonly layers: readonly StackLayer[]
}

/** A layer-making step, its inputs resolved. */
export interface StepWork {
  /** The resolved instruction and whole inputs. Costs no look at the parent's files. */
  readonly definition: StepKey
  /** What the step really reads and makes, where that says more than the definition. */
  content?(): Promise<StepKey>
  /** Makes the layer and puts it into the store. */
  run(): Promise<StackLayer>
}

/** Fields that every key has. */
export function commonFields(epoch: number, parent: readonly Digest[]): Record<string, KeyValue> {
  return { compat: String(COMPAT), epoch: String(epoch), parent }
}

/** The diffIDs of a root file system. */
export function diffIDsOf({ layers }: RootResult): readonly Digest[] {
  return layers.map(({ diffID }) => diffID)
}

/** Packs a tree of layer members into a blob. */
export async function storeTree(tree: Tree, blobs: BlobStore, signal?: AbortSignal): Promise<StackLayer> {
  return storeLayer(blobs, (write) => packLayer(tree, { write }, withSignal(signal)), signal)
}

/** Streams a layer that `make` writes into the store. Nothing of it stays if it fails. */
export async function storeLayer(
  blobs: BlobStore,
  make: (write: (chunk: Uint8Array) => Promise<void>) => Promise<PackedLayer>,
  signal?: AbortSignal,
): Promise<StackLayer> {
  const ingest = await blobs.ingest(`layer-${randomBytes(16).toString('hex')}`, withSignal(signal))
  try {
    const { descriptor, diffID } = await make((chunk) => ingest.write(chunk))
    const stored = await ingest.commit({ digest: descriptor.digest, size: descriptor.size })
    return { descriptor: layerDescriptor(descriptor.mediaType, stored), diffID }
  } catch (error) {
    await ingest.abort()
    signal?.throwIfAborted()
    throw asOutputError(error)
  }
}

function layerDescriptor(mediaType: string, { digest, size }: { digest: Digest; size: number }): Descriptor {
  return { mediaType, digest, size }
}

/** A full disk is the user's to solve: it gets a name. */
function asOutputError(cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EROFS' && code !== 'EACCES') return cause
  return new BuilderError('ERR_BUILDER_OUTPUT', `The store cannot be written: ${(cause as Error).message}`, {
    cause,
  })
}
