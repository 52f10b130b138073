/**
 * What a collection must leave alone, as it is known now.
 *
 * @module
 */
import { join } from 'node:path'
import type { Digest } from '@varve/digest'
import { TOUCH_AFTER_MS } from './files.ts'
import { leaseAt } from './leases.ts'
import { isLeaseName, namesIn } from './listing.ts'
import { blobPath, leasesDirectory, type Place } from './place.ts'
import { findRoots, type Roots, watchRoots } from './roots.ts'

/** Looks at leases, pins, refs and the index of the layout. */
export interface Protection {
  /** When the collection began, by the clock of the file system. */
  readonly now: number
  /** What was used since then is recent. */
  readonly recentSince: number
  /** What was used since then is leased; `Infinity` without leases. Only ever grows earlier. */
  readonly leasedSince: number
  /** What was used before then may go, unless it has a root. */
  readonly bound: number
  readonly roots: Roots
  /** Whether a use at this time is covered by a lease that began after the collection. */
  isNewlyLeased(mtimeMs: number): boolean
  /** Whether a blob has a root. */
  isRooted(digest: Digest): boolean
  /** Looks again, for blobs that are on their way out; `moved` tells where they are meanwhile. */
  refresh(moved: ReadonlyMap<Digest, string>): Promise<void>
}

/** Finds what must stay, other than what was used within the last `graceMs`, which stays as well. */
export async function protect(
  place: Place,
  graceMs: number,
  breathe: () => Promise<void>,
): Promise<Protection> {
  const now = place.clock.now()
  const recentSince = now - graceMs
  const haveRootsChanged = watchRoots(place)
  const leasedAtFirst = leaseBound(place)
  let leasedSince = leasedAtFirst
  let roots = await findRoots(place, breathe)
  return {
    now,
    recentSince,
    get leasedSince() {
      return leasedSince
    },
    get bound() {
      return Math.min(recentSince, leasedSince)
    },
    get roots() {
      return roots
    },
    isNewlyLeased: (mtimeMs) => mtimeMs >= leasedSince && mtimeMs < leasedAtFirst,
    isRooted: (digest) => roots.kept.has(digest),
    refresh: async (moved) => {
      leasedSince = Math.min(leasedSince, leaseBound(place))
      if (!haveRootsChanged()) return
      roots = await findRoots(place, breathe, (digest) => moved.get(digest) ?? blobPath(place, digest))
    },
  }
}

/** A use shows only if the time of a file was older than the interval, so what is that much older counts, too. */
function leaseBound(place: Place): number {
  let bound = Infinity
  for (const name of namesIn(leasesDirectory(place))) {
    const lease = isLeaseName(name) ? leaseAt(place, join(leasesDirectory(place), name)) : undefined
    if (lease !== undefined && !lease.isStale) bound = Math.min(bound, lease.beganAt - TOUCH_AFTER_MS)
  }
  return bound
}
