// A machine of its own: a local store, a bucket that it shares with others, and steps to do. Says "ready" first.
import { setTimeout as pause } from 'node:timers/promises'
import { bytesSource, describe, readAll } from '@varve/digest'
import { createFlight, createSteps, type FlightTable, type Steps, tiered } from '../../src/index.ts'
import { createLocalStore } from '../../src/local.ts'
import { createS3Store } from '../../src/s3.ts'
import { CREDENTIALS } from './s3-servers.ts'

/** What a worker is told. */
export interface FlightJob {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix: string
  readonly directory: string
  /** Names of steps, in the order in which they are wanted. */
  readonly steps: readonly string[]
  readonly ttlMs: number
  /** Everybody who asks for the lead gets it. */
  readonly isBroken?: boolean
  /** A step ends only when the worker is told "go". */
  readonly waits?: boolean
}

/** What became of the steps, by name. */
export interface FlightReport {
  readonly results: Readonly<Record<string, { readonly how: string; readonly text: string }>>
  readonly warnings: readonly string[]
}

process.on('message', (message: FlightJob | 'go') => {
  if (message !== 'go') void work(message).then((report) => process.send?.(report))
})
process.send?.('ready')

async function work(job: FlightJob): Promise<FlightReport> {
  const { endpoint, bucket, prefix, directory, ttlMs } = job
  const warnings: string[] = []
  const onWarning = (error: unknown): void => void warnings.push(String(error))
  const local = await createLocalStore({ directory, durability: 'rename' })
  const shared = await createS3Store({ bucket, endpoint, prefix, credentials: CREDENTIALS, onWarning })
  // A record that is still on its way when its leader lands would be no use to those who wait for it.
  const store = tiered([local, shared], { write: 'through' })
  const table = job.isBroken ? brokenTable() : shared.flights
  const flight = createFlight(table, { ttlMs, maxWaitMs: 300_000, pollMs: [50, 300], onWarning })
  const steps = createSteps({ store, builder: 'test/1', project: 'flights', flight, onWarning })
  const results: Record<string, { how: string; text: string }> = {}
  for (const name of job.steps) results[name] = await run(steps, store, name, job.waits === true)
  await store.close()
  await shared.close()
  return { results, warnings }
}

async function run(
  steps: Steps,
  { blobs }: ReturnType<typeof tiered>,
  name: string,
  waits: boolean,
): Promise<{ how: string; text: string }> {
  const document = { kv: 1, kind: 'test', step: name, fields: { name } } as const
  const { how, outputs } = await steps.run({ document }, async () => {
    process.send?.({ building: name })
    if (waits) await new Promise((resolve) => process.once('message', resolve))
    else await pause(20)
    const bytes = new TextEncoder().encode(`made by ${name}`)
    const output = describe('text/plain', bytes)
    await blobs.put(output.digest, bytesSource(bytes))
    return { outputs: [output], durationMs: 20 }
  })
  const source = await blobs.get(outputs[0]!.digest)
  return { how, text: new TextDecoder().decode(await readAll(source!.open(), 1000)) }
}

/** A lock server that always says yes. */
function brokenTable(): FlightTable {
  return {
    create: async () => 'yours',
    read: async () => undefined,
    replace: async () => 'yours',
    remove: async () => true,
  }
}
