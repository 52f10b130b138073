import { type ByteSource, bytesSource, describe, type Digest, digestOf, readAll } from '@varve/digest'
import t from 'tap'
import { STORE_CHECKS } from '../src/conformance.ts'
import {
  type ActionIndex,
  type ActionRecord,
  type BlobStore,
  CacheStoreError,
  chaos,
  createMemoryStore,
  deduped,
  existenceCached,
  metered,
  type OperationName,
  readOnly,
  type Store,
  type StoreOperation,
  type Tier,
  tiered,
  type TieredOptions,
  type TierEvent,
} from '../src/index.ts'
import { createLocalStore } from '../src/local.ts'
import { Breaker } from '../src/decorators/tiered/breaker.ts'
import { Queue } from '../src/decorators/tiered/queue.ts'
import { pause } from '../src/pause.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const KEY_DOCUMENT = utf8('the key document')
const KEY = digestOf(KEY_DOCUMENT)
const OUTPUT = utf8('the output')
const DIGEST = digestOf(OUTPUT)
const MAIN = { scope: 'main' } as const
/** Tiers that answer at once are never late, those that hang are soon. */
const BRIEF = { timeoutMs: 40, breaker: { failures: 2, coolDownMs: 60_000 } } as const

const STACKS: Readonly<Record<string, (directory: () => string) => Promise<Store>>> = {
  'memory, through to memory': async () =>
    tiered([createMemoryStore(), createMemoryStore()], { write: 'through', errors: 'all' }),
  'memory, back to memory': async () => tiered([createMemoryStore(), createMemoryStore()]),
  'memory, through to a directory': async (directory) => {
    const local = await createLocalStore({ directory: directory(), durability: 'rename' })
    return tiered([createMemoryStore(), local], { write: 'through', errors: 'all' })
  },
  'a directory, back to memory': async (directory) => {
    const local = await createLocalStore({ directory: directory(), durability: 'rename' })
    return tiered([local, createMemoryStore()], { errors: 'all' })
  },
  'tiers of tiers, decorated, of which one is always ill and one is for reading': async () => {
    const far = createMemoryStore()
    const blobs = deduped(existenceCached(far.blobs))
    const ill = chaos(createMemoryStore(), { failing: 1 })
    const inner = tiered([createMemoryStore(), ill, { ...far, blobs }, readOnly(createMemoryStore())])
    return tiered([inner, createMemoryStore()], { write: 'through' })
  },
}
for (const [name, create] of Object.entries(STACKS)) {
  t.test(`D13: tiers are a store: ${name}`, async (t) => {
    for (const check of STORE_CHECKS) {
      await t.test(check.name, async (t) => check.run(await create(() => t.testdir())))
    }
  })
}

t.test('R14: what the first tier has is asked of no other', async (t) => {
  const { store, far } = await tiers()
  await publish(store)
  await store.flush()
  far.operations.length = 0
  t.ok(await store.actions.get(KEY, ['main']))
  t.equal((await store.blobs.missing([KEY, DIGEST])).size, 0)
  t.strictSame(await textIn(store), 'the output')
  t.strictSame(far.operations, [])
  t.equal(await store.blobs.put(DIGEST, bytesSource(OUTPUT)), 'existed')
  await store.flush()
  t.strictSame(far.operations, ['missing'], 'what was put again was asked for, in the background')
})

t.test('row 21: a blob found below is copied into every tier above and read from the first', async (t) => {
  const events: TierEvent[] = []
  const [near, middle, far] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
  await far.blobs.put(DIGEST, bytesSource(OUTPUT))
  const store = tiered([near, middle, { tier: far, name: 'far' }], {
    onEvent: (event) => void events.push(event),
  })
  t.equal((await store.blobs.missing([DIGEST])).size, 0)
  t.equal((await near.blobs.missing([DIGEST])).size, 1, 'to ask for it is not to read it')
  t.equal(await textIn(store), 'the output')
  await store.flush()
  for (const each of [near, middle]) t.equal(await textIn(each), 'the output')
  t.equal(await textIn(store), 'the output')
  const found = events.filter(({ type }) => type === 'found')
  t.strictSame(
    found.map((event) => event.type === 'found' && [event.tier, event.what, event.digest]),
    [
      ['far', 'blob', DIGEST],
      ['l0', 'blob', DIGEST],
    ],
    'row 43, R25: which tier answered is told',
  )
})

t.test('R25: tiers are asked in their order, each time', async (t) => {
  const order: string[] = []
  const named = (name: string): Tier => metered(createMemoryStore(), () => void order.push(name), name)
  const store = tiered([createMemoryStore(), named('a'), named('b'), named('c')])
  for (let round = 0; round < 5; round += 1) {
    await store.blobs.get(DIGEST)
    await store.blobs.missing([DIGEST])
    await store.actions.get(KEY, ['main'])
  }
  t.equal(order.join(''), 'abc'.repeat(15))
})

for (const fault of ['corrupting', 'truncating'] as const) {
  t.test(`R29: a ${fault} lower tier fills no upper one, and the next tier is asked`, async (t) => {
    const big = new Uint8Array(300_000).map((_, at) => at * 7)
    for (const bytes of [OUTPUT, big]) {
      const events: TierEvent[] = []
      const digest = digestOf(bytes)
      const [near, bad, good] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
      for (const each of [bad, good]) await each.blobs.put(digest, bytesSource(bytes))
      const worse = chaos(bad, { [fault]: 1 })
      const alone = tiered([near, worse], { ...BRIEF, onEvent: (event) => void events.push(event) })
      t.equal(await alone.blobs.get(digest), undefined)
      t.equal((await near.blobs.missing([digest])).size, 1)
      t.match(events, [{ type: 'failed', tier: 'l1', operation: 'read', error: { code: /^ERR_DIGEST_/u } }])
      t.equal(await alone.blobs.get(digest), undefined)
      t.match(events.at(-1), { type: 'breaker', state: 'open' }, 'it is given up on')

      const both = tiered([near, worse, good])
      t.strictSame(await bytesIn(both, digest), bytes)
      t.strictSame(await bytesIn(near, digest), bytes)
    }
  })
}

