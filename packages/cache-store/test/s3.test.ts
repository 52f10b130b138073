import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bytesSource, digestOf, hexOf } from '@varve/digest'
import t from 'tap'
import { FLIGHT_TABLE_CHECKS, STORE_CHECKS } from '../src/conformance.ts'
import { createMemoryStore } from '../src/index.ts'
import { createS3Store, type S3Capabilities } from '../src/s3.ts'
import { loadSdk } from '../src/s3/sdk.ts'
import { failure, type Quirks } from './fixtures/s3-bucket.ts'
import { startServer } from './fixtures/s3-server.ts'
import { ALL, openStore } from './fixtures/s3-store.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Kind {
  readonly what: string
  readonly quirks: Partial<Quirks>
  /** What a store must find such a server able to do, where that is not everything. */
  readonly expected: Partial<S3Capabilities>
  /** Checks that have to do with it. Default: all. */
  readonly checks?: RegExp
  readonly flights?: boolean
}

const KINDS: readonly Kind[] = [
  { what: 'an honest server', quirks: {}, expected: {}, flights: true },
  {
    what: 'a server that wants tags without quotes',
    quirks: { ifMatch: 'unquoted' },
    expected: { ifMatch: 'unquoted' },
    checks: /^refs/,
  },
  {
    what: 'a server whose tags are no digests',
    quirks: { opaqueTags: true },
    expected: {},
    checks: /^(?:refs|actions)/,
  },
  {
    what: 'a server without If-Match',
    quirks: { ifMatch: false },
    expected: { ifMatch: false, conditionalDelete: false },
    checks: /^(?:refs|actions)/,
    flights: true,
  },
  {
    what: 'a server without conditions of DELETE',
    quirks: { deleteUnconditional: true },
    expected: { conditionalDelete: false },
    checks: /^refs/,
    flights: true,
  },
  {
    what: 'a server without conditions of uploads',
    quirks: { multipartUnconditional: true },
    expected: { conditionalMultipart: false },
    checks: /^blobs/,
  },
  {
    what: 'a server that takes any body',
    quirks: { trustsBodies: true },
    expected: { checksPayload: false },
    checks: /^blobs/,
  },
  {
    what: 'R17: a server that denies lists, and whatever is not there',
    quirks: { mayNotList: true },
    expected: { list: false, tellsAbsence: false },
    checks: /^(?:blobs|actions)/,
  },
  {
    what: 'R27: a server on which everybody who creates succeeds',
    quirks: { everybodyWins: true },
    expected: { atomicCreate: false, conditionalMultipart: false },
    // Without atomic writes no update of a ref is safe.
    checks: /^(?:blobs|actions)/,
  },
]

for (const { what, quirks, expected, checks = /./, flights = false } of KINDS) {
  t.test(`${what} is found out, and what it can it does right`, async (t) => {
    const server = await startServer(t, quirks)
    const { capabilities, flights: table } = await openStore(t, server, { capabilities: {} })
    t.strictSame(capabilities, { ...ALL, ...expected })
    t.strictSame([...server.bucket.objects.keys()], [], 'the probe leaves nothing')
    t.equal(server.bucket.uploads.size, 0, 'no upload either')
    t.equal(table !== undefined, capabilities.atomicCreate, 'flights, where creation is atomic')

    for (const [number, check] of STORE_CHECKS.entries()) {
      if (!checks.test(check.name)) continue
      await t.test(check.name, async (t) => {
        await check.run(await openStore(t, server, { prefix: `check/${number}`, capabilities }))
      })
    }
    for (const [number, check] of (flights ? FLIGHT_TABLE_CHECKS : []).entries()) {
      // It takes seconds, and has to do with nothing in which these servers differ.
      if (check.name.includes('grows older') && Object.keys(quirks).length > 0) continue
      await t.test(`flights: ${check.name}`, async (t) => {
        const store = await openStore(t, server, { prefix: `flight/${number}`, capabilities })
        await check.run(store.flights!)
      })
    }
    t.equal(server.pending(), 0, 'no request is left')
  })
}

t.test('R27: without atomic writes a ref is read and not updated, and what to do is said', async (t) => {
  const server = await startServer(t, { everybodyWins: true })
  const { refs } = await openStore(t, server, { capabilities: {} })
  t.equal(await refs.read('a'), undefined)
  await t.rejects(
    refs.update('a', () => utf8('one')),
    { code: 'ERR_CACHE_STORE_UNAVAILABLE', hint: /If-None-Match/ },
  )
  t.strictSame([...server.bucket.objects.keys()], [], 'nothing was written')
})

t.test('the result of a probe is remembered; what is told is not probed', async (t) => {
  const server = await startServer(t)
  await openStore(t, server, { capabilities: {} })
  t.ok(server.operations().length > 40, 'the first opening probes')
  const told = await openStore(t, server, { capabilities: { atomicCreate: false } })
  t.strictSame(told.capabilities, { ...ALL, atomicCreate: false })
  t.equal(told.flights, undefined)
  t.strictSame(
    server.operations(),
    ['ListObjectsV2'],
    'the second one only looks whether the bucket is there',
  )
  await openStore(t, server, { prefix: 'other' })
  t.strictSame(server.operations(), [], 'one that is told everything asks nothing')
})

