/**
 * Paired measurements. Absolute times drift from machine to machine and from minute to minute; the ratio of two runs
 * side by side does not, much.
 *
 * @module
 */
import type { Benchmark, Contest } from './contest.ts'

/** The outcome of one benchmark. */
export interface Measurement {
  /** Median of the ratios, ours to theirs: lower is better. */
  readonly ratio: number
  /** Medians of the two costs. */
  readonly ours: number
  readonly theirs: number
  readonly pairs: ReadonlyArray<readonly [ours: number, theirs: number]>
}

/** What a row has that does not say, and what is enough to see that it is within its bound. */
const PAIRS = 5
const FEW_PAIRS = 3

/**
 * Runs both sides in turn, the first one changing, after one run of each that does not count. A glance is shorter.
 */
export function measure(
  contest: Contest,
  { unit, pairs = PAIRS }: Pick<Benchmark, 'unit' | 'pairs'>,
  isGlance = false,
): Measurement {
  if (unit === 'bytes') return summarize([[contest.ours(), contest.theirs()]])
  contest.ours()
  contest.theirs()
  return summarize(
    Array.from({ length: isGlance ? Math.min(pairs, FEW_PAIRS) : pairs }, (_, index) =>
      pair(contest, index % 2 === 0),
    ),
  )
}

/** The middle of a list of numbers; the mean of the two middle ones if their count is even. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  return (lower + upper) / 2
}

function pair({ ours, theirs }: Contest, oursFirst: boolean): readonly [number, number] {
  if (oursFirst) {
    const first = ours()
    return [first, theirs()]
  }
  const first = theirs()
  return [ours(), first]
}

function summarize(pairs: Measurement['pairs']): Measurement {
  return {
    ratio: median(pairs.map(([ours, theirs]) => ours / theirs)),
    ours: median(pairs.map(([ours]) => ours)),
    theirs: median(pairs.map(([, theirs]) => theirs)),
    pairs,
  }
}