t.test('a first tier without room is read past, verified, and written past', async (t) => {
  const far = createMemoryStore()
  const store = tiered([readOnly(createMemoryStore()), far])
  t.equal(await store.blobs.put(DIGEST, bytesSource(OUTPUT)), 'stored', 'at once, since nobody else has it')
  t.equal(await textIn(far), 'the output')
  t.equal(await textIn(store), 'the output')
  await t.rejects(store.blobs.put(KEY, bytesSource(OUTPUT)), { code: 'ERR_DIGEST_MISMATCH' })
  t.equal(await store.blobs.put(KEY, bytesSource(KEY_DOCUMENT)), 'stored')
  t.equal(await store.actions.put(recordOf(), MAIN), 'created')
  t.equal(await store.actions.put(recordOf(), MAIN), 'same')
  t.ok(await store.actions.get(KEY, ['main']))
  t.ok(await far.actions.get(KEY, ['main']))
  const source = await store.blobs.get(DIGEST)
  t.strictSame(await readAll(source!.open({ start: 4, end: 7 }), 100), utf8('out'))

  const corrupt = tiered([readOnly(createMemoryStore()), chaos(far, { corrupting: 1 })], BRIEF)
  const damaged = await corrupt.blobs.get(DIGEST)
  await t.rejects(readAll(damaged!.open(), 100), { code: 'ERR_DIGEST_MISMATCH' })

  const nowhere = tiered([readOnly(createMemoryStore()), readOnly(createMemoryStore())])
  t.equal(await nowhere.blobs.put(DIGEST, bytesSource(OUTPUT)), 'skipped')
  t.equal(await nowhere.actions.put(recordOf(), MAIN), 'skipped')
})

t.test('row 26: what the first tier lacks is one question to the next', async (t) => {
  const questions: (readonly Digest[])[] = []
  const [near, middle, far] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
  const asking = (inner: Store): Tier => ({
    ...inner,
    blobs: {
      ...inner.blobs,
      missing: (digests, options) => {
        questions.push([...digests])
        return inner.blobs.missing(digests, options)
      },
    },
  })
  const all = Array.from({ length: 9 }, (_, number) => utf8(`blob ${number}`))
  const digests = all.map((bytes) => digestOf(bytes))
  for (const [number, bytes] of all.entries()) {
    await [near, middle, far][number % 3]!.blobs.put(digestOf(bytes), bytesSource(bytes))
  }
  const store = tiered([near, asking(middle), asking(far)])
  t.strictSame([...(await store.blobs.missing([...digests, DIGEST]))], [DIGEST])
  t.strictSame(
    questions.map((question) => question.length),
    [7, 4],
  )
})

t.test('a tier cannot make absent what it was not asked about', async (t) => {
  const near = createMemoryStore()
  await near.blobs.put(DIGEST, bytesSource(OUTPUT))
  const far = createMemoryStore()
  const odd: Tier = { ...far, blobs: { ...far.blobs, missing: async () => new Set([DIGEST, KEY]) } }
  t.strictSame([...(await tiered([near, odd]).blobs.missing([DIGEST, KEY]))], [KEY])
})

t.test('a record is whole if its blobs lie in any tiers, and is kept in the first', async (t) => {
  const events: TierEvent[] = []
  const [near, middle, far] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
  await publish(far)
  await far.blobs.delete(DIGEST)
  const store = tiered([near, middle, far], { onEvent: (event) => void events.push(event) })
  t.equal(await store.actions.get(KEY, ['main']), undefined, 'the output is nowhere')
  await middle.blobs.put(DIGEST, bytesSource(OUTPUT))
  t.same(await store.actions.get(KEY, ['other', 'main']), recordOf())
  t.match(events.at(-1), { type: 'found', tier: 'l2', what: 'record', digest: KEY })
  t.equal(await near.actions.get(KEY, ['main']), undefined, 'alone it is not whole')
  t.same(await store.actions.get(KEY, ['main']), recordOf())
  t.match(events.at(-1), { type: 'found', tier: 'l0', what: 'record' })
  t.equal(await near.actions.get(KEY, ['other'], { blobs: store.blobs }), undefined, 'in its own scope')

  t.equal(await textIn(store), 'the output')
  await bytesIn(store, KEY)
  t.same(await near.actions.get(KEY, ['main']), recordOf(), 'and its blobs came as they were read')
})

t.test(
  'R11: a record whose blobs are gone from every tier is a miss, and the next result takes its place',
  async (t) => {
    const { store, near, far } = await tiers({ write: 'through' })
    await publish(store)
    for (const each of [near, far.store]) await each.blobs.delete(DIGEST)
    t.equal(await store.actions.get(KEY, ['main']), undefined)
    t.equal(await publish(store, 'rebuilt'), 'created')
    t.strictSame((await far.store.actions.get(KEY, ['main']))?.outputs, recordOf('rebuilt').outputs)
  },
)

t.test('R23: a record below that is young enough takes the place of one above that is not', async (t) => {
  const [near, far] = [createMemoryStore(), createMemoryStore()]
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString()
  const now = new Date().toISOString()
  await publish(near)
  await near.actions.put({ ...recordOf(), createdAt: hourAgo }, { ...MAIN, mode: 'replace' })
  await publish(far, 'new output', now)
  const store = tiered([near, far])
  t.equal((await store.actions.get(KEY, ['main']))?.createdAt, hourAgo)
  t.equal((await store.actions.get(KEY, ['main'], { maxAgeMs: 60_000 }))?.createdAt, now)
  t.equal((await store.actions.get(KEY, ['main']))?.createdAt, now)
})

t.test('R19: records of a scope stay in it on their way through tiers', async (t) => {
  const { store, near, far } = await tiers({ write: 'through' })
  await publish(store)
  await store.actions.put(recordOf('the output'), { scope: 'pr-17' })
  for (const each of [near, far.store]) {
    t.equal(await each.actions.get(KEY, ['pr-18']), undefined)
    t.ok(await each.actions.get(KEY, ['pr-17']))
  }
})

t.test('section 7.4: a tier gets the blobs of a record before the record, after one question', async (t) => {
  for (const write of ['through', 'back'] as const) {
    const far = operationsOf(createMemoryStore())
    const near = createMemoryStore()
    // The blobs are in the first tier only.
    await near.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
    await near.blobs.put(DIGEST, bytesSource(OUTPUT))
    const store = tiered([near, far.tier], { write })
    t.equal(await store.actions.put(recordOf(), MAIN), 'created')
    const { written, lost } = await store.flush()
    t.strictSame(far.operations, ['missing', 'put', 'put', 'record-put'], write)
    t.strictSame([written, lost], [{ blobs: 2, records: 1, bytes: 26 }, []])
    t.same(await far.store.actions.get(KEY, ['main']), recordOf())
  }
})