t.test('a probe that meets failures tries again, and believes only what it has seen', async (t) => {
  const server = await startServer(t)
  let failures = 0
  server.script = ({ key, headers }) =>
    key.includes('-create') && headers['if-none-match'] === '*' && (failures += 1) <= 5
      ? failure(503, 'SlowDown')
      : undefined
  const { capabilities } = await openStore(t, server, { capabilities: {} })
  t.strictSame(capabilities, ALL)

  const ill = await startServer(t)
  ill.script = ({ key, headers }) =>
    key.includes('-create') && headers['if-none-match'] === '*' ? failure(500, 'InternalError') : undefined
  t.match((await openStore(t, ill, { capabilities: {} })).capabilities, {
    atomicCreate: false,
    ifMatch: 'quoted',
  })
})

t.test('keys are where they are said to be', async (t) => {
  const server = await startServer(t)
  const { blobs, actions, refs, flights } = await openStore(t, server, { prefix: 'team/a/' })
  const bytes = utf8('hello')
  const [sha256, sha512] = [digestOf(bytes), digestOf(bytes, 'sha512')]
  for (const digest of [sha256, sha512]) await blobs.put(digest, bytesSource(bytes))
  for (const key of [sha256, sha512]) {
    const record = {
      kv: 1,
      key,
      keyDoc: sha256,
      outputs: [],
      diffIDs: [],
      durationMs: 1,
      builder: 'test',
    } as const
    await actions.put({ ...record, createdAt: '2026-01-01T00:00:00Z' }, { scope: 'main' })
  }
  await refs.update('a/b', () => bytes)
  await flights!.create('main/x', bytes)
  t.strictSame([...server.bucket.objects.keys()].toSorted(), [
    `team/a/v1/ac/main/${hexOf(sha256)}`,
    `team/a/v1/ac/main/sha512-${hexOf(sha512)}`,
    `team/a/v1/blobs/sha256/${hexOf(sha256)}`,
    `team/a/v1/blobs/sha512/${hexOf(sha512)}`,
    'team/a/v1/flight/main/x',
    'team/a/v1/refs/a~b',
  ])
})

t.test('options that cannot be are refused', async (t) => {
  const wrong = [
    { bucket: '' },
    { prefix: '../x' },
    { prefix: 'a//b' },
    { prefix: 'ä' },
    { partSize: 1024 },
    { concurrency: 0 },
    { attempts: Number.NaN },
    { ttlMs: -1 },
  ]
  for (const options of wrong) {
    await t.rejects(createS3Store({ bucket: 'cache', ...options }), TypeError, JSON.stringify(options))
  }
})

t.test('without the SDK the package loads, and opening a store says what to install', async (t) => {
  const absent = 'no-such-package-as-this'
  await t.rejects(
    loadSdk(() => import(absent)),
    {
      code: 'ERR_CACHE_STORE_DEPENDENCY',
      hint: /npm install @aws-sdk\/client-s3/,
      cause: { message: /Cannot find/ },
    },
  )
})

t.test('ingests are collected where the caller says, and are resumed there', async (t) => {
  const server = await startServer(t)
  const directory = t.testdir()
  const first = await openStore(t, server, { spool: directory })
  const ingest = await first.blobs.ingest('upload')
  await ingest.write(utf8('hello, '))
  await first.close()
  const second = await openStore(t, server, { spool: directory })
  const resumed = await second.blobs.ingest('upload')
  t.equal(resumed.offset, 7)
  await resumed.write(utf8('layer'))
  const { digest } = await resumed.commit()
  t.equal(digest, digestOf(utf8('hello, layer')))
  t.ok(server.bucket.objects.has(`v1/blobs/sha256/${hexOf(digest)}`))
  t.notOk(existsSync(join(directory, 'blobs', 'sha256', hexOf(digest))), 'what was put is not kept twice')

  const { blobs: near } = createMemoryStore()
  const third = await openStore(t, server, { spool: near })
  const other = await third.blobs.ingest('upload')
  await other.write(utf8('for both'))
  t.equal(
    (await near.missing([(await other.commit()).digest])).size,
    0,
    'a store that was given keeps what it got',
  )
})

t.test('two ingests of the same bytes at once both succeed, and close leaves nothing behind', async (t) => {
  const server = await startServer(t)
  const directory = t.testdir()
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = directory
  t.teardown(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  const store = await openStore(t, server)
  const ingests = await Promise.all(['a', 'b', 'c'].map((ref) => store.blobs.ingest(ref)))
  for (const ingest of ingests) await ingest.write(utf8('the same'))
  server.script = () => ({ delayMs: Math.random() * 20 })
  const digests = await Promise.all(ingests.map((ingest) => ingest.commit()))
  t.equal(new Set(digests.map(({ digest }) => digest)).size, 1)
  t.equal(readdirSync(directory).length, 1)
  await store.close()
  t.strictSame(readdirSync(directory), [])
})
