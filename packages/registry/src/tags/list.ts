/**
 * Tags of a repository: distribution-spec, "Listing Tags".
 *
 * @module
 */
import { isTag } from '@varve/oci-manifest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { parseNextLink } from '../http/link.ts'
import { appendQuery, resolveLocation } from '../http/location.ts'
import { readJsonReply } from '../http/reply-body.ts'

/** The most that every registry takes. */
const PAGE_ENTRIES = 1000
const MAX_PAGE_BYTES = 8 * 1024 * 1024
/** Also bounds what hostile links can make us remember. */
const MAX_PAGES = 2000
const MAX_TAGS = 1_000_000

/**
 * All tags, each once, page by page as they are asked for.
 *
 * A page ends the list if it links to no other and is not full; a full one without a link, as some registries send,
 * is followed by `last`.
 *
 * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND` if there is no such repository; `ERR_REGISTRY_REFUSED` for a link
 *   that leaves the registry; `ERR_REGISTRY_LIMIT` for a list without end.
 */
export async function* listTags(
  endpoint: Endpoint,
  signal?: AbortSignal,
): AsyncGenerator<string, void, void> {
  const first = `${endpoint.host.origin}/v2/${endpoint.host.pathPrefix}${endpoint.repository}/tags/list?n=${PAGE_ENTRIES}`
  const seen = new Set<string>()
  const visited = new Set<string>()
  let url: string | undefined = first
  while (url !== undefined) {
    if (visited.has(url) || visited.size >= MAX_PAGES || seen.size > MAX_TAGS) {
      throw new RegistryError(
        'ERR_REGISTRY_LIMIT',
        `The list of tags does not end after ${visited.size} pages`,
      )
    }
    visited.add(url)
    const response: FollowedResponse = await sendTo(endpoint, {
      method: 'GET',
      target: url,
      access: 'pull',
      expect: [200],
      signal,
    })
    const tags = await readTags(response)
    const fresh = tags.filter((tag) => !seen.has(tag))
    for (const tag of fresh) {
      if (seen.has(tag)) continue
      seen.add(tag)
      yield tag
    }
    url = nextPage(endpoint, response, first, tags, fresh.length > 0)
  }
}

function nextPage(
  endpoint: Endpoint,
  response: FollowedResponse,
  first: string,
  tags: readonly string[],
  progressed: boolean,
): string | undefined {
  const link = parseNextLink(response.headers.get('link') ?? [])
  if (link !== undefined) {
    const next = resolveLocation(response.url, link)
    if (new URL(next).origin === endpoint.host.origin) return next
    throw new RegistryError('ERR_REGISTRY_REFUSED', 'The list of tags goes on at another server')
  }
  const last = tags.at(-1)
  return last !== undefined && tags.length >= PAGE_ENTRIES && progressed
    ? appendQuery(first, 'last', last)
    : undefined
}

async function readTags(response: FollowedResponse): Promise<string[]> {
  const tags = (await readJsonReply(response, MAX_PAGE_BYTES, 'A page of tags')).get('tags') ?? null
  // Some registries write an empty list as null.
  if (tags === null) return []
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string' && isTag(tag)))
    return tags as string[]
  throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The list of tags holds something else')
}