t.test('section 7.4: a record whose blobs cannot be had is not written, and that is told', async (t) => {
  const events: TierEvent[] = []
  const near = createMemoryStore()
  const lying = { ...near, blobs: { ...near.blobs, get: async () => undefined } }
  await near.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
  await near.blobs.put(DIGEST, bytesSource(OUTPUT))
  const far = createMemoryStore()
  const store = tiered([lying, far], { onEvent: (event) => void events.push(event) })
  t.equal(await store.actions.put(recordOf(), MAIN), 'created')
  const { lost } = await store.flush()
  t.match(lost, [
    { tier: 'l1', what: 'record', digest: KEY, scope: 'main', error: { code: 'ERR_CACHE_STORE_MISSING' } },
  ])
  t.match(events.at(-1), { type: 'lost', what: 'record' })
  await far.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
  await far.blobs.put(DIGEST, bytesSource(OUTPUT))
  t.equal(await far.actions.get(KEY, ['main']), undefined)
})

t.test('a blob that only another lower tier has is handed on from there, verified', async (t) => {
  const [near, middle, far] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
  await near.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
  await middle.blobs.put(DIGEST, bytesSource(OUTPUT))
  const store = tiered([near, { tier: middle, write: 'none' }, far], { write: 'through' })
  await store.actions.put(recordOf(), MAIN)
  t.ok(await far.actions.get(KEY, ['main']))
  t.equal(await textIn(far), 'the output')
  t.equal(
    await middle.actions.get(KEY, ['main'], { blobs: store.blobs }),
    undefined,
    'nothing is written there',
  )

  const other = createMemoryStore()
  const corrupt = chaos(middle, { corrupting: 1 })
  const bad = tiered([near, { tier: corrupt, write: 'none' }, other], { write: 'through' })
  await bad.actions.put({ ...recordOf(), createdAt: '2027-01-01T00:00:00Z' }, { ...MAIN, mode: 'replace' })
  t.match((await bad.flush()).lost, [{ tier: 'l2', what: 'record', error: { code: 'ERR_DIGEST_MISMATCH' } }])
  t.equal((await other.blobs.missing([DIGEST])).size, 1)
})

t.test('row 49: what another tier has otherwise is a conflict, told by event and report', async (t) => {
  for (const write of ['through', 'back'] as const) {
    const { store, near, far, events } = await tiers({ write })
    await publish(far.store, 'another')
    t.equal(await publish(near, 'the output'), 'created')
    t.equal(await store.actions.put(recordOf(), MAIN), 'same')
    const { conflicts } = await store.flush()
    t.strictSame(conflicts, [{ tier: 'l1', key: KEY, scope: 'main' }], write)
    t.match(
      events.filter(({ type }) => type === 'conflict'),
      [{ tier: 'l1', key: KEY }],
    )
    t.strictSame((await far.store.actions.get(KEY, ['main']))?.outputs, recordOf('another').outputs)
    t.equal(await store.actions.put(recordOf('third'), MAIN), 'conflict')
    t.strictSame((await store.flush()).conflicts, [{ tier: 'l0', key: KEY, scope: 'main' }])
  }
})

t.test('replace replaces in every tier, also when an earlier write still waits', async (t) => {
  const far = createMemoryStore()
  await publish(far, 'old')
  const slow = chaos(far, { slow: 1, latencyMs: 5 })
  const store = tiered([createMemoryStore(), slow], { queue: { concurrency: 1 } })
  for (const text of ['one', 'two', 'three']) {
    await publish(store, text, undefined, 'replace')
    t.equal(await publish(store, text), 'same')
  }
  const { lost, conflicts } = await store.flush()
  t.strictSame([lost, conflicts], [[], []])
  t.strictSame((await far.actions.get(KEY, ['main']))?.outputs, recordOf('three').outputs)
})

t.test('row 22: write-back drops nothing: whoever writes waits for room', async (t) => {
  const far = createMemoryStore()
  let [open, most] = [0, 0]
  const slow: Tier = {
    ...far,
    blobs: {
      ...far.blobs,
      put: async (digest, source, options) => {
        most = Math.max(most, (open += 1))
        await pause(3)
        const outcome = await far.blobs.put(digest, source, options)
        open -= 1
        return outcome
      },
    },
  }
  const store = tiered([createMemoryStore(), slow], { queue: { entries: 2, concurrency: 3 } })
  const all = Array.from({ length: 30 }, (_, number) => utf8(`blob ${number}`))
  let put = 0
  for (const bytes of all) {
    await store.blobs.put(digestOf(bytes), bytesSource(bytes))
    put += 1
    const missing = await far.blobs.missing(all.slice(0, put).map((each) => digestOf(each)))
    t.ok(missing.size <= 5, 'at most two wait and three are under way')
  }
  const { written, lost } = await store.flush()
  t.strictSame([written.blobs, lost], [30, []])
  t.equal((await far.blobs.missing(all.map((each) => digestOf(each)))).size, 0)
  t.equal(most, 3)
})

t.test('a digest is uploaded once at a time, whoever wants it', async (t) => {
  const far = createMemoryStore()
  let uploads = 0
  const counting: Tier = {
    ...far,
    blobs: {
      ...far.blobs,
      put: async (digest, source, options) => {
        if (digest === DIGEST) uploads += 1
        await pause(10)
        return far.blobs.put(digest, source, options)
      },
    },
  }
  const store = tiered([createMemoryStore(), counting])
  await Promise.all(Array.from({ length: 5 }, () => store.blobs.put(DIGEST, bytesSource(OUTPUT))))
  await store.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
  await store.actions.put(recordOf(), MAIN)
  await store.actions.put(recordOf(), { scope: 'pr-17' })
  const { written } = await store.flush()
  t.equal(uploads, 1)
  t.strictSame(written, { blobs: 2, records: 2, bytes: 26 })
})

