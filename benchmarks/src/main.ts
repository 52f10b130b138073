/**
 * Measures the hot paths against peers, as ratios in one run.
 *
 *     pnpm bench [--check] [--only NAME]...
 *
 * With `--check` a row is measured in three pairs. One that is above its bound is measured again when all others are
 * done, in full, three times at most: a neighbour who was busy has often gone by then, code that is slow has not become
 * quick. It fails if it is above its bound each time; so does a row without a bound, and, where VARVE_TEST_REQUIRE_PEERS
 * is set, one whose peer is not installed.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Bound, readBounds } from './bounds.ts'
import type { Benchmark } from './contest.ts'
import { createInputs, type Inputs } from './inputs.ts'
import { measure, type Measurement } from './measure.ts'
import { hasProgram } from './process.ts'
import { BENCHMARKS } from './rows.ts'

const RESULTS = fileURLToPath(new URL('../results/', import.meta.url))

/** How often a row may be measured before it fails. */
const ATTEMPTS = 4

interface Row {
  readonly name: string
  readonly verdict: 'good' | 'too slow' | 'again later' | 'no bound' | 'peer missing' | 'newer Node'
  readonly measurement?: Measurement
}

const { values } = parseArgs({
  options: { check: { type: 'boolean', default: false }, only: { type: 'string', multiple: true } },
})
process.exitCode = await main(values.check, values.only)

async function main(check: boolean, only: readonly string[] | undefined): Promise<number> {
  const chosen = BENCHMARKS.filter(({ name }) => only === undefined || only.includes(name))
  const unknown = only?.filter((name) => !BENCHMARKS.some((each) => each.name === name)) ?? []
  if (unknown.length > 0) throw new Error(`No such benchmark: ${unknown.join(', ')}`)

  const bounds = readBounds()
  const directory = mkdtempSync(join(workplace(), 'varve-bench-'))
  const failed: string[] = []
  const inputs = createInputs(directory)
  try {
    let left = chosen
    for (let attempt = 1; left.length > 0; attempt++) {
      const again: Benchmark[] = []
      for (const benchmark of left) {
        const bound = bounds.get(benchmark.name)
        const row = await runRow(benchmark, inputs, bound, {
          isGlance: check && attempt === 1,
          isLast: !check || attempt === ATTEMPTS,
        })
        say(describeRow(benchmark, row, bound))
        if (row.verdict === 'again later') again.push(benchmark)
        else if (isFailure(row)) failed.push(row.name)
      }
      left = again
    }
  } finally {
    await inputs.close()
    rmSync(directory, { recursive: true, force: true })
  }
  if (!check || failed.length === 0) return 0
  say(`\nFailed: ${failed.join(', ')}`)
  return 1
}

/** Memory if there is enough of it: what a disk does with 40,000 new files is not what is measured. */
function workplace(): string {
  const [memory, needed] = ['/dev/shm', 8 * 1024 ** 3]
  try {
    const { bavail, bsize } = statfsSync(memory)
    if (bavail * bsize >= needed) return memory
  } catch {
    // Not on this system.
  }
  return tmpdir()
}

async function runRow(
  benchmark: Benchmark,
  inputs: Inputs,
  bound: Bound | undefined,
  { isGlance, isLast }: { readonly isGlance: boolean; readonly isLast: boolean },
): Promise<Row> {
  const { name, programs, node } = benchmark
  if (node !== undefined && !isAtLeast(node)) return { name, verdict: 'newer Node' }
  if (!programs.every(hasProgram)) return { name, verdict: 'peer missing' }
  const measurement = measure(await benchmark.prepare(inputs), benchmark, isGlance)
  writeResult(name, measurement)
  if (bound === undefined) return { name, verdict: 'no bound', measurement }
  const otherwise = isLast ? 'too slow' : 'again later'
  return { name, verdict: measurement.ratio <= bound.bound ? 'good' : otherwise, measurement }
}

function isFailure({ verdict }: Row): boolean {
  // Those rows are for a run of their own.
  if (verdict === 'newer Node') return false
  if (verdict === 'peer missing') return (process.env['VARVE_TEST_REQUIRE_PEERS'] ?? '') !== ''
  return verdict !== 'good'
}

function isAtLeast([major, minor]: readonly [number, number]): boolean {
  const [ourMajor = 0, ourMinor = 0] = process.versions.node.split('.').map(Number)
  return ourMajor > major || (ourMajor === major && ourMinor >= minor)
}

function writeResult(name: string, measurement: Measurement): void {
  mkdirSync(RESULTS, { recursive: true })
  const circumstances = { name, date: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model }
  writeFileSync(
    join(RESULTS, `${name}.json`),
    `${JSON.stringify({ ...circumstances, ...measurement }, null, 2)}\n`,
  )
}

function describeRow({ title, name, unit }: Benchmark, { verdict, measurement }: Row, bound?: Bound): string {
  const head = `${verdict.padEnd(12)} ${name.padEnd(22)}`
  if (measurement === undefined) return `${head} ${title}`
  const costs = `${Math.round(measurement.ours)} to ${Math.round(measurement.theirs)} ${unit}`
  const limit = bound === undefined ? '' : ` (bound ${bound.bound}, stretch ${bound.stretch})`
  return `${head} ${measurement.ratio.toFixed(2)}${limit}, ${costs}: ${title}`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
