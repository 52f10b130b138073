/**
 * How slow is too slow: the committed `bounds.json`.
 *
 * @module
 */
import { readFileSync } from 'node:fs'

/** What one row may cost. */
export interface Bound {
  /** The ratio that must not be passed. */
  readonly bound: number
  /** Where we want to be. */
  readonly stretch: number
  /** Why the bound is what it is. */
  readonly reason: string
}

/** Reads the bounds, by name of the benchmark. */
export function readBounds(): ReadonlyMap<string, Bound> {
  const text = readFileSync(new URL('../bounds.json', import.meta.url), 'utf8')
  return new Map(Object.entries(JSON.parse(text) as Record<string, Bound>))
}
