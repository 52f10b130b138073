import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { bytesSource, describe, type Digest, digestOf, hexOf, streamSource } from '@varve/digest'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { CollectionEvent, CollectionPolicy } from '../src/collection.ts'
import type { ActionRecord } from '../src/index.ts'
import { createLocalStore, type LocalStore, type LocalStoreOptions } from '../src/local.ts'

const HOUR_MS = 3_600_000
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const NO_GRACE = { graceMs: 0 }
const ALL: CollectionPolicy = { maxBytes: 0, graceMs: 0 }

t.test('R21: the limits are on by default, and a policy changes them member by member', async (t) => {
  const { store } = await open(t)
  const old = await put(store, 'old', 3)
  const { removed, overBudget, busy, dryRun } = await store.collect()
  t.strictSame(removed, { blobs: none, records: none, leftovers: none }, 'far from 20 GiB')
  t.strictSame({ overBudget, busy, dryRun }, { overBudget: false, busy: false, dryRun: false })
  await put(store, 'young', 1)
  const { removed: more } = await store.collect({ maxBytes: 0 })
  t.equal(more.blobs.count, 1, 'the grace of two hours stays')
  t.equal(has(store, old), false)

  for (const limits of [{ maxBytes: -1 }, { graceMs: Number.NaN }, { maxAgeMs: -5 }, { minFreeBytes: -1 }]) {
    await t.rejects(store.collect(limits), TypeError)
    await t.rejects(createLocalStore({ directory: join(t.testdirName, 'other'), limits }), TypeError)
  }
})

t.test('R22: the budget holds after a run, and what was used last stays', async (t) => {
  const { store } = await open(t)
  const blobs = []
  for (let age = 10; age > 0; age -= 1) blobs.push(await put(store, `${age}`.padEnd(20_000), age + 2))
  const used = (await store.usage()).total.bytes
  const maxBytes = used - 3 * 20_480 + 1
  const report = await store.collect({ maxBytes })
  t.strictSame(
    blobs.map((blob) => has(store, blob)),
    [false, false, false, true, true, true, true, true, true, true],
  )
  t.equal(report.before.bytes, used)
  t.strictSame(report.removed.blobs, { count: 3, bytes: 3 * 20_480 })
  t.ok(report.after.bytes <= maxBytes)
  t.equal(report.after.bytes, (await store.usage()).total.bytes, 'what it says is what is there')
  t.equal(report.overBudget, false)
})

t.test('D10: what is older than the greatest age goes, whatever the budget', async (t) => {
  const { store } = await open(t)
  const [old, young] = [await put(store, 'old', 48), await put(store, 'young', 3)]
  await store.collect({ maxAgeMs: 24 * HOUR_MS })
  t.strictSame([has(store, old), has(store, young)], [false, true])
})

t.test('D10: free space of the disk is made, too', async (t) => {
  const { store } = await open(t)
  const blob = await put(store, 'old', 48)
  t.equal((await store.collect({ minFreeBytes: 1 })).removed.blobs.count, 0)
  const report = await store.collect({ minFreeBytes: Number.MAX_SAFE_INTEGER })
  t.equal(has(store, blob), false)
  t.equal(report.overBudget, false)
})

t.test('R10: grace keeps what was used lately, and the report says so', async (t) => {
  const { store } = await open(t)
  const [old, young] = [await put(store, 'old', 5), await put(store, 'young', 3)]
  const report = await store.collect({ maxBytes: 0, graceMs: 4 * HOUR_MS })
  t.strictSame([has(store, old), has(store, young)], [false, true])
  t.strictSame(report.kept, { pins: [], leased: none, recent: { count: 1, bytes: 4096 } })
  t.equal(report.overBudget, true)
})

