/**
 * containerd, private to a test.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram, SYSTEM_PATH } from './peers.ts'
import { temporaryDirectory } from './registries.ts'
import { startServer, type Teardown } from './servers.ts'

const run = promisify(execFile)

/** Runs `ctr` and gives what it prints. */
export type Ctr = (...args: readonly string[]) => Promise<string>

/** Starts a daemon without CRI. Needs root, `containerd` and `ctr`. */
export async function startContainerd(t: Teardown): Promise<Ctr> {
  const directory = temporaryDirectory(t, 'containerd-')
  const place = (name: string): string => join(directory, name)
  const ctr: Ctr = async (...args) => {
    const options = { env: { PATH: SYSTEM_PATH, HOME: directory } }
    const { stdout } = await run(
      findProgram('ctr') ?? 'ctr',
      ['--address', place('containerd.sock'), ...args],
      options,
    )
    return stdout.trim()
  }
  const configuration = [
    'version = 2',
    `root = ${JSON.stringify(place('root'))}`,
    `state = ${JSON.stringify(place('state'))}`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `address = ${JSON.stringify(place('containerd.sock'))}`,
  ]
  writeFileSync(place('config.toml'), `${configuration.join('\n')}\n`)
  const command = [findProgram('containerd') ?? 'containerd', '--config', place('config.toml')]
  await startServer(t, () => command, {
    env: { PATH: SYSTEM_PATH },
    isReady: () => ctr('version').then(() => true),
  })
  return ctr
}
