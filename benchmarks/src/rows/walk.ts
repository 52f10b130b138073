/**
 * Rows about looking at a directory. In-process: Node's start is not counted, since these are parts of larger work.
 *
 * @module
 */
import type { Benchmark } from '../contest.ts'
import { runShell, scriptPath, timeShell } from '../process.ts'
import { agree, printedContest } from './sides.ts'

const FIELDS = `find "$1" -printf '%P %y %m %U %G %s %T@ %i %n %l\\n'`

/** Reading a directory as a tree. */
export const walkEntries: Benchmark = {
  name: 'walk-entries',
  title: 'read a directory of 40,000 entries as a tree (in-process), to `find -printf` of the same fields',
  programs: ['find'],
  unit: 'ms',
  prepare: (inputs) => {
    const [tree, script] = [inputs.tree(), scriptPath('ours/walk')]
    agree(runShell('"$NODE" "$2" "$1" count', tree, script), runShell(`${FIELDS} | wc -l`, tree))
    return {
      ours: () => Number(runShell('"$NODE" "$2" "$1"', tree, script)),
      theirs: () => timeShell(`${FIELDS} >/dev/null`, tree),
    }
  },
}

/** Finding out that nothing changed. */
export const diffNothing: Benchmark = {
  name: 'diff-nothing',
  title:
    'diff of 40,000 unchanged entries by the snapshot index, to a bare walk with lstat (both in-process)',
  programs: [],
  unit: 'ms',
  prepare: (inputs) =>
    printedContest(
      '"$NODE" "$2" "$1"',
      '"$NODE" "$3" "$1"',
      inputs.tree(),
      scriptPath('ours/diff-nothing'),
      scriptPath('peers/bare-walk'),
    ),
}
