import { bytesSource, describe, type Descriptor, digestOf } from '@varve/digest'
import fc from 'fast-check'
import t from 'tap'
import {
  CacheStoreError,
  chaos,
  createFlight,
  createKeyHistory,
  createMemoryFlightTable,
  createMemoryStore,
  createSteps,
  formatDifference,
  KEY_DOCUMENT_MEDIA_TYPE,
  type KeyContent,
  type KeyDocument,
  type KeyExplanation,
  keyOf,
  type KeyValue,
  readOnly,
  type StepResult,
  type Store,
} from '../src/index.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const TOOL = { builder: 'test/1', project: 'a project' }

function documentOf(fields: Record<string, KeyValue>, step = 'compile'): KeyDocument {
  return { kv: 1, kind: 'command', step, fields }
}

/** Work that stores one blob, and counts. */
function workOf(store: Store, text = 'made'): { builds: number; work: () => Promise<StepResult> } {
  const counter = {
    builds: 0,
    work: async () => {
      counter.builds += 1
      const layer = describe('application/octet-stream', utf8(text))
      await store.blobs.put(layer.digest, bytesSource(utf8(text)))
      return { outputs: [layer], durationMs: 1.4 }
    },
  }
  return counter
}

const sayings = (why: KeyExplanation | undefined): string[] =>
  why?.reason === 'changed' ? why.differences.map(formatDifference) : [String(why?.reason)]

t.test('a step is done once, and then known, with the outputs that it had', async (t) => {
  const store = createMemoryStore()
  const counter = workOf(store)
  const key = { document: documentOf({ args: ['make'] }) }
  const first = await createSteps({ store, ...TOOL }).run(key, counter.work)
  t.strictSame(first, {
    outputs: [describe('application/octet-stream', utf8('made'))],
    how: 'built',
    why: { reason: 'first' },
    recorded: 'created',
  })
  const second = await createSteps({ store, ...TOOL }).run(key, counter.work)
  t.same(second, { outputs: first.outputs, how: 'hit' })
  t.equal(counter.builds, 1)

  const record = await createSteps({ store, ...TOOL }).find(key.document)
  t.match(record, { builder: 'test/1', durationMs: 1, diffIDs: [], key: keyOf(key.document) })
  t.equal((await store.blobs.missing([keyOf(key.document)])).size, 0, 'the key document is stored')
})

t.test('row 40: a miss names the field that changed, against the nearest earlier document', async (t) => {
  const store = createMemoryStore()
  const { work } = workOf(store)
  const run = async (fields: Record<string, KeyValue>, step?: string): Promise<string[]> => {
    // As in builds that follow each other.
    const steps = createSteps({ store, ...TOOL })
    const { why } = await steps.run({ document: documentOf(fields, step) }, work)
    await steps.save()
    return sayings(why)
  }
  const fields = { args: ['cc', '-O1'], env: { A: '1', B: '2' }, user: 'root' }
  t.strictSame(await run(fields), ['first'])
  t.strictSame(await run({ ...fields, env: { A: '1', B: '3' } }), ['env.B: "2" → "3"'])
  t.strictSame(await run({ ...fields, env: { B: '2' } }), ['env.A: removed'])
  t.strictSame(await run({ ...fields, args: ['cc', '-O1', '-g'] }), ['args.2: added'])
  const far = { args: ['cc', '-O1'], env: { A: '1', B: '3' }, user: 'nobody' }
  t.strictSame(await run(far), ['user: "root" → "nobody"'], 'the nearest, not the latest')
  t.strictSame(await run(fields, 'link'), ['undefined'], 'a hit explains nothing')
  t.strictSame(await run({ ...fields, user: 'x' }, 'link'), ['user: "root" → "x"'], 'and is remembered')
  t.strictSame(await run({ args: [] }, 'another'), ['first'], 'steps are apart')
})

t.test('R3: what is recorded under a document is found under it, and under no other', async (t) => {
  const fields = fc.dictionary(fc.string({ maxLength: 3 }), fc.string({ maxLength: 3 }), { maxKeys: 4 })
  await fc.assert(
    fc.asyncProperty(fields, fields, async (one, other) => {
      const store = createMemoryStore()
      const steps = createSteps({ store, ...TOOL })
      const [recorded, asked] = [documentOf(one), documentOf(other, 'another step')]
      const { outputs } = await workOf(store).work()
      await steps.record({ document: recorded }, { outputs, durationMs: 1 })
      const isSame = keyOf(recorded) === keyOf(asked)
      t.equal((await steps.find(documentOf({ ...one })))?.keyDoc, keyOf(recorded))
      t.equal((await steps.find(asked)) !== undefined, isSame)
    }),
    { numRuns: 50 },
  )
})

