import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { digestFile } from '@varve/digest/node'
import { bytesSource, digestOf, hexOf, readAll } from '@varve/digest'
import t from 'tap'
import type { CollectionReport } from '../src/index.ts'
import { createLocalStore } from '../src/local.ts'
import { EXPORTS, GREEDY, INCREMENTS, SHARED } from './fixtures/shared.ts'

const WORKER = fileURLToPath(new URL('./fixtures/worker.ts', import.meta.url))

// Starting a process that understands TypeScript takes seconds, so all tests use the same few.
t.setTimeout(180_000)
const WORKERS = 3
/** Minutes by which the clocks of further workers are wrong. */
const SKEWS = [60, -60]
const workers: ChildProcess[] = []

t.before(async () => {
  for (let number = 0; number < WORKERS; number += 1) workers.push(fork(WORKER))
  for (const minutes of SKEWS) {
    workers.push(fork(WORKER, { execArgv: [...process.execArgv, '--import', wrongClock(minutes)] }))
  }
  await Promise.all(workers.map((worker) => once(worker, 'message')))
})
t.teardown(() => workers.forEach((worker) => worker.kill('SIGKILL')))

t.test('processes that open a new directory at once all find a store', async (t) => {
  const directory = t.testdir()
  for (let round = 0; round < 60; round += 1) {
    const task = { directory: join(directory, String(round)), job: 'open' } as const
    t.strictSame(await answers(task), Array(WORKERS).fill('opened'))
  }
})

t.test('many processes increment one ref, and no increment is lost', async (t) => {
  const directory = t.testdir()
  t.strictSame(await answers({ directory, job: 'count' }), Array(WORKERS).fill('counted'))
  const { refs } = await createLocalStore({ directory })
  t.equal(new TextDecoder().decode(await refs.read('count')), String(WORKERS * INCREMENTS))
  t.strictSame(readdirSync(join(directory, 'ingest')), [], 'no temporary file is left')
  t.strictSame(readdirSync(join(directory, 'refs')), ['count'], 'no lock is left')
})

