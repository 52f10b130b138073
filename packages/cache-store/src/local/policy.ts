/**
 * The limits of a store.
 *
 * @module
 */
import type { CollectionPolicy } from '../collection.ts'

/** Every limit, with a value. */
export type Limits = Required<CollectionPolicy>

const GIB = 1024 ** 3

/** On unless somebody says otherwise: no cache may fill a disk. */
const DEFAULT_LIMITS: Limits = {
  maxBytes: 20 * GIB,
  minFreeBytes: 0,
  maxAgeMs: Infinity,
  graceMs: 2 * 60 * 60 * 1000,
}

/**
 * Fills in what a policy leaves out.
 *
 * @throws {TypeError} if a limit is negative or no number.
 */
export function limitsFrom(policy: CollectionPolicy = {}, defaults: Limits = DEFAULT_LIMITS): Limits {
  const limit = (name: keyof Limits): number => {
    const value = policy[name] ?? defaults[name]
    if (typeof value === 'number' && value >= 0) return value
    throw new TypeError(`Not a limit: ${name} ${value}`)
  }
  return {
    maxBytes: limit('maxBytes'),
    minFreeBytes: limit('minFreeBytes'),
    maxAgeMs: limit('maxAgeMs'),
    graceMs: limit('graceMs'),
  }
}
