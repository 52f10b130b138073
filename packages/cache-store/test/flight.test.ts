import { digestOf, hexOf } from '@varve/digest'
import { once } from 'node:events'
import t from 'tap'
import { createFlight, createMemoryFlightTable, type FlightTable } from '../src/index.ts'
import { decodeMark, encodeMark } from '../src/flight/mark.ts'
import { pause } from '../src/pause.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const KEY = digestOf(utf8('a key'))
const NAME = `main/${hexOf(KEY)}`
/** Whoever waits looks every few milliseconds. */
const PATIENT = { ttlMs: 60_000, maxWaitMs: 60_000, pollMs: [2, 5] } as const
/** A leader is dead after a tenth of a second. */
const QUICK = { ...PATIENT, ttlMs: 90 } as const

/** What a step makes, and how often it was made. */
class Work {
  builds = 0
  #recorded: string | undefined
  readonly #ms: number

  constructor(ms = 20) {
    this.#ms = ms
  }

  task(build?: (leader: { isLost(): boolean }) => Promise<string>) {
    return {
      key: KEY,
      scope: 'main',
      find: async () => this.#recorded,
      build: async (leader: { isLost(): boolean }) => {
        this.builds += 1
        const made = build === undefined ? await pause(this.#ms).then(() => 'made') : await build(leader)
        this.record(made)
        return made
      },
    }
  }

  /** The first record stays. */
  record(made: string): void {
    this.#recorded ??= made
  }
}

t.test('D9: N who want one key at once build it once, and the others join', async (t) => {
  const table = createMemoryFlightTable()
  const work = new Work()
  const results = await Promise.all(
    Array.from({ length: 12 }, () => createFlight(table, PATIENT).run(work.task())),
  )
  t.equal(work.builds, 1)
  t.strictSame(new Set(results.map(({ value }) => value)), new Set(['made']))
  t.equal(results.filter(({ how }) => how === 'built').length, 1)
  t.equal(results.filter(({ how }) => how === 'joined').length, 11)
  t.equal(await table.read(NAME), undefined, 'the mark is gone')
  t.equal((await createFlight(table, PATIENT).run(work.task())).how, 'hit')
})

t.test('keys and scopes do not wait for each other', async (t) => {
  const table = createMemoryFlightTable()
  const [one, other, scope] = [new Work(), new Work(), new Work()]
  const flight = createFlight(table, PATIENT)
  await Promise.all([
    flight.run(one.task()),
    flight.run({ ...other.task(), key: digestOf(utf8('another')) }),
    flight.run({ ...scope.task(), scope: 'pr-17' }),
  ])
  t.strictSame([one.builds, other.builds, scope.builds], [1, 1, 1])
})

t.test('a leader that beats keeps its lead for longer than the time to live', async (t) => {
  const table = createMemoryFlightTable()
  const work = new Work(3_000)
  const run = (): Promise<unknown> => createFlight(table, { ...QUICK, ttlMs: 2_000 }).run(work.task())
  await Promise.all([run(), run()])
  t.equal(work.builds, 1)
})

t.test('a leader that dies is replaced when its mark is too old: two builds in all', async (t) => {
  const table = createMemoryFlightTable()
  // What a killed process leaves behind.
  await table.create(NAME, encodeMark({ state: 'building', nonce: 'dead', ttlMs: QUICK.ttlMs }))
  const work = new Work()
  work.builds += 1
  const begun = performance.now()
  const results = await Promise.all(
    Array.from({ length: 6 }, () => createFlight(table, PATIENT).run(work.task())),
  )
  t.ok(performance.now() - begun >= QUICK.ttlMs, 'nobody took over before')
  t.equal(work.builds, 2)
  t.equal(results.filter(({ how }) => how === 'built').length, 1, 'the takeover has one winner')
})

t.test('a leader that was believed dead does no harm: the record of its heir stays', async (t) => {
  const inner = createMemoryFlightTable()
  const gone = new AbortController()
  // The first leader is cut off: it beats no more.
  const cutOff: FlightTable = {
    ...inner,
    replace: (...args) =>
      gone.signal.aborted ? Promise.reject(new Error('Cut off')) : inner.replace(...args),
  }
  const work = new Work()
  let lost: boolean | undefined
  const heirIsDone = new AbortController()
  const zombie = createFlight(cutOff, { ...QUICK, onWarning: () => undefined }).run(
    work.task(async (leader) => {
      gone.abort()
      await once(heirIsDone.signal, 'abort')
      lost = leader.isLost()
      return 'too late'
    }),
  )
  await pause(10)
  const heir = await createFlight(inner, PATIENT).run(work.task(async () => 'in time'))
  t.strictSame(heir, { value: 'in time', how: 'built' })
  heirIsDone.abort()
  t.strictSame(await zombie, { value: 'too late', how: 'built' })
  t.equal(work.builds, 2)
  t.equal(lost, false, 'who is cut off cannot know')
  t.equal((await createFlight(inner, QUICK).run(work.task())).value, 'in time')
})

t.test('a leader whose mark was taken over is told', async (t) => {
  const table = createMemoryFlightTable()
  const work = new Work()
  const { value } = await createFlight(table, QUICK).run(
    work.task(async (leader) => {
      const entry = await table.read(NAME)
      await table.replace(
        NAME,
        entry?.tag ?? '',
        encodeMark({ state: 'building', nonce: 'other', ttlMs: 1e6 }),
      )
      while (!leader.isLost()) await pause(5)
      return 'told'
    }),
  )
  t.equal(value, 'told')
  t.equal(
    decodeMark((await table.read(NAME))?.bytes ?? utf8(''))?.nonce,
    'other',
    'and leaves the mark alone',
  )
})

t.test('when a build fails, the next one starts at once', async (t) => {
  const table = createMemoryFlightTable()
  const work = new Work()
  const failure = new Error('The compiler is not there')
  const failing = createFlight(table, PATIENT).run(
    work.task(async () => {
      await pause(30)
      throw failure
    }),
  )
  await pause(5)
  const following = [1, 2, 3].map(() => createFlight(table, PATIENT).run(work.task()))
  t.equal(await rejectionOf(failing), failure)
  const results = await Promise.all(following)
  t.equal(work.builds, 2, 'the one that failed and one more')
  t.strictSame(results.map(({ how }) => how).toSorted(), ['built', 'joined', 'joined'])
})

t.test('a table that lets everybody in costs builds and nothing else', async (t) => {
  const work = new Work()
  const broken: FlightTable = {
    create: async () => 'tag',
    read: async () => undefined,
    replace: async () => 'tag',
    remove: async () => true,
  }
  const results = await Promise.all(
    Array.from({ length: 5 }, () => createFlight(broken, QUICK).run(work.task())),
  )
  t.equal(work.builds, 5)
  t.ok(results.every(({ value }) => value === 'made'))
})

t.test('a table that rejects makes everybody build, with a warning', async (t) => {
  const work = new Work()
  const failure = new Error('No table')
  const fail = async (): Promise<never> => {
    throw failure
  }
  const warnings: unknown[] = []
  const table = { create: fail, read: fail, replace: fail, remove: fail }
  const options = { ...QUICK, onWarning: (error: unknown) => void warnings.push(error) }
  const results = await Promise.all(
    Array.from({ length: 5 }, () => createFlight(table, options).run(work.task())),
  )
  t.equal(work.builds, 5)
  t.ok(results.every(({ how }) => how === 'built'))
  t.ok(warnings.length >= 5 && warnings.every((warning) => warning === failure))
})

t.test('a table that hangs is waited for a little, and then left alone for a while', async (t) => {
  const work = new Work(1)
  let asked = 0
  const hang = (): Promise<never> => {
    asked += 1
    return new Promise(() => undefined)
  }
  const flight = createFlight(
    { create: hang, read: hang, replace: hang, remove: hang },
    { ...QUICK, ttlMs: 600 },
  )
  t.equal((await flight.run(work.task())).how, 'built')
  const before = asked
  const other = new Work(1)
  t.equal((await flight.run(other.task())).how, 'built')
  t.equal(asked, before, 'the second one did not ask')
})

t.test('a mark whose answer got lost is known to be ours', async (t) => {
  const inner = createMemoryFlightTable()
  const count = { failures: 0, beats: 0 }
  const losing = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
    await answer
    count.failures += 1
    throw new Error('The answer got lost')
  }
  const table: FlightTable = {
    ...inner,
    create: (...args) => losing(inner.create(...args)),
    // Only the first one: then the tag that is known is an old one.
    replace: (...args) => {
      count.beats += 1
      return count.failures < 2 ? losing(inner.replace(...args)) : inner.replace(...args)
    },
    read: (...args) => pause(10).then(() => inner.read(...args)),
  }
  let [lost, looks] = [false, 0]
  const task = new Work().task(async (leader) => {
    while (count.beats < 4) {
      await pause(2)
      lost ||= leader.isLost()
    }
    return 'ours'
  })
  const find = (): Promise<string | undefined> => {
    looks += 1
    return task.find()
  }
  const result = await createFlight(table, { ...QUICK, ttlMs: 600 }).run({ ...task, find })
  t.strictSame(result, { value: 'ours', how: 'built' })
  t.equal(count.failures, 2)
  t.equal(looks, 2, 'it led at once')
  t.notOk(lost, 'at no time')
  t.equal(await inner.read(NAME), undefined, 'the mark is gone')
})