t.test('another project has a history of its own', async (t) => {
  const store = createMemoryStore()
  const ours = createSteps({ store, ...TOOL })
  await ours.run({ document: documentOf({ a: '1' }) }, workOf(store).work)
  await ours.save()
  const theirs = createSteps({ store, ...TOOL, project: 'another' })
  t.strictSame(await theirs.explain({ document: documentOf({ a: '2' }) }), { reason: 'first' })
})

t.test('a difference is told inside the documents that a step names by digest', async (t) => {
  const store = createMemoryStore()
  const files = (fields: Record<string, KeyValue>): KeyContent => ({ kv: 1, kind: 'files', fields })
  const keyFor = (part: KeyContent) => ({ document: documentOf({ files: keyOf(part) }), parts: [part] })
  const before = files({ 'a.txt': 'sha256:1', 'b.txt': 'sha256:2' })
  const steps = createSteps({ store, ...TOOL })
  const { outputs } = await steps.run(keyFor(before), workOf(store).work)
  t.strictSame(outputs, [describe('application/octet-stream', utf8('made'))], 'parts are no outputs')
  await steps.save()

  const after = files({ 'a.txt': 'sha256:9', 'c.txt': 'sha256:3' })
  const why = await steps.explain(keyFor(after))
  t.same(why, {
    reason: 'changed',
    nearest: keyOf(keyFor(before).document),
    differences: [
      { path: ['a.txt'], within: 'files', before: 'sha256:1', after: 'sha256:9' },
      { path: ['b.txt'], within: 'files', before: 'sha256:2' },
      { path: ['c.txt'], within: 'files', after: 'sha256:3' },
    ],
  })
  t.same(await steps.run(keyFor(before), workOf(store).work), { outputs, how: 'hit' })

  await store.blobs.delete(keyOf(before))
  t.strictSame(sayings(await steps.explain(keyFor(after))), [
    formatDifference({ path: ['files'], before: keyOf(before), after: keyOf(after) }),
  ])
  const rebuilt = await steps.run(keyFor(before), workOf(store).work)
  t.match(rebuilt, { how: 'built', why: { reason: 'gone' } }, 'a record without its parts is no hit')
})

t.test('outputs that another tool has recorded without parts are whole', async (t) => {
  const store = createMemoryStore()
  const part: KeyContent = { kv: 1, kind: 'files', fields: { a: '1' } }
  const document = documentOf({ files: keyOf(part) })
  const { outputs } = await createSteps({ store, ...TOOL }).run({ document }, workOf(store).work)
  const steps = createSteps({ store, ...TOOL })
  t.strictSame(await steps.run({ document, parts: [part] }, workOf(store).work), { outputs, how: 'hit' })
})

t.test('row 49: another outcome under the same key is a conflict, and the first record stays', async (t) => {
  const store = createMemoryStore()
  const key = { document: documentOf({ args: ['date'] }) }
  const steps = createSteps({ store, ...TOOL })
  const first = await steps.run(key, workOf(store, 'Monday').work)
  const made = await workOf(store, 'Tuesday').work()
  t.equal(await steps.record(key, made), 'conflict')
  t.equal(await steps.record(key, await workOf(store, 'Monday').work()), 'same')
  t.strictSame((await steps.find(key.document))?.outputs, first.outputs)

  // Two machines at once, without a flight.
  const other = { document: documentOf({ args: ['date', '-u'] }) }
  const runs = await Promise.all(
    ['a', 'b'].map((text) => createSteps({ store, ...TOOL }).run(other, workOf(store, text).work)),
  )
  t.strictSame(runs.map(({ recorded }) => String(recorded)).toSorted(), ['conflict', 'created'])
})

t.test('with a flight, steps that are wanted at once are done once', async (t) => {
  const store = createMemoryStore()
  const table = createMemoryFlightTable()
  const counter = workOf(store)
  const document = documentOf({ a: '1' })
  const runs = await Promise.all(
    Array.from({ length: 5 }, () => {
      const flight = createFlight(table, { pollMs: [2, 5] })
      return createSteps({ store, ...TOOL, flight }).run({ document }, counter.work)
    }),
  )
  t.equal(counter.builds, 1)
  t.strictSame(runs.map(({ how }) => how).toSorted(), ['built', 'joined', 'joined', 'joined', 'joined'])
  t.equal(new Set(runs.map(({ outputs }) => JSON.stringify(outputs))).size, 1)
})