t.test('R22: pins, refs and the index keep what they name, and a dry run says who keeps what', async (t) => {
  const { store, directory } = await open(t)
  const layer = await put(store, 'layer', 50)
  const config = await put(store, 'config', 50)
  const manifest = await put(
    store,
    JSON.stringify({ schemaVersion: 2, layers: [{ digest: layer }], config: { digest: config } }),
    50,
  )
  const index = await put(store, ` \n{"manifests":[{"digest":"${manifest}"}]}`, 50)
  const [refd, rooted, sha512] = [
    await put(store, 'ref', 50),
    await put(store, 'root', 50),
    digestOf(utf8('5'), 'sha512'),
  ]
  await store.blobs.put(sha512, bytesSource(utf8('5')))
  age(store, sha512, 50)
  const unwanted = await put(store, `${layer} in a file that is no document`, 50)
  await store.pins.pin('release/1', [index, sha512])
  for (const blob of [index, sha512]) age(store, blob, 50)
  await store.refs.update('tags/latest', () => utf8(`["${refd}", "${layer}", "${unwanted.slice(0, -1)}"]`))
  writeFileSync(join(directory, 'index.json'), `{"manifests":[{"digest":"${rooted}"}]}`)

  const dry = await store.collect(ALL, { dryRun: true })
  t.strictSame(dry.kept.pins, [
    { name: 'release/1', count: 5, bytes: 5 * 4096 },
    { name: 'ref tags/latest', count: 1, bytes: 4096 },
    { name: 'index.json', count: 1, bytes: 4096 },
  ])
  const report = await store.collect(ALL)
  t.strictSame({ ...report, dryRun: true }, dry, 'the run does what the dry run says')
  for (const kept of [index, manifest, config, layer, refd, rooted, sha512]) t.ok(has(store, kept), kept)
  t.notOk(has(store, unwanted))
  t.equal(report.overBudget, true)

  await store.pins.unpin('release/1')
  await store.collect(ALL)
  t.strictSame(
    [index, manifest, config, layer, sha512].map((digest) => has(store, digest)),
    [false, false, false, true, false],
    'the ref keeps the layer still',
  )
})

t.test('R22: a pin or ref that is damaged keeps what can still be read in it', async (t) => {
  const { store, directory } = await open(t)
  const [one, two] = [await put(store, 'one', 50), await put(store, 'two', 50)]
  await store.pins.pin('a', [one])
  await store.refs.update('a', () => utf8(two))
  for (const file of ['pins/a.json', 'refs/a']) {
    const path = join(directory, file)
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -3))
  }
  age(store, one, 50)
  await store.collect(ALL)
  t.strictSame([has(store, one), has(store, two)], [true, true])
})

t.test('R10: while a lease lives, what was used since it began stays, and nothing else', async (t) => {
  const { store, directory } = await open(t)
  const [before, during] = [await put(store, 'before', 1.5), await put(store, 'during', 0)]
  const lease = await store.pins.lease()
  t.equal(readdirSync(join(directory, 'leases')).length, 1, 'it is there before anything is done')
  const report = await store.collect(ALL)
  t.strictSame([has(store, before), has(store, during)], [false, true])
  t.strictSame(report.kept.leased, { count: 1, bytes: 4096 })
  await lease.release()
  t.strictSame(readdirSync(join(directory, 'leases')), [])
  await store.collect(ALL)
  t.equal(has(store, during), false)
})

t.test('R10: a lease whose process died ends; one that is damaged keeps everything until then', async (t) => {
  const { store, directory } = await open(t)
  const leases = join(directory, 'leases')
  const blob = await put(store, 'old', 100)
  const names = ['0'.repeat(32), '1'.repeat(32)].map((name) => join(leases, `${name}.json`))
  writeFileSync(names[0]!, '')
  t.equal((await store.collect(ALL)).kept.leased.count, 1)
  t.ok(has(store, blob))

  const lease = await store.pins.lease({ ttlMs: 60_000 })
  const path = readdirSync(leases)
    .map((name) => join(leases, name))
    .find((name) => name !== names[0])!
  renameSync(path, names[1]!)
  for (const name of names) setAge(name, 61_000 / HOUR_MS)
  const report = await store.collect(ALL)
  t.notOk(has(store, blob))
  t.equal(report.removed.leftovers.count, 2, 'dead leases are removed')
  await lease.release()
  t.strictSame(readdirSync(leases), [])
})

t.test('the heartbeat of a lease heals it, and brings it back', async (t) => {
  const { store, directory } = await open(t)
  const leases = join(directory, 'leases')
  // Not `await using`, which Node 22 cannot parse.
  const lease = await store.pins.lease({ ttlMs: 150 })
  const [name = ''] = readdirSync(leases)
  const whole = readFileSync(join(leases, name), 'utf8')
  writeFileSync(join(leases, name), `${whole}garbage`)
  await until(() => readFileSync(join(leases, name), 'utf8') === whole)
  renameSync(join(leases, name), join(directory, 'away'))
  await until(() => existsSync(join(leases, name)))
  t.equal(readFileSync(join(leases, name), 'utf8'), whole)
  await lease.release()
  t.strictSame(readdirSync(leases), [])
})

