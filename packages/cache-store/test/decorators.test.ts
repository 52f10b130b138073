import { type ByteSource, bytesSource, describe, digestOf, readAll } from '@varve/digest'
import t from 'tap'
import { STORE_CHECKS } from '../src/conformance.ts'
import {
  type ActionRecord,
  type BlobStore,
  CacheStoreError,
  chaos,
  createMemoryBlobStore,
  createMemoryStore,
  createMeter,
  deduped,
  existenceCached,
  metered,
  readOnly,
  type Store,
  type StoreOperation,
  verifying,
} from '../src/index.ts'
import { Patience, within } from '../src/patience.ts'
import { pause } from '../src/pause.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const HELLO = utf8('hello, layer')
const DIGEST = digestOf(HELLO)
const OTHER = digestOf(utf8('another'))

function withBlobs(decorate: (blobs: BlobStore) => BlobStore): Store {
  const store = createMemoryStore()
  return { ...store, blobs: decorate(store.blobs) }
}

const STACKS: Readonly<Record<string, () => Store>> = {
  verifying: () => withBlobs(verifying),
  deduped: () => withBlobs(deduped),
  existenceCached: () => withBlobs((blobs) => existenceCached(blobs)),
  metered: () => metered(createMemoryStore(), () => undefined),
  'chaos without faults': () => chaos(createMemoryStore(), { seed: 1 }),
  'all of them': () => {
    const store = metered(chaos(createMemoryStore(), { slow: 0.02, latencyMs: 1 }), () => undefined)
    return { ...store, blobs: deduped(existenceCached(verifying(store.blobs))) }
  },
}
for (const [name, create] of Object.entries(STACKS)) {
  t.test(`D13: a store is a store through ${name}`, async (t) => {
    for (const check of STORE_CHECKS) await t.test(check.name, () => check.run(create()))
  })
}

t.test('verifying: wrong bytes reject before their end, and the store is asked to delete them', async (t) => {
  for (const [stored, code] of [
    ['hello, laser', 'ERR_DIGEST_MISMATCH'],
    ['hello', 'ERR_DIGEST_MISMATCH'],
  ] as const) {
    const foreign = careless()
    foreign.bytes.set(DIGEST, utf8(stored))
    const blobs = verifying(foreign.blobs)
    const source = await blobs.get(DIGEST)
    const seen: Uint8Array[] = []
    await t.rejects(
      (async () => {
        for await (const chunk of source!.open()) seen.push(chunk)
      })(),
      { code },
      stored,
    )
    t.strictSame(seen, [], 'nothing of it was given')
    t.equal(await blobs.get(DIGEST), undefined)
    t.equal(await blobs.put(DIGEST, bytesSource(HELLO)), 'stored')
    t.strictSame(await readAll((await blobs.get(DIGEST))!.open(), 100), HELLO)
    t.strictSame(await readAll((await blobs.get(DIGEST))!.open({ start: 7, end: 9 }), 100), utf8('la'))
  }
})

t.test('verifying: a store that cannot delete fails the read in the same way', async (t) => {
  const foreign = careless()
  foreign.bytes.set(DIGEST, utf8('wrong'))
  const blobs = verifying({ ...foreign.blobs, delete: () => Promise.reject(new Error('No')) })
  await t.rejects(readAll((await blobs.get(DIGEST))!.open(), 100), { code: 'ERR_DIGEST_MISMATCH' })
})

t.test('verifying: R7: bytes that are not what they were said to be never become a blob', async (t) => {
  const foreign = careless()
  const blobs = verifying(foreign.blobs)
  await t.rejects(blobs.put(DIGEST, bytesSource(utf8('wrong'))), { code: 'ERR_DIGEST_MISMATCH' })
  await t.rejects(blobs.put(DIGEST, { ...bytesSource(HELLO), size: 3 }), { code: 'ERR_DIGEST_SIZE' })
  t.equal(foreign.bytes.size, 0)
})