t.test('disabled looks nothing up, waits for nobody, and records in place of what is there', async (t) => {
  const store = createMemoryStore()
  const document = documentOf({ a: '1' })
  await createSteps({ store, ...TOOL }).run({ document }, workOf(store, 'stale').work)
  const table = createMemoryFlightTable()
  const flight = createFlight(table)
  const counter = workOf(store, 'fresh')
  let waiting: Promise<unknown> | undefined
  const off = createSteps({ store, ...TOOL, flight, disabled: true })
  const run = await off.run({ document }, async () => {
    // One more at the same time.
    waiting ??= off.run({ document }, counter.work)
    await waiting
    return counter.work()
  })
  t.match(run, { how: 'built', recorded: 'created' })
  t.equal(counter.builds, 2)
  t.equal(await off.find(document), undefined)
  t.strictSame((await createSteps({ store, ...TOOL }).find(document))?.outputs, run.outputs)
})

t.test('D11: an ill cache fails no step, and tells', async (t) => {
  for (const codes of [['ERR_CACHE_STORE_UNAVAILABLE'], ['ERR_CACHE_STORE_DENIED']] as const) {
    const store = createMemoryStore()
    const ill = chaos(store, { failing: 1, codes })
    const warnings: unknown[] = []
    const onWarning = (error: unknown): void => void warnings.push(error)
    const steps = createSteps({ store: ill, ...TOOL, onWarning })
    const run = await steps.run({ document: documentOf({ a: '1' }) }, workOf(store).work)
    t.match(run, { how: 'built', recorded: 'failed', why: { reason: 'first' } })
    await steps.save()
    t.ok(warnings.length >= 3, 'lookup, record, history')
    t.ok(warnings.every((error) => error instanceof CacheStoreError && error.code === codes[0]))
  }
})

t.test('D11: strict makes an ill cache fail the step', async (t) => {
  const store = createMemoryStore()
  const operations = [['record-get'], ['put'], ['record-put'], ['ref-update']] as const
  for (const each of operations) {
    const ill = chaos(store, { failing: 1, operations: each })
    const steps = createSteps({ store: ill, ...TOOL, strict: true })
    const build = async (): Promise<void> => {
      await steps.run({ document: documentOf({ ill: each[0] }) }, workOf(store).work)
      await steps.save()
    }
    await t.rejects(build(), { code: 'ERR_CACHE_STORE_UNAVAILABLE' }, each[0])
  }
})

t.test('what the work rejects with comes out, and nothing is recorded', async (t) => {
  const store = createMemoryStore()
  const steps = createSteps({ store, ...TOOL })
  const failure = new Error('Exit code 1')
  const document = documentOf({ a: '1' })
  await t.rejects(
    steps.run({ document }, () => Promise.reject(failure)),
    failure,
  )
  t.equal(await steps.find(document), undefined)
})

t.test('a document beyond the limits costs the cache and not the step', async (t) => {
  const store = createMemoryStore()
  let deep: KeyValue = 'x'
  for (let depth = 0; depth < 40; depth += 1) deep = [deep]
  const key = { document: documentOf({ deep }) }
  const warnings: unknown[] = []
  const steps = createSteps({ store, ...TOOL, onWarning: (error) => void warnings.push(error) })
  t.match(await steps.run(key, workOf(store).work), { how: 'built', recorded: 'failed' })
  const part: KeyContent = { kv: 1, kind: 'files', fields: { deep } }
  const large = await steps.run({ document: documentOf({ a: '1' }), parts: [part] }, workOf(store).work)
  t.match(large, { how: 'built', recorded: 'failed' }, 'nor does one that it names')
  warnings.length = 1
  t.equal(await steps.find(key.document), undefined)
  t.equal(await steps.record(key, { outputs: [], durationMs: 1 }), 'failed')
  t.strictSame(await steps.explain(key), { reason: 'first' })
  steps.remember(key)
  t.equal(warnings.length, 5)
  t.ok(warnings.every((error) => error instanceof CacheStoreError && error.code === 'ERR_CACHE_STORE_KEY'))
  const strict = createSteps({ store, ...TOOL, strict: true })
  await t.rejects(strict.run(key, workOf(store).work), { code: 'ERR_CACHE_STORE_KEY' })
  t.throws(() => strict.remember(key), { code: 'ERR_CACHE_STORE_KEY' })
})

