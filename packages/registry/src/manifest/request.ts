/**
 * Manifests from a registry: distribution-spec, "Pulling manifests".
 *
 * @module
 */
import { algorithmOf, assertExpected, type Descriptor, type Digest, digestOf, isDigest } from '@varve/digest'
import { isDocumentType, isSchema1Type, parseDocument, parseJson } from '@varve/oci-manifest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { readReply } from '../http/reply-body.ts'
import { contentDigest, contentLength, contentType, singleHeader } from '../http/reply-headers.ts'
import { ACCEPT, manifestTarget } from './target.ts'

/** A manifest as received. */
export interface ReceivedManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** A manifest, and what its registry calls this state of its tag. */
export interface TaggedManifest extends ReceivedManifest {
  /** `ETag`, for a push that must not overwrite another's. */
  readonly etag: string | undefined
}

/**
 * Fetches a manifest.
 *
 * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND` if the registry has none of this name.
 */
export async function fetchManifest(
  endpoint: Endpoint,
  reference: string,
  signal?: AbortSignal,
): Promise<ReceivedManifest> {
  const { descriptor, bytes } = await fetchTagged(endpoint, reference, signal)
  return { descriptor, bytes }
}

/** As {@link fetchManifest}. */
export async function fetchTagged(
  endpoint: Endpoint,
  reference: string,
  signal?: AbortSignal,
): Promise<TaggedManifest> {
  const response = await sendTo(endpoint, {
    method: 'GET',
    target: manifestTarget(reference),
    access: 'pull',
    headers: { accept: ACCEPT },
    expect: [200],
    signal,
  })
  const bytes = await readReply(response, endpoint.exchange.limits.documentBytes, 'The manifest')
  const digest = provenDigest(response, reference, bytes)
  const mediaType = provenType(contentType(response.headers), bytes, digest)
  const etag = singleHeader(response.headers, 'etag')
  return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes, etag }
}

/**
 * Asks what a tag or digest is, without its bytes where the registry can: by HEAD, which rate limits do not count.
 * GET is the way out for a registry that does not know HEAD here, or leaves headers away, and to learn why not.
 */
export async function resolveManifest(
  endpoint: Endpoint,
  reference: string,
  signal?: AbortSignal,
): Promise<Descriptor | undefined> {
  const response = await sendTo(endpoint, {
    method: 'HEAD',
    target: manifestTarget(reference),
    access: 'pull',
    headers: { accept: ACCEPT },
    // A refusal of a HEAD has no body; the same refusal of a GET says why.
    expect: [200, 400, 401, 403, 404, 405, 406],
    signal,
  })
  await response.discard()
  if (response.status === 404) return undefined
  const mediaType = contentType(response.headers)
  const size = contentLength(response.headers)
  const digest = announcedDigest(response, reference)
  if (response.status !== 200 || mediaType === undefined || size === undefined || digest === undefined) {
    return (await ifFound(fetchManifest(endpoint, reference, signal)))?.descriptor
  }
  refuseSchema1(mediaType)
  return { mediaType, digest, size }
}

/** `undefined` where a request found nothing. */
export async function ifFound<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'ERR_REGISTRY_NOT_FOUND') return undefined
    throw error
  }
}

/** A digest that was asked for is the proof; a tag leaves us with what the registry announces, or with sha256. */
function provenDigest(response: FollowedResponse, reference: string, bytes: Uint8Array): Digest {
  const expected = announcedDigest(response, reference)
  if (expected === undefined) return digestOf(bytes)
  const digest = digestOf(bytes, algorithmOf(expected))
  assertExpected({ digest, size: bytes.byteLength }, { digest: expected })
  return digest
}

/**
 * The digest that a reply must have. A header in another algorithm than that asked for proves nothing and is
 * passed over; some registries answer a sha512 with its sha256.
 */
function announcedDigest(response: FollowedResponse, reference: string): Digest | undefined {
  const announced = contentDigest(response.headers)
  if (!isDigest(reference)) return announced
  if (announced !== undefined && algorithmOf(announced) === algorithmOf(reference)) {
    assertExpected({ digest: announced, size: 0 }, { digest: reference })
  }
  return reference
}

/** The media type, which header and document must agree on: CVE-2021-41190. */
function provenType(header: string | undefined, bytes: Uint8Array, digest: Digest): string {
  if (header !== undefined) refuseSchema1(header)
  const mediaType = header ?? statedType(bytes)
  if (mediaType === undefined) {
    throw new RegistryError('ERR_REGISTRY_RESPONSE', `The manifest ${digest} comes without a media type`)
  }
  if (isDocumentType(mediaType)) {
    parseDocument(bytes, { mediaType, maxBytes: bytes.byteLength })
    return mediaType
  }
  const stated = statedType(bytes)
  if (stated === undefined || stated === mediaType) return mediaType
  throw new RegistryError(
    'ERR_REGISTRY_RESPONSE',
    `The manifest ${digest} is delivered as ${quoted(mediaType)}, but says ${quoted(stated)}`,
  )
}

function statedType(bytes: Uint8Array): string | undefined {
  const document = parseJson(bytes, { maxBytes: bytes.byteLength })
  const stated = document instanceof Map ? document.get('mediaType') : undefined
  return typeof stated === 'string' ? stated : undefined
}

function refuseSchema1(mediaType: string): void {
  if (!isSchema1Type(mediaType)) return
  throw new RegistryError('ERR_REGISTRY_UNSUPPORTED', 'The registry has only a manifest of Docker schema 1')
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 160))
}
