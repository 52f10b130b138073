/**
 * Rows about memory: the peak of a whole process, to a budget. They cannot be paired with a peer, and do not drift.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import type { Benchmark } from '../contest.ts'
import type { Inputs } from '../inputs.ts'
import { runShell, scriptPath } from '../process.ts'

const MEBIBYTE = 1024 * 1024

/** Packing small files. */
export const memoryOfPack: Benchmark = memoryRow('pack', 150, '40,000 small files', (inputs) => [
  scriptPath('ours/diff-id'),
  inputs.tree(),
])

/** Packing and compressing large files. */
export const memoryOfLayer: Benchmark = memoryRow('layer', 200, '1 GiB to a gzip layer', (inputs) => [
  scriptPath('ours/layer'),
  inputs.largeTree(),
  `${inputs.scratch}/layer`,
  'gzip',
  '1',
])

/** Applying. */
export const memoryOfApply: Benchmark = memoryRow('apply', 150, '40,000 entries', (inputs) => {
  const target = `${inputs.scratch}/apply-memory`
  rmSync(target, { recursive: true, force: true })
  return [scriptPath('ours/apply'), inputs.treeArchive(), target]
})

/** `commandOf` gives the script and its arguments. */
export function memoryRow(
  what: string,
  budget: number,
  input: string,
  commandOf: (inputs: Inputs) => readonly string[] | Promise<readonly string[]>,
): Benchmark {
  return {
    name: `memory-${what}`,
    title: `peak memory of ${what} (${input}), to ${budget} MiB`,
    programs: [],
    unit: 'bytes',
    prepare: async (inputs) => {
      const values = [scriptPath('peak-memory'), ...(await commandOf(inputs))]
      // The script's own output goes away; the reporter's, on descriptor 3, is what is read.
      const command = 'exec 4>&1; "$NODE" --import "$1" "${@:2}" 3>&4 >/dev/null'
      return { ours: () => Number(runShell(command, ...values)), theirs: () => budget * MEBIBYTE }
    },
  }
}