t.test('7.4: records go before blobs, and no record stays whose blobs go', async (t) => {
  const { store } = await open(t)
  const shared = await put(store, 'shared', 10)
  const [output, loose] = [await put(store, 'output', 10.5), await put(store, 'loose', 9.2)]
  // The record was used less than an hour after its output, so that the use of the output was not noted.
  const [goes, stays] = [
    await record(store, 'goes', [output, shared], 9.6),
    await record(store, 'stays', [loose], 9),
  ]
  for (const blob of [goes, stays]) age(store, blob, 9)
  const events: CollectionEvent[] = []
  const { bytes } = (await store.usage()).total
  await store.collect(
    { maxBytes: bytes - 4096, ...NO_GRACE },
    { onProgress: (event) => void events.push(event) },
  )
  const removed = events.flatMap((event) => (event.kind === 'remove' ? [event] : []))
  t.strictSame(
    removed.map(({ what, path }) => [what, basename(path)]),
    [
      ['record', hexOf(goes)],
      ['blob', hexOf(output)],
    ],
  )
  t.equal(await store.actions.get(goes, ['main']), undefined)
  t.ok(await store.actions.get(stays, ['main']))
  t.ok(events.some((event) => event.kind === 'scan' && event.count > 0))
})

t.test('a record keeps its blobs as young as it is', async (t) => {
  const { store } = await open(t)
  const output = await put(store, 'output', 30)
  const key = await put(store, 'key', 30)
  await store.actions.put(recordOf(key, [output]), { scope: 'main' })
  for (const digest of [output, key]) t.ok(ageOf(store, digest) < 1, digest)
})

t.test('R10: what is used, pinned or leased while a run is under way stays', async (t) => {
  const uses: Record<string, (store: LocalStore, blob: Digest) => Promise<unknown>> = {
    'by missing': (store, blob) => store.blobs.missing([blob]),
    'by get': (store, blob) => store.blobs.get(blob),
    'by put': (store, blob) => store.blobs.put(blob, bytesSource(utf8('blob'))),
    'by a pin': (store, blob) => store.pins.pin('late', [blob]),
    'by a ref': (store, blob) => store.refs.update('late', () => utf8(blob)),
    'by a pin of a manifest': async (store) => store.pins.pin('late', [digestOf(utf8(manifestOf('blob')))]),
  }
  for (const [how, use] of Object.entries(uses)) {
    await t.test(how, async (t) => {
      const { store, directory } = await open(t)
      const blob = await put(store, 'blob', 50)
      await put(store, manifestOf('blob'), 50)
      let used: Promise<unknown> | undefined
      await store.collect(ALL, {
        onProgress: ({ kind }) => {
          if (kind === 'scan') used ??= use(store, blob)
        },
      })
      await used
      t.ok(has(store, blob))
      t.strictSame(readdirSync(join(directory, 'trash')), [])
    })
  }
  await t.test('by a lease, if the use was too soon to be noted', async (t) => {
    const { store } = await open(t)
    const blob = await put(store, 'blob', 0.5)
    let leasing: ReturnType<LocalStore['pins']['lease']> | undefined
    await store.collect(ALL, {
      onProgress: ({ kind }) => {
        if (kind === 'scan') leasing ??= store.pins.lease()
      },
    })
    t.ok(has(store, blob))
    await (await leasing!).release()
    await store.collect(ALL)
    t.notOk(has(store, blob))
  })
})

t.test('R21: leftovers go when they are old, and what is not of the store stays', async (t) => {
  const { store, directory } = await open(t)
  const random = (digit: string): string => digit.repeat(32)
  const old = [
    `ingest/${random('a')}`,
    `quarantine/x.${random('b')}`,
    'flight/main~x',
    'flight/x+lock',
    'refs/x+lock',
  ]
  const young = [`ingest/${random('c')}`, `quarantine/x.${random('d')}`, 'flight/main~y', 'refs/y+lock']
  const foreign = [
    'ingest/notes',
    'quarantine/notes',
    'trash/notes',
    'blobs/sha256/notes',
    'ac/notes',
    'notes',
  ]
  for (const name of [...old, ...young, ...foreign]) writeFileSync(join(directory, name), 'x')
  mkdirSync(join(directory, 'runs', 'x'), { recursive: true })
  const [dead, living] = [await store.blobs.ingest('dead'), await store.blobs.ingest('living')]
  await dead.write(utf8('abandoned'))
  for (const name of readdirSync(join(directory, 'ingest'))) {
    const upload = join(directory, 'ingest', name)
    if (!lstatSync(upload).isDirectory()) continue
    for (const file of ['data', 'meta', '']) setAge(join(upload, file), 3)
  }
  await living.write(utf8('a'))
  for (const name of [...old, ...foreign, 'runs']) setAge(join(directory, name), 3)
  setAge(join(directory, 'refs', 'y+lock'), 0.9)

  const dry = await store.collect({}, { dryRun: true })
  t.strictSame(dry.removed.leftovers.count, old.length + 1)
  const report = await store.collect(NO_GRACE)
  t.strictSame(report.removed, dry.removed)
  for (const name of old) t.notOk(existsSync(join(directory, name)), name)
  for (const name of [...young, ...foreign, 'runs/x']) t.ok(existsSync(join(directory, name)), name)
  t.equal((await store.blobs.ingest('living')).offset, 1)
  t.equal((await store.blobs.ingest('dead')).offset, 0)
  await t.rejects(dead.write(utf8('more')), { code: 'ERR_CACHE_STORE_BUSY' })
})

