/**
 * What was lately seen of blobs in a repository, so that whoever has asked whether a blob is there does not cause the
 * same question when he pushes it.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import type { Endpoint } from '../endpoint.ts'

interface Sight {
  readonly isThere: boolean
  readonly seenAt: number
}

/** Long enough for a push, short enough for a deleted blob not to be missed for long. */
const LIFE_MS = 60_000
const MAX_ENTRIES = 10_000

/** One handle of a repository is about one push; what it has seen goes with it. */
const sights = new WeakMap<Endpoint, Map<Digest, Sight>>()

/** Notes whether a blob is in the repository. */
export function notePresence(endpoint: Endpoint, digest: Digest, isThere: boolean): void {
  const seen = sights.get(endpoint) ?? new Map<Digest, Sight>()
  sights.set(endpoint, seen)
  seen.delete(digest)
  seen.set(digest, { isThere, seenAt: performance.now() })
  const [oldest] = seen.keys()
  if (seen.size > MAX_ENTRIES && oldest !== undefined) seen.delete(oldest)
}

/** What was seen less than a minute ago. */
export function recentPresence(endpoint: Endpoint, digest: Digest): boolean | undefined {
  const sight = sights.get(endpoint)?.get(digest)
  return sight !== undefined && performance.now() - sight.seenAt < LIFE_MS ? sight.isThere : undefined
}
