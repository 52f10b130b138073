/**
 * Processes of a test's own that start at once.
 *
 * A forked process inherits tap's loader, which compiles every import anew and takes seconds of CPU. One bundle of plain
 * JavaScript starts in a tenth of a second, as often as it takes.
 *
 * @module
 */
import { build } from 'esbuild'
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'

/** Starts a process of a program with these arguments and a channel for messages. */
export type StartWorker = (...args: readonly string[]) => ChildProcess

/** Bundles the program at `entry`, a file of TypeScript, into `directory`, and gives what starts it. */
export async function prepareWorker(entry: string, directory: string): Promise<StartWorker> {
  const outfile = join(directory, 'worker.mjs')
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    conditions: ['@varve/source'],
    // Dependencies in CommonJS ask for what Node has built in.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
  return (...args) => fork(outfile, args, { execArgv: [] })
}