t.test('row 22: what was lost is told at the flush, and is not lost if it comes later', async (t) => {
  const far = createMemoryStore()
  let isDown = true
  const flaky: Tier = {
    ...far,
    blobs: {
      ...far.blobs,
      put: (...args) => {
        if (isDown) return Promise.reject(new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', 'Down'))
        return far.blobs.put(...args)
      },
    },
  }
  const store = tiered([createMemoryStore(), flaky], { breaker: { failures: 100 } })
  await store.blobs.put(DIGEST, bytesSource(OUTPUT))
  await store.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
  await store.actions.put(recordOf(), MAIN)
  const first = await store.flush()
  t.strictSame(
    first.lost.map(({ tier, what, digest }) => [tier, what, digest]),
    [
      ['l1', 'blob', DIGEST],
      ['l1', 'blob', KEY],
      ['l1', 'record', KEY],
    ],
  )
  t.match(first.lost[0]?.error, { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  t.strictSame((await store.flush()).lost, [], 'it is told once')

  await store.blobs.put(DIGEST, bytesSource(OUTPUT))
  await pause(5)
  isDown = false
  await store.actions.put(recordOf(), MAIN)
  const second = await store.flush()
  t.strictSame([second.lost, second.written], [[], { blobs: 2, records: 1, bytes: 26 }])
})

t.test('losses beyond a thousand are counted', async (t) => {
  const down = chaos(createMemoryStore(), { failing: 1 })
  const store = tiered([createMemoryStore(), down])
  for (let number = 0; number < 1_005; number += 1) {
    await store.blobs.put(digestOf(utf8(`${number}`)), bytesSource(utf8(`${number}`)))
  }
  const { lost, unlisted } = await store.flush()
  t.strictSame([lost.length, unlisted], [1_000, 5])
})

t.test(
  'row 23: errors: ignore fails nothing, l0 fails with the first tier, all fails with any',
  async (t) => {
    const build = async (near: Store, far: Tier, options: TieredOptions): Promise<string> => {
      const store = tiered([near, far], options)
      try {
        await publish(store)
        await store.actions.get(KEY, ['main'])
        await store.flush()
        return 'passed'
      } catch (error) {
        return (error as CacheStoreError).code
      }
    }
    const down = (code: 'ERR_CACHE_STORE_DENIED' | 'ERR_CACHE_STORE_UNREADABLE'): Store =>
      chaos(createMemoryStore(), { failing: 1, codes: [code] })
    const results: unknown[] = []
    for (const errors of ['ignore', 'l0', 'all'] as const) {
      for (const write of ['through', 'back'] as const) {
        const options = { errors, write }
        results.push([
          errors,
          write,
          await build(down('ERR_CACHE_STORE_UNREADABLE'), createMemoryStore(), options),
          await build(createMemoryStore(), down('ERR_CACHE_STORE_DENIED'), options),
        ])
      }
    }
    t.strictSame(results, [
      ['ignore', 'through', 'passed', 'passed'],
      ['ignore', 'back', 'passed', 'passed'],
      ['l0', 'through', 'ERR_CACHE_STORE_UNREADABLE', 'passed'],
      ['l0', 'back', 'ERR_CACHE_STORE_UNREADABLE', 'passed'],
      ['all', 'through', 'ERR_CACHE_STORE_UNREADABLE', 'ERR_CACHE_STORE_DENIED'],
      ['all', 'back', 'ERR_CACHE_STORE_UNREADABLE', 'ERR_CACHE_STORE_DENIED'],
    ])
  },
)

t.test('row 44: each tier can have a policy and a way of writing of its own', async (t) => {
  const [through, back, none] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
  const down = chaos(createMemoryStore(), { failing: 1 })
  const store = tiered([
    createMemoryStore(),
    { tier: through, write: 'through' },
    { tier: chaos(back, { slow: 1, latencyMs: 20 }), write: 'back' },
    { tier: none, write: 'none' },
    { tier: down, write: 'through' },
  ])
  await store.blobs.put(DIGEST, bytesSource(OUTPUT))
  const absent = async (): Promise<number[]> =>
    Promise.all([through, back, none].map(async ({ blobs }) => (await blobs.missing([DIGEST])).size))
  t.strictSame(await absent(), [0, 1, 1])
  await store.flush()
  t.strictSame(await absent(), [0, 0, 1])

  const strict = tiered([
    createMemoryStore(),
    { tier: down, name: 'vital', write: 'through', errors: 'reject' },
    through,
  ])
  await t.rejects(strict.blobs.put(DIGEST, bytesSource(OUTPUT)), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  const lenient = tiered([createMemoryStore(), { tier: down, errors: 'ignore', write: 'through' }], {
    errors: 'all',
  })
  t.equal(await lenient.blobs.put(DIGEST, bytesSource(OUTPUT)), 'stored')
})

t.test('what the caller did wrong rejects under any policy', async (t) => {
  const store = tiered([createMemoryStore(), createMemoryStore()])
  const failure = new Error('The disk is on fire')
  const failing: ByteSource = {
    size: undefined,
    // oxlint-disable-next-line require-yield
    async *open() {
      throw failure
    },
  }
  t.equal(await rejectionOf(store.blobs.put(DIGEST, failing)), failure)
  await t.rejects(store.blobs.put(DIGEST, bytesSource(utf8('wrong'))), { code: 'ERR_DIGEST_MISMATCH' })
  await t.rejects(store.actions.put(recordOf(), { scope: '../a' }), { code: 'ERR_CACHE_STORE_NAME' })
  await t.rejects(store.actions.get(KEY, ['../a']), { code: 'ERR_CACHE_STORE_NAME' })
  await t.rejects(store.actions.put({ ...recordOf(), kv: 2 } as unknown as ActionRecord, MAIN), TypeError)
  const past = tiered([readOnly(createMemoryStore()), createMemoryStore()])
  t.equal(await rejectionOf(past.blobs.put(DIGEST, failing)), failure)
})

t.test('row 37: tiers that are read-only or have no room are passed over', async (t) => {
  const events: TierEvent[] = []
  const inner = createMemoryStore()
  const denied: Tier = {
    ...inner,
    blobs: {
      ...inner.blobs,
      put: () => Promise.reject(new CacheStoreError('ERR_CACHE_STORE_UNWRITABLE', 'No')),
    },
  }
  const onEvent = (event: TierEvent): void => void events.push(event)
  const last = createMemoryStore()
  const store = tiered([createMemoryStore(), readOnly(createMemoryStore()), denied, last], {
    errors: 'all',
    onEvent,
  })
  t.equal(await publish(store), 'created')
  const { lost } = await store.flush()
  t.strictSame(lost, [])
  t.ok(await last.actions.get(KEY, ['main']))
  t.equal(
    await inner.actions.get(KEY, ['main'], { blobs: store.blobs }),
    undefined,
    'no record without its blobs',
  )
  const skipped = events
    .filter(({ type }) => type === 'skipped')
    .map((event) => (event.type === 'skipped' ? event.tier : ''))
  t.strictSame([...new Set(skipped)].toSorted(), ['l1', 'l2'])
  t.strictSame(
    events.filter(({ type }) => type === 'failed' || type === 'breaker'),
    [],
  )
})

t.test('delete deletes in every tier that is written to, and nothing brings the blob back', async (t) => {
  const [near, far, readable] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
  await readable.blobs.put(DIGEST, bytesSource(OUTPUT))
  const slow = chaos(far, { slow: 1, latencyMs: 5, operations: ['put', 'missing'] })
  const store = tiered([near, slow, readOnly({ ...readable }), { tier: createMemoryStore(), write: 'none' }])
  const absent = async (): Promise<number[]> =>
    Promise.all([near, far].map(async ({ blobs }) => (await blobs.missing([DIGEST])).size))
  for (const wait of [0, 3, 8]) {
    await store.blobs.put(DIGEST, bytesSource(OUTPUT))
    await pause(wait)
    t.equal(await store.blobs.delete(DIGEST), true)
    await store.flush()
    t.strictSame(await absent(), [1, 1], `after ${wait} ms`)
  }
  await far.blobs.put(DIGEST, bytesSource(OUTPUT))
  t.equal(await store.blobs.delete(DIGEST), true, 'also what only a lower tier had')
  t.equal(await store.blobs.delete(DIGEST), false)

  const down = chaos(createMemoryStore(), { failing: 1 })
  const ill = tiered([createMemoryStore(), down])
  t.equal(await ill.blobs.delete(DIGEST), false)
  const strict = tiered([createMemoryStore(), down], { errors: 'all' })
  await t.rejects(strict.blobs.delete(DIGEST), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
})

t.test('delete waits for an upload that is under way', async (t) => {
  const [near, far] = [createMemoryStore(), createMemoryStore()]
  const [begun, released] = [new AbortController(), new AbortController()]
  const gated: Tier = {
    ...far,
    blobs: {
      ...far.blobs,
      put: async (digest, source, options) => {
        begun.abort()
        await pause(60_000, released.signal).catch(() => undefined)
        return far.blobs.put(digest, source, options)
      },
    },
  }
  for (const [bytes, digest] of [
    [KEY_DOCUMENT, KEY],
    [OUTPUT, DIGEST],
  ] as const) {
    await near.blobs.put(digest, bytesSource(bytes))
  }
  await far.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
  const store = tiered([near, gated])
  // The blob goes with the record, and not by itself.
  await store.actions.put(recordOf(), MAIN)
  await pause(60_000, begun.signal).catch(() => undefined)
  const deleting = store.blobs.delete(DIGEST)
  await pause(5)
  released.abort()
  t.equal(await deleting, true)
  await store.flush()
  for (const { blobs } of [near, far]) t.equal((await blobs.missing([DIGEST])).size, 1)
})

t.test('row 28: an ingest is the first tier’s, and its blob goes on', async (t) => {
  for (const write of ['through', 'back'] as const) {
    const { store, near, far } = await tiers({ write })
    const ingest = await store.blobs.ingest('upload')
    await ingest.write(utf8('the '))
    const resumed = await store.blobs.ingest('upload')
    t.equal(resumed.offset, 4)
    await resumed.write(utf8('output'))
    await resumed.commit({ digest: DIGEST })
    await store.flush()
    for (const each of [near, far.store]) t.equal(await textIn(each), 'the output')
    const aborted = await store.blobs.ingest('upload')
    await aborted.write(utf8('x'))
    await aborted.abort()
    await (await store.blobs.ingest('upload')).commit()
    await store.flush()
    t.notOk(far.operations.includes('ingest'))
  }
})

t.test('a tier may be written and not read, and be given only what records name', async (t) => {
  const [first, below] = [createMemoryStore(), createMemoryStore()]
  const scrap = utf8('of use here only')
  const store = tiered([first, { tier: below, read: false, takes: 'recorded' }])
  await store.blobs.put(digestOf(scrap), bytesSource(scrap))
  await publish(store)
  const { written, lost } = await store.flush()
  t.match(written, { blobs: 2, records: 1 })
  t.strictSame(lost, [])
  t.strictSame(await below.blobs.missing([KEY, DIGEST, digestOf(scrap)]), new Set([digestOf(scrap)]))
  await first.blobs.delete(DIGEST)
  t.strictSame(await store.blobs.missing([DIGEST]), new Set([DIGEST]))
  t.equal(await store.blobs.get(DIGEST), undefined)
  t.equal(await store.actions.get(KEY, ['main']), undefined)
})

t.test('R12: all of thousands of records reach a shared tier, and another machine finds them', async (t) => {
  const shared = createMemoryStore()
  const store = tiered([createMemoryStore(), shared])
  const records = Array.from({ length: 3_000 }, (_, index): ActionRecord => {
    const document = utf8(`the key document ${index}`)
    return { ...recordOf(), key: digestOf(document), keyDoc: digestOf(document) }
  })
  await store.blobs.put(DIGEST, bytesSource(OUTPUT))
  for (const [index, record] of records.entries()) {
    await store.blobs.put(record.key, bytesSource(utf8(`the key document ${index}`)))
    await store.actions.put(record, MAIN)
  }
  t.match(await store.close(), { written: { records: 3_000 }, lost: [] })
  const other = tiered([createMemoryStore(), shared])
  let found = 0
  for (const { key } of records) if ((await other.actions.get(key, ['main'])) !== undefined) found += 1
  t.equal(found, 3_000)
})

t.test('refs are the first tier’s', async (t) => {
  const [near, far] = [createMemoryStore(), createMemoryStore()]
  const store = tiered([near, far])
  await store.refs.update('a', () => utf8('one'))
  t.strictSame(await near.refs.read('a'), utf8('one'))
  t.equal(await far.refs.read('a'), undefined)
})

t.test('a blob that the first tier loses between the look and the read is read from below', async (t) => {
  const { store, near, far } = await tiers({ write: 'through' })
  await store.blobs.put(DIGEST, bytesSource(OUTPUT))
  for (const code of ['ERR_CACHE_STORE_MISSING', 'ERR_CACHE_STORE_UNREADABLE'] as const) {
    const source = await near.blobs.get(DIGEST)
    const losing = (): Store => gone(near, source!, code)
    t.equal(await textIn(tiered([losing(), far.tier])), 'the output')
    const strict = textIn(tiered([losing(), far.tier], { errors: 'l0' }))
    if (code === 'ERR_CACHE_STORE_MISSING') t.equal(await strict, 'the output')
    else await t.rejects(strict, { code })
    await t.rejects(textIn(tiered([losing(), createMemoryStore()])), { code }, 'nobody else has it')
    const other = createMemoryStore()
    const shorter = { ...other, blobs: { ...other.blobs, get: async () => ({ ...source!, size: 3 }) } }
    await t.rejects(textIn(tiered([readOnly(losing()), shorter])), { code }, 'its reader counts on the size')
  }
  const half = new Uint8Array(300_000)
  const torn: ByteSource = {
    size: half.byteLength,
    async *open() {
      yield half.slice(0, 100_000)
      throw new CacheStoreError('ERR_CACHE_STORE_MISSING', 'Gone')
    },
  }
  await far.store.blobs.put(digestOf(half), bytesSource(half))
  let isTorn = true
  const tearing: BlobStore['get'] = (digest, options) => {
    if (!isTorn) return near.blobs.get(digest, options)
    isTorn = false
    return Promise.resolve(torn)
  }
  const losing: Store = { ...near, blobs: { ...near.blobs, get: tearing } }
  const source = await tiered([losing, far.tier]).blobs.get(digestOf(half))
  await t.rejects(
    readAll(source!.open(), 1e6),
    { code: 'ERR_CACHE_STORE_MISSING' },
    'not after the first byte',
  )
})

t.test('row 18: a blob that turns out to be damaged in the first tier heals from below', async (t) => {
  const directory = t.testdir()
  const local = await createLocalStore({ directory, durability: 'rename' })
  const far = createMemoryStore()
  const store = tiered([local, far], { write: 'through' })
  await store.blobs.put(DIGEST, bytesSource(OUTPUT))
  const { chmodSync, writeFileSync } = await import('node:fs')
  const path = (await local.blobs.file(DIGEST))!
  chmodSync(path, 0o644)
  writeFileSync(path, 'the 0utput')
  t.equal(await textIn(store), 'the output')
  t.equal(await textIn(local), 'the output')
})

t.test('R15: a tier that hangs costs its time until it is given up on, and then nothing', async (t) => {
  const started: OperationName[] = []
  const hanging = watching(chaos(createMemoryStore(), { hanging: 1 }), started)
  const events: TierEvent[] = []
  const store = tiered([createMemoryStore(), hanging], {
    ...BRIEF,
    onEvent: (event) => void events.push(event),
  })
  for (let step = 0; step < 20; step += 1) {
    await store.actions.get(digestOf(utf8(`step ${step}`)), ['main', 'other'])
    await store.blobs.missing([digestOf(utf8(`blob ${step}`))])
    t.equal(await store.blobs.get(digestOf(utf8(`blob ${step}`))), undefined)
    await store.blobs.put(digestOf(utf8(`made ${step}`)), bytesSource(utf8(`made ${step}`)))
  }
  const { lost } = await store.flush()
  t.strictSame(started, ['record-get', 'record-get'], 'two failures, and it is left alone')
  t.strictSame(
    events.filter(({ type }) => type === 'breaker').map((event) => event.type === 'breaker' && event.state),
    ['open'],
  )
  t.equal(lost.length, 20, 'what was not written is told')
  t.match(events[0], {
    type: 'failed',
    tier: 'l1',
    operation: 'record-get',
    error: { code: 'ERR_CACHE_STORE_UNAVAILABLE' },
  })
})

t.test(
  'a tier that ignores signals is not waited for either, nor one that hangs while it reads',
  async (t) => {
    const deaf = createMemoryStore()
    const never = new Promise<never>(() => undefined)
    const source: ByteSource = {
      size: 10,
      async *open() {
        yield utf8('the ')
        await never
      },
    }
    const good = createMemoryStore()
    await good.blobs.put(DIGEST, bytesSource(OUTPUT))
    const tiersOf = (blobs: Partial<BlobStore>): Store =>
      tiered([createMemoryStore(), { ...deaf, blobs: { ...deaf.blobs, ...blobs } }, good], BRIEF)
    t.equal(await textIn(tiersOf({ get: () => never })), 'the output')
    t.equal(await textIn(tiersOf({ get: async () => source })), 'the output')
    const past = tiered(
      [readOnly(createMemoryStore()), { ...deaf, blobs: { ...deaf.blobs, get: async () => source } }],
      BRIEF,
    )
    await t.rejects(textIn(past), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  },
)

t.test('time is what one answer or one chunk takes: a long transfer is no failure', async (t) => {
  const bytes = new Uint8Array(200_000)
  const digest = digestOf(bytes)
  const slow: ByteSource = {
    size: bytes.byteLength,
    async *open() {
      for (let at = 0; at < 10; at += 1) {
        await pause(25)
        yield bytes.slice(at * 20_000, (at + 1) * 20_000)
      }
    },
  }
  const far = createMemoryStore()
  const options = { timeoutMs: 150, write: 'through', errors: 'all' } as const
  // A slow tier to read from,
  const below: Tier = { ...far, blobs: { ...far.blobs, get: async () => slow } }
  t.strictSame(await bytesIn(tiered([createMemoryStore(), below], options), digest), bytes)
  // and a first tier that is slow to give what the other is to have, which is not that one's fault.
  const near = createMemoryStore()
  await near.blobs.put(digest, bytesSource(bytes))
  const sluggish: ByteSource = {
    size: bytes.byteLength,
    async *open() {
      await pause(300)
      yield bytes
    },
  }
  const first: Store = { ...near, blobs: { ...near.blobs, get: async () => sluggish } }
  t.equal(await tiered([first, far], options).blobs.put(digest, bytesSource(bytes)), 'existed')
  t.equal((await far.blobs.missing([digest])).size, 0)
})

t.test('a slow neighbour is not the fault of the tier that has the record', async (t) => {
  const events: TierEvent[] = []
  const [near, middle, far] = [createMemoryStore(), createMemoryStore(), createMemoryStore()]
  await publish(middle)
  await middle.blobs.delete(DIGEST)
  const hanging = chaos(far, { hanging: 1 })
  const store = tiered([near, middle, hanging], { ...BRIEF, onEvent: (event) => void events.push(event) })
  t.equal(await store.actions.get(KEY, ['main']), undefined)
  const failed = events.filter((event) => event.type === 'failed')
  t.ok(failed.length > 0 && failed.every((event) => event.type === 'failed' && event.tier === 'l2'))
})

t.test('a tier that recovers is used again after the cool-down', async (t) => {
  const far = createMemoryStore()
  await far.blobs.put(DIGEST, bytesSource(OUTPUT))
  let isDown = true
  const flaky: Tier = {
    ...far,
    blobs: {
      ...far.blobs,
      get: (...args) => (isDown ? Promise.reject(new Error('Down')) : far.blobs.get(...args)),
    },
  }
  const states: string[] = []
  const onEvent = (event: TierEvent): void => {
    if (event.type === 'breaker') states.push(event.state)
  }
  const store = tiered([createMemoryStore(), flaky], { breaker: { failures: 1, coolDownMs: 30 }, onEvent })
  t.equal(await store.blobs.get(DIGEST), undefined)
  isDown = false
  t.equal(await store.blobs.get(DIGEST), undefined, 'still left alone')
  await pause(40)
  t.equal(await textIn(store), 'the output')
  t.strictSame(states, ['open', 'trial', 'closed'])
})

t.test('a breaker counts failures in a row by kind, and lets one operation try', async (t) => {
  const states: string[] = []
  const breaker = new Breaker({ failures: 2, coolDownMs: 15 }, (state) => void states.push(state))
  const run = (operation: OperationName, verdict: 'good' | 'bad' | 'unknown'): void =>
    breaker.admit()?.settle(operation, verdict)
  run('get', 'bad')
  run('get', 'good')
  run('get', 'bad')
  run('missing', 'bad')
  run('missing', 'good')
  run('missing', 'good')
  t.strictSame(states, [], 'other kinds and successes in between')
  const late = breaker.admit()
  run('get', 'bad')
  t.strictSame(states, ['open'])
  t.equal(breaker.admit(), undefined)
  late?.settle('get', 'bad')
  t.strictSame(states, ['open'], 'one that was under way changes nothing')
  await pause(20)
  const trial = breaker.admit()
  t.ok(trial)
  t.equal(breaker.admit(), undefined, 'one at a time')
  trial?.settle('put', 'unknown')
  const second = breaker.admit()
  t.ok(second, 'nothing was learnt')
  second?.settle('put', 'bad')
  t.equal(breaker.admit(), undefined)
  await pause(20)
  breaker.admit()?.settle('missing', 'good')
  t.ok(breaker.admit())
  t.strictSame(states, ['open', 'trial', 'trial', 'open', 'trial', 'closed'])
  run('get', 'bad')
  t.equal(states.at(-1), 'open', 'what had failed before is not trusted as much')
})

t.test('D11: a first tier that is ill is gone without', async (t) => {
  const events: TierEvent[] = []
  const far = createMemoryStore()
  await publish(far)
  const ill = chaos(createMemoryStore(), { failing: 1, codes: ['ERR_CACHE_STORE_UNREADABLE'] })
  const store = tiered([ill, far], { onEvent: (event) => void events.push(event) })
  t.equal((await store.blobs.missing([DIGEST])).size, 0)
  t.equal(await textIn(store), 'the output')
  t.same(await store.actions.get(KEY, ['main']), recordOf())
  t.equal(await publish(store, 'another'), 'conflict')
  const made = utf8('made')
  t.equal(await store.blobs.put(digestOf(made), bytesSource(made)), 'stored')
  t.strictSame(await bytesIn(far, digestOf(made)), made)
  t.ok(events.some((event) => event.type === 'failed' && event.tier === 'l0'))
  await t.rejects(
    store.blobs.ingest('upload'),
    { code: 'ERR_CACHE_STORE_UNREADABLE' },
    'nothing else can hold it',
  )

  const strict = tiered([ill, far], { errors: 'l0' })
  const operations: ReadonlyArray<() => Promise<unknown>> = [
    () => strict.blobs.missing([DIGEST]),
    () => strict.blobs.get(DIGEST),
    () => strict.blobs.put(DIGEST, bytesSource(OUTPUT)),
    () => strict.actions.get(KEY, ['main']),
    () => strict.actions.put(recordOf(), MAIN),
  ]
  for (const operation of operations) {
    await t.rejects(operation(), { code: 'ERR_CACHE_STORE_UNREADABLE' })
  }
  const inner = createMemoryStore()
  const failure = new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', 'No')
  const full: Store = { ...inner, blobs: { ...inner.blobs, put: () => Promise.reject(failure) } }
  t.equal(await textIn(tiered([full, far])), 'the output', 'a fill that fails')
  await t.rejects(textIn(tiered([full, far], { errors: 'l0' })), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
})

t.test('an aborted signal ends operations with its reason, whatever the tiers do', async (t) => {
  const far = chaos(createMemoryStore(), { hanging: 1 })
  const reason = { why: 'enough' }
  const operations: ReadonlyArray<(signal: AbortSignal, store: Store) => Promise<unknown>> = [
    (signal, { blobs }) => blobs.missing([DIGEST], { signal }),
    (signal, { blobs }) => blobs.get(DIGEST, { signal }),
    (signal, { blobs }) => blobs.put(DIGEST, bytesSource(OUTPUT), { signal }),
    (signal, { actions }) => actions.get(KEY, ['main'], { signal }),
    (signal, { actions }) => actions.put(recordOf(), { ...MAIN, signal }),
    (signal, { blobs }) => blobs.delete(DIGEST, { signal }),
  ]
  for (const operation of operations) {
    const states: TierEvent[] = []
    const store = tiered([createMemoryStore(), far], {
      write: 'through',
      errors: 'all',
      onEvent: (event) => void states.push(event),
    })
    const aborting = new AbortController()
    const running = operation(aborting.signal, store)
    await pause(5)
    aborting.abort(reason)
    t.equal(await rejectionOf(running), reason)
    t.equal(await rejectionOf(operation(aborting.signal, store)), reason)
    t.strictSame(
      states.filter(({ type }) => type !== 'found'),
      [],
      'which is nobody’s fault',
    )
  }
})

t.test('flush waits until its signal aborts; the writes go on', async (t) => {
  const far = createMemoryStore()
  const slow = chaos(far, { slow: 1, latencyMs: 30 })
  const store = tiered([createMemoryStore(), slow])
  await store.blobs.put(DIGEST, bytesSource(OUTPUT))
  const flushing = new AbortController()
  const flush = store.flush({ signal: flushing.signal })
  flushing.abort('enough')
  t.equal(await rejectionOf(flush), 'enough')
  t.match(await store.flush(), { written: { blobs: 1 } })
})

t.test('close flushes, gives up what is left when its signal aborts, and ends the writing', async (t) => {
  const far = createMemoryStore()
  const store = tiered([createMemoryStore(), chaos(far, { slow: 1, latencyMs: 5 })])
  await publish(store)
  t.match(await store.close(), { written: { blobs: 2, records: 1 }, lost: [] })
  await t.rejects(store.blobs.put(DIGEST, bytesSource(OUTPUT)), TypeError)
  await t.rejects(store.actions.put(recordOf(), MAIN), TypeError)
  await t.rejects(store.blobs.ingest('upload'), TypeError)
  t.equal(await textIn(store), 'the output', 'reads go on')

  const hanging = tiered([createMemoryStore(), chaos(createMemoryStore(), { hanging: 1 })], {
    queue: { concurrency: 1 },
  })
  await publish(hanging)
  const giveUp = new AbortController()
  const closing = hanging.close({ signal: giveUp.signal })
  await pause(5)
  giveUp.abort('enough')
  const { lost } = await closing
  t.strictSame(
    lost.map(({ what, error }) => [what, error]),
    [
      ['blob', 'enough'],
      ['blob', 'enough'],
      ['record', 'enough'],
    ],
  )
  const disposed = tiered([createMemoryStore(), far])
  await disposed[Symbol.asyncDispose]()
  await t.rejects(disposed.blobs.put(DIGEST, bytesSource(OUTPUT)), TypeError)
})

t.test(
  'a queue runs each name once at a time, takes the latest job, and drops what is dropped',
  async (t) => {
    const queue = new Queue({ entries: 1, concurrency: 2 })
    const log: string[] = []
    const job = (name: string) => async (): Promise<void> => {
      log.push(`${name} begins`)
      await pause(5)
      log.push(`${name} ends`)
    }
    await queue.add('a', job('a1'))
    await queue.add('a', job('a2'))
    await queue.add('a', job('a3'))
    t.equal(queue.hasRoom, false)
    const waiting = new AbortController()
    const added = queue.add('b', job('b'), waiting.signal)
    waiting.abort('enough')
    t.equal(await rejectionOf(added), 'enough')
    await queue.idle()
    t.strictSame(log, ['a1 begins', 'a1 ends', 'a3 begins', 'a3 ends'])
    log.length = 0
    await queue.add('a', job('a1'))
    await queue.add('a', job('a2'))
    await queue.drop('a')
    await queue.idle()
    t.strictSame(log, ['a1 begins', 'a1 ends'])
  },
)

t.test('Tiers: a negative cache in front of a tier never hides our own write', async (t) => {
  const far = createMemoryStore()
  const cached: Tier = { ...far, blobs: existenceCached(far.blobs) }
  const near = createMemoryStore()
  const store = tiered([near, cached], { write: 'through' })
  t.equal((await store.blobs.missing([KEY, DIGEST])).size, 2)
  await publish(store)
  t.equal((await cached.blobs.missing([KEY, DIGEST])).size, 0)
  await near.blobs.delete(DIGEST)
  t.ok(await store.actions.get(KEY, ['main']))
  t.equal(await textIn(store), 'the output')
})

t.test('listeners that throw change nothing', async (t) => {
  const store = tiered([createMemoryStore(), createMemoryStore()], {
    onEvent: () => {
      throw new Error('A bug of the listener')
    },
  })
  t.equal(await publish(store), 'created')
  t.match(await store.flush(), { written: { blobs: 2, records: 1 } })
})

t.test('many who want one blob from below at once all get it, with one copy', async (t) => {
  const far = createMemoryStore()
  await far.blobs.put(DIGEST, bytesSource(OUTPUT))
  const events: StoreOperation[] = []
  const near = metered(createMemoryStore(), (event) => void events.push(event))
  const store = tiered([near, far])
  const texts = await Promise.all(Array.from({ length: 8 }, () => textIn(store)))
  t.strictSame(texts, Array(8).fill('the output'))
  t.equal(events.filter(({ operation, outcome }) => operation === 'put' && outcome === 'stored').length, 1)
})

async function tiers(options: TieredOptions = {}) {
  const near = createMemoryStore()
  const far = operationsOf(createMemoryStore())
  const events: TierEvent[] = []
  const store = tiered([near, far.tier], { onEvent: (event) => void events.push(event), ...options })
  return { store, near, far, events }
}

/** A store that keeps the names of its operations. */
function operationsOf(store: Store): { store: Store; tier: Tier; operations: OperationName[] } {
  const operations: OperationName[] = []
  return { store, operations, tier: metered(store, ({ operation }) => void operations.push(operation)) }
}

/** Notes operations when they begin: some never end. */
function watching({ blobs, actions }: Tier, started: OperationName[]): Tier {
  const noting =
    <Args extends unknown[], Result>(name: OperationName, run: (...args: Args) => Result) =>
    (...args: Args): Result => {
      started.push(name)
      return run(...args)
    }
  return {
    blobs: {
      missing: noting('missing', (...args: Parameters<BlobStore['missing']>) => blobs.missing(...args)),
      get: noting('get', (...args: Parameters<BlobStore['get']>) => blobs.get(...args)),
      put: noting('put', (...args: Parameters<BlobStore['put']>) => blobs.put(...args)),
      ingest: noting('ingest', (...args: Parameters<BlobStore['ingest']>) => blobs.ingest(...args)),
      delete: noting('delete', (...args: Parameters<BlobStore['delete']>) => blobs.delete(...args)),
    },
    actions: {
      get: noting('record-get', (...args: Parameters<ActionIndex['get']>) => actions.get(...args)),
      put: noting('record-put', (...args: Parameters<ActionIndex['put']>) => actions.put(...args)),
    },
  }
}

/** A store that has a blob when it is asked, and not any more when it is read. */
function gone(store: Store, source: ByteSource, code: CacheStoreError['code']): Store {
  let isGone = true
  return {
    ...store,
    blobs: {
      ...store.blobs,
      get: async () => ({
        size: source.size,
        async *open(options) {
          if (isGone) throw new CacheStoreError(code, 'Gone')
          yield* source.open(options)
        },
      }),
      put: async () => {
        isGone = false
        return 'stored'
      },
    },
  }
}

function recordOf(output = 'the output', createdAt = '2026-01-02T03:04:05Z'): ActionRecord {
  return {
    kv: 1,
    key: KEY,
    keyDoc: KEY,
    outputs: [describe('application/octet-stream', utf8(output))],
    diffIDs: [],
    createdAt,
    durationMs: 1,
    builder: 'test/1',
  }
}

async function publish(
  store: Store,
  output?: string,
  createdAt?: string,
  mode: 'create' | 'replace' = 'create',
): Promise<string> {
  const record = recordOf(output, createdAt)
  await store.blobs.put(KEY, bytesSource(KEY_DOCUMENT))
  const bytes = utf8(output ?? 'the output')
  await store.blobs.put(digestOf(bytes), bytesSource(bytes))
  return store.actions.put(record, { scope: 'main', mode })
}

async function bytesIn({ blobs }: Tier, digest: Digest): Promise<Uint8Array | undefined> {
  const source = await blobs.get(digest)
  return source && readAll(source.open(), 10_000_000)
}

async function textIn(store: Tier): Promise<string> {
  return new TextDecoder().decode(await bytesIn(store, DIGEST))
}

function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no rejection',
    (error: unknown) => error,
  )
}
