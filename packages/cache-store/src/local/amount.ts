/**
 * Sums of things and their bytes.
 *
 * @module
 */
import type { Amount } from '../collection.ts'

export const NONE: Amount = { count: 0, bytes: 0 }

/** One more thing. */
export function plusOne({ count, bytes }: Amount, more: number): Amount {
  return { count: count + 1, bytes: bytes + more }
}

/** `a` with what the others are. */
export function plus(a: Amount, ...others: readonly Amount[]): Amount {
  return others.reduce((sum, each) => ({ count: sum.count + each.count, bytes: sum.bytes + each.bytes }), a)
}

/** `a` without `b`. */
export function minus(a: Amount, b: Amount): Amount {
  return { count: a.count - b.count, bytes: a.bytes - b.bytes }
}
