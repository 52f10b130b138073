/**
 * Which of many blobs are there: by lists where these tell of several at once, by HEADs where not.
 *
 * Digests are spread evenly, so one page of a list tells how many blobs there are, and by that how many of the digests
 * asked for lie on a page. Each page answers for at least one of them, so there are never more requests than there
 * would be HEADs, but for the first page.
 *
 * @module
 */
import { type Algorithm, algorithmOf, type Digest, hexOf } from '@varve/digest'
import type { StoreOptions } from '../blob-store.ts'
import { kindOf } from './failure.ts'
import type { Keys } from './keys.ts'
import { forEach } from './limit.ts'
import type { Objects, ObjectStatus } from './objects.ts'

/** What is asked of a bucket. */
export interface PresenceSettings {
  readonly objects: Objects
  readonly keys: Keys
  /** Requests at once. */
  readonly width: number
  readonly mayList: () => boolean
  /** Told that a list was refused. */
  readonly onListRefused: (error: unknown) => void
}

/** Told of each blob that is there. */
export type Found = (digest: Digest, status: ObjectStatus) => void

/** Fewer are asked for one by one: that takes no longer than one list. */
const FEW = 8

/** A page costs what so many HEADs do, in time and in money (a LIST is priced as a PUT is). */
const PAGE_COST = 8

/** Tells `found` of those that are there, each once. */
export async function look(
  settings: PresenceSettings,
  digests: ReadonlySet<Digest>,
  found: Found,
  options: StoreOptions,
): Promise<void> {
  const byAlgorithm = grouped(digests)
  for (const [algorithm, group] of byAlgorithm) {
    let rest = group
    if (rest.length > FEW && settings.mayList()) {
      try {
        rest = await listed(settings, algorithm, rest.toSorted(), found, options)
      } catch (error) {
        const kind = kindOf(error)
        if (kind !== 'denied' && kind !== 'unsupported') throw error
        settings.onListRefused(error)
      }
    }
    await forEach(rest, settings.width, async (digest) => {
      const status = await settings.objects.head(settings.keys.blob(digest), options)
      if (status !== undefined) found(digest, status)
    })
  }
}

/** Looks for sorted digests by lists, and gives those that are cheaper to look for one by one. */
async function listed(
  settings: PresenceSettings,
  algorithm: Algorithm,
  digests: readonly Digest[],
  found: Found,
  options: StoreOptions,
): Promise<Digest[]> {
  const first = await page(settings, algorithm, digests, found, options)
  const rest = digests.slice(first.answered)
  if (rest.length <= FEW || first.share * digests.length < PAGE_COST) return rest
  const segments = Math.min(settings.width, Math.ceil(rest.length * first.share) || 1)
  const length = Math.ceil(rest.length / segments)
  const starts = Array.from({ length: segments }, (_, number) => number * length)
  await forEach(starts, segments, async (start) => {
    for (let left = rest.slice(start, start + length); left.length > 0;) {
      const { answered } = await page(settings, algorithm, left, found, options)
      left = left.slice(answered)
    }
  })
  return []
}

/** One page that begins at the first digest: how many of them it answers for, and which share of all blobs it held. */
async function page(
  { objects, keys }: PresenceSettings,
  algorithm: Algorithm,
  digests: readonly Digest[],
  found: Found,
  options: StoreOptions,
): Promise<{ readonly answered: number; readonly share: number }> {
  const prefix = keys.blobs(algorithm)
  const [first] = digests
  // Just before the first one: nothing but longer names lies between a name and its beginning.
  const startAfter = first === undefined ? '' : keys.blob(first).slice(0, -1)
  const { objects: entries, isTruncated } = await objects.list(prefix, startAfter, options)
  const statuses = new Map(entries.map((entry) => [entry.key.slice(prefix.length), entry]))
  const last = entries.at(-1)?.key.slice(prefix.length) ?? ''
  let answered = 0
  for (const digest of digests) {
    const hex = hexOf(digest)
    if (isTruncated && hex > last) break
    const status = statuses.get(hex)
    if (status !== undefined) found(digest, status)
    answered += 1
  }
  if (answered === 0 && first !== undefined) {
    // A page that does not reach the first digest: no server should give one, and it must not keep us for ever.
    const status = await objects.head(keys.blob(first), options)
    if (status !== undefined) found(first, status)
    return { answered: 1, share: 0 }
  }
  const from = first === undefined ? 0 : positionOf(hexOf(first))
  return { answered, share: isTruncated ? Math.max(0, positionOf(last) - from) : 1 }
}

/** Where a digest lies among all, from 0 to 1. */
function positionOf(hex: string): number {
  return Number.parseInt(hex.slice(0, 12).padEnd(12, '0'), 16) / 16 ** 12
}

function grouped(digests: Iterable<Digest>): Map<Algorithm, Digest[]> {
  const groups = new Map<Algorithm, Digest[]>()
  for (const digest of digests) {
    const group = groups.get(algorithmOf(digest)) ?? []
    group.push(digest)
    groups.set(algorithmOf(digest), group)
  }
  return groups
}
