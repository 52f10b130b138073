import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { FlightJob, FlightReport } from './support/flight-worker.ts'
import { createBucket, needsCeph, startCeph } from './support/s3-servers.ts'

const WORKER = fileURLToPath(new URL('./support/flight-worker.ts', import.meta.url))
const WORKERS = 8

/** Longer than any computer takes between two beats: these leases hold. */
const LONG_MS = 120_000

t.setTimeout(600_000)

t.test('D9: single-flight between machines that share a bucket', needsCeph(), async (t) => {
  const endpoint = await startCeph(t)
  const bucket = await createBucket(endpoint)
  // Starting a process that understands TypeScript takes seconds, so all tests use the same ones.
  const workers = Array.from({ length: WORKERS }, () => fork(WORKER))
  t.teardown(() => workers.forEach((worker) => worker.kill('SIGKILL')))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const jobsOf = (t: Test, job: Omit<FlightJob, 'endpoint' | 'bucket' | 'directory'>): FlightJob[] => {
    const root = t.testdir()
    return workers.map((_, number) => ({ endpoint, bucket, directory: join(root, String(number)), ...job }))
  }

  await t.test(`${WORKERS} processes that want the same 100 steps do each of them once`, async (t) => {
    const names = Array.from({ length: 100 }, (_, number) => `step ${number}`)
    const builds = new Map<string, number>()
    const jobs = jobsOf(t, { prefix: 'once', steps: names, ttlMs: LONG_MS })
    const reports = await Promise.all(
      workers.map((worker, number) => {
        // Half of them begin at the other end.
        const steps = number % 2 === 0 ? names : names.toReversed()
        const count = (name: string): void => void builds.set(name, (builds.get(name) ?? 0) + 1)
        return answerOf(worker, { ...jobs[number]!, steps }, count)
      }),
    )
    t.strictSame([...builds.keys()].toSorted(), names.toSorted(), 'every step was done')
    t.strictSame(
      [...builds.values()].filter((count) => count !== 1),
      [],
      'once',
    )
    t.strictSame(
      reports.flatMap(({ warnings }) => warnings),
      [],
    )
    const hows = reports.flatMap(({ results }) => Object.values(results).map(({ how }) => how))
    t.equal(hows.filter((how) => how === 'built').length, 100)
    t.equal(hows.length, WORKERS * 100)
    t.comment(`${hows.filter((how) => how === 'joined').length} waited for somebody else`)
    t.ok(isRight(reports), 'all have the right result')
  })

  await t.test(
    'a lock server that always says yes: everybody does the step, and all have the same',
    async (t) => {
      let building = 0
      const jobs = jobsOf(t, {
        prefix: 'broken',
        steps: ['step'],
        ttlMs: LONG_MS,
        isBroken: true,
        waits: true,
      })
      const answers = workers.map((worker, number) => {
        return answerOf(worker, jobs[number]!, () => {
          building += 1
          if (building === WORKERS) for (const each of workers) each.send('go')
        })
      })
      const reports = await Promise.all(answers)
      t.equal(building, WORKERS)
      t.ok(isRight(reports), 'all have the right result')
      t.strictSame(
        reports.map(({ results }) => results['step']?.how),
        Array(WORKERS).fill('built'),
      )
    },
  )

  await t.test(
    'a leader that is killed: one more does the step, and the others have it from that one',
    async (t) => {
      const built: ChildProcess[] = []
      const jobs = jobsOf(t, { prefix: 'killed', steps: ['step'], ttlMs: 20_000, waits: true })
      const answers = workers.map((worker, number) => {
        return answerOf(worker, jobs[number]!, () => {
          built.push(worker)
          if (built.length === 1) worker.kill('SIGKILL')
          else worker.send('go')
        }).catch(() => undefined)
      })
      const reports = (await Promise.all(answers)).filter((report) => report !== undefined)
      t.equal(reports.length, WORKERS - 1)
      t.equal(built.length, 2)
      t.ok(isRight(reports), 'all that live have the right result')
      const hows = reports.map(({ results }) => String(results['step']?.how))
      t.strictSame(hows.toSorted(), ['built', ...Array(WORKERS - 2).fill('joined')])
    },
  )
})

/** Gives a process a job and waits for its report; tells of each step that it does itself. */
function answerOf(
  worker: ChildProcess,
  job: FlightJob,
  onBuild: (name: string) => void,
): Promise<FlightReport> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      worker.off('message', listen)
      worker.off('exit', fail)
    }
    const listen = (message: FlightReport | { readonly building: string }): void => {
      if ('building' in message) {
        onBuild(message.building)
        return
      }
      end()
      resolve(message)
    }
    const fail = (): void => {
      end()
      reject(new Error('The process ended'))
    }
    worker.on('message', listen)
    worker.on('exit', fail)
    worker.send(job)
  })
}

function isRight(reports: readonly FlightReport[]): boolean {
  return reports.every(({ results }) =>
    Object.entries(results).every(([name, { text }]) => text === `made by ${name}`),
  )
}