t.test('verifying: an ingest is read back', async (t) => {
  const inner = createMemoryBlobStore()
  const ingestWith = async (get: BlobStore['get'], claims: Uint8Array): Promise<unknown> => {
    const lying: BlobStore = {
      ...inner,
      get,
      ingest: async () => ({
        offset: 0,
        write: async () => undefined,
        commit: async () => ({ digest: digestOf(claims), size: claims.byteLength }),
        abort: async () => undefined,
      }),
    }
    const ingest = await verifying(lying).ingest('upload')
    return ingest.commit({ digest: DIGEST, size: HELLO.byteLength })
  }
  await t.rejects(
    ingestWith(async () => bytesSource(utf8('wrong')), HELLO),
    { code: 'ERR_DIGEST_SIZE' },
  )
  await t.rejects(
    ingestWith(async () => bytesSource(utf8('hello, laser')), HELLO),
    { code: 'ERR_DIGEST_MISMATCH' },
  )
  await t.rejects(
    ingestWith(async () => undefined, HELLO),
    { code: 'ERR_CACHE_STORE_MISSING' },
  )
  await t.rejects(
    ingestWith(async () => bytesSource(utf8('another')), utf8('another')),
    { code: 'ERR_DIGEST_SIZE' },
  )
  t.same(await ingestWith(async () => bytesSource(HELLO), HELLO), { digest: DIGEST, size: HELLO.byteLength })
})

t.test('row 11: deduped: many puts of one digest are one put, and all get its outcome', async (t) => {
  const inner = slowBlobs()
  const blobs = deduped(inner.blobs)
  const puts = Array.from({ length: 6 }, () => blobs.put(DIGEST, bytesSource(HELLO)))
  const other = blobs.put(OTHER, bytesSource(utf8('another')))
  t.strictSame(await Promise.all(puts), Array(6).fill('stored'))
  t.equal(await other, 'stored')
  t.equal(inner.puts, 2)
  t.equal(await blobs.put(DIGEST, bytesSource(HELLO)), 'existed', 'a later one asks the store')
  t.equal(inner.puts, 3)
})

t.test('deduped: a put that fails because of its source makes way for the next', async (t) => {
  const inner = slowBlobs()
  const blobs = deduped(inner.blobs)
  const failure = new Error('The file is gone')
  const failing: ByteSource = {
    size: undefined,
    async *open() {
      yield HELLO.slice(0, 5)
      await pause(5)
      throw failure
    },
  }
  const outcomes = await Promise.allSettled([
    blobs.put(DIGEST, failing),
    blobs.put(DIGEST, bytesSource(utf8('wrong'))),
    blobs.put(DIGEST, bytesSource(HELLO)),
    blobs.put(DIGEST, failing),
  ])
  t.strictSame(
    outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : (outcome.reason.code ?? outcome.reason),
    ),
    [failure, 'ERR_DIGEST_MISMATCH', 'stored', 'stored'],
  )
  t.equal(inner.puts, 3)
})

t.test('deduped: a store that fails fails for all who wait, once', async (t) => {
  const inner = slowBlobs()
  const failure = new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', 'No')
  let puts = 0
  const blobs = deduped({
    ...inner.blobs,
    put: async () => {
      puts += 1
      await pause(5)
      throw failure
    },
  })
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => blobs.put(DIGEST, bytesSource(HELLO))))
  t.ok(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason === failure))
  t.equal(puts, 1)
})

t.test('deduped: a signal ends only the waiting of its caller', async (t) => {
  const inner = slowBlobs(20)
  const blobs = deduped(inner.blobs)
  const [leading, waiting] = [new AbortController(), new AbortController()]
  const leader = blobs.put(DIGEST, bytesSource(HELLO), { signal: leading.signal })
  const waiter = blobs.put(DIGEST, bytesSource(HELLO), { signal: waiting.signal })
  const patient = blobs.put(DIGEST, bytesSource(HELLO))
  waiting.abort('the waiter')
  t.equal(await rejectionOf(waiter), 'the waiter')
  leading.abort('the leader')
  t.equal(await rejectionOf(leader), 'the leader')
  t.equal(await patient, 'stored', 'the next one took over')
  t.equal(inner.puts, 2)
})