t.test('what an interrupted run left in the trash is put back, and judged anew', async (t) => {
  const { store, directory } = await open(t)
  const [kept, doomed, twice] = [
    await put(store, 'kept', 3),
    await put(store, 'doomed', 90),
    await put(store, 'twice', 3),
  ]
  const key = await record(store, 'key', [kept], 3)
  const trash = (path: string): string =>
    join(directory, 'trash', `${path.replaceAll('/', '~')}~${'f'.repeat(32)}`)
  const recordFile = `ac/main/${hexOf(key).slice(0, 2)}/${hexOf(key)}`
  for (const path of [`blobs/sha256/${hexOf(kept)}`, `blobs/sha256/${hexOf(doomed)}`, recordFile]) {
    renameSync(join(directory, path), trash(path))
  }
  writeFileSync(trash(`blobs/sha256/${hexOf(twice)}`), 'twice')
  writeFileSync(trash('flight/main~x'), 'mark')
  writeFileSync(trash('blobs/sha256/../../../escape'), 'x')
  const limits = { maxAgeMs: 48 * HOUR_MS }
  const dry = await store.collect(limits, { dryRun: true })
  const report = await store.collect(limits)
  t.strictSame({ ...report, dryRun: true }, dry)
  t.strictSame(report.removed.blobs.count, 1)
  t.strictSame(report.removed.leftovers.count, 2)
  t.strictSame([has(store, kept), has(store, doomed), has(store, twice)], [true, false, true])
  t.ok(await store.actions.get(key, ['main']))
  t.strictSame(readdirSync(join(directory, 'trash')), [basename(trash('blobs/sha256/../../../escape'))])
})

t.test('a run can be stopped anywhere, and the next one finishes its work', async (t) => {
  const outcomes: unknown[] = []
  for (let stop = 0; stop < 12; stop += 1) {
    const { store, directory } = await open(t, {}, `stop-${stop}`)
    const blobs = []
    for (let number = 0; number < 4; number += 1) blobs.push(await put(store, `${number}`, 50 - number))
    const key = await record(store, 'key', blobs, 50)
    const controller = new AbortController()
    const reason = new Error('enough')
    let seen = 0
    const running = store.collect(ALL, {
      signal: controller.signal,
      onProgress: () => {
        if ((seen += 1) > stop) controller.abort(reason)
      },
    })
    outcomes.push(
      await running.then(
        () => 'done',
        (error: unknown) => error === reason,
      ),
    )
    t.strictSame(readdirSync(join(directory, 'trash')), [], 'nothing is left in the trash')
    t.notOk(existsSync(join(directory, 'gc.lock')))
    const found = await store.actions.get(key, ['main'])
    if (found) t.equal((await store.blobs.missing(blobs)).size, 0, 'a hit is whole')
    for (const blob of blobs) if (has(store, blob)) age(store, blob, 50)
    await store.collect({ ...ALL, maxAgeMs: 1 })
    t.strictSame(
      blobs.filter((blob) => has(store, blob) && ageOf(store, blob) > 1),
      [],
    )
  }
})

t.test('R28: a second collector does nothing, and a dead one is replaced', async (t) => {
  const { store, directory } = await open(t)
  const lock = join(directory, 'gc.lock')
  const blob = await put(store, 'blob', 50)
  writeFileSync(lock, 'somebody')
  const report = await store.collect(ALL)
  t.equal(report.busy, true)
  t.strictSame([report.before, report.after], [none, none])
  t.ok(has(store, blob))
  t.equal((await store.collect(ALL, { dryRun: true })).removed.blobs.count, 1, 'a dry run needs no lock')

  for (const hours of [61 / 3600, -61 / 3600]) {
    setAge(lock, hours)
    t.equal((await store.collect(ALL)).busy, false, 'stale, or from the future')
    t.notOk(existsSync(lock))
    writeFileSync(lock, '')
  }
  t.notOk(has(store, blob))
  const outcomes = await Promise.all([store.collect({ maxAgeMs: 1 }), store.collect({ maxAgeMs: 1 })])
  t.strictSame(
    outcomes.map(({ busy }) => busy),
    [true, true],
  )
})

