/**
 * From root file systems to image documents in the store.
 *
 * @module
 */
import type { BlobStore } from '@varve/cache-store'
import { bytesSource, type Descriptor, withSignal } from '@varve/digest'
import {
  assembleImage,
  assembleIndex,
  type AssembledImage,
  type Image,
  type Parsed,
  type Platform,
} from '@varve/oci-manifest'
import type { RootResult } from '../execute/work.ts'
import type { ImagePlan } from '../plan/plan.ts'

/** One image of a build. */
export interface BuiltImage {
  readonly platform: Platform
  /** Of the manifest. */
  readonly descriptor: Descriptor
  /** Of the configuration; its digest is the image ID. */
  readonly config: Descriptor
  readonly layers: RootResult['layers']
}

/** Writes configuration and manifest of one image. */
export async function storeImage(
  plan: ImagePlan,
  root: RootResult,
  base: Image | undefined,
  epoch: number,
  blobs: BlobStore,
  signal?: AbortSignal,
): Promise<BuiltImage> {
  const below = base?.manifest.value.layers ?? []
  const image: AssembledImage = assembleImage({
    platform: plan.platform,
    config: plan.config,
    layers: root.layers.slice(below.length),
    history: plan.history,
    created: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
    ...(plan.author !== undefined && { author: plan.author }),
    ...(base !== undefined && { base: { config: base.config, layers: below } }),
  })
  await storeDocument(image.config, blobs, signal)
  await storeDocument(image.manifest, blobs, signal)
  return {
    platform: plan.platform,
    descriptor: image.manifest.descriptor,
    config: image.config.descriptor,
    layers: root.layers,
  }
}

/** What a build is known by: its one manifest, or an index of several in the order they were asked for. */
export async function storeRoot(
  images: readonly BuiltImage[],
  blobs: BlobStore,
  signal?: AbortSignal,
): Promise<Descriptor> {
  const [only] = images
  if (only !== undefined && images.length === 1) return only.descriptor
  const index = assembleIndex(images.map(({ descriptor, platform }) => ({ ...descriptor, platform })))
  await storeDocument(index, blobs, signal)
  return index.descriptor
}

async function storeDocument(
  document: Parsed<unknown>,
  blobs: BlobStore,
  signal?: AbortSignal,
): Promise<void> {
  await blobs.put(document.descriptor.digest, bytesSource(document.bytes), withSignal(signal))
}