t.test('deduped: questions of one turn are one question, and each gets its own answer', async (t) => {
  const inner = slowBlobs()
  await inner.blobs.put(DIGEST, bytesSource(HELLO))
  const blobs = deduped(inner.blobs)
  const [one, both, none] = await Promise.all([
    blobs.missing([DIGEST]),
    blobs.missing([DIGEST, OTHER]),
    blobs.missing([]),
  ])
  t.strictSame([[...one], [...both], [...none]], [[], [OTHER], []])
  t.strictSame(inner.questions, [2])
  await blobs.missing([OTHER])
  t.strictSame(inner.questions, [2, 1])
})

t.test('deduped: a question is stopped when all who asked it have gone', async (t) => {
  let signal: AbortSignal | undefined
  const blobs = deduped({
    ...createMemoryBlobStore(),
    missing: (_, options) => {
      signal = options?.signal
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal?.reason as Error))
      })
    },
  })
  const [first, second] = [new AbortController(), new AbortController()]
  const asked = [first, second].map((each) => blobs.missing([DIGEST], { signal: each.signal }))
  await pause(1)
  first.abort(1)
  t.equal(await rejectionOf(asked[0]!), 1)
  t.equal(signal?.aborted, false)
  second.abort(2)
  t.equal(await rejectionOf(asked[1]!), 2)
  t.equal(signal?.aborted, true)

  // All have gone before it was asked at all; whoever comes next asks anew.
  const hasty = new AbortController()
  const gone = blobs.missing([DIGEST], { signal: hasty.signal })
  hasty.abort(3)
  const late = new AbortController()
  const next = blobs.missing([DIGEST], { signal: late.signal })
  t.equal(await rejectionOf(gone), 3)
  await pause(1)
  late.abort(4)
  t.equal(await rejectionOf(next), 4)
})

t.test('rows 24 and 25: existenceCached asks once about what is there and what is not', async (t) => {
  const inner = slowBlobs()
  await inner.blobs.put(DIGEST, bytesSource(HELLO))
  const blobs = existenceCached(inner.blobs)
  t.strictSame([...(await blobs.missing([DIGEST, OTHER]))], [OTHER])
  t.strictSame([...(await blobs.missing([OTHER, DIGEST]))], [OTHER])
  t.strictSame(inner.questions, [2])
  const third = digestOf(utf8('a third'))
  t.strictSame([...(await blobs.missing([OTHER, third, DIGEST]))].toSorted(), [OTHER, third].toSorted())
  t.strictSame(inner.questions, [2, 1], 'only about what is new')
  t.equal(await blobs.get(OTHER), undefined)
  t.equal(inner.gets, 0, 'nor is it looked for')
  t.ok(await blobs.get(DIGEST))
})

t.test(
  'existenceCached: our own writes are there at once, also under an answer that was on its way',
  async (t) => {
    const inner = slowBlobs()
    const blobs = existenceCached(inner.blobs)
    await blobs.missing([DIGEST, OTHER])
    await blobs.put(DIGEST, bytesSource(HELLO))
    const ingest = await blobs.ingest('upload')
    await ingest.write(utf8('another'))
    t.equal(ingest.offset, 7)
    await ingest.commit()
    t.equal((await blobs.missing([DIGEST, OTHER])).size, 0)
    t.ok((await blobs.get(DIGEST)) && (await blobs.get(OTHER)))
    t.strictSame(inner.questions, [2])

    for (const limit of [10, 1]) {
      const held = heldQuestions()
      const racing = existenceCached(held.blobs, { limit })
      const asking = racing.missing([DIGEST])
      await racing.put(DIGEST, bytesSource(HELLO))
      // With room for one, this forgets that.
      await racing.put(OTHER, bytesSource(utf8('another')))
      held.answer(new Set([DIGEST]))
      await asking
      t.equal((await racing.missing([DIGEST])).size, 0, `a limit of ${limit}`)
    }
  },
)