t.test('many processes put, read and heal one digest, and nobody reads wrong bytes', async (t) => {
  const directory = t.testdir()
  const results = answers<Record<string, number>>({ directory, job: 'share' })

  await createLocalStore({ directory })
  const path = join(directory, 'blobs', 'sha256', hexOf(digestOf(SHARED)))
  const vandalism = new AbortController()
  const vandal = (async () => {
    for (let round = 0; !vandalism.signal.aborted; round += 1) {
      const damaged = SHARED.slice(0, SHARED.byteLength - (round % 2))
      damaged[round % 1000] = 0
      writeFileSync(join(directory, 'damaged'), damaged)
      renameSync(join(directory, 'damaged'), path)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  const counts = await results
  vandalism.abort()
  await vandal
  t.ok(
    counts.every((count) => count['wrong'] === undefined),
    JSON.stringify(counts),
  )
  t.ok(
    counts.some((count) => (count['healed'] ?? 0) > 0),
    'some put healed',
  )

  const { blobs } = await createLocalStore({ directory })
  t.match(await blobs.put(digestOf(SHARED), bytesSource(SHARED)), /existed|healed|stored/)
  const bytes = await readAll((await blobs.get(digestOf(SHARED)))!.open(), SHARED.byteLength)
  t.equal(digestOf(bytes), digestOf(SHARED))
})

t.test('10: collections under way do not touch what processes export under a lease', async (t) => {
  const directory = t.testdir()
  const store = await createLocalStore({ directory })
  const exporting = Promise.all([ask({ directory, job: 'export' }, 0), ask({ directory, job: 'export' }, 1)])
  let runs = 0
  const done = new AbortController()
  const collecting = (async () => {
    for (; !done.signal.aborted; runs += 1) {
      await store.collect(GREEDY)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })()
  const counts = await exporting
  done.abort()
  await collecting
  const all = { hit: EXPORTS, vanished: 0 }
  t.strictSame(counts, [all, all])
  t.ok(runs > 1, `${runs} collections`)
  await store.collect(GREEDY)
  t.strictSame(readdirSync(join(directory, 'blobs', 'sha256')), [], 'afterwards nothing is kept')
  t.strictSame(readdirSync(join(directory, 'ac')), [])
  t.strictSame(readdirSync(join(directory, 'leases')), [])
})

t.test('clocks that are an hour off change nothing', async (t) => {
  const directory = t.testdir()
  const store = await createLocalStore({ directory })
  await store.blobs.put(digestOf(SHARED), bytesSource(SHARED))
  const shared = join(directory, 'blobs', 'sha256', hexOf(digestOf(SHARED)))
  for (const [content, hours] of [
    ['used lately', 1.5],
    ['used long ago', 2.5],
  ] as const) {
    const bytes = new TextEncoder().encode(content)
    await store.blobs.put(digestOf(bytes), bytesSource(bytes))
    setAge(join(directory, 'blobs', 'sha256', hexOf(digestOf(bytes))), hours)
  }
  await store.flights.create('mark', SHARED.subarray(0, 10))
  for (const [number, offset] of SKEWS.entries()) {
    setAge(shared, 10)
    const told = await ask<Times>({ directory, job: 'tell-times' }, WORKERS + number)
    t.equal(told.offset, offset, 'the clock of the process is off')
    t.equal(told.removed.blobs.count, 2, 'ten hours and two and a half')
    t.equal(told.kept.recent.count, 1, 'one and a half')
    for (const age of told.ages) t.ok(age < 60_000, `${age} ms`)
    t.ok(Math.abs(lstatSync(shared).mtimeMs - Date.now()) < 60_000, 'a use is noted at the right time')
    const [lease = ''] = readdirSync(join(directory, 'leases'))
    const [document = ''] = readFileSync(join(directory, 'leases', lease), 'utf8').split('\n')
    const { beganAt } = JSON.parse(document) as { readonly beganAt: number }
    t.ok(Math.abs(beganAt - Date.now()) < 60_000, 'a lease began when it did')
    rmSync(join(directory, 'leases', lease))
  }
})

t.test('12: processes that want the same are served by one build; if its builder dies, by two', async (t) => {
  const directory = t.testdir()
  const { refs } = await createLocalStore({ directory })
  const text = async (name: string): Promise<string> => new TextDecoder().decode(await refs.read(name))
  const hows = await answers<string>({ directory, job: 'fly' })
  t.strictSame(hows.toSorted(), ['built', 'joined', 'joined'])
  t.equal(await text('builds'), '1')

  const other = join(directory, 'other')
  const second = await createLocalStore({ directory: other })
  const flying = workers.slice(0, WORKERS).map((worker, number) => ({
    worker,
    answer: ask<string>({ directory: other, job: 'fly' }, number),
  }))
  let leader = ''
  while (leader === '') {
    await new Promise((resolve) => setTimeout(resolve, 10))
    leader = new TextDecoder().decode(await second.refs.read('builder'))
  }
  const survivors = flying.filter(({ worker }) => String(worker.pid) !== leader)
  t.equal(survivors.length, WORKERS - 1)
  const dead = flying.find((each) => !survivors.includes(each))!
  dead.worker.kill('SIGKILL')
  await once(dead.worker, 'exit')
  workers.splice(workers.indexOf(dead.worker), 1)
  const rest = await Promise.all(survivors.map(({ answer }) => answer))
  t.strictSame(rest.toSorted(), ['built', 'joined'])
  t.equal(new TextDecoder().decode(await second.refs.read('builds')), '2')
})

t.test('processes that are killed at any time leave a store that is right and usable', async (t) => {
  const directory = t.testdir()
  const store = await createLocalStore({ directory })
  const churning = workers.filter(({ connected }) => connected)
  for (const worker of churning) worker.send({ directory, job: 'churn' })
  while (Number(new TextDecoder().decode(await store.refs.read('count'))) < 10) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  for (const worker of churning) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 200))
    const ended = once(worker, 'exit')
    worker.kill('SIGKILL')
    await ended
  }

  const names = readdirSync(join(directory, 'blobs', 'sha256'))
  t.ok(names.length > 10, `${names.length} blobs were written`)
  const wrong = names.filter(
    (name) => hexOf(digestFile(join(directory, 'blobs', 'sha256', name)).digest) !== name,
  )
  t.strictSame(wrong, [], 'every blob is what its name says')

  let hits = 0
  for (let byte = 0; byte < 256; byte += 1) {
    const record = await store.actions.get(digestOf(Uint8Array.of(byte)), ['main'])
    if (record === undefined) continue
    hits += 1
    const needed = [record.keyDoc, ...record.outputs.map((output) => output.digest)]
    t.equal((await store.blobs.missing(needed)).size, 0, 'a hit has all its blobs')
  }
  t.ok(hits > 0, `${hits} records were written`)

  const count = Number(new TextDecoder().decode(await store.refs.read('count')))
  t.ok(count > 0, `the ref counts ${count}`)
  for (const ref of ['upload-0', 'upload-1', 'upload-2', 'upload-3']) {
    const ingest = await store.blobs.ingest(ref)
    await ingest.write(Uint8Array.of(1))
    const { digest, size } = await ingest.commit()
    t.equal(size, ingest.offset, 'the ingest goes on where it was')
    t.equal((await store.blobs.missing([digest])).size, 0, 'and becomes a blob')
  }
  // A lock may have been left by the last one killed: it is taken over when it is stale.
  await store.refs.update('count', () => new TextEncoder().encode('0'))
  if (existsSync(join(directory, 'gc.lock'))) setAge(join(directory, 'gc.lock'), 1)
  t.equal((await store.collect(GREEDY)).busy, false, 'a collection completes')
  t.strictSame(readdirSync(join(directory, 'trash')), [], 'and leaves no trash')
  t.equal((await store.check()).damaged.count, 0)
  for (const { name, roots } of await store.pins.list()) {
    t.equal((await store.blobs.missing(roots)).size, 0, `${name} keeps what it names`)
  }
})

/** Gives every process with the right time the same task, and waits for what they say. */
async function answers<Answer>(task: Task): Promise<Answer[]> {
  return Promise.all(Array.from({ length: WORKERS }, (_, number) => ask<Answer>(task, number)))
}

function ask<Answer>(task: Task, number: number): Promise<Answer> {
  const worker = workers[number]!
  const answer = once(worker, 'message').then(([said]) => said as Answer)
  const end = once(worker, 'exit').then(() => {
    throw new Error(`The worker ended instead of doing ${task.job}`)
  })
  worker.send(task)
  const first = Promise.race([answer, end])
  // One that is killed on purpose is not asked any more.
  first.catch(() => undefined)
  return first
}

/** What a worker makes of times; ages in milliseconds, the offset of its clock in minutes. */
interface Times extends Pick<CollectionReport, 'kept' | 'removed'> {
  readonly offset: number
  readonly ages: readonly number[]
}

interface Task {
  readonly directory: string
  readonly job: string
}

/** A module that sets the clock of a process. */
function wrongClock(minutes: number): string {
  const source = `
    const Right = Date
    globalThis.Date = class Date extends Right {
      constructor(...given) { given.length === 0 ? super(Date.now()) : super(...given) }
      static now() { return Right.now() + ${minutes} * 60_000 }
    }`
  return `data:text/javascript,${encodeURIComponent(source)}`
}

function setAge(path: string, hours: number): void {
  const seconds = Date.now() / 1000 - hours * 3600
  utimesSync(path, seconds, seconds)
}
