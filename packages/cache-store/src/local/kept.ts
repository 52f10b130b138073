/**
 * Who keeps what the limits would have taken.
 *
 * @module
 */
import type { Amount, CollectionReport } from '../collection.ts'
import { NONE, plusOne } from './amount.ts'
import type { Census, Cut } from './census.ts'
import type { Protection } from './protection.ts'
import type { Roots } from './roots.ts'
import type { Entry } from './scan.ts'

/** Owners as a census knows them; roots are numbered from here. */
const NOBODY = 0
const LEASED = 1
const RECENT = 2
const FIRST_ROOT = 3

/** The first who keeps an entry: a root, a lease, the grace, or nobody. */
export function ownerOf({ digest, mtimeMs }: Entry, protection: Protection): number {
  const root = digest === undefined ? undefined : protection.roots.kept.get(digest)
  if (root !== undefined) return FIRST_ROOT + root
  if (mtimeMs >= protection.leasedSince) return LEASED
  return mtimeMs >= protection.recentSince ? RECENT : NOBODY
}

/** What is before the cut and stays. */
export function keptBy({ owners }: Roots, census: Census, cut: Cut): CollectionReport['kept'] {
  const amounts = new Map<number, Amount>()
  census.keptBefore(cut, (owner, bytes) => amounts.set(owner, plusOne(amounts.get(owner) ?? NONE, bytes)))
  const pins = owners
    .map((name, index) => ({ name, ...(amounts.get(FIRST_ROOT + index) ?? NONE) }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.bytes - a.bytes)
  return { pins, leased: amounts.get(LEASED) ?? NONE, recent: amounts.get(RECENT) ?? NONE }
}
