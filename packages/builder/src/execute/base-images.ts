/**
 * Finding the images that a Dockerfile names.
 *
 * @module
 */
import { type Descriptor, withSignal } from '@varve/digest'
import {
  type ContentReader,
  formatReference,
  type Image,
  parseReference,
  readImage,
  type Reference,
} from '@varve/oci-manifest'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import type { RegistryClient } from '@varve/registry'
import { BuilderError } from '../errors.ts'
import type { BaseImage, ImageNeed } from '../frontend/facts.ts'
import type { Content } from './content.ts'

/** Where base images may come from, in this order. */
export interface BaseImageSources {
  /** `--build-context name=oci-layout://directory[:tag]`, by name. */
  readonly layouts: ReadonlyMap<string, LayoutReference>
  /** Images of the workspace, built or pulled before. */
  readonly local: ImageLayout
  /** Called only if an image is not here. */
  readonly openRegistry: () => Promise<RegistryClient>
  /** Ask the registry even if the workspace has the name. */
  readonly pull: boolean
}

/** An image in a layout directory. */
export interface LayoutReference {
  readonly directory: string
  /** Name or digest; without it the layout must hold one image. */
  readonly name?: string
}

interface Found {
  readonly reader: ContentReader
  readonly descriptor: Descriptor
  readonly reference: string
  /** Set if `reader` is a repository of it. */
  readonly registry?: string
}

/**
 * Finds an image and reads its manifest and configuration into `content`; layers stay where they are.
 *
 * @throws {BuilderError} `ERR_BUILDER_BASE` with the instruction that asked, the cause within.
 */
export async function resolveBaseImage(
  need: ImageNeed,
  sources: BaseImageSources,
  content: Content,
  signal?: AbortSignal,
): Promise<BaseImage> {
  try {
    const { reader, descriptor, reference, registry } = await find(need.name, sources, signal)
    content.addOrigin(reader, registry)
    const image: Image = await readImage(content, descriptor, {
      platform: need.platform,
      ...withSignal(signal),
    })
    content.addImage(image)
    return { reference, manifest: image.descriptor.digest, config: image.config.value }
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof BuilderError && cause.location !== undefined) throw cause
    const message = `Cannot use the base image ${JSON.stringify(need.name)}: ${(cause as Error).message}`
    throw new BuilderError('ERR_BUILDER_BASE', message, { cause, location: need.location })
  }
}

async function find(
  name: string,
  sources: BaseImageSources,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const layout = sources.layouts.get(name)
  if (layout !== undefined) {
    const reader = await openLayout(layout.directory)
    return { reader, descriptor: await reader.resolve(layout.name), reference: name }
  }
  const reference = withTag(parseReference(name))
  const full = formatReference(reference)
  const known = sources.pull ? undefined : await findLocal(sources.local, reference, full)
  if (known !== undefined) return { reader: sources.local, descriptor: known, reference: full }
  const repository = (await sources.openRegistry()).repository(reference)
  const descriptor = await repository.resolve(undefined, withSignal(signal))
  return { reader: repository, descriptor, reference: full, registry: reference.domain }
}

/** An image of the workspace under that very name, or a digest that it holds. */
async function findLocal(
  images: ImageLayout,
  reference: Reference,
  full: string,
): Promise<Descriptor | undefined> {
  const tags = await images.tags()
  const tagged = tags.get(full)
  if (tagged !== undefined || reference.digest === undefined) return tagged
  return [...tags.values()].find(({ digest }) => digest === reference.digest)
}

/** `latest` stands in only where neither tag nor digest is given. */
export function withTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: 'latest' }
    : reference
}