t.test('who cannot write the mark of another who lives follows that one', async (t) => {
  const inner = createMemoryFlightTable()
  const work = new Work()
  const leading = createFlight(inner, PATIENT).run(work.task())
  await pause(5)
  const readable: FlightTable = { ...inner, create: () => Promise.reject(new Error('Denied')) }
  t.equal((await createFlight(readable, PATIENT).run(work.task())).how, 'joined')
  await leading
  t.equal(work.builds, 1)
})

t.test('nobody waits for longer than allowed, nor than the build is expected to take', async (t) => {
  const table = createMemoryFlightTable()
  await table.create(NAME, encodeMark({ state: 'building', nonce: 'slow', ttlMs: 3_600_000 }))
  const impatient = new Work()
  t.equal((await createFlight(table, { ...QUICK, maxWaitMs: 30 }).run(impatient.task())).how, 'built')
  const expecting = new Work()
  t.equal((await createFlight(table, QUICK).run({ ...expecting.task(), expectedMs: 1 })).how, 'built')
  t.equal(decodeMark((await table.read(NAME))?.bytes ?? utf8(''))?.nonce, 'slow', 'the mark is left alone')
})

t.test(
  'an aborted signal ends the waiting with its reason, and the lead with word for the others',
  async (t) => {
    const table = createMemoryFlightTable()
    const work = new Work()
    const reason = { why: 'enough' }
    const aborted = { signal: AbortSignal.abort(reason) }
    t.equal(await rejectionOf(createFlight(table, QUICK).run(work.task(), aborted)), reason)

    const leading = new AbortController()
    const lead = createFlight(table, PATIENT).run(
      work.task(async () => {
        await pause(10_000, leading.signal)
        return 'never'
      }),
      { signal: leading.signal },
    )
    await pause(10)
    const waiting = new AbortController()
    const follower = createFlight(table, QUICK).run(work.task(), { signal: waiting.signal })
    await pause(10)
    waiting.abort(reason)
    t.equal(await rejectionOf(follower), reason)
    leading.abort(reason)
    t.equal(await rejectionOf(lead), reason)
    t.equal(decodeMark((await table.read(NAME))?.bytes ?? utf8(''))?.state, 'failed')
  },
)

