/**
 * Rows about starting: the command `varve` where it has next to nothing to do, to Node alone.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Benchmark, Contest } from '../contest.ts'
import { runShell } from '../process.ts'
import { shellContest } from './sides.ts'

/** Once takes a tenth of a second, too little to be measured. */
const TEN_TIMES = 'for _ in 1 2 3 4 5 6 7 8 9 10; do'

/** The least that the command can do. */
export const startVersion: Benchmark = {
  name: 'start-version',
  title: '`varve --version`, to `node -e 0`',
  programs: [],
  unit: 'ms',
  prepare: () => startContest('--version'),
}

/** A build that finds everything in its cache. */
export const startCachedBuild: Benchmark = {
  name: 'start-cached-build',
  title: 'fully cached build of three files, to `node -e 0`',
  programs: [],
  unit: 'ms',
  prepare: ({ scratch }) => {
    const context = `${scratch}/context`
    mkdirSync(context, { recursive: true })
    writeFileSync(`${context}/Dockerfile`, 'FROM scratch\nCOPY one two /\nENV A=b\nCOPY three /lib/\n')
    for (const name of ['one', 'two', 'three']) writeFileSync(`${context}/${name}`, name)
    const options = ['--progress=plain', `--cache-dir=${scratch}/start`, '-o', `${scratch}/started`]
    const build = ['build', context, ...options]
    runShell(`"$NODE" "$@"`, cliPath(), ...build)
    const again = runShell(`"$NODE" "$@" 2>&1`, cliPath(), ...build)
    if (!again.includes('2 steps, 2 from cache')) throw new Error(`It is not cached: ${again}`)
    return startContest(...build)
  },
}

function startContest(...command: readonly string[]): Contest {
  return shellContest(
    `${TEN_TIMES} "$NODE" "$@" >/dev/null 2>&1 || exit; done`,
    `${TEN_TIMES} "$NODE" -e 0; done`,
    cliPath(),
    ...command,
  )
}

function cliPath(): string {
  return fileURLToPath(new URL('cli.js', import.meta.resolve('@varve/builder')))
}
