/**
 * A repository: reads, writes, tags, referrers.
 *
 * @module
 */
import {
  bytesSource,
  type ByteSource,
  type Descriptor,
  type Digest,
  isDigest,
  readAll,
  withSignal,
} from '@varve/digest'
import {
  type BlobReader,
  type BlobWriter,
  type ContentOptions,
  type ContentReader,
  type ContentWriter,
  inlineContent,
  isDocumentType,
  type Reference,
} from '@varve/oci-manifest'
import { deleteBlob } from './blob/delete.ts'
import { followsUrls } from './blob/holder.ts'
import { blobSource, hasBlob } from './blob/pull.ts'
import { pushBlob } from './blob/push.ts'
import type { Endpoint, RepositoryPlaces } from './endpoint.ts'
import { RegistryError } from './errors.ts'
import { firstAnswer, readingOrder } from './hosts/mirrors.ts'
import { deleteManifest } from './manifest/delete.ts'
import { pushManifest } from './manifest/push.ts'
import { fetchManifest, ifFound, type ReceivedManifest, resolveManifest } from './manifest/request.ts'
import { listReferrers, type ReferrersOptions } from './referrers/list.ts'
import { listTags } from './tags/list.ts'

/** Manifests by name. */
export interface ManifestReader {
  /**
   * What a tag or digest is now. Default: the digest of the reference, else its tag, else `latest`.
   *
   * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`
   */
  resolve(tagOrDigest?: string, options?: ContentOptions): Promise<Descriptor>
  /**
   * A manifest, verified: its digest, its media type, and that it can be read in one way only. Same default.
   *
   * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`; `ERR_REGISTRY_LIMIT` above the client's limit for documents; `ERR_REGISTRY_UNSUPPORTED` for
   *   Docker's schema 1.
   */
  manifest(tagOrDigest?: string, options?: ContentOptions): Promise<ReceivedManifest>
}

/** Names of manifests, and their end. */
export interface TagWriter {
  /**
   * Puts a manifest under a tag or several, byte for byte; several in one request where the registry can. What it
   * refers to must be there, but for its subject.
   */
  tag(
    names: string | readonly string[],
    descriptor: Descriptor,
    bytes: Uint8Array,
    options?: ContentOptions,
  ): Promise<void>
  /**
   * Deletes a tag; or by its digest a manifest with all of its tags, and takes it out of the list of what it is about;
   * or what a descriptor names, which may be a blob. Nothing that others need is looked for.
   *
   * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`; `ERR_REGISTRY_REJECTED` (405) where the registry does not delete.
   */
  delete(what: string | Descriptor, options?: ContentOptions): Promise<void>
}

/** What there is. */
export interface TagList {
  /** All tags, each once, fetched page by page. */
  tags(options?: ContentOptions): AsyncGenerator<string, void, void>
}

/** What is about a manifest: signatures, attestations, SBOMs. */
export interface ReferrerList {
  /**
   * The manifests whose subject is `subject`, which need not be there itself. From the registry's list, or where it has
   * none, from the one that clients keep under a tag.
   */
  referrers(subject: Digest, options?: ReferrersOptions): Promise<readonly Descriptor[]>
}

/**
 * A repository of a registry. As a reader and writer it takes any descriptor: those of manifests and indexes go to
 * the manifests, all others to the blobs. A manifest that has a subject is listed among its referrers as it is pushed.
 *
 * Mirrors are asked for content, tags and digests; lists, and whether something is there already, are matters of the
 * registry itself.
 *
 * Every method rejects with a `RegistryError`, or with the `DigestError` of bytes that are not what they should be,
 * or the `OciManifestError` of a manifest that cannot be read in one way only, or with `signal.reason`.
 */
export interface Repository
  extends
    ContentReader,
    ContentWriter,
    BlobReader,
    BlobWriter,
    ManifestReader,
    TagWriter,
    TagList,
    ReferrerList {
  /** What it was made from. */
  readonly reference: Reference
}

/** The registry behind each repository, so that blobs of a neighbour can be mounted. */
const endpoints = new WeakMap<ContentReader, Endpoint>()