t.test('existenceCached: answers are believed for a while only', async (t) => {
  const inner = slowBlobs()
  const blobs = existenceCached(inner.blobs, { posTtlMs: 40, negTtlMs: 20 })
  await inner.blobs.put(DIGEST, bytesSource(HELLO))
  await blobs.missing([DIGEST, OTHER])
  await inner.blobs.delete(DIGEST)
  await inner.blobs.put(OTHER, bytesSource(utf8('another')))
  await pause(60)
  t.strictSame([...(await blobs.missing([DIGEST, OTHER]))], [DIGEST])
  const never = existenceCached(inner.blobs, { posTtlMs: 0, negTtlMs: 0 })
  await never.missing([OTHER])
  const before = inner.questions.length
  await never.missing([OTHER])
  t.equal(inner.questions.length, before + 1)
})

t.test('existenceCached: what is found gone or damaged, or deleted, is asked for anew', async (t) => {
  const failing = (code: 'ERR_CACHE_STORE_MISSING' | 'ERR_CACHE_STORE_UNAVAILABLE'): ByteSource => ({
    size: 12,
    // oxlint-disable-next-line require-yield
    async *open() {
      throw new CacheStoreError(code, 'No')
    },
  })
  for (const [source, asksAgain] of [
    [failing('ERR_CACHE_STORE_MISSING'), true],
    [failing('ERR_CACHE_STORE_UNAVAILABLE'), false],
  ] as const) {
    const inner = slowBlobs()
    const blobs = existenceCached({ ...inner.blobs, get: async () => source })
    await blobs.put(DIGEST, bytesSource(HELLO))
    await t.rejects(readAll((await blobs.get(DIGEST))!.open(), 100))
    await blobs.missing([DIGEST])
    t.equal(inner.questions.length, asksAgain ? 1 : 0)
  }

  const foreign = careless()
  foreign.bytes.set(DIGEST, utf8('wrong'))
  const blobs = existenceCached(verifying(foreign.blobs))
  t.equal((await blobs.missing([DIGEST])).size, 0)
  await t.rejects(readAll((await blobs.get(DIGEST))!.open(), 100), { code: 'ERR_DIGEST_MISMATCH' })
  t.equal((await blobs.missing([DIGEST])).size, 1, 'a damaged blob is gone')

  await blobs.put(OTHER, bytesSource(utf8('another')))
  t.equal(await blobs.delete(OTHER), true)
  t.equal((await blobs.missing([OTHER])).size, 1)
})

t.test('existenceCached: a write that was skipped or failed is not there', async (t) => {
  const skipping = existenceCached({ ...createMemoryBlobStore(), put: async () => 'skipped' })
  t.equal(await skipping.put(DIGEST, bytesSource(HELLO)), 'skipped')
  t.equal((await skipping.missing([DIGEST])).size, 1)
  const blobs = existenceCached(createMemoryBlobStore())
  await t.rejects(blobs.put(DIGEST, bytesSource(utf8('wrong'))), { code: 'ERR_DIGEST_MISMATCH' })
  t.equal((await blobs.missing([DIGEST])).size, 1)
})

t.test('existenceCached: the least recently used answers go first', async (t) => {
  const inner = slowBlobs()
  const blobs = existenceCached(inner.blobs, { limit: 2 })
  const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(utf8(text)))
  await blobs.missing([a!])
  await blobs.missing([b!])
  await blobs.missing([a!])
  await blobs.missing([c!])
  t.equal(inner.questions.length, 3)
  await blobs.missing([a!])
  t.equal(inner.questions.length, 3, 'used lately')
  await blobs.missing([b!])
  t.equal(inner.questions.length, 4, 'forgotten')
})

