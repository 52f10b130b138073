/**
 * How rows are put together.
 *
 * @module
 */
import type { Contest } from '../contest.ts'
import { runShell, timeShell } from '../process.ts'

/** Makes names comparable: no `./` before, no `/` after, no root, sorted. */
export const NAMES = `sed -e 's,^\\./,,' -e 's,/$,,' -e '/^\\.\\{0,1\\}$/d' | sort`

/** The output of both sides goes through a pipe, since GNU tar notices /dev/null and then reads no file. */
export const AWAY = 'cat >/dev/null'

/** Our script `$2` at work on `$1`. */
export const OURS = '"$NODE" "$2" "$1"'

/** The script of a JavaScript peer, `$3`, at work on the same. */
export const PEER = '"$NODE" "$3" "$1"'

/** GNU tar packing the directory `$1`. */
export const TAR = 'tar -cf - -C "$1" .'

/** Two shell commands over the same values. */
export function shellContest(ours: string, theirs: string, ...values: readonly string[]): Contest {
  return { ours: () => timeShell(ours, ...values), theirs: () => timeShell(theirs, ...values) }
}

/** Two shell commands that print the milliseconds, or the bytes, they took themselves. */
export function printedContest(ours: string, theirs: string, ...values: readonly string[]): Contest {
  return {
    ours: () => Number(runShell(ours, ...values)),
    theirs: () => Number(runShell(theirs, ...values)),
  }
}

/** A benchmark of something that does not do the same work is worth nothing. */
export function agree(ours: string, theirs: string): void {
  if (ours !== theirs) throw new Error('The two sides disagree')
}
