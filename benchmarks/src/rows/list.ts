/**
 * Rows about reading an archive without its contents.
 *
 * @module
 */
import type { Benchmark } from '../contest.ts'
import { runShell, scriptPath } from '../process.ts'
import { agree, AWAY, NAMES, OURS, PEER, shellContest } from './sides.ts'

/** Against GNU tar. */
export const listEntries: Benchmark = {
  name: 'list-entries',
  title: 'list 40,000 entries, to GNU `tar -t`',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [archive, script] = [inputs.treeArchive(), scriptPath('ours/list')]
    const theirs = 'tar -tf "$1"'
    agree(runShell(`${OURS} | ${NAMES}`, archive, script), runShell(`${theirs} | ${NAMES}`, archive))
    return shellContest(`${OURS} | ${AWAY}`, `${theirs} | ${AWAY}`, archive, script)
  },
}

/** Against the JavaScript library that is quickest at it (performance.md has the others). */
export const listTarStream: Benchmark = {
  name: 'list-tar-stream',
  title: 'list 40,000 entries, to tar-stream',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [archive, script] = [inputs.treeArchive(), scriptPath('ours/list')]
    const peer = scriptPath('peers/tar-stream-list')
    agree(
      runShell(`${OURS} | ${NAMES}`, archive, script),
      runShell(`${PEER} | ${NAMES}`, archive, script, peer),
    )
    return shellContest(`${OURS} | ${AWAY}`, `${PEER} | ${AWAY}`, archive, script, peer)
  },
}