t.test('a collector whose lock is taken away stops', async (t) => {
  const { store, directory } = await open(t)
  for (let number = 0; number < 3; number += 1) await put(store, `${number}`, 50)
  const now = performance.now.bind(performance)
  let ahead = 0
  t.intercept(performance, 'now', { value: () => now() + (ahead += 6_000) })
  const running = store.collect(ALL, {
    onProgress: () => {
      writeFileSync(join(directory, 'other'), 'another')
      renameSync(join(directory, 'other'), join(directory, 'gc.lock'))
    },
  })
  await t.rejects(running, { code: 'ERR_CACHE_STORE_BUSY' })
  t.equal(readFileSync(join(directory, 'gc.lock'), 'utf8'), 'another')
  t.equal(readdirSync(join(directory, 'blobs/sha256')).length, 3)
})

t.test('a store opened for reading is not collected, but can say what would go', async (t) => {
  const { store, directory } = await open(t)
  await put(store, 'blob', 50)
  const reader = await createLocalStore({ directory, readOnly: true })
  const refused = { code: 'ERR_CACHE_STORE_UNWRITABLE' }
  await t.rejects(reader.collect(ALL), refused)
  await t.rejects(reader.pins.lease(), refused)
  await t.rejects(reader.pins.pin('a', []), refused)
  await t.rejects(reader.pins.unpin('a'), refused)
  t.equal((await reader.collect(ALL, { dryRun: true })).removed.blobs.count, 1)
  t.equal((await reader.usage()).blobs.count, 1)
  t.notOk(existsSync(join(directory, 'gc.lock')))
})

t.test('a time from the future does not keep a blob for ever', async (t) => {
  const { store } = await open(t)
  const blob = await put(store, 'blob', -1_000_000)
  t.equal((await store.collect(ALL, { dryRun: true })).kept.recent.count, 1)
  t.ok(ageOf(store, blob) < -1, 'a dry run changes nothing')
  await store.collect(ALL)
  t.ok(ageOf(store, blob) > -0.1, 'it is now as old as it was last seen')
  await store.collect(ALL)
  t.notOk(has(store, blob))
})

t.test('what has to stay and cannot be read stops the run before anything goes', async (t) => {
  const { store, directory } = await open(t)
  const blob = await put(store, 'blob', 50)
  mkdirSync(join(directory, 'pins', 'a.json'))
  await store.collect({ ...ALL, maxBytes: Infinity })
  t.ok(has(store, blob), 'a directory is no pin')
  const elsewhere = join(t.testdirName, 'elsewhere')
  mkdirSync(elsewhere)
  for (const name of ['pins', 'trash', 'leases', 'ac']) {
    const other = await open(t, {}, `linked-${name}`)
    const kept = await put(other.store, 'blob', 50)
    renameSync(join(other.directory, name), join(other.directory, 'moved'))
    symlinkSync(elsewhere, join(other.directory, name))
    await t.rejects(other.store.collect(ALL), { code: 'ERR_CACHE_STORE_UNSAFE' }, name)
    t.ok(has(other.store, kept))
  }
})

t.test('links lead a collector nowhere', async (t) => {
  const { store, directory } = await open(t)
  const outside = join(t.testdirName, 'outside')
  const hex = '0'.repeat(64)
  for (const path of ['ac-scope/00', 'ac-pair', 'sha512']) mkdirSync(join(outside, path), { recursive: true })
  const files = [`ac-scope/00/${hex}`, `ac-pair/${hex}`, `sha512/${hex}${hex}`, 'target']
  for (const name of files) writeFileSync(join(outside, name), 'precious')
  for (const name of files) setAge(join(outside, name), 1000)
  mkdirSync(join(directory, 'ac', 'main'))
  symlinkSync(join(outside, 'ac-scope'), join(directory, 'ac', 'linked'))
  symlinkSync(join(outside, 'ac-pair'), join(directory, 'ac', 'main', '00'))
  symlinkSync(join(outside, 'sha512'), join(directory, 'blobs', 'sha512'))
  symlinkSync(join(outside, 'target'), join(directory, 'blobs', 'sha256', hex))
  symlinkSync(outside, join(directory, 'quarantine', `x.${'0'.repeat(32)}`))
  await store.collect(ALL)
  for (const name of files) t.ok(existsSync(join(outside, name)), name)
  t.equal((await store.usage()).blobs.count, 0)
})

