/**
 * Processes of a test's own that start at once.
 *
 * A forked process inherits tap's loader, which compiles every import anew and takes seconds of CPU. Bundles of plain
 * JavaScript start in a tenth of a second, as often as it takes.
 *
 * @module
 */
import { build } from 'esbuild'
import { type ChildProcess, fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Starts a process of a program with these arguments and a channel for messages. */
export type StartWorker = (...args: readonly string[]) => ChildProcess

/** Bundles the program at `entry`, a file of TypeScript, into `directory`, and gives what starts it. */
export async function prepareWorker(entry: string, directory: string): Promise<StartWorker> {
  await bundlePrograms([entry], directory)
  const program = join(directory, basename(entry).replace(/ts$/, 'js'))
  return (...args) => fork(program, args, { execArgv: [] })
}

/** Bundles programs, each a file of TypeScript, into files of the same names with `.js` beside one another. */
export async function bundlePrograms(entries: readonly string[], directory: string): Promise<void> {
  await build({
    entryPoints: [...entries],
    outdir: directory,
    entryNames: '[name]',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    conditions: ['@varve/source'],
    // Dependencies in CommonJS ask for what Node has built in.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'warning',
  })
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}\n')
}
