/**
 * A repository: reads, writes, tags.
 *
 * @module
 */
import {
  bytesSource,
  type ByteSource,
  type Descriptor,
  type Digest,
  readAll,
  withSignal,
} from '@varve/digest'
import {
  type ContentOptions,
  type ContentReader,
  type ContentWriter,
  inlineContent,
  isDocumentType,
  type Reference,
} from '@varve/oci-manifest'
import { blobSource, hasBlob } from './blob/pull.ts'
import { pushBlob } from './blob/push.ts'
import type { Endpoint, RepositoryPlaces } from './endpoint.ts'
import { RegistryError } from './errors.ts'
import {
  fetchManifest,
  ifFound,
  MAX_MANIFEST_BYTES,
  pushManifest,
  type ReceivedManifest,
  resolveManifest,
} from './manifest/request.ts'
import { listTags } from './tags/list.ts'

/**
 * A repository of a registry. As a reader and writer it takes any descriptor: those of manifests and indexes go to
 * the manifests, all others to the blobs.
 *
 * Every method rejects with a `RegistryError`, or with the `DigestError` of bytes that are not what they should be,
 * or with `signal.reason`.
 */
export interface Repository extends ContentReader, ContentWriter {
  /** What it was made from. */
  readonly reference: Reference
  /**
   * What a tag or digest is now. Default: the digest of the reference, else its tag, else `latest`.
   *
   * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`
   */
  resolve(tagOrDigest?: string, options?: ContentOptions): Promise<Descriptor>
  /**
   * A manifest, verified: its digest, its media type, and that it can be read in one way only. Same default.
   *
   * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`; `ERR_REGISTRY_LIMIT` above 8 MiB.
   */
  manifest(tagOrDigest?: string, options?: ContentOptions): Promise<ReceivedManifest>
  /** Puts a manifest under a tag, byte for byte. What it refers to must be there. */
  tag(name: string, descriptor: Descriptor, bytes: Uint8Array, options?: ContentOptions): Promise<void>
  /** All tags, fetched page by page. */
  tags(options?: ContentOptions): AsyncGenerator<string, void, void>
}

/** The repository that an endpoint speaks for. */
export function createRepository(places: RepositoryPlaces, reference: Reference): Repository {
  const endpoint = places.registry
  const named = (tagOrDigest: string | undefined): string =>
    tagOrDigest ?? reference.digest ?? reference.tag ?? 'latest'

  return {
    reference,

    async resolve(tagOrDigest, options = {}) {
      const name = named(tagOrDigest)
      return (await resolveManifest(endpoint, name, options.signal)) ?? notFound(endpoint, name)
    },

    manifest: (tagOrDigest, options = {}) => fetchManifest(endpoint, named(tagOrDigest), options.signal),

    tag: (name, descriptor, bytes, options = {}) =>
      pushManifest(endpoint, name, descriptor, bytes, options.signal),

    tags: (options = {}) => listTags(endpoint, options.signal),

    async read(descriptor, options = {}) {
      const inline = inlineContent(descriptor)
      if (inline !== undefined) return bytesSource(inline)
      if (isDocumentType(descriptor.mediaType)) return readManifest(endpoint, descriptor, options)
      if (!(await hasBlob(endpoint, descriptor, options.signal))) return undefined
      return blobSource(endpoint, descriptor)
    },

    async has(descriptor, options = {}) {
      if (!isDocumentType(descriptor.mediaType)) return hasBlob(endpoint, descriptor, options.signal)
      return (await resolveManifest(endpoint, descriptor.digest, options.signal)) !== undefined
    },

    async write(descriptor, source, options = {}) {
      if (!isDocumentType(descriptor.mediaType)) {
        return pushBlob(endpoint, descriptor, source, options.signal)
      }
      const bytes = await readAll(source.open(withSignal(options.signal)), MAX_MANIFEST_BYTES)
      return pushManifest(endpoint, descriptor.digest, descriptor, bytes, options.signal)
    },
  }
}

/** One digest under two types is two meanings; only the one that was asked for is given. */
async function readManifest(
  endpoint: Endpoint,
  descriptor: Descriptor,
  options: ContentOptions,
): Promise<ByteSource | undefined> {
  const received = await ifFound(fetchManifest(endpoint, descriptor.digest, options.signal))
  if (received === undefined) return undefined
  const { mediaType, size } = received.descriptor
  if (mediaType === descriptor.mediaType && size === descriptor.size) return bytesSource(received.bytes)
  throw new RegistryError(
    'ERR_REGISTRY_RESPONSE',
    `The manifest ${descriptor.digest} is ${JSON.stringify(mediaType)} of ${size} bytes, not as described`,
  )
}

function notFound({ host, repository }: Endpoint, name: string | Digest): never {
  throw new RegistryError(
    'ERR_REGISTRY_NOT_FOUND',
    `${host.name} has no manifest ${JSON.stringify(name)} in ${repository}`,
    { status: 404 },
  )
}
