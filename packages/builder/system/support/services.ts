/**
 * Registries on loopback, each a process of its own.
 *
 * @module
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { outcomeOf, start, startVarve } from './command.ts'

/** A running service. */
export interface Service {
  /** `127.0.0.1` and its port. */
  readonly host: string
  stop(): Promise<void>
}

const DEADLINE_MS = 60_000

/** Starts the reference registry with its data in a directory. */
export async function startDockerRegistry(directory: string): Promise<Service> {
  const host = `127.0.0.1:${await freePort()}`
  mkdirSync(directory, { recursive: true })
  const configuration = join(directory, 'config.yml')
  const lines = [
    'version: 0.1',
    'log: { level: error }',
    `storage: { filesystem: { rootdirectory: ${JSON.stringify(join(directory, 'data'))} } }`,
    `http: { addr: "${host}" }`,
  ]
  writeFileSync(configuration, `${lines.join('\n')}\n`)
  return serviceOf(start('docker-registry', ['serve', configuration]), host)
}

/** Starts `varve serve` on a store. */
export async function startVarveServe(store: string): Promise<Service> {
  const child = startVarve(['serve', '--port', '0', '--store', store])
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
    child.once('close', (code) => reject(new Error(`varve serve ended with ${code}`)))
  })
  return serviceOf(child, new URL(url).host)
}

async function serviceOf(child: ChildProcess, host: string): Promise<Service> {
  // A service has no deadline but that of its test.
  const ended = outcomeOf(child, 3_600_000)
  const service = {
    host,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
  try {
    await answering(host)
    return service
  } catch (error) {
    await service.stop()
    throw error
  }
}

async function answering(host: string): Promise<void> {
  const end = Date.now() + DEADLINE_MS
  for (;;) {
    try {
      await fetch(`http://${host}/v2/`, { signal: AbortSignal.timeout(5000) })
      return
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(100)
    }
  }
}

/** A port that no one listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
