import { bytesSource, describe, type Digest, digestOf, readAll } from '@varve/digest'
import t from 'tap'
import {
  type BlobStore,
  chaos,
  type ChaosOptions,
  createMemoryStore,
  createSteps,
  type FlushReport,
  metered,
  type Store,
  type StoreOperation,
  type Tier,
  tiered,
  type TierEvent,
} from '../src/index.ts'
import { pause } from '../src/pause.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const ALL = Array.from({ length: 40 }, (_, number) => utf8(`blob number ${number}`))
const DIGESTS = ALL.map((bytes) => digestOf(bytes))
const STEPS = 12

/** A store with all blobs, one record and one ref. */
async function filled(): Promise<Store> {
  const store = createMemoryStore()
  for (const [at, bytes] of ALL.entries()) await store.blobs.put(DIGESTS[at]!, bytesSource(bytes))
  await store.refs.update('a', () => utf8('one'))
  return store
}

/** What each read comes to. */
async function readings({ blobs }: Tier, digests: readonly Digest[] = DIGESTS): Promise<string[]> {
  const results: string[] = []
  for (const digest of digests) {
    try {
      const source = await blobs.get(digest)
      results.push(
        source === undefined ? 'absent' : new TextDecoder().decode(await readAll(source.open(), 1_000)),
      )
    } catch (error) {
      results.push((error as { code: string }).code)
    }
  }
  return results
}

t.test(
  'the same seed gives the same faults, in whatever order operations come; another seed others',
  async (t) => {
    const store = await filled()
    const options = { failing: 0.3, truncating: 0.3, corrupting: 0.3, lying: 0.3 }
    const first = await readings(chaos(store, { ...options, seed: 1 }))
    t.strictSame(await readings(chaos(store, { ...options, seed: 1 })), first)
    t.strictSame(
      (await readings(chaos(store, { ...options, seed: 1 }), DIGESTS.toReversed())).toReversed(),
      first,
    )
    t.notSame(await readings(chaos(store, { ...options, seed: 2 })), first)
    t.ok(new Set(first).size > 5, 'there are faults of all sorts')
    const again = chaos(store, { ...options, seed: 1 })
    await readings(again)
    t.notSame(await readings(again), first, 'a second try is another one')
  },
)

t.test('chances are about what they say', async (t) => {
  const store = await filled()
  for (const chance of [0, 0.25, 1]) {
    const results = await readings(chaos(store, { failing: chance, operations: ['get'] }))
    const failed = results.filter((result) => result === 'ERR_CACHE_STORE_UNAVAILABLE').length
    t.ok(Math.abs(failed / DIGESTS.length - chance) < 0.2, `${failed} of ${DIGESTS.length} for ${chance}`)
  }
})

t.test('each fault is what it says', async (t) => {
  const store = await filled()
  const readAllOf = (options: ChaosOptions): Promise<string[]> => readings(chaos(store, options))
  const right = await readings(store)
  const shorter = await readAllOf({ truncating: 1 })
  t.ok(shorter.every((result, at) => right[at]!.startsWith(result) && result !== right[at]))
  const wrong = await readAllOf({ corrupting: 1 })
  t.ok(wrong.every((result, at) => result !== right[at]))
  t.strictSame(await readAllOf({ lying: 1 }), Array(DIGESTS.length).fill('absent'))
  t.strictSame(await readAllOf({ slow: 1, latencyMs: 1 }), right)
  t.strictSame(await readAllOf({ failing: 1, operations: ['put', 'missing'] }), right, 'only what was meant')
  const codes = ['ERR_CACHE_STORE_DENIED', 'ERR_CACHE_STORE_CLOCK'] as const
  t.strictSame(new Set(await readAllOf({ failing: 1, codes })), new Set(codes))
  const midway = await readAllOf({ failing: 1, operations: ['read'] })
  t.strictSame(new Set(midway), new Set(['ERR_CACHE_STORE_UNAVAILABLE']))

  const lying = chaos(store, { lying: 1 })
  const other = digestOf(utf8('not there'))
  t.equal((await lying.blobs.missing([other])).size, 0, 'present, yet absent')
  t.equal(await lying.blobs.put(other, bytesSource(utf8('not there'))), 'stored')
  t.equal(await lying.blobs.delete(DIGESTS[0]!), true)
  t.strictSame([...(await store.blobs.missing([other, DIGESTS[0]!]))], [other], 'nothing was done')
  const record = {
    kv: 1,
    key: DIGESTS[0]!,
    keyDoc: DIGESTS[0]!,
    outputs: [],
    diffIDs: [],
    createdAt: '2026-01-01T00:00:00Z',
    durationMs: 1,
    builder: 'test/1',
  } as const
  t.equal(await lying.actions.put(record, { scope: 'main' }), 'created')
  t.equal(await store.actions.get(record.key, ['main']), undefined)
  await store.actions.put(record, { scope: 'main' })
  t.equal(await lying.actions.get(record.key, ['main']), undefined)
})

