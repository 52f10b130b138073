/**
 * Docker's daemon, private to a test: no network, no bridge, nothing shared with another daemon.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram, SYSTEM_PATH } from './peers.ts'
import { temporaryDirectory } from './registries.ts'
import { startServer, type Teardown } from './servers.ts'

const run = promisify(execFile)

/** Runs `docker` and gives what it prints. */
export type Docker = (...args: readonly string[]) => Promise<string>

/**
 * Starts a daemon. Needs root, `dockerd`, `docker`, `containerd` and `runc`. Registries of the loopback are spoken to over
 * plain HTTP where they do not speak TLS. Logins are kept in a directory of the test.
 */
export async function startDocker(t: Teardown): Promise<Docker> {
  const directory = temporaryDirectory(t, 'dockerd-')
  const place = (name: string): string => join(directory, name)
  const socket = `unix://${place('docker.sock')}`
  const docker: Docker = async (...args) => {
    const options = { env: { PATH: SYSTEM_PATH, HOME: directory, DOCKER_CONFIG: place('config') } }
    const { stdout } = await run(findProgram('docker') ?? 'docker', ['-H', socket, ...args], options)
    return stdout.trim()
  }
  const command = [
    findProgram('dockerd') ?? 'dockerd',
    `--data-root=${place('data')}`,
    `--exec-root=${place('exec')}`,
    `--pidfile=${place('dockerd.pid')}`,
    `--host=${socket}`,
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '--storage-driver=vfs',
  ]
  await startServer(t, () => command, {
    env: { PATH: SYSTEM_PATH },
    isReady: () => docker('version').then(() => true),
  })
  return docker
}
