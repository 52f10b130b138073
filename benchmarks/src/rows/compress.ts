/**
 * Rows about compression.
 *
 * @module
 */
import type { Benchmark } from '../contest.ts'
import { runShell, scriptPath } from '../process.ts'
import { AWAY, OURS, printedContest, shellContest } from './sides.ts'

const PIGZ = 'pigz -6 -p2 -c "$1"'

/** Compression in parallel members. */
export const gzipMembers: Benchmark = {
  name: 'gzip-members',
  title: 'gzip level 6 of an archive in parallel members, to `pigz -6 -p2`',
  programs: ['pigz', 'gzip', 'cmp'],
  unit: 'ms',
  prepare: (inputs) => {
    const [archive, script] = [inputs.archivePart(), scriptPath('ours/gzip')]
    runShell(`${OURS} | gzip -dc | cmp - "$1"`, archive, script)
    return shellContest(`${OURS} | ${AWAY}`, `${PIGZ} | ${AWAY}`, archive, script)
  },
}

/** What parallel members cost in size. */
export const gzipSize: Benchmark = {
  name: 'gzip-size',
  title: 'size of that output, to that of `pigz -6`',
  programs: ['pigz'],
  unit: 'bytes',
  prepare: (inputs) => {
    const [archive, script] = [inputs.archivePart(), scriptPath('ours/gzip')]
    return printedContest(`${OURS} | wc -c`, `${PIGZ} | wc -c`, archive, script)
  },
}

/** Compression in parallel frames. */
export const zstdFrames: Benchmark = {
  name: 'zstd-frames',
  title: 'zstd level 3 of an archive in parallel frames, to `zstd -3 -T2`',
  programs: ['zstd', 'cmp'],
  node: [22, 15],
  unit: 'ms',
  prepare: (inputs) => {
    const [archive, script] = [inputs.treeArchive(), scriptPath('ours/zstd')]
    runShell(`${OURS} | zstd -dc | cmp - "$1"`, archive, script)
    return shellContest(`${OURS} | ${AWAY}`, `zstd -q -3 -T2 -c "$1" | ${AWAY}`, archive, script)
  },
}
