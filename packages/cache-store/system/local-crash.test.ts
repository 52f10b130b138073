// Processes that write, record, pin, merge refs and collect are killed again and again, whatever they are doing.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Digest, digestOf, hexOf } from '@varve/digest'
import { digestFile } from '@varve/digest/node'
import t from 'tap'
import { createLocalStore, type LocalStore } from '../src/local.ts'
import { GREEDY } from '../test/fixtures/shared.ts'

const WORKER = fileURLToPath(new URL('../test/fixtures/worker.ts', import.meta.url))
const ROUNDS = 5
const WORKERS = 3

t.setTimeout(900_000)

t.test('after any number of kills the store is right, and a collection completes', async (t) => {
  const directory = t.testdir()
  const store = await createLocalStore({ directory })
  let collected = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const workers = Array.from({ length: WORKERS }, () => fork(WORKER))
    try {
      await Promise.all(workers.map((worker) => once(worker, 'message')))
      // The last one collects without a break; the lock of the one before is stale only later.
      makeStale(directory)
      for (const [number, worker] of workers.entries()) {
        worker.send({ directory, job: number === WORKERS - 1 ? 'collect' : 'churn' })
      }
      for (const worker of workers.toReversed()) await killAfter(worker, 100 + Math.random() * 1500)
    } finally {
      for (const worker of workers) worker.kill('SIGKILL')
    }
    const before = readdirSync(join(directory, 'blobs', 'sha256')).length
    isLayout(directory)
    t.strictSame(wrongBlobs(directory), [], `round ${round}: every blob is what its name says`)
    t.strictSame(await brokenHits(store), [], `round ${round}: every hit has all its blobs`)
    makeStale(directory)
    if (round % 2 === 1) {
      const { busy, removed } = await store.collect(GREEDY)
      collected += removed.blobs.count
      t.equal(busy, false)
      t.strictSame(readdirSync(join(directory, 'trash')), [], `round ${round}: nothing is left in the trash`)
      t.strictSame(wrongBlobs(directory), [])
      t.strictSame(await brokenHits(store), [])
      for (const { name, roots } of await store.pins.list()) {
        t.equal((await store.blobs.missing(roots)).size, 0, `${name} keeps what it names`)
      }
    }
    t.comment(`round ${round}: ${before} blobs`)
  }
  t.ok(collected > 0, `${collected} blobs were collected`)
  const { damaged, undecodable, refs, pins } = await store.check()
  t.strictSame([damaged.count, undecodable.count, refs.count, pins.count], [0, 0, 0, 0])
  await store.refs.update('count', (old) => old)
})

async function killAfter(worker: ChildProcess, ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  if (worker.exitCode !== null) throw new Error(`A worker ended by itself: ${worker.exitCode}`)
  const ended = once(worker, 'exit')
  worker.kill('SIGKILL')
  await ended
}

/** Nobody is left who could hold the locks. */
function makeStale(directory: string): void {
  const names = [
    'gc.lock',
    ...readdirSync(join(directory, 'refs'))
      .filter((name) => name.endsWith('+lock'))
      .map((name) => join('refs', name)),
    ...readdirSync(join(directory, 'leases')).map((name) => join('leases', name)),
  ]
  for (const name of names) if (existsSync(join(directory, name))) utimesSync(join(directory, name), 1, 1)
}

function isLayout(directory: string): void {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(directory, name), 'utf8'))
  t.strictSame(read('oci-layout'), { imageLayoutVersion: '1.0.0' })
  t.match(read('index.json'), { schemaVersion: 2, manifests: [] })
}

function wrongBlobs(directory: string): string[] {
  const blobs = join(directory, 'blobs', 'sha256')
  return readdirSync(blobs).filter((name) => hexOf(digestFile(join(blobs, name)).digest) !== name)
}

async function brokenHits({ actions, blobs }: LocalStore): Promise<Digest[]> {
  const broken: Digest[] = []
  for (let byte = 0; byte < 256; byte += 1) {
    const key = digestOf(Uint8Array.of(byte))
    const record = await actions.get(key, ['main'])
    const needed = record ? [record.keyDoc, ...record.outputs.map(({ digest }) => digest)] : []
    if ((await blobs.missing(needed)).size > 0) broken.push(key)
  }
  return broken
}
