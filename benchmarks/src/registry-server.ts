/**
 * A real registry for the rows about pushing and pulling: Docker's, which is neither ours nor a peer's.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** One that runs. */
export interface RegistryServer {
  /** `127.0.0.1` and its port. */
  readonly host: string
  stop(): Promise<void>
}

/** Starts a registry that keeps its content below a directory. The caller stops it. */
export async function startRegistryServer(directory: string): Promise<RegistryServer> {
  mkdirSync(directory)
  const host = `127.0.0.1:${await freePort()}`
  const configuration = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: directory } },
    http: { addr: host },
  }
  // YAML is a superset of JSON.
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(configuration))
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const stop = async (): Promise<void> => {
    child.kill()
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
  for (let tries = 0; tries < 200; tries++) {
    if (await answers(host)) return { host, stop }
    await sleep(50)
  }
  await stop()
  throw new Error('docker-registry does not run')
}

async function answers(host: string): Promise<boolean> {
  try {
    return (await fetch(`http://${host}/v2/`)).ok
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