t.test('misuse is a TypeError, also where the cache fails no step', async (t) => {
  const store = createMemoryStore()
  const steps = createSteps({ store, ...TOOL })
  const document = documentOf({ number: 1 as unknown as string })
  await t.rejects(steps.run({ document }, workOf(store).work), TypeError)
  t.throws(() => steps.remember({ document }), TypeError)
})

t.test(
  'R23: a record older than allowed is a miss, and the one that is made then takes its place',
  async (t) => {
    const store = createMemoryStore()
    const steps = createSteps({ store, ...TOOL })
    const document = documentOf({ args: ['apt-get', 'update'] })
    const key = { document }
    await steps.run(key, workOf(store, 'old packages').work)
    const hit = await steps.find(document)
    t.ok(hit)
    const old = { ...hit!, createdAt: new Date(Date.now() - 7_200_000).toISOString() }
    await store.actions.put(old, { scope: 'main', mode: 'replace' })

    const maxAgeMs = 3_600_000
    t.equal(await steps.find(document, { maxAgeMs }), undefined)
    const counter = workOf(store, 'new packages')
    t.match(await steps.run(key, counter.work, { maxAgeMs }), { how: 'built', recorded: 'created' })
    t.match(await steps.run(key, counter.work, { maxAgeMs }), { how: 'hit' }, 'it is young again')
    t.equal(counter.builds, 1)
  },
)

t.test(
  'R19: what a pull request records is nothing to main, and the other way round if it is trusted',
  async (t) => {
    const store = createMemoryStore()
    const document = documentOf({ a: '1' })
    const main = createSteps({ store, ...TOOL })
    const pull = createSteps({ store, ...TOOL, scope: 'pr-17', trusted: ['pr-17', 'main'] })
    const stranger = createSteps({ store, ...TOOL, scope: 'pr-18' })
    await pull.run({ document }, workOf(store, 'poison').work)
    t.equal(await main.find(document), undefined)
    const ours = workOf(store, 'ours')
    const built = await main.run({ document }, ours.work)
    t.match(built, { how: 'built', recorded: 'created' })
    t.equal(ours.builds, 1)

    const another = documentOf({ a: '2' })
    await main.run({ document: another }, workOf(store, 'ours').work)
    t.match(await pull.run({ document: another }, workOf(store, 'poison').work), { how: 'hit' })
    t.equal(await stranger.find(another), undefined)
    t.strictSame((await main.find(document))?.outputs, built.outputs)
  },
)

t.test('R19: scopes do not wait for each other either', async (t) => {
  const store = createMemoryStore()
  const flight = createFlight(createMemoryFlightTable(), { pollMs: [2, 5] })
  const document = documentOf({ a: '1' })
  const main = createSteps({ store, ...TOOL, flight })
  let inner: Promise<unknown> | undefined
  const pull = createSteps({ store, ...TOOL, flight, scope: 'pr-17' })
  const outer = await pull.run({ document }, async () => {
    // A pull request that leads for ever does not hold up main.
    inner = main.run({ document }, workOf(store, 'ours').work)
    t.match(await inner, { how: 'built', recorded: 'created' })
    return workOf(store, 'theirs').work()
  })
  t.match(outer, { how: 'built', recorded: 'created' })
})

t.test('D3: a record can say which content key it stands for', async (t) => {
  const store = createMemoryStore()
  const steps = createSteps({ store, ...TOOL })
  const [definition, content] = [documentOf({ from: 'definition' }), documentOf({ from: 'content' })]
  const made = await workOf(store).work()
  const result = { ...made, diffIDs: [digestOf(utf8('made'))] }
  t.equal(await steps.record({ document: content }, result), 'created')
  t.equal(await steps.record({ document: definition }, result, { aliasOf: keyOf(content) }), 'created')
  t.match(await steps.find(definition), { aliasOf: keyOf(content), diffIDs: result.diffIDs })
  t.equal((await steps.find(content))?.aliasOf, undefined)
})

t.test('R8: a store that takes nothing is gone without', async (t) => {
  const store = createMemoryStore()
  const warnings: unknown[] = []
  const onWarning = (error: unknown): void => void warnings.push(error)
  const steps = createSteps({ store: readOnly(store), ...TOOL, onWarning })
  const document = documentOf({ a: '1' })
  t.match(await steps.run({ document }, workOf(store).work), { how: 'built', recorded: 'skipped' })
  t.strictSame(warnings, [], 'which is no illness')
  await steps.save()
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_UNWRITABLE' }], 'but the history cannot be kept')
})

