/**
 * Servers of others as child processes, each on a free port of the loopback.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Needs } from './peers.ts'

/** Where `scripts/services/build-go` puts a server. */
export function builtServer(name: string): string {
  return fileURLToPath(new URL(`../../../../node_modules/.cache/services/${name}`, import.meta.url))
}

/** What a test of such a server needs; where that is missing it is skipped, or fails, as by `needs`. */
export function needsBuiltServer(name: string): Needs {
  if (existsSync(builtServer(name))) return {}
  const reason = `needs ${name}, which scripts/services/build-go builds`
  if (process.env['VARVE_TEST_REQUIRE_PEERS']) throw new Error(`This test ${reason}`)
  return { skip: reason }
}

/** A server that runs until the test ends. */
export interface RunningServer {
  readonly url: string
  stop(): Promise<void>
}

/** Starts a program on a free port; on another one if somebody was faster. */
export async function startServer(
  t: Test,
  command: (port: number) => readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  for (let tries = 1; ; tries += 1) {
    const port = await freePort()
    const [program = '', ...args] = command(port)
    const printed: string[] = []
    // What tap adds to the environment is of no meaning to it.
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...env },
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => printed.push(chunk.toString()))
    }
    const url = `http://127.0.0.1:${port}`
    t.teardown(() => stop(child))
    if (await answers(child, url)) return { url, stop: () => stop(child) }
    await stop(child)
    if (tries === 3) throw new Error(`${program} does not run: ${printed.join('')}`)
  }
}

/** Waits until a server answers, and is still the one that we have started. */
async function answers(child: ChildProcess, url: string): Promise<boolean> {
  for (let tries = 0; tries < 600 && child.exitCode === null; tries += 1) {
    const isThere = await fetch(url).then(
      (response) => response.arrayBuffer(),
      () => undefined,
    )
    if (isThere !== undefined) return child.exitCode === null
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(late)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
