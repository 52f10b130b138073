/** One layout, several processes; one of them killed. */
import { type Descriptor } from '@varve/digest'
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { copyContent } from '../src/index.ts'
import { acquireLock } from '../src/layout/lock.ts'
import { type ImageLayout, openLayout } from '../src/layout.ts'
import { makeImage, MemoryContent } from './fixtures/content.ts'

// Where types are stripped by a loader, each process takes seconds of CPU to start.
t.setTimeout(300_000)

function startWorker(
  layout: ImageLayout,
  prefix: string,
  count: number,
  { digest, size }: Descriptor,
): ChildProcess {
  const args = [layout.directory, prefix, String(count), digest, String(size)]
  return fork(join(import.meta.dirname, 'fixtures', 'tag-worker.ts'), args)
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
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'one').manifest
  const layout = await openLayout(join(t.testdir(), 'layout'), { create: true })
  await copyContent(descriptor, content, layout)

  await t.test('L5 tags set by several processes all survive', async (t) => {
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

  await t.test('L2 a process killed while it tags leaves the old index or the new one', async (t) => {
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
