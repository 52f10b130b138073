/**
 * Rows about `@varve/digest`.
 *
 * @module
 */
import type { Benchmark } from '../contest.ts'
import { scriptPath, runShell, timeShell } from '../process.ts'

/** Hashing one large file. */
export const sha256LargeFile: Benchmark = {
  name: 'sha256-large-file',
  title: 'SHA-256 of a 1 GiB file, to `openssl dgst -sha256`',
  programs: ['openssl'],
  unit: 'ms',
  prepare: (inputs) => {
    const file = inputs.largeFile()
    const script = scriptPath('ours/digest-file')
    const ours = '"$NODE" "$2" "$1"'
    const theirs = 'openssl dgst -sha256 -r "$1"'
    const [hex] = runShell(theirs, file).split(' ')
    if (runShell(ours, file, script).trim() !== `sha256:${hex}`) throw new Error('The two sides disagree')
    return { ours: () => timeShell(ours, file, script), theirs: () => timeShell(theirs, file) }
  },
}

/** Hashing many small files; both get the list of names and print one digest for each. */
export const sha256SmallFiles: Benchmark = {
  name: 'sha256-small-files',
  title: 'SHA-256 of 40,000 small files, to `openssl dgst -sha256` given all names',
  programs: ['openssl', 'find', 'xargs'],
  unit: 'ms',
  prepare: (inputs) => {
    const list = `${inputs.scratch}/names`
    runShell('find "$1" -type f -print0 >"$2"', inputs.tree(), list)
    const script = scriptPath('ours/digest-files')
    const ours = '"$NODE" "$2" <"$1" | wc -l'
    const theirs = 'xargs -0 -n 100000 openssl dgst -sha256 <"$1" | wc -l'
    if (runShell(ours, list, script) !== runShell(theirs, list)) throw new Error('The two sides disagree')
    return { ours: () => timeShell(ours, list, script), theirs: () => timeShell(theirs, list) }
  },
}
