/**
 * What a benchmark is: two sides that do the same work, and what each of them costs.
 *
 * @module
 */
import type { Inputs } from './inputs.ts'

/** Does the work once and gives its cost: milliseconds, or bytes of output. */
export type Side = () => number

/** Our side and a peer's. */
export interface Contest {
  readonly ours: Side
  readonly theirs: Side
}

/** One row of the table. */
export interface Benchmark {
  /** Stable: the key in `bounds.json`. */
  readonly name: string
  readonly title: string
  /** Programs that must be on the PATH. */
  readonly programs: readonly string[]
  /** Major and minor version of Node it needs; skipped on an older one. */
  readonly node?: readonly [major: number, minor: number]
  /** What the two costs are. */
  readonly unit: 'ms' | 'bytes'
  /** Measurements of time. Default 5. */
  readonly pairs?: number
  /** Makes the input; not measured. */
  prepare(inputs: Inputs): Contest | Promise<Contest>
}