t.test('what is found after taking off is not built again', async (t) => {
  const table = createMemoryFlightTable()
  const work = new Work()
  const racing: FlightTable = {
    ...table,
    create: (...args) => {
      work.record('published meanwhile')
      return table.create(...args)
    },
  }
  t.strictSame(await createFlight(racing, QUICK).run(work.task()), {
    value: 'published meanwhile',
    how: 'hit',
  })
  t.equal(work.builds, 0)
})

t.test('without a table everybody builds', async (t) => {
  const work = new Work()
  const flight = createFlight(undefined)
  const results = await Promise.all([flight.run(work.task()), flight.run(work.task())])
  t.strictSame(
    results.map(({ how }) => how),
    ['built', 'built'],
  )
})

t.test('marks that no leader wrote are nobody’s', async (t) => {
  const rejected = [
    '',
    'null',
    '[]',
    '{}',
    '{"state":"building"}',
    '{"state":"building","nonce":"a","ttlMs":0}',
  ]
  for (const text of [
    ...rejected,
    '{"state":"flying","nonce":"a","ttlMs":1}',
    '{"state":"failed","nonce":1,"ttlMs":1}',
  ]) {
    t.equal(decodeMark(utf8(text)), undefined, text)
    const table = createMemoryFlightTable()
    await table.create(NAME, utf8(text))
    const work = new Work(1)
    t.equal((await createFlight(table, QUICK).run(work.task())).how, 'built')
  }
  const eternal = decodeMark(utf8('{"state":"building","nonce":"a","ttlMs":1e300}'))
  t.equal(eternal?.ttlMs, 3_600_000, 'no mark is believed for ever')
})

function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no rejection',
    (error: unknown) => error,
  )
}
