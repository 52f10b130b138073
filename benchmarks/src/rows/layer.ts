/**
 * Rows about `@varve/layer`.
 *
 * @module
 */
import type { Benchmark, Contest } from '../contest.ts'
import { runShell, scriptPath, timeShell } from '../process.ts'

/** Makes names comparable: no `./` before, no `/` after, no root, sorted. */
const NAMES = `sed -e 's,^\\./,,' -e 's,/$,,' -e '/^\\.\\{0,1\\}$/d' | sort`

/** The output of both sides goes through a pipe, since GNU tar notices /dev/null and then reads no file. */
const AWAY = 'cat >/dev/null'

const OURS = '"$NODE" "$2" "$1"'
const TAR = 'tar -cf - -C "$1" .'

/** Packing many small files. */
export const packSmallFiles: Benchmark = {
  name: 'pack-small-files',
  title: 'pack 20,000 small files, to GNU tar',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [tree, script] = [inputs.tree(), scriptPath('ours/pack')]
    agree(
      runShell(`${OURS} | tar -tf - | ${NAMES}`, tree, script),
      runShell(`${TAR} | tar -tf - | ${NAMES}`, tree),
    )
    return shellContest(`${OURS} | ${AWAY}`, `${TAR} | ${AWAY}`, tree, script)
  },
}

/** Packing many small files, against the JavaScript library most in use. */
export const packTarStream: Benchmark = {
  name: 'pack-tar-stream',
  title: 'pack 20,000 small files, to tar-stream with synchronous reads',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [tree, script, peer] = [inputs.tree(), scriptPath('ours/pack'), scriptPath('peers/tar-stream-pack')]
    const theirs = '"$NODE" "$3" "$1"'
    const names = `tar -tf - | ${NAMES}`
    agree(runShell(`${OURS} | ${names}`, tree, script), runShell(`${theirs} | ${names}`, tree, script, peer))
    return shellContest(`${OURS} | ${AWAY}`, `${theirs} | ${AWAY}`, tree, script, peer)
  },
}

/** Packing and hashing many small files. */
export const packDiffId: Benchmark = {
  name: 'pack-diff-id',
  title: 'pack 20,000 small files and hash the archive, to `tar | openssl dgst`',
  programs: ['tar', 'openssl'],
  unit: 'ms',
  prepare: (inputs) => {
    const [tree, script] = [inputs.tree(), scriptPath('ours/diff-id')]
    const hex = runShell(
      '"$NODE" "$2" "$1" | openssl dgst -sha256 -r | cut -d" " -f1',
      tree,
      scriptPath('ours/pack'),
    )
    agree(runShell(OURS, tree, script), `sha256:${hex}`)
    return shellContest(OURS, `${TAR} | openssl dgst -sha256`, tree, script)
  },
}

/** The whole way from a directory to a compressed layer with both digests. */
export const layerGzip: Benchmark = {
  name: 'layer-gzip',
  title: 'directory to gzip-6 layer with both digests, to `tar | tee >(openssl dgst) | pigz -6 -p2 | …`',
  programs: ['tar', 'tee', 'openssl', 'pigz'],
  unit: 'ms',
  prepare: (inputs) => {
    const [tree, script, output] = [inputs.tree(), scriptPath('ours/layer'), `${inputs.scratch}/layer`]
    const ours = '"$NODE" "$2" "$1" "$3"'
    const theirs = `${TAR} | tee >(openssl dgst -sha256 >/dev/null) | pigz -6 -p2 | tee "$3" | openssl dgst -sha256`
    const hash = 'hash() { openssl dgst -sha256 -r | sed "s/^/sha256:/; s/ .*//"; }'
    const digests = runShell(ours, tree, script, output)
    agree(digests, runShell(`${hash}; gzip -dc <"$3" | hash; hash <"$3"`, tree, script, output))
    return shellContest(ours, theirs, tree, script, output)
  },
}

/** Reading an archive without its contents. */
export const listEntries: Benchmark = {
  name: 'list-entries',
  title: 'list 20,000 entries, to GNU `tar -t`',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [archive, script] = [inputs.treeArchive(), scriptPath('ours/list')]
    const theirs = 'tar -tf "$1"'
    agree(runShell(`${OURS} | ${NAMES}`, archive, script), runShell(`${theirs} | ${NAMES}`, archive))
    return shellContest(`${OURS} | ${AWAY}`, `${theirs} | ${AWAY}`, archive, script)
  },
}

/** Reading an archive without its contents, against the JavaScript library most in use. */
export const listTarStream: Benchmark = {
  name: 'list-tar-stream',
  title: 'list 20,000 entries, to tar-stream',
  programs: ['tar'],
  unit: 'ms',
  prepare: (inputs) => {
    const [archive, script, peer] = [
      inputs.treeArchive(),
      scriptPath('ours/list'),
      scriptPath('peers/tar-stream-list'),
    ]
    const theirs = '"$NODE" "$3" "$1"'
    agree(
      runShell(`${OURS} | ${NAMES}`, archive, script),
      runShell(`${theirs} | ${NAMES}`, archive, script, peer),
    )
    return shellContest(`${OURS} | ${AWAY}`, `${theirs} | ${AWAY}`, archive, script, peer)
  },
}

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
    return {
      ours: () => Number(runShell(`${OURS} | wc -c`, archive, script)),
      theirs: () => Number(runShell(`${PIGZ} | wc -c`, archive)),
    }
  },
}

function shellContest(ours: string, theirs: string, ...values: readonly string[]): Contest {
  return { ours: () => timeShell(ours, ...values), theirs: () => timeShell(theirs, ...values) }
}

/** A benchmark of something that does not do the same work is worth nothing. */
function agree(ours: string, theirs: string): void {
  if (ours !== theirs) throw new Error('The two sides disagree')
}
