/**
 * Tags of a repository: distribution-spec, "Listing Tags".
 *
 * @module
 */
import { isTag } from '@varve/oci-manifest'
import type { Endpoint } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { appendQuery } from '../http/location.ts'
import { readJsonReply } from '../http/reply-body.ts'
import { endless, nextPage, requestPage } from './pages.ts'

/** The most that every registry takes. */
const PAGE_ENTRIES = 1000
const MAX_TAGS = 1_000_000

/**
 * All tags, each once, page by page as they are asked for.
 *
 * Links are followed where there are any. A registry that sends none may still have sent only a part, however short, so
 * it is asked for what comes after, until that is nothing new.
 *
 * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND` if there is no such repository; `ERR_REGISTRY_REFUSED` for a link
 *   that leaves the registry; `ERR_REGISTRY_LIMIT` for a list without end.
 */
export async function* listTags(
  endpoint: Endpoint,
  signal?: AbortSignal,
): AsyncGenerator<string, void, void> {
  const first = `tags/list?n=${PAGE_ENTRIES}`
  const seen = new Set<string>()
  const visited = new Set<string>()
  let hasLinks = false
  let target: string | undefined = first
  while (target !== undefined) {
    const isGuess: boolean = target !== first && !hasLinks
    const expect = isGuess ? [200, 400, 404] : [200]
    const response: FollowedResponse = await requestPage(endpoint, { target, expect, signal }, visited)
    if (response.status !== 200) {
      await response.discard()
      return
    }
    const tags = await readTags(endpoint, response)
    const known = seen.size
    for (const tag of tags) {
      if (seen.has(tag)) continue
      if (seen.size >= MAX_TAGS) throw endless(`${MAX_TAGS} tags`)
      seen.add(tag)
      yield tag
    }
    const link = nextPage(endpoint, response)
    hasLinks ||= link !== undefined
    const last = tags.at(-1)
    const mayHaveMore = !hasLinks && last !== undefined && seen.size > known
    target = link ?? (mayHaveMore ? appendQuery(first, 'last', last) : undefined)
  }
}

async function readTags({ exchange }: Endpoint, response: FollowedResponse): Promise<string[]> {
  const page = await readJsonReply(response, exchange.limits.documentBytes, 'A page of tags')
  const tags = page.get('tags') ?? null
  // Some registries write an empty list as null.
  if (tags === null) return []
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string' && isTag(tag)))
    return tags as string[]
  throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The list of tags holds something else')
}