t.test('row 37: readOnly reads, skips, and refuses what cannot be skipped', async (t) => {
  const inner = createMemoryStore()
  const record = await recordIn(inner)
  await inner.refs.update('a', () => utf8('one'))
  const before = { missing: (await inner.blobs.missing([DIGEST, OTHER])).size }
  const { blobs, actions, refs } = readOnly(inner)
  t.strictSame(await readAll((await blobs.get(DIGEST))!.open(), 100), HELLO)
  t.strictSame([...(await blobs.missing([DIGEST, OTHER]))], [OTHER])
  t.same(await actions.get(record.key, ['main']), record)
  t.strictSame(await refs.read('a'), utf8('one'))
  t.strictSame(await refs.list(''), ['a'])

  const refused = { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_UNWRITABLE' }
  t.equal(await blobs.put(OTHER, bytesSource(utf8('another'))), 'skipped')
  t.equal(await actions.put({ ...record, outputs: [] }, { scope: 'main', mode: 'replace' }), 'skipped')
  await t.rejects(blobs.ingest('upload'), refused)
  await t.rejects(blobs.delete(DIGEST), refused)
  await t.rejects(
    refs.update('a', () => undefined),
    refused,
  )
  t.strictSame({ missing: (await inner.blobs.missing([DIGEST, OTHER])).size }, before)
  t.same(await actions.get(record.key, ['main']), record)

  const named = { code: 'ERR_CACHE_STORE_NAME' }
  await t.rejects(blobs.ingest('../a'), named)
  await t.rejects(actions.put(record, { scope: '../a' }), named)
  await t.rejects(
    refs.update('../a', () => undefined),
    named,
  )
  const signal = AbortSignal.abort('enough')
  const stopped = [
    blobs.put(OTHER, bytesSource(HELLO), { signal }),
    blobs.ingest('upload', { signal }),
    blobs.delete(DIGEST, { signal }),
    actions.put(record, { scope: 'main', signal }),
    refs.update('a', () => undefined, { signal }),
  ]
  for (const each of stopped) t.equal(await rejectionOf(each), 'enough')
  const { blobs: _, actions: __, ...rest } = readOnly({ blobs: inner.blobs, actions: inner.actions })
  t.strictSame(rest, {}, 'a tier stays a tier')
})

t.test('row 39: metered tells of every operation, with what came of it', async (t) => {
  const events: Omit<StoreOperation, 'milliseconds'>[] = []
  const inner = createMemoryStore()
  const store = metered(inner, ({ milliseconds, ...event }) => {
    t.ok(milliseconds >= 0)
    events.push(event)
  })
  const told = async (operation: Promise<unknown>): Promise<unknown[]> => {
    events.length = 0
    await operation.catch(() => undefined)
    return events.map(({ tier, operation, outcome, hits, misses, bytes, code }) => [
      tier === 'store',
      operation,
      outcome,
      hits,
      misses,
      bytes,
      code,
    ])
  }
  const { blobs, actions, refs } = store
  t.strictSame(await told(blobs.get(DIGEST)), [[true, 'get', 'miss', 0, 1, 0, undefined]])
  t.strictSame(await told(blobs.put(DIGEST, bytesSource(HELLO))), [
    [true, 'put', 'stored', 0, 0, 12, undefined],
  ])
  t.strictSame(await told(blobs.put(DIGEST, bytesSource(HELLO))), [
    [true, 'put', 'existed', 0, 0, 0, undefined],
  ])
  t.strictSame(await told(blobs.put(OTHER, bytesSource(HELLO))), [
    [true, 'put', 'failed', 0, 0, 0, 'ERR_DIGEST_MISMATCH'],
  ])
  t.strictSame(await told(blobs.missing([DIGEST, OTHER])), [[true, 'missing', 'done', 1, 1, 0, undefined]])
  t.strictSame(await told(readAll((await blobs.get(DIGEST))!.open(), 100)), [
    [true, 'read', 'done', 0, 0, 12, undefined],
  ])
  const leave = async (): Promise<void> => {
    for await (const _ of (await blobs.get(DIGEST))!.open()) return
  }
  t.strictSame((await told(leave())).at(-1), [true, 'read', 'stopped', 0, 0, 12, undefined])
  t.strictSame(await told(blobs.missing([], { signal: AbortSignal.abort() })), [
    [true, 'missing', 'stopped', 0, 0, 0, undefined],
  ])
  t.strictSame(await told(blobs.delete(OTHER)), [[true, 'delete', 'done', 0, 0, 0, undefined]])

  const ingest = await blobs.ingest('upload')
  await ingest.write(utf8('another'))
  t.equal(ingest.offset, 7)
  t.strictSame(await told(ingest.commit()), [[true, 'commit', 'done', 0, 0, 7, undefined]])

  const record = await recordIn(inner, { ...(await recordIn(inner)), createdAt: '2020-01-01T00:00:00Z' })
  t.strictSame(await told(actions.put(record, { scope: 'main' })), [
    [true, 'record-put', 'same', 0, 0, 0, undefined],
  ])
  t.strictSame(await told(actions.get(record.key, ['main'])), [
    [true, 'record-get', 'hit', 1, 0, 0, undefined],
  ])
  t.strictSame(await told(actions.get(OTHER, ['main'])), [[true, 'record-get', 'miss', 0, 1, 0, undefined]])
  t.strictSame(await told(refs.update('a', () => utf8('1'))), [
    [true, 'ref-update', 'done', 0, 0, 0, undefined],
  ])
  const bug = new RangeError('Not ours')
  const failing = refs.update('a', () => {
    throw bug
  })
  t.strictSame(await told(failing), [[true, 'ref-update', 'failed', 0, 0, 0, 'RangeError']])
  t.strictSame(await told(refs.read('a')), [[true, 'ref-read', 'hit', 1, 0, 0, undefined]])
  t.strictSame(await told(refs.list('')), [[true, 'ref-list', 'done', 0, 0, 0, undefined]])

  const broken = metered(
    chaos(inner, { failing: 1, operations: ['read'] }),
    (event) => void events.push(event),
  )
  await readAll((await broken.blobs.get(DIGEST))!.open(), 100).catch(() => undefined)
  t.match(events.at(-1), { operation: 'read', outcome: 'failed', code: 'ERR_CACHE_STORE_UNAVAILABLE' })
})

t.test('metered: a listener that throws changes nothing', async (t) => {
  const store = metered(createMemoryStore(), () => {
    throw new Error('A bug of the listener')
  })
  t.equal(await store.blobs.put(DIGEST, bytesSource(HELLO)), 'stored')
  t.strictSame(await readAll((await store.blobs.get(DIGEST))!.open(), 100), HELLO)
})

t.test('row 39: a meter adds up, per tier and operation', async (t) => {
  const meter = createMeter()
  t.match(meter.snapshot(), { total: { count: 0, milliseconds: 0 }, operations: [] })
  const near = metered(createMemoryStore(), meter.onOperation, 'near')
  const far = metered({ ...createMemoryStore() }, meter.onOperation, 'far')
  await near.blobs.put(DIGEST, bytesSource(HELLO))
  for (let at = 0; at < 3; at += 1) await readAll((await near.blobs.get(DIGEST))!.open(), 100)
  await near.blobs.get(OTHER)
  await far.blobs.put(OTHER, bytesSource(HELLO)).catch(() => undefined)
  const { total, operations } = meter.snapshot()
  t.match(total, { count: 9, hits: 3, misses: 1, errors: 1, bytesRead: 36, bytesWritten: 12 })
  t.strictSame(
    operations.map(({ tier, operation, count }) => [tier, operation, count]),
    [
      ['far', 'put', 1],
      ['near', 'get', 4],
      ['near', 'put', 1],
      ['near', 'read', 3],
    ],
  )
  t.equal(
    operations.reduce((sum, each) => sum + each.milliseconds, 0),
    total.milliseconds,
  )
})

t.test('patience ends when time is up, with the caller’s signal, or never', async (t) => {
  const never = new Promise<never>(() => undefined)
  await t.rejects(
    within(5, undefined, () => never),
    { code: 'ERR_CACHE_STORE_UNAVAILABLE' },
  )
  const caller = new AbortController()
  const waiting = within(60_000, caller.signal, () => never)
  caller.abort('enough')
  t.equal(await rejectionOf(waiting), 'enough')
  t.equal(await rejectionOf(within(1, caller.signal, () => Promise.resolve())), 'enough')
  t.equal(await within(Infinity, undefined, () => pause(5).then(() => 'late')), 'late')

  let signal: AbortSignal | undefined
  await within(5, undefined, (patience) => {
    signal = patience.signal
    return never
  }).catch(() => undefined)
  t.match(signal?.reason, { code: 'ERR_CACHE_STORE_UNAVAILABLE' }, 'who listens is told')
})

t.test('patience is not used up while it is held', async (t) => {
  const patience = new Patience(30, undefined)
  patience.hold()
  patience.hold()
  await pause(60)
  patience.resume()
  await pause(60)
  t.equal(patience.signal.aborted, false)
  patience.resume()
  await t.rejects(patience.wait(pause(60_000, patience.signal)), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  patience.end()
})

async function recordIn(store: Store, record?: ActionRecord): Promise<ActionRecord> {
  await store.blobs.put(DIGEST, bytesSource(HELLO))
  const whole: ActionRecord = record ?? {
    kv: 1,
    key: DIGEST,
    keyDoc: DIGEST,
    outputs: [describe('application/octet-stream', HELLO)],
    diffIDs: [],
    createdAt: '2026-01-02T03:04:05Z',
    durationMs: 1,
    builder: 'test/1',
  }
  await store.actions.put(whole, { scope: 'main' })
  return whole
}

/** A store that believes everything, as a plain directory would. */
function careless(): { blobs: BlobStore; bytes: Map<string, Uint8Array> } {
  const bytes = new Map<string, Uint8Array>()
  const inner = createMemoryBlobStore()
  return {
    bytes,
    blobs: {
      ...inner,
      missing: async (digests) => new Set([...digests].filter((digest) => !bytes.has(digest))),
      get: async (digest) => {
        const found = bytes.get(digest)
        return found && { size: undefined, open: (options) => bytesSource(found).open(options) }
      },
      put: async (digest, source) => {
        bytes.set(digest, await readAll(source.open(), 1_000))
        return 'stored'
      },
      delete: async (digest) => bytes.delete(digest),
    },
  }
}

/** A store in memory whose puts take a while, and which counts what it is asked. */
function slowBlobs(ms = 5): { blobs: BlobStore; puts: number; gets: number; questions: number[] } {
  const inner = createMemoryBlobStore()
  const counts = { puts: 0, gets: 0, questions: [] as number[] }
  const blobs: BlobStore = {
    ...inner,
    missing: (digests, options) => {
      const asked = [...digests]
      counts.questions.push(asked.length)
      return inner.missing(asked, options)
    },
    get: (digest, options) => {
      counts.gets += 1
      return inner.get(digest, options)
    },
    put: async (digest, source, options) => {
      counts.puts += 1
      await pause(ms, options?.signal)
      return inner.put(digest, source, options)
    },
  }
  return Object.assign(counts, { blobs })
}

/** A store whose first answer comes when it is told to. */
function heldQuestions(): {
  blobs: BlobStore
  answer: (absent: Awaited<ReturnType<BlobStore['missing']>>) => void
} {
  const inner = createMemoryBlobStore()
  let answer: (absent: Awaited<ReturnType<BlobStore['missing']>>) => void = () => undefined
  let isFirst = true
  return {
    blobs: {
      ...inner,
      missing: (digests, options) => {
        if (!isFirst) return inner.missing(digests, options)
        isFirst = false
        return new Promise((resolve) => {
          answer = resolve
        })
      },
    },
    answer: (absent) => answer(absent),
  }
}

function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no rejection',
    (error: unknown) => error,
  )
}
