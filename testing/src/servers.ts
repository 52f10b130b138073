/**
 * Servers of others as child processes, each on a free port of the loopback.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'

/** The part of tap's `t` that servers need. */
export interface Teardown {
  teardown(callback: () => unknown): void
}

/** A server that runs until the test ends. */
export interface RunningServer {
  readonly url: string
  readonly port: number
  stop(): Promise<void>
  /** Ends it by force, as if power was cut. */
  kill(): Promise<void>
}

/** What a server needs beside its command. */
export interface ServerOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Tells whether it answers. Default: anything over HTTP. */
  readonly isReady?: (port: number) => Promise<boolean>
}

/** Starts a program on a free port; on another one if somebody was faster. */
export async function startServer(
  t: Teardown,
  command: (port: number) => readonly string[],
  { env = {}, isReady = answersHttp }: ServerOptions = {},
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
    child.once('error', (error) => printed.push(error.message))
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => printed.push(chunk.toString()))
    }
    t.teardown(() => stop(child, 'SIGTERM'))
    if (await becomesReady(child, () => isReady(port))) {
      return {
        url: `http://127.0.0.1:${port}`,
        port,
        stop: () => stop(child, 'SIGTERM'),
        kill: () => stop(child, 'SIGKILL'),
      }
    }
    await stop(child, 'SIGKILL')
    if (tries === 3) throw new Error(`${program} does not run: ${printed.join('')}`)
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Waits until a server answers, and is still the one that we have started. */
async function becomesReady(child: ChildProcess, isReady: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 600 && hasNotEnded(child); tries += 1) {
    if (await isReady().catch(() => false)) return hasNotEnded(child)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

async function answersHttp(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}`)
  await response.arrayBuffer()
  return true
}

async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!hasNotEnded(child) || child.pid === undefined) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(late)
}

function hasNotEnded(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}
