/**
 * Rows about the whole way from a directory to a compressed layer with both digests.
 *
 * @module
 */
import type { Benchmark } from '../contest.ts'
import type { Inputs } from '../inputs.ts'
import { runShell, scriptPath } from '../process.ts'
import { agree, shellContest, TAR } from './sides.ts'

/** `$2` is the script, `$3` the output, `$4` the compression, `$5` its level. */
const OURS = '"$NODE" "$2" "$1" "$3" "$4" "$5"'
const PIPE = `${TAR} | tee >(openssl dgst -sha256 >/dev/null) | pigz -6 -p2 | tee "$3" | openssl dgst -sha256`
const HASH = 'hash() { openssl dgst -sha256 -r | sed "s/^/sha256:/; s/ .*//"; }'
/** A layer into an image, as its users do it; the layout is made anew each time. */
const UMOCI =
  'rm -rf "$3.oci" && umoci init --layout "$3.oci" && umoci new --image "$3.oci:x" && umoci insert --image "$3.oci:x" "$1" /'

/** Small files, gzip, against a pipe of native programs. */
export const layerGzip: Benchmark = {
  name: 'layer-gzip',
  title:
    '20,000 small files to gzip-6 layer with both digests, to `tar | tee >(openssl dgst) | pigz -6 -p2 | …`',
  programs: ['tar', 'tee', 'openssl', 'pigz'],
  unit: 'ms',
  prepare: (inputs) => pipeContest(inputs, inputs.halfTree()),
}

/** Random bytes, gzip, against the same pipe. */
export const layerRandom: Benchmark = {
  name: 'layer-random',
  title: '128 MiB of random bytes to gzip-6 layer with both digests, to the same pipe',
  programs: ['tar', 'tee', 'openssl', 'pigz'],
  unit: 'ms',
  prepare: (inputs) => pipeContest(inputs, inputs.randomTree()),
}

/** Small files, gzip, against umoci, at a level whose output is no larger than its. */
export const layerUmoci: Benchmark = {
  name: 'layer-umoci',
  title: '20,000 small files to gzip layer with both digests, to `umoci insert` of no smaller a layer',
  programs: ['umoci', 'stat'],
  unit: 'ms',
  prepare: (inputs) => {
    const values = valuesOf(inputs, inputs.halfTree(), 'gzip', '6')
    runShell(`${OURS} && ${UMOCI}`, ...values)
    const [ours = 0, theirs = 0] = runShell(
      'stat -c %s "$1"; find "$1.oci/blobs/sha256" -type f -printf "%s\\n" | sort -n | tail -1',
      values[2] ?? '',
    )
      .split('\n')
      .map(Number)
    if (ours > theirs) throw new Error(`Our layer has ${ours} bytes, theirs ${theirs}`)
    return shellContest(OURS, UMOCI, ...values)
  },
}

/** Small files, zstd, against umoci's gzip. */
export const layerZstd: Benchmark = {
  name: 'layer-zstd',
  title: '20,000 small files to zstd-3 layer with both digests, to `umoci insert` (gzip)',
  programs: ['umoci', 'zstd'],
  node: [22, 15],
  unit: 'ms',
  prepare: (inputs) => {
    const values = valuesOf(inputs, inputs.halfTree(), 'zstd', '3')
    const digests = runShell(OURS, ...values)
    agree(digests, runShell(`${HASH}; zstd -dc <"$3" | hash; hash <"$3"`, ...values))
    return shellContest(OURS, UMOCI, ...values)
  },
}

function pipeContest(inputs: Inputs, tree: string): ReturnType<typeof shellContest> {
  const values = valuesOf(inputs, tree, 'gzip', '6')
  const digests = runShell(OURS, ...values)
  agree(digests, runShell(`${HASH}; gzip -dc <"$3" | hash; hash <"$3"`, ...values))
  return shellContest(OURS, PIPE, ...values)
}

function valuesOf(inputs: Inputs, tree: string, compression: string, level: string): string[] {
  return [tree, scriptPath('ours/layer'), `${inputs.scratch}/layer`, compression, level]
}
