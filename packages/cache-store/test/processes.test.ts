import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { digestFile } from '@varve/digest/node'
import { bytesSource, digestOf, hexOf, readAll } from '@varve/digest'
import t from 'tap'
import { createLocalStore } from '../src/local.ts'
import { INCREMENTS, SHARED } from './fixtures/shared.ts'

const WORKER = fileURLToPath(new URL('./fixtures/worker.ts', import.meta.url))

// Starting a process that understands TypeScript takes seconds, so all tests use the same few.
t.setTimeout(180_000)
const WORKERS = 3
const workers: ChildProcess[] = []

t.before(async () => {
  for (let number = 0; number < WORKERS; number += 1) workers.push(fork(WORKER))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
})
t.teardown(() => workers.forEach((worker) => worker.kill('SIGKILL')))

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

t.test('processes that are killed at any time leave a store that is right and usable', async (t) => {
  const directory = t.testdir()
  const store = await createLocalStore({ directory })
  for (const worker of workers) worker.send({ directory, job: 'churn' })
  while (Number(new TextDecoder().decode(await store.refs.read('count'))) < 10) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  for (const worker of workers) {
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
})

/** Gives every process the same task, and waits for what they say. */
async function answers<Answer>(task: {
  readonly directory: string
  readonly job: string
}): Promise<Answer[]> {
  return Promise.all(
    workers.map(async (worker) => {
      const answer = once(worker, 'message')
      worker.send(task)
      return (await answer)[0] as Answer
    }),
  )
}
