/**
 * Lists that come page by page: distribution-spec, "Listing Tags" and "Listing Referrers".
 *
 * @module
 */
import { type Endpoint, type EndpointRequest, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { parseNextLink } from '../http/link.ts'
import { resolveLocation } from '../http/location.ts'

/** Also bounds what hostile links can make us remember. */
const MAX_PAGES = 2000

/**
 * Asks for a page. `visited` has the pages of the list so far.
 *
 * @throws {RegistryError} `ERR_REGISTRY_LIMIT` if the page was there before, or is one too many.
 */
export function requestPage(
  endpoint: Endpoint,
  request: Pick<EndpointRequest, 'target' | 'headers' | 'expect' | 'signal'>,
  visited: Set<string>,
): Promise<FollowedResponse> {
  if (visited.has(request.target) || visited.size >= MAX_PAGES) throw endless(`${visited.size} pages`)
  visited.add(request.target)
  return sendTo(endpoint, { method: 'GET', access: 'pull', ...request })
}

/**
 * Where the next page is, if the reply tells.
 *
 * @throws {RegistryError} `ERR_REGISTRY_REFUSED` for a link that leaves the registry.
 */
export function nextPage({ host }: Endpoint, response: FollowedResponse): string | undefined {
  const link = parseNextLink(response.headers.get('link') ?? [])
  if (link === undefined) return undefined
  const next = resolveLocation(response.url, link)
  if (new URL(next).origin === host.origin) return next
  throw new RegistryError('ERR_REGISTRY_REFUSED', 'The list goes on at another server')
}

/** The error for a list without end. */
export function endless(after: string): RegistryError {
  return new RegistryError('ERR_REGISTRY_LIMIT', `The list does not end after ${after}`)
}
