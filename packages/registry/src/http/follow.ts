/**
 * Redirects, and the headers that do not go along.
 *
 * @module
 */
import { RegistryError } from '../errors.ts'
import type { HostPolicy } from '../hosts/policy.ts'
import { observed } from './diagnostics.ts'
import { resolveLocation } from './location.ts'
import { redactUrl } from './redact.ts'
import { singleHeader } from './reply-headers.ts'
import type { Transport, TransportRequest, TransportResponse } from './transport.ts'

/** A request that may be sent on. */
export interface FollowRequest extends TransportRequest {
  /** Origin of the registry on whose behalf all this happens. */
  readonly registry: string
  /** Sent to the registry only, and no more once the chain has left it, even if it comes back. */
  readonly authorization?: string | undefined
}

/** A reply, and where it came from. */
export interface FollowedResponse extends TransportResponse {
  readonly url: string
  /** Whether every hop was the registry itself: only then may the reply ask for credentials. */
  readonly isFromRegistry: boolean
}

const MAX_HOPS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** The ones that say "send the same again"; for the others, what becomes of a body is a matter of history. */
const PRESERVING: ReadonlySet<number> = new Set([307, 308])

/**
 * Sends a request and follows redirects. Bodies are opened again for each hop.
 *
 * @throws {RegistryError} `ERR_REGISTRY_REFUSED` for a hop that the policy forbids, one too many, or one that would
 *   turn a push into a read.
 */
export async function follow(
  transport: Transport,
  hosts: HostPolicy,
  request: FollowRequest,
): Promise<FollowedResponse> {
  const { registry, authorization, ...rest } = request
  let { url } = request
  hosts.assertTarget(url, registry, registry)
  let isFromRegistry = new URL(url).origin === registry
  for (let hop = 0; ; hop++) {
    const headers =
      isFromRegistry && authorization !== undefined ? { ...rest.headers, authorization } : rest.headers
    const hopRequest = { ...rest, url, headers }
    const response = await observed(hopRequest, () => transport.send(hopRequest))
    if (!REDIRECTS.has(response.status)) {
      const { status, body } = response
      return {
        status,
        headers: response.headers,
        body,
        discard: () => response.discard(),
        url,
        isFromRegistry,
      }
    }
    await response.discard()
    const location = singleHeader(response.headers, 'location')
    if (location === undefined) {
      throw new RegistryError('ERR_REGISTRY_RESPONSE', `${redactUrl(url)} redirects to nowhere`)
    }
    const isRead = rest.method === 'GET' || rest.method === 'HEAD'
    if (hop >= MAX_HOPS || (!isRead && !PRESERVING.has(response.status))) {
      const why = hop >= MAX_HOPS ? 'too many redirects' : `a ${response.status} for a ${rest.method}`
      throw new RegistryError('ERR_REGISTRY_REFUSED', `${redactUrl(url)} leads on: ${why}`)
    }
    const target = resolveLocation(url, location)
    hosts.assertTarget(target, url, registry)
    isFromRegistry &&= new URL(target).origin === registry
    url = target
  }
}
