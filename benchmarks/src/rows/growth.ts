/**
 * Rows about growth: ten times as much may take ten times as long.
 *
 * @module
 */
import type { Benchmark, Contest } from '../contest.ts'
import { runShell, scriptPath } from '../process.ts'

const TIMES = '"$NODE" "$1" "$2" "$3" "$4"'

/** Sorting, diffing, stacking and packing trees. */
export const growthEntries: Benchmark = {
  name: 'growth-entries',
  title: 'diff, layerTree, merge and pack of 300,000 entries, to ten times 30,000 (in-process)',
  programs: [],
  unit: 'ms',
  prepare: () => growth('entries', 300_000, 30_000),
}

/** Stacking layers. */
export const growthLayers: Benchmark = {
  name: 'growth-layers',
  title: 'stacking 100 layers of 1,000 entries, to ten times 10 layers (in-process)',
  programs: [],
  unit: 'ms',
  prepare: () => growth('layers', 100, 10),
}

function growth(what: string, large: number, small: number): Contest {
  const script = scriptPath('ours/growth')
  return {
    ours: () => Number(runShell(TIMES, script, what, String(large), '1')),
    theirs: () => Number(runShell(TIMES, script, what, String(small), '10')),
  }
}