t.test('a write that fails may have been done', async (t) => {
  const inner = createMemoryStore()
  const { blobs } = chaos(inner, { failing: 1 })
  for (const [at, digest] of DIGESTS.entries()) {
    await t.rejects(blobs.put(digest, bytesSource(ALL[at]!)), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  }
  const { size } = await inner.blobs.missing(DIGESTS)
  t.ok(size > 0 && size < DIGESTS.length, `${size} of ${DIGESTS.length} were not`)
})

t.test('every operation of every part can fail, hang and be stopped', async (t) => {
  const operations = (store: Store, signal?: AbortSignal): Promise<unknown>[] => {
    const options = signal === undefined ? {} : { signal }
    return [
      store.blobs.missing(DIGESTS, options),
      store.blobs.get(DIGESTS[0]!, options),
      store.blobs.put(DIGESTS[0]!, bytesSource(ALL[0]!), options),
      store.blobs.ingest('upload', options),
      store.blobs.delete(DIGESTS[0]!, options),
      store.actions.get(DIGESTS[0]!, ['main'], options),
      store.refs.read('a', options),
      store.refs.update('a', () => utf8('two'), options),
      store.refs.list('', options),
    ]
  }
  const store = await filled()
  for (const each of operations(chaos(store, { failing: 1 }))) {
    await t.rejects(each, { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  }
  const stopping = new AbortController()
  const hanging = operations(chaos(store, { hanging: 1 }), stopping.signal)
  const settled = Promise.race(hanging)
  t.equal(await Promise.race([settled, pause(20).then(() => 'hanging')]), 'hanging')
  stopping.abort('enough')
  for (const each of hanging) t.equal(await each.catch((error: unknown) => error), 'enough')

  const ingest = await chaos(store, { failing: 1, operations: ['commit'] }).blobs.ingest('upload')
  await ingest.write(utf8('x'))
  t.equal(ingest.offset, 1)
  await t.rejects(ingest.commit(), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  await ingest.abort()

  const source = await chaos(store, { hanging: 1, operations: ['read'] }).blobs.get(DIGESTS[0]!)
  const reading = new AbortController()
  const read = readAll(source!.open({ signal: reading.signal }), 1_000)
  await pause(1)
  reading.abort('enough')
  t.equal(await read.catch((error: unknown) => error), 'enough')
})

/** Faults of a remote tier, as the sheet lists them, and whether one that is so ill is given up on. */
const ILLNESSES: Readonly<Record<string, readonly [options: ChaosOptions, isGivenUpOn: boolean]>> = {
  slow: [{ slow: 1, latencyMs: 2 }, false],
  erroring: [{ failing: 1 }, true],
  'erroring now and then': [{ failing: 0.3 }, false],
  denying: [{ failing: 1, codes: ['ERR_CACHE_STORE_DENIED'] }, true],
  hanging: [{ hanging: 1 }, true],
  'failing in the middle of reads': [{ failing: 1, operations: ['read'] }, true],
  truncating: [{ truncating: 1 }, true],
  corrupting: [{ corrupting: 1 }, true],
  lying: [{ lying: 1 }, false],
  'lying about blobs': [{ lying: 1, operations: ['get', 'missing', 'put'] }, false],
  'all at once': [
    { slow: 0.2, latencyMs: 1, failing: 0.1, hanging: 0.05, truncating: 0.1, corrupting: 0.1, lying: 0.1 },
    false,
  ],
}

for (const [illness, [options, isGivenUpOn]] of Object.entries(ILLNESSES)) {
  t.test(
    `Chaos: a build over a ${illness} remote has the same result, within the time that is given`,
    async (t) => {
      const remote = createMemoryStore()
      const healthy = await build(tiered([createMemoryStore(), remote]))
      for (const write of ['through', 'back'] as const) {
        for (const seed of [1, 2, 3]) {
          const events: TierEvent[] = []
          const operations: StoreOperation[] = []
          const breaker = { failures: 2, coolDownMs: 3_600_000 }
          const ill = metered(chaos(remote, { ...options, seed }), (event) => void operations.push(event))
          const near = createMemoryStore()
          const onEvent = (event: TierEvent): void => void events.push(event)
          const store = tiered([near, ill], { write, timeoutMs: 50, breaker, onEvent })
          t.strictSame((await build(store)).outputs, healthy.outputs, `${write}, seed ${seed}`)

          const opened = events.findIndex(({ type }) => type === 'breaker')
          if (isGivenUpOn) t.match(events[opened], { state: 'open' })
          // As many operations as there are failures, of each kind, and what was under way beside them.
          const failures = operations.filter(
            ({ outcome, operation }) => outcome === 'failed' && operation !== 'ingest',
          )
          t.ok(failures.length <= 2 * 6 + 4, `${failures.length} failures were waited for`)
          for (const digest of healthy.digests) {
            const source = await near.blobs.get(digest)
            if (source !== undefined) t.equal(digestOf(await readAll(source.open(), 1_000)), digest)
          }
        }
      }
    },
  )
}

t.test('Chaos: what an ill remote took is right or is not found by the next build', async (t) => {
  const healthy = await build(createMemoryStore())
  for (const seed of [1, 2, 3, 4, 5]) {
    const remote = createMemoryStore()
    const ill = chaos(remote, {
      seed,
      failing: 0.3,
      lying: 0.2,
      operations: ['put', 'record-put', 'missing', 'get'],
    })
    const first = tiered([createMemoryStore(), ill], { breaker: { failures: 1_000 } })
    await build(first)
    // The remote has recovered, and another machine with nothing asks it.
    const next = tiered([createMemoryStore(), remote])
    const second = await build(next)
    t.strictSame(second.outputs, healthy.outputs, `seed ${seed}`)
    t.strictSame((await next.flush()).conflicts, [])
    t.equal((await build(tiered([createMemoryStore(), remote]))).builds, 0, 'and has made it whole')
  }
})

/** Builds steps of which each depends on the one before, as a tool would; what a hit promised and has not is made anew. */
async function build(store: Store & { flush?(): Promise<FlushReport> }): Promise<{
  readonly outputs: readonly string[]
  readonly digests: readonly Digest[]
  readonly builds: number
}> {
  const steps = createSteps({ store, builder: 'test/1', project: 'chaos' })
  const outputs: string[] = []
  const digests: Digest[] = []
  let builds = 0
  let before = 'nothing'
  for (let step = 0; step < STEPS; step += 1) {
    const document = {
      kv: 1,
      kind: 'step',
      step: `step ${step}`,
      fields: { step: String(step), before },
    } as const
    const made = utf8(`made by step ${step} from ${before}`)
    const layer = describe('application/octet-stream', made)
    const work = async () => {
      builds += 1
      await store.blobs.put(layer.digest, bytesSource(made))
      return { outputs: [layer], durationMs: 1 }
    }
    const run = await steps.run({ document }, work)
    const digest = run.outputs[0]!.digest
    let bytes = await tryRead(store.blobs, digest)
    if (bytes === undefined) {
      await work()
      bytes = await tryRead(store.blobs, digest)
    }
    before = new TextDecoder().decode(bytes)
    outputs.push(before)
    digests.push(digest)
  }
  await steps.save()
  await store.flush?.()
  return { outputs, digests, builds }
}

async function tryRead(blobs: BlobStore, digest: Digest): Promise<Uint8Array | undefined> {
  const source = await blobs.get(digest)
  return source && readAll(source.open(), 1_000)
}
