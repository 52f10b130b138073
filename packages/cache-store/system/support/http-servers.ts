/**
 * Cache servers of others, each on a free port of the loopback and in a directory of its own.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** Where `scripts/services/build-go` puts it. */
const BAZEL_REMOTE: string = fileURLToPath(
  new URL('../../../../node_modules/.cache/services/bazel-remote', import.meta.url),
)

/** What a test of bazel-remote needs; where that is missing it is skipped, or fails, as by `needs`. */
export function needsBazelRemote(): { readonly skip?: string } {
  if (existsSync(BAZEL_REMOTE)) return {}
  const reason = 'needs bazel-remote, which scripts/services/build-go builds'
  if (process.env['VARVE_TEST_REQUIRE_PEERS']) throw new Error(`This test ${reason}`)
  return { skip: reason }
}

/** A server that runs until the test ends. */
export interface RunningServer {
  readonly url: string
  stop(): Promise<void>
}

/** Starts bazel-remote, which looks into action entries; `options` go to its command line. */
export function startBazelRemote(
  t: Test,
  directory: string,
  options: readonly string[] = ['--max_size=1'],
): Promise<RunningServer> {
  return start(t, (port) => [
    BAZEL_REMOTE,
    `--dir=${directory}`,
    `--http_address=127.0.0.1:${port}`,
    '--grpc_address=none',
    ...options,
  ])
}

/** Starts nginx as a store of files: WebDAV's PUT, ranges, no checks of any kind. */
export function startNginx(t: Test, directory: string, methods = 'PUT DELETE'): Promise<RunningServer> {
  for (const name of ['root', 'body']) mkdirSync(join(directory, name))
  return start(t, (port) => {
    writeFileSync(join(directory, 'nginx.conf'), nginxConfiguration(directory, port, methods))
    return ['nginx', '-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr']
  })
}

function nginxConfiguration(directory: string, port: number, methods: string): string {
  return `
    daemon off;
    worker_processes 1;
    pid ${directory}/nginx.pid;
    error_log stderr;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events {}
    http {
      access_log off;
      client_body_temp_path ${directory}/body;
      proxy_temp_path ${directory}/proxy;
      fastcgi_temp_path ${directory}/fastcgi;
      uwsgi_temp_path ${directory}/uwsgi;
      scgi_temp_path ${directory}/scgi;
      server {
        listen 127.0.0.1:${port};
        root ${directory}/root;
        client_max_body_size 0;
        default_type application/octet-stream;
        location / {
          dav_methods ${methods};
          create_full_put_path on;
        }
      }
    }
  `
}

/** Starts a program on a free port; on another one if somebody was faster. */
async function start(t: Test, command: (port: number) => readonly string[]): Promise<RunningServer> {
  for (let tries = 1; ; tries += 1) {
    const port = await freePort()
    const [program = '', ...args] = command(port)
    const printed: string[] = []
    // What tap adds to the environment is of no meaning to it.
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
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