/** The repository that an endpoint speaks for. */
export function createRepository(places: RepositoryPlaces, reference: Reference): Repository {
  const { registry } = places
  const named = (tagOrDigest: string | undefined): string =>
    tagOrDigest ?? reference.digest ?? reference.tag ?? 'latest'

  const repository: Repository = {
    reference,

    async resolve(tagOrDigest, { signal } = {}) {
      const name = named(tagOrDigest)
      const found = await firstAnswer(places, { byTag: !isDigest(name), signal }, (endpoint) =>
        resolveManifest(endpoint, name, signal),
      )
      return found ?? notFound(registry, name)
    },

    manifest(tagOrDigest, { signal } = {}) {
      const name = named(tagOrDigest)
      return firstAnswer(places, { byTag: !isDigest(name), signal }, (endpoint) =>
        fetchManifest(endpoint, name, signal),
      )
    },

    tag: (names, descriptor, bytes, options = {}) =>
      pushManifest(registry, descriptor, bytes, { tags: [names].flat(), ...options }),

    delete: (what, { signal } = {}) => {
      if (typeof what === 'string') return deleteManifest(registry, what, signal)
      return isDocumentType(what.mediaType)
        ? deleteManifest(registry, what.digest, signal)
        : deleteBlob(registry, what.digest, signal)
    },

    tags: (options = {}) => listTags(registry, options.signal),

    referrers: (subject, options = {}) => listReferrers(registry, subject, options),

    async read(descriptor, options = {}) {
      const inline = inlineContent(descriptor)
      if (inline !== undefined) return bytesSource(inline)
      if (isDocumentType(descriptor.mediaType)) return readManifest(places, descriptor, options)
      const { signal } = options
      const isThere = await firstAnswer(places, { byTag: false, signal }, (endpoint) =>
        hasBlob(endpoint, descriptor, signal),
      )
      if (!isThere && !followsUrls(registry, descriptor)) return undefined
      return blobSource(readingOrder(places, false), descriptor)
    },

    blob(descriptor) {
      const inline = inlineContent(descriptor)
      return inline === undefined ? blobSource(readingOrder(places, false), descriptor) : bytesSource(inline)
    },

    async has(descriptor, options = {}) {
      if (!isDocumentType(descriptor.mediaType)) return hasBlob(registry, descriptor, options.signal)
      return (await resolveManifest(registry, descriptor.digest, options.signal)) !== undefined
    },

    async write(descriptor, source, options = {}) {
      if (!isDocumentType(descriptor.mediaType)) {
        await pushBlob(registry, descriptor, source, options)
        return
      }
      const bytes = await readAll(source.open(withSignal(options.signal)), descriptor.size)
      await pushManifest(registry, descriptor, bytes, options)
    },

    async pushBlob(descriptor, source, { from, signal } = {}) {
      const neighbour = from && endpoints.get(from)
      const isNeighbour =
        neighbour?.host.origin === registry.host.origin && neighbour.repository !== registry.repository
      const mountFrom = isNeighbour ? [neighbour.repository] : []
      const outcome = await pushBlob(registry, descriptor, source, { mountFrom, ...withSignal(signal) })
      return outcome === 'pushed' ? 'copied' : outcome
    },
  }
  endpoints.set(repository, registry)
  return repository
}

/** What a name is at the registry itself, whatever its mirrors say. */
export async function resolveAtRegistry(
  repository: Repository,
  name: string,
  options: ContentOptions,
): Promise<Descriptor | undefined> {
  const endpoint = endpoints.get(repository)
  return endpoint === undefined
    ? repository.resolve(name, options)
    : resolveManifest(endpoint, name, options.signal)
}

/** One digest under two types is two meanings; only the one that was asked for is given. */
async function readManifest(
  places: RepositoryPlaces,
  descriptor: Descriptor,
  { signal }: ContentOptions,
): Promise<ByteSource | undefined> {
  const received = await firstAnswer(places, { byTag: false, signal }, (endpoint) =>
    ifFound(fetchManifest(endpoint, descriptor.digest, signal)),
  )
  if (received === undefined) return undefined
  const { mediaType, size } = received.descriptor
  if (mediaType === descriptor.mediaType && size === descriptor.size) return bytesSource(received.bytes)
  throw new RegistryError(
    'ERR_REGISTRY_RESPONSE',
    `The manifest ${descriptor.digest} is ${JSON.stringify(mediaType)} of ${size} bytes, not as described`,
  )
}

function notFound({ host, repository }: Endpoint, name: string): never {
  throw new RegistryError(
    'ERR_REGISTRY_NOT_FOUND',
    `${host.name} has no manifest ${JSON.stringify(name)} in ${repository}`,
    { status: 404 },
  )
}
