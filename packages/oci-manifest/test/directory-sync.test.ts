/** Syncs that are shared. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as tick } from 'node:timers/promises'
import * as fc from 'fast-check'
import t from 'tap'
import { createDirectorySync } from '../src/layout/directory-sync.ts'
import { syncDirectory } from '../src/layout/files.ts'

/** A sync that tells when it began, and ends when it is told to. */
interface Call {
  readonly path: string
  readonly began: number
  readonly end: (error?: Error) => void
  ended: boolean
}

function makeDisk() {
  let clock = 0
  const calls: Call[] = []
  const sync = createDirectorySync(
    (path) =>
      new Promise<void>((resolve, reject) => {
        const call: Call = {
          path,
          began: (clock += 1),
          ended: false,
          end: (error) => {
            call.ended = true
            if (error === undefined) resolve()
            else reject(error)
          },
        }
        calls.push(call)
      }),
  )
  return { calls, sync, running: () => calls.filter((call) => !call.ended), now: () => (clock += 1) }
}

t.test('many callers at once cost two syncs', async (t) => {
  const { calls, sync } = makeDisk()
  const all = Array.from({ length: 50 }, () => sync('a'))
  t.equal(calls.length, 1, 'the first begins at once, the others wait')
  calls[0]?.end()
  await all[0]
  await tick()
  t.equal(calls.length, 2)
  calls[1]?.end()
  await Promise.all(all)
  t.equal(calls.length, 2)
  const later = sync('a')
  t.equal(calls.length, 3, 'who comes after the last one does not wait for anybody')
  calls[2]?.end()
  await later
})

t.test('who comes while a sync runs does not rely on it', async (t) => {
  const { calls, sync } = makeDisk()
  const first = sync('a')
  let done = false
  const second = sync('a').then(() => (done = true))
  calls[0]?.end()
  await first
  await tick()
  t.notOk(done)
  calls[1]?.end()
  await second
  t.ok(done)
})

t.test('an error reaches those who relied on that sync, and nobody else', async (t) => {
  const { calls, sync } = makeDisk()
  const [first, second, third] = [sync('a'), sync('a'), sync('a')]
  const broken = new Error('first')
  calls[0]?.end(broken)
  await t.rejects(first, broken)
  await tick()
  const fourth = sync('a')
  const worse = new Error('second')
  calls[1]?.end(worse)
  await t.rejects(second, worse)
  await t.rejects(third, worse)
  await tick()
  calls[2]?.end()
  await fourth
  t.equal(calls.length, 3)
})

t.test('directories do not wait for each other', async (t) => {
  const { calls, sync } = makeDisk()
  const both = [sync('a'), sync('b')]
  t.strictSame(
    calls.map(({ path }) => path),
    ['a', 'b'],
  )
  for (const call of calls) call.end()
  await Promise.all(both)
})

type Step = 'ask a' | 'ask b' | 'end' | 'fail' | 'tick'

t.test('whatever the order, everyone relies on a sync that began after it asked', async () => {
  const steps = fc.array(fc.constantFrom<Step>('ask a', 'ask b', 'end', 'fail', 'tick'), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(steps, async (order) => {
      const { calls, sync, running, now } = makeDisk()
      const failures = new Map<Error, Call>()
      const answers: Promise<void>[] = []
      const ask = (path: string): void => {
        const asked = now()
        const reliesOn = (call: Call | undefined): void => {
          if (call === undefined) throw new Error('relied on a sync that began before')
        }
        const since = (call: Call): boolean => call.path === path && call.ended && call.began > asked
        answers.push(
          sync(path).then(
            () => reliesOn(calls.find(since)),
            (error: Error) => {
              const failed = failures.get(error)
              reliesOn(failed !== undefined && since(failed) ? failed : undefined)
            },
          ),
        )
      }
      const end = (call: Call | undefined, error?: Error): void => {
        if (call === undefined) return
        if (error !== undefined) failures.set(error, call)
        call.end(error)
      }
      for (const step of order) {
        if (step === 'tick') await tick()
        else if (step === 'end') end(running()[0])
        else if (step === 'fail') end(running()[0], new Error('failed'))
        else ask(step.slice('ask '.length))
        for (const path of ['a', 'b']) {
          if (running().filter((call) => call.path === path).length > 1) throw new Error('two at once')
        }
      }
      do {
        for (const call of running()) end(call)
        await tick()
      } while (running().length > 0)
      await Promise.all(answers)
      // Nothing is remembered: the next one begins at once.
      const count = calls.length
      const last = [sync('a'), sync('b')]
      if (calls.length !== count + 2) throw new Error('something was left')
      for (const call of running()) end(call)
      await Promise.all(last)
    }),
  )
})

t.test('a directory that cannot be opened or synced is done without', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'varve-sync-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  await t.resolves(Promise.all(Array.from({ length: 20 }, () => syncDirectory(directory))))
  await t.resolves(syncDirectory(join(directory, 'nothing')))
  await t.resolves(syncDirectory('/proc/self'), 'where there is one, the kernel answers EINVAL')
})
