/** One layout, several processes; one of them killed. */
import { type Descriptor } from '@varve/digest'
import { prepareWorker } from '@varve/testing/workers'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { copyContent } from '../src/index.ts'
import { acquireLock } from '../src/layout/lock.ts'
import { type ImageLayout, openLayout } from '../src/layout.ts'
import { makeImage, MemoryContent } from './fixtures/content.ts'

const run = await prepareWorker(join(import.meta.dirname, 'fixtures', 'tag-worker.ts'), t.testdir())

function startWorker(
  layout: ImageLayout,
  prefix: string,
  count: number,
  { digest, size }: Descriptor,
): ChildProcess {
  return run(layout.directory, prefix, String(count), digest, String(size))
}

/** A layout with an image that has no name yet. */
async function makeLayout(t: Test): Promise<{ layout: ImageLayout; descriptor: Descriptor }> {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'one').manifest
  const layout = await openLayout(join(t.testdir(), 'layout'), { create: true })
  await copyContent(descriptor, content, layout)
  return { layout, descriptor }
}

/** The lock text of a process of this machine that has ended. */
async function deadOwner(layout: ImageLayout): Promise<string> {
  const path = join(layout.directory, 'probe.lock')
  const lock = await acquireLock(path)
  const owner = JSON.parse(readFileSync(path, 'utf8')) as object
  await lock.release()
  const child = spawn('true')
  await once(child, 'exit')
  return JSON.stringify({ ...owner, pid: child.pid, token: 'dead' })
}

t.test('tags set and writers killed at the same time', async (t) => {
  const { layout, descriptor } = await makeLayout(t)

  await t.test('L5: tags set by several processes all survive', async (t) => {
    const workers = ['a', 'b', 'c'].map((prefix) => startWorker(layout, prefix, 15, descriptor))
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    // Left by a process that no longer is: all of them find it, one of them may take it away.
    writeFileSync(join(layout.directory, 'index.json.lock'), await deadOwner(layout))
    for (const worker of workers) worker.send('go')
    const exits = await Promise.all(workers.map((worker) => once(worker, 'exit')))
    t.strictSame(
      exits.map(([code]) => code as number),
      [0, 0, 0],
    )
    t.equal((await layout.tags()).size, 45)
    t.strictSame(readdirSync(layout.directory).toSorted(), ['blobs', 'index.json', 'oci-layout'])
  })

  await t.test('L2: a process killed while it tags leaves the old index or the new one', async (t) => {
    const workers = ['d', 'e', 'f'].map((prefix) => startWorker(layout, prefix, 1_000_000, descriptor))
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    for (const worker of workers) worker.send('go')
    for (const [index, worker] of workers.entries()) {
      await wait(150 + 37 * index)
      worker.kill('SIGKILL')
      await once(worker, 'exit')
      t.ok((await layout.tags()).size >= 45, 'whole, and valid')
      await layout.tag(`after-${index}`, descriptor)
    }
    const names = [...(await layout.tags()).keys()]
    t.equal(names.filter((name) => /^[abc]-/.test(name)).length, 45, 'nothing was lost')
    t.equal(
      names.filter((name) => name.startsWith('after-')).length,
      3,
      'the lock of the dead is no obstacle',
    )
  })
})

t.test('L3: a process that is stopped loses the lock, and finds out', async (t) => {
  const { layout, descriptor } = await makeLayout(t)
  const worker = startWorker(layout, 'g', 1_000_000, descriptor)
  await once(worker, 'message')
  const impatient = await openLayout(layout.directory, { lockStaleMs: 1200 })
  worker.send('go')
  const path = join(layout.directory, 'index.json.lock')
  const isHeld = (): boolean => {
    try {
      return readFileSync(path, 'utf8').includes(`"pid":${worker.pid},`)
    } catch {
      return false
    }
  }
  // Stopped while it has the lock, as a machine that sleeps is; its heart does not beat then.
  do {
    worker.kill('SIGCONT')
    await wait(20)
    worker.kill('SIGSTOP')
  } while (!isHeld())
  await impatient.tag('after-stop', descriptor)
  worker.kill('SIGCONT')
  await wait(300)
  await layout.tag('after-continue', descriptor)
  worker.kill('SIGKILL')
  await once(worker, 'exit')
  const names = [...(await layout.tags()).keys()]
  t.ok(names.includes('after-stop'), 'what was tagged meanwhile is there')
  t.ok(names.includes('after-continue'))
  await layout.tag('last', descriptor)
  t.notOk(existsSync(path))
})
