/**
 * Who may have a blob: a repository, at a mirror or at the registry, or an address in the blob's own descriptor.
 *
 * @module
 */
import { algorithmOf, type Descriptor, DigestError, withSignal } from '@varve/digest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { resolveLocation } from '../http/location.ts'
import { contentDigest, contentLength } from '../http/reply-headers.ts'
import type { TransportHeaders } from '../http/transport.ts'

/** One of them. */
export interface Holder {
  /** On whose behalf an address is asked, too: its guards decide where that may lead. */
  readonly endpoint: Endpoint
  /** An address of the descriptor, which is asked without credentials; `undefined` for the endpoint itself. */
  readonly url: string | undefined
}

/** Bytes `[start, end)`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Addresses of one descriptor that are tried. */
const MAX_URLS = 8

/** The endpoints in their order, then, where it is allowed, the descriptor's addresses. */
export function holdersOf(endpoints: readonly Endpoint[], descriptor: Descriptor): Holder[] {
  const holders: Holder[] = endpoints.map((endpoint) => ({ endpoint, url: undefined }))
  const endpoint = endpoints.at(-1)
  if (endpoint !== undefined && followsUrls(endpoint, descriptor)) {
    for (const url of descriptor.urls?.slice(0, MAX_URLS) ?? []) holders.push({ endpoint, url })
  }
  return holders
}

/** Whether a blob that no registry has may be had from the addresses in its descriptor. */
export function followsUrls({ transfer }: Endpoint, { urls = [] }: Descriptor): boolean {
  return transfer.foreignLayers && urls.length > 0
}

/** Asks for a blob, or a part of it, once. */
export async function requestBlob(
  { endpoint, url }: Holder,
  { digest }: Descriptor,
  span: Span | undefined,
  signal: AbortSignal | undefined,
): Promise<FollowedResponse> {
  const request = {
    method: 'GET',
    headers: span === undefined ? {} : { range: `bytes=${span.start}-${span.end - 1}` },
    expect: span === undefined ? [200] : [200, 206, 416],
    lane: 'blob',
    retry: false,
    ...withSignal(signal),
  } as const
  if (url === undefined) return sendTo(endpoint, { ...request, target: `blobs/${digest}`, access: 'pull' })
  const { exchange, host } = endpoint
  const address = resolveLocation(`${host.origin}/`, url)
  exchange.hosts.assertTarget(address, `${host.origin}/`, host.origin)
  return exchange.send({
    ...request,
    url: address,
    host,
    repository: undefined,
    scopes: [],
    anonymous: true,
  })
}

/**
 * Compares what a reply says of a blob with what it must be. A digest of another algorithm says nothing: old registries
 * know only SHA-256.
 *
 * @throws {DigestError} `ERR_DIGEST_SIZE` or `ERR_DIGEST_MISMATCH`
 */
export function assertDescribed({ digest, size }: Descriptor, headers: TransportHeaders): void {
  assertSize({ digest, size }, contentLength(headers))
  assertDigest({ digest }, headers)
}

/** The size that a reply names, in whatever header. */
export function assertSize(
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  actual: number | undefined,
): void {
  if (actual === undefined || actual === size) return
  const message = `Expected ${size} bytes of ${digest}, the registry has ${actual}`
  throw new DigestError('ERR_DIGEST_SIZE', message, { expected: size, actual })
}

/** `Docker-Content-Digest`, where it is of the same algorithm. */
export function assertDigest({ digest }: Pick<Descriptor, 'digest'>, headers: TransportHeaders): void {
  const actual = contentDigest(headers)
  if (actual === undefined || actual === digest || algorithmOf(actual) !== algorithmOf(digest)) return
  const message = `Expected ${digest}, the registry says ${actual}`
  throw new DigestError('ERR_DIGEST_MISMATCH', message, { expected: digest, actual })
}
