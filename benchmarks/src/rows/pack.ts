/**
 * Rows about packing.
 *
 * @module
 */
import type { Benchmark } from '../contest.ts'
import { runShell, scriptPath } from '../process.ts'
import { agree, AWAY, NAMES, OURS, PEER, shellContest, TAR } from './sides.ts'

const LIST = `tar -tf - | ${NAMES}`

/** Packing many small files. */
export const packSmallFiles: Benchmark = {
  name: 'pack-small-files',
  title: 'pack 40,000 small files, to GNU tar',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [tree, script] = [inputs.tree(), scriptPath('ours/pack')]
    agree(runShell(`${OURS} | ${LIST}`, tree, script), runShell(`${TAR} | ${LIST}`, tree))
    return shellContest(`${OURS} | ${AWAY}`, `${TAR} | ${AWAY}`, tree, script)
  },
}

/** Packing many small files, against the JavaScript library that is quickest at it (performance.md has the others). */
export const packTarStream: Benchmark = {
  name: 'pack-tar-stream',
  title: 'pack 40,000 small files, to tar-stream with synchronous reads',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [tree, script, peer] = [inputs.tree(), scriptPath('ours/pack'), scriptPath('peers/tar-stream-pack')]
    agree(runShell(`${OURS} | ${LIST}`, tree, script), runShell(`${PEER} | ${LIST}`, tree, script, peer))
    return shellContest(`${OURS} | ${AWAY}`, `${PEER} | ${AWAY}`, tree, script, peer)
  },
}

/** Packing and hashing many small files. */
export const packDiffId: Benchmark = packAndHash(
  'pack-diff-id',
  'pack 40,000 small files and hash the archive, to `tar | openssl dgst`',
  (inputs) => inputs.tree(),
)

/** Packing and hashing a few large files. */
export const packLargeFiles: Benchmark = packAndHash(
  'pack-large-files',
  'pack 1 GiB in 8 files and hash the archive, to `tar | openssl dgst`',
  (inputs) => inputs.largeTree(),
)

function packAndHash(
  name: string,
  title: string,
  input: (inputs: Parameters<Benchmark['prepare']>[0]) => string,
): Benchmark {
  return {
    name,
    title,
    programs: ['tar', 'openssl'],
    unit: 'ms',
    prepare: (inputs) => {
      const [tree, script] = [input(inputs), scriptPath('ours/diff-id')]
      const hex = runShell(
        '"$NODE" "$2" "$1" | openssl dgst -sha256 -r | cut -d" " -f1',
        tree,
        scriptPath('ours/pack'),
      )
      agree(runShell(OURS, tree, script), `sha256:${hex}`)
      return shellContest(OURS, `${TAR} | openssl dgst -sha256`, tree, script)
    },
  }
}
