/**
 * Whole processes, timed from outside: start-up counts, for us as for the peer.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Milliseconds that a shell command takes. `values` are its `$1`, `$2` and so on; `$NODE` is this Node.
 *
 * A failing command anywhere in a pipe is an error, since the time of a failure means nothing.
 */
export function timeShell(command: string, ...values: readonly string[]): number {
  const started = performance.now()
  runShell(command, ...values)
  return performance.now() - started
}

/** Runs a shell command to its end and gives its standard output. */
export function runShell(command: string, ...values: readonly string[]): string {
  const shell = ['-o', 'pipefail', '-c', command, 'bash', ...values]
  const result = spawnSync('bash', shell, {
    encoding: 'utf8',
    env: { ...process.env, PATH, LC_ALL: 'C', NODE: process.execPath },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.status !== 0) {
    throw new Error(`${JSON.stringify(command)} failed: ${result.stderr}`, { cause: result.error })
  }
  return result.stdout
}

/** Path of a compiled script, such as `ours/pack`. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url))
}

/** The PATH of every command: what `scripts/services/build-go` builds goes first. */
const PATH = [
  fileURLToPath(new URL('../../node_modules/.cache/services', import.meta.url)),
  process.env['PATH'] ?? '',
].join(delimiter)

/** Whether a program is on the PATH. */
export function hasProgram(name: string): boolean {
  return PATH.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
