/**
 * The blobs of images: in the store, or wherever they can be had from.
 *
 * @module
 */
import { type ByteSource, type Descriptor, type Digest, withSignal } from '@varve/digest'
import type { BlobStore } from '@varve/cache-store'
import { fromTar, merge, openLayer, Tree } from '@varve/layer'
import { chainID, type ContentReader, type Image } from '@varve/oci-manifest'
import { BuilderError } from '../errors.ts'

/** One layer of a root file system. */
export interface StackLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
}

/** Blobs by descriptor, fetched into the store when they are first needed. */
export class Content implements ContentReader {
  readonly #blobs: BlobStore
  readonly #origins: Array<{ readonly reader: ContentReader; readonly registry: string | undefined }> = []
  readonly #images = new Map<Digest, Image>()
  readonly #fetching = new Map<Digest, Promise<ByteSource>>()
  readonly #trees = new Map<string, Promise<Tree>>()

  constructor(blobs: BlobStore) {
    this.#blobs = blobs
  }

  /** Takes note of an image whose documents are known. */
  addImage(image: Image): void {
    this.#images.set(image.descriptor.digest, image)
  }

  /** An image that {@link addImage} was given, by the digest of its manifest. */
  image(manifest: Digest): Image {
    const image = this.#images.get(manifest)
    if (image === undefined)
      throw new BuilderError('ERR_BUILDER_BASE', `The image ${manifest} was not resolved`)
    return image
  }

  /** Adds a place where blobs may be found: a repository of `registry`, or else a layout. */
  addOrigin(reader: ContentReader, registry?: string): void {
    this.#origins.push({ reader, registry })
  }

  async read(
    descriptor: Descriptor,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ByteSource | undefined> {
    const stored = await this.#blobs.get(descriptor.digest, options)
    if (stored !== undefined) return stored
    for (const { reader, registry } of this.#origins) {
      try {
        const source = await reader.read(descriptor, options)
        if (source === undefined) continue
        await this.#blobs.put(descriptor.digest, source, options)
        return (await this.#blobs.get(descriptor.digest, options)) ?? source
      } catch (error) {
        throw asFetchError(error, descriptor, registry)
      }
    }
    return undefined
  }

  /** Like `read`, once for each blob. @throws {BuilderError} `ERR_BUILDER_BLOB` if no one has it. */
  async need(descriptor: Descriptor, signal?: AbortSignal): Promise<ByteSource> {
    const { digest } = descriptor
    const running = this.#fetching.get(digest)
    if (running !== undefined) return running
    const fetching = this.read(descriptor, withSignal(signal)).then((source) => {
      if (source !== undefined) return source
      throw new BuilderError('ERR_BUILDER_BLOB', `The blob ${digest} is nowhere to be found`)
    })
    this.#fetching.set(digest, fetching)
    try {
      return await fetching
    } finally {
      this.#fetching.delete(digest)
    }
  }

  /** The file system that layers make, base first, without unpacking them to disk. */
  tree(layers: readonly StackLayer[], signal?: AbortSignal): Promise<Tree> {
    const name = chainID(layers.map(({ diffID }) => diffID)) ?? ''
    let tree = this.#trees.get(name)
    if (tree === undefined) {
      tree = this.#stack(layers, signal)
      this.#trees.set(name, tree)
      tree.catch(() => this.#trees.delete(name))
    }
    return tree
  }

  /** Each step of a chain asks for one layer more, so what is below is taken from the step before. */
  async #stack(layers: readonly StackLayer[], signal: AbortSignal | undefined): Promise<Tree> {
    const top = layers.at(-1)
    if (top === undefined) return Tree.from([])
    const [below, members] = await Promise.all([
      this.tree(layers.slice(0, -1), signal),
      this.#members(top, signal),
    ])
    return merge(below, members)
  }

  /** The members of one layer; their contents are slices of its uncompressed bytes, which the store keeps too. */
  async #members({ descriptor, diffID }: StackLayer, signal?: AbortSignal): Promise<Tree> {
    const options = withSignal(signal)
    const missing = await this.#blobs.missing([diffID], options)
    if (missing.has(diffID)) {
      const layer = openLayer(descriptor, diffID, await this.need(descriptor, signal))
      await this.#blobs.put(diffID, layer.uncompressed, options)
    }
    const tar = await this.#blobs.get(diffID, options)
    if (tar === undefined) throw new BuilderError('ERR_BUILDER_OUTPUT', `The store does not keep ${diffID}`)
    return fromTar(tar, options)
  }
}

/** Bytes that are not what was asked for: the name of the blob alone would not tell who sent them. */
function asFetchError(cause: unknown, { digest }: Descriptor, registry: string | undefined): unknown {
  const { code, message } = cause as NodeJS.ErrnoException
  if (registry === undefined || code?.startsWith('ERR_DIGEST_') !== true) return cause
  return new BuilderError('ERR_BUILDER_FETCH', `${registry} sent something else for ${digest}: ${message}`, {
    cause,
  })
}