t.test('an aborted signal ends every operation with its reason', async (t) => {
  const store = createMemoryStore()
  const steps = createSteps({ store, ...TOOL })
  const key = { document: documentOf({ a: '1' }) }
  const signal = AbortSignal.abort({ why: 'enough' })
  const counter = workOf(store)
  const { reason } = signal as { reason: unknown }
  t.equal(await rejectionOf(steps.find(key.document, { signal })), reason)
  t.equal(await rejectionOf(steps.run(key, counter.work, { signal })), reason)
  t.equal(await rejectionOf(steps.record(key, await counter.work(), { signal })), reason)
  steps.remember(key)
  t.equal(await rejectionOf(steps.save({ signal })), reason)
  t.equal(counter.builds, 1)
})

t.test(
  'a history keeps the latest keys, survives damage, and loses nothing to a failed or concurrent save',
  async (t) => {
    const store = createMemoryStore()
    const keyAt = (number: number) => keyOf(documentOf({ number: String(number) }))
    const history = createKeyHistory(store, 'a project')
    for (let number = 0; number < 200; number += 1) {
      history.add('compile', keyAt(number))
      if (number % 10 === 9) await history.save()
    }
    const [name = ''] = await store.refs.list('steps/')
    const kept = async (): Promise<unknown[]> =>
      JSON.parse(new TextDecoder().decode(await store.refs.read(name))) as unknown[]
    t.equal((await kept()).length, 64)
    t.equal((await kept()).at(-1), keyAt(199))

    const failing = createKeyHistory(chaos(store, { failing: 1, operations: ['ref-update'] }), 'a project')
    failing.add('compile', keyAt(-1))
    await t.rejects(failing.save(), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
    await t.rejects(failing.save(), { code: 'ERR_CACHE_STORE_UNAVAILABLE' }, 'it is still to be saved')

    const slow = createKeyHistory(store, 'a project')
    slow.add('compile', keyAt(-2))
    const saving = slow.save()
    slow.add('compile', keyAt(-3))
    await saving
    await slow.save()
    t.ok((await kept()).includes(keyAt(-2)) && (await kept()).includes(keyAt(-3)))

    await Promise.all(
      [-4, -5, -6].map(async (number) => {
        const other = createKeyHistory(store, 'a project')
        other.add('compile', keyAt(number))
        await other.save()
      }),
    )
    const after = await kept()
    t.ok([-4, -5, -6].every((number) => after.includes(keyAt(number))))
    for (const damage of ['', '{}', '[1, "sha256:no"]', '\u0000\u0000']) {
      await store.refs.update(name, () => utf8(damage))
      t.strictSame(await history.explain('compile', documentOf({ number: '0' })), { reason: 'first' })
      history.add('compile', keyAt(0))
      await history.save()
      t.strictSame(await kept(), [keyAt(0)], 'and it is made anew')
    }
  },
)

t.test('an explanation that cannot be read is none, and large documents are not all read', async (t) => {
  const store = createMemoryStore()
  const steps = createSteps({ store, ...TOOL })
  const big = 'x'.repeat(9_000_000)
  for (let number = 0; number < 6; number += 1) {
    await steps.run(
      { document: documentOf({ big, number: String(number), more: ['a', String(number)] }) },
      workOf(store).work,
    )
  }
  await steps.save()
  let read = 0
  const counting: Store = {
    ...store,
    blobs: {
      ...store.blobs,
      get: (digest, options) => {
        read += 1
        return store.blobs.get(digest, options)
      },
    },
  }
  const changed = { document: documentOf({ big, number: '9', more: ['b', '9'] }) }
  t.match(await createSteps({ store: counting, ...TOOL }).explain(changed), { reason: 'changed' })
  t.equal(read, 4, 'of six')

  const ill = chaos(store, { failing: 1, operations: ['get'] })
  t.strictSame(await createSteps({ store: ill, ...TOOL }).explain(changed), { reason: 'first' })
})

t.test('key documents among the outputs of a step stay outputs', async (t) => {
  const store = createMemoryStore()
  const steps = createSteps({ store, ...TOOL })
  const bytes = utf8('another document')
  const output: Descriptor = describe(KEY_DOCUMENT_MEDIA_TYPE, bytes)
  const part: KeyContent = { kv: 1, kind: 'files', fields: {} }
  const key = { document: documentOf({ files: keyOf(part) }), parts: [part] }
  const work = async (): Promise<StepResult> => {
    await store.blobs.put(output.digest, bytesSource(bytes))
    return { outputs: [output], durationMs: 1 }
  }
  await steps.run(key, work)
  t.strictSame(await steps.run(key, work), { outputs: [output], how: 'hit' })
})

function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no rejection',
    (error: unknown) => error,
  )
}