// What a random store is made of: blobs of some age and size, records over some of them, and who keeps what.
const plan = fc.record({
  blobs: fc.array(
    fc.record({ age: fc.nat(30), size: fc.nat(20_000), isPinned: fc.boolean(), isTrashed: fc.boolean() }),
    { maxLength: 12 },
  ),
  records: fc.array(
    fc.record({
      outputs: fc.array(fc.nat(11), { maxLength: 3 }),
      delay: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    {
      maxLength: 8,
    },
  ),
  share: fc.double({ min: 0, max: 1.2, noNaN: true }),
  graceMs: fc.constantFrom(0, 2 * HOUR_MS, 10 * HOUR_MS),
  maxAgeMs: fc.constantFrom(Infinity, 5 * HOUR_MS, 20 * HOUR_MS),
  hasLease: fc.boolean(),
})

t.test(
  'R22: for any store, what a dry run names is what goes; the budget holds, and hits are whole',
  async (t) => {
    let number = 0
    await fc.assert(
      fc.asyncProperty(plan, async ({ blobs, records, share, graceMs, maxAgeMs, hasLease }) => {
        const { store, directory } = await open(t, {}, `any-${(number += 1)}`)
        const digests: Digest[] = []
        for (const [at, blob] of blobs.entries()) {
          digests.push(await put(store, `${at}`.padEnd(blob.size), blob.age + 0.25))
        }
        const pinned = digests.filter((_, at) => blobs[at]!.isPinned)
        await store.pins.pin('a', pinned)
        for (const [at, digest] of digests.entries()) age(store, digest, blobs[at]!.age + 0.25)
        for (const [at, { outputs, delay }] of records.entries()) {
          // Used at most an hour after the oldest of its outputs, as a hit would leave it.
          const named = outputs.filter((each) => each < digests.length)
          const oldest = Math.max(0.25, ...named.map((each) => blobs[each]!.age + 0.25))
          // Never so near to a limit that the time between two runs matters.
          const used = Math.max(0.03, oldest - Math.floor(delay * 10) / 10 - 0.03)
          const key = await record(
            store,
            `key ${at}`,
            named.map((each) => digests[each]!),
            used,
          )
          age(store, key, used)
          for (const each of named) age(store, digests[each]!, blobs[each]!.age + 0.25)
        }
        for (const [at, digest] of digests.entries()) {
          if (!blobs[at]!.isTrashed) continue
          const name = `blobs~sha256~${hexOf(digest)}~${'f'.repeat(32)}`
          renameSync(pathOf(store, digest), join(directory, 'trash', name))
        }
        const lease = hasLease ? await store.pins.lease() : undefined

        const { bytes } = (await store.usage()).total
        const policy = { maxBytes: Math.floor(bytes * share), graceMs, maxAgeMs }
        const before = snapshot(directory)
        const named = new Set<string>()
        const onProgress = (event: CollectionEvent): void => {
          if (event.kind === 'remove')
            named.add(event.path.replace(/^trash\/blobs~sha256~([0-9a-f]+)~.*/, 'blobs/sha256/$1'))
        }
        const dry = await store.collect(policy, { dryRun: true, onProgress })
        t.strictSame(snapshot(directory), before, 'a dry run changes nothing')
        const gone = new Set(named)
        named.clear()
        const report = await store.collect(policy, { onProgress })
        t.strictSame({ ...report, dryRun: true }, dry)
        t.strictSame([...named].toSorted(), [...gone].toSorted())
        for (const name of gone) t.notOk(existsSync(join(directory, name)), `${name} is gone`)
        await lease?.release()

        t.ok(report.overBudget || report.after.bytes <= policy.maxBytes)
        if (report.overBudget) {
          const { removed } = await store.collect({ ...policy, maxBytes: 0 }, { dryRun: true })
          if (!hasLease)
            t.strictSame([removed.blobs.count, removed.records.count], [0, 0], 'nothing more could go')
        }
        for (const digest of pinned) t.ok(has(store, digest), 'what is pinned stays')
        for (const [at, digest] of digests.entries()) {
          if ((blobs[at]!.age + 0.5) * HOUR_MS < graceMs) t.ok(has(store, digest), 'what is recent stays')
        }
        for (const scope of readdirSync(join(directory, 'ac'))) t.equal(scope, 'main')
        for (const at of records.keys()) {
          const key = digestOf(utf8(`key ${at}`))
          const file = join(directory, 'ac/main', hexOf(key).slice(0, 2), hexOf(key))
          if (existsSync(file)) t.ok(await store.actions.get(key, ['main']), 'no record dangles')
        }
      }),
      { numRuns: 40 },
    )
  },
)

t.test('48: the budget holds while a store is written, and what was used last is there', async (t) => {
  const maxBytes = 600_000
  const { store } = await open(t, { limits: { maxBytes, graceMs: 0 } })
  const outcomes = new Set<string>()
  let last: Digest | undefined
  for (let number = 0; number < 150; number += 1) {
    const bytes = utf8(`${number}`.padEnd((number % 7) * 3000 + 1))
    last = digestOf(bytes)
    outcomes.add(await store.blobs.put(last, bytesSource(bytes)))
    if (number % 10 === 0) t.ok((await store.usage()).total.bytes <= maxBytes, `after ${number}`)
    // Files of one tick are of the same age.
    age(store, last, 1 - number / 1000)
  }
  t.strictSame([...outcomes], ['stored'])
  t.ok(has(store, last!))
})

t.test('48: what finds no room is skipped, costs nothing, and leaves nothing behind', async (t) => {
  const { store, directory } = await open(t, { limits: { maxBytes: 300_000 } })
  const small = await put(store, 'small', 0)
  const large = new Uint8Array(400_000)
  t.equal(await store.blobs.put(digestOf(large), bytesSource(large)), 'skipped', 'larger than the budget')
  let opened = 0
  const unknown = streamSource(() => {
    opened += 1
    return [large.subarray(0, 200_000), large.subarray(200_000)]
  })
  t.equal(await store.blobs.put(digestOf(large), unknown), 'skipped', 'as it turns out to be')
  t.equal(opened, 1)
  t.strictSame(readdirSync(join(directory, 'ingest')), [])
  t.ok(has(store, small), 'nothing was evicted that is recent')

  const outcomes: string[] = []
  for (let number = 0; number < 60; number += 1) {
    const bytes = utf8(`${number}`.padEnd(9000))
    outcomes.push(await store.blobs.put(digestOf(bytes), bytesSource(bytes)))
  }
  t.equal(outcomes[0], 'stored')
  t.equal(outcomes.at(-1), 'skipped')
  t.ok((await store.usage()).total.bytes <= 300_000)
  const first = utf8('0'.padEnd(9000))
  t.equal(
    await store.blobs.put(digestOf(first), bytesSource(first)),
    'existed',
    'what is there needs no room',
  )
  const upload = await store.blobs.ingest('upload')
  await t.rejects(upload.write(new Uint8Array(20_000)), { code: 'ERR_CACHE_STORE_FULL' })
  t.equal(upload.offset, 0)

  const freed = utf8('1'.padEnd(9000))
  t.equal(await store.blobs.delete(digestOf(freed)), true)
  const fits = utf8('fits')
  t.equal(await store.blobs.put(digestOf(fits), bytesSource(fits)), 'stored', 'what is deleted makes room')
  await upload.write(utf8('a'))
  t.equal(upload.offset, 1)
  await upload.abort()
})

t.test('48: records need room, too, and are skipped without', async (t) => {
  const { store } = await open(t, { limits: { maxBytes: 200_000 } })
  const outcomes = []
  for (let number = 0; number < 60; number += 1) {
    const key = digestOf(utf8(`${number}`))
    outcomes.push(await store.actions.put(recordOf(key, []), { scope: 'main' }))
  }
  t.equal(outcomes[0], 'created')
  t.equal(outcomes.at(-1), 'skipped')
  t.ok((await store.usage()).total.bytes <= 200_000)
})

t.test('48: all who share a store share its budget', async (t) => {
  const limits = { maxBytes: 500_000, graceMs: 0 }
  const { store: first, directory } = await open(t, { limits })
  const others = await Promise.all(
    [1, 2].map(() => createLocalStore({ directory, durability: 'rename', limits })),
  )
  const stores = [first, ...others]
  for (let round = 0; round < 40; round += 1) {
    await Promise.all(
      stores.map(async ({ blobs }, number) => {
        const bytes = utf8(`${round} ${number}`.padEnd(6000))
        t.match(await blobs.put(digestOf(bytes), bytesSource(bytes)), /stored|skipped/)
      }),
    )
    t.ok((await first.usage()).total.bytes <= limits.maxBytes, `after ${round}`)
  }
})

t.test('the shared sum is counted again when it is lost or damaged', async (t) => {
  for (const damage of ['', '\0'.repeat(20), '+12', 'x\n', `+${'9'.repeat(30)}\n`, '+1\n'.repeat(400_000)]) {
    const { store, directory } = await open(t, { limits: { maxBytes: 300_000 } }, `sum-${damage.length}`)
    const path = join(directory, 'usage')
    await put(store, 'one', 0)
    writeFileSync(path, damage)
    const again = await createLocalStore({ directory, durability: 'rename', limits: { maxBytes: 300_000 } })
    await again.blobs.put(digestOf(utf8('two')), bytesSource(utf8('two')))
    const sum = readFileSync(path, 'utf8')
      .split('\n')
      .reduce((all, line) => all + Number(line), 0)
    const { bytes } = (await again.usage()).total
    t.ok(sum >= bytes - 8192 && sum < bytes + 65_536, `${sum} for ${bytes}`)
  }
})

t.test('without a greatest size nothing is kept account of', async (t) => {
  const { store, directory } = await open(t, { limits: { maxBytes: Infinity } })
  await put(store, 'one', 0)
  t.notOk(existsSync(join(directory, 'usage')))
})

t.test('48: the space that is to be left free is left by writes', async (t) => {
  const { store } = await open(t, { limits: { minFreeBytes: Number.MAX_SAFE_INTEGER } })
  const bytes = utf8('one')
  t.equal(await store.blobs.put(digestOf(bytes), bytesSource(bytes)), 'skipped')
})

t.test('a store of before gets what it lacks', async (t) => {
  const { store: before, directory } = await open(t)
  const digest = await put(before, 'old', 0)
  for (const name of ['pins', 'leases', 'flight', 'trash']) rmdirSync(join(directory, name))
  const reader = await createLocalStore({ directory, readOnly: true })
  t.strictSame(await reader.pins.list(), [])
  t.equal((await reader.collect({}, { dryRun: true })).before.count, 5)
  const store = await createLocalStore({ directory })
  for (const name of ['pins', 'leases', 'flight', 'trash']) t.ok(existsSync(join(directory, name)), name)
  t.equal((await store.blobs.missing([digest])).size, 0)
})

const none = { count: 0, bytes: 0 }
const roots = new WeakMap<LocalStore, string>()

/** Each name is a store of its own, in the directory of the test. */
async function open(
  t: Test,
  options: Partial<LocalStoreOptions> = {},
  name = 'store',
): Promise<{ readonly store: LocalStore; readonly directory: string }> {
  const directory = join(existsSync(t.testdirName) ? t.testdirName : t.testdir(), name)
  const store = await createLocalStore({ directory, durability: 'rename', ...options })
  roots.set(store, directory)
  return { store, directory }
}

/** Stores a text that was used so many hours ago. */
async function put(store: LocalStore, content: string, hours: number): Promise<Digest> {
  const digest = digestOf(utf8(content))
  await store.blobs.put(digest, bytesSource(utf8(content)))
  age(store, digest, hours)
  return digest
}

/** Records a step whose key document is `content`, used so many hours ago; its outputs are as old as they were. */
async function record(
  store: LocalStore,
  content: string,
  outputs: readonly Digest[],
  hours: number,
): Promise<Digest> {
  const ages = outputs.map((output) => ageOf(store, output))
  const key = await put(store, content, hours)
  await store.actions.put(recordOf(key, outputs), { scope: 'main' })
  for (const [at, output] of outputs.entries()) age(store, output, ages[at]!)
  age(store, key, hours)
  setAge(join(rootOf(store), 'ac', 'main', hexOf(key).slice(0, 2), hexOf(key)), hours)
  return key
}

function recordOf(key: Digest, outputs: readonly Digest[]): ActionRecord {
  return {
    kv: 1,
    key,
    keyDoc: key,
    outputs: outputs.map((digest) => ({ ...describe('application/octet-stream', utf8('')), digest })),
    diffIDs: [],
    createdAt: '2026-01-01T00:00:00Z',
    durationMs: 0,
    builder: 'test',
  }
}

function manifestOf(content: string): string {
  return JSON.stringify({ schemaVersion: 2, layers: [{ digest: digestOf(utf8(content)) }] })
}

function rootOf(store: LocalStore): string {
  return roots.get(store)!
}

function pathOf(store: LocalStore, digest: Digest): string {
  return join(rootOf(store), 'blobs', digest.slice(0, digest.indexOf(':')), hexOf(digest))
}

function has(store: LocalStore, digest: Digest): boolean {
  return existsSync(pathOf(store, digest))
}

function age(store: LocalStore, digest: Digest, hours: number): void {
  setAge(pathOf(store, digest), hours)
}

function ageOf(store: LocalStore, digest: Digest): number {
  return (Date.now() - lstatSync(pathOf(store, digest)).mtimeMs) / HOUR_MS
}

function setAge(path: string, hours: number): void {
  const seconds = (Date.now() - hours * HOUR_MS) / 1000
  utimesSync(path, seconds, seconds)
}

function snapshot(directory: string): readonly string[] {
  return (
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      // To tell the time a file is made there and removed again.
      .filter((name) => name !== 'ingest')
      .map((name) => `${name} ${lstatSync(join(directory, name)).mtimeMs}`)
      .toSorted()
  )
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
}
