import { bytesSource, type Digest, digestOf, hexOf } from '@varve/digest'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { CollectionEvent } from '../src/collection.ts'
import type { S3Options, S3Store } from '../src/s3.ts'
import { createKeys, parseKey } from '../src/s3/keys.ts'
import { decodeRef, encodeRef } from '../src/s3/ref-document.ts'
import { failure } from './fixtures/s3-bucket.ts'
import { type S3Server, startServer } from './fixtures/s3-server.ts'
import { ALL, openStore } from './fixtures/s3-store.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

async function open(
  t: Test,
  options: Partial<S3Options> = {},
): Promise<{ server: S3Server; store: S3Store; warnings: unknown[] }> {
  const server = await startServer(t)
  const warnings: unknown[] = []
  const store = await openStore(t, server, { onWarning: (error) => void warnings.push(error), ...options })
  return { server, store, warnings }
}

async function put({ blobs }: S3Store, text: string): Promise<Digest> {
  const digest = digestOf(utf8(text))
  await blobs.put(digest, bytesSource(utf8(text)))
  return digest
}

/** A record of one output, whose blobs are stored. */
async function record(store: S3Store, name: string, scope = 'main'): Promise<Digest> {
  const [key, output] = [await put(store, `document ${name}`), await put(store, `output ${name}`)]
  const outputs = [{ mediaType: 'text/plain', digest: output, size: utf8(`output ${name}`).byteLength }]
  const createdAt = new Date().toISOString()
  await store.actions.put(
    { kv: 1, key, keyDoc: key, outputs, diffIDs: [], createdAt, durationMs: 1, builder: 'test' },
    { scope },
  )
  return key
}

/** Puts objects into the bucket without asking anybody. */
function fill(server: S3Server, digests: Iterable<Digest>): void {
  for (const digest of digests) {
    const bytes = Buffer.from(digest)
    server.bucket.objects.set(`v1/blobs/${digest.replace(':', '/')}`, {
      bytes,
      etag: '"x"',
      modified: Date.now(),
    })
  }
}

const numbered = (count: number, from = 0): Digest[] =>
  Array.from({ length: count }, (_, number) => digestOf(utf8(String(from + number))))

t.test('R13: many digests are looked for by a few lists', async (t) => {
  const { server, store } = await open(t)
  const [present, absent] = [numbered(1500), numbered(1500, 10_000)]
  fill(server, present)
  const missing = await store.blobs.missing([...present, ...absent])
  t.strictSame([...missing].toSorted(), absent.toSorted())
  const operations = server.operations()
  t.ok(operations.length < 30, `${operations.length} requests for 3,000 digests`)

  await store.blobs.missing(numbered(5))
  t.strictSame(server.operations(), Array(5).fill('HeadObject'), 'a few are asked for one by one')
})

t.test('R13: in a big bucket few digests cost no more than to ask for each', async (t) => {
  const { server, store } = await open(t)
  fill(server, numbered(20_000))
  const asked = [...numbered(20), ...numbered(20, 100_000)]
  t.equal((await store.blobs.missing(asked)).size, 20)
  const operations = server.operations()
  t.ok(operations.length <= asked.length + 1, `${operations.length} requests`)
})

t.test(
  'R13: whatever there is and is asked for, pages of any size tell it, in no more requests',
  async (t) => {
    const { server, store } = await open(t)
    const all = numbered(60).flatMap((digest, number) => [digest, digestOf(utf8(String(number)), 'sha512')])
    const some = fc.subarray(all)
    await fc.assert(
      fc.asyncProperty(some, some, fc.integer({ min: 1, max: 50 }), async (there, asked, pageSize) => {
        server.bucket.objects.clear()
        server.bucket.quirks.pageSize = pageSize
        fill(server, there)
        server.operations()
        const missing = await store.blobs.missing(asked)
        const expected = asked.filter((digest) => !there.includes(digest))
        const isRight = missing.size === expected.length && expected.every((digest) => missing.has(digest))
        return isRight && server.operations().length <= asked.length + 2
      }),
      { numRuns: 60 },
    )
  },
)

t.test('a list that is refused is not asked for again', async (t) => {
  const { server, store, warnings } = await open(t)
  fill(server, numbered(20))
  server.bucket.quirks.mayNotList = true
  for (let round = 0; round < 2; round += 1) t.equal((await store.blobs.missing(numbered(30))).size, 10)
  t.equal(server.operations().filter((operation) => operation === 'ListObjectsV2').length, 1)
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED' }, { code: 'ERR_CACHE_STORE_DENIED' }])
  t.equal(warnings.length, 2, 'one of the list, one of what is not there')
})

t.test('what is used and older than a third of its time is made new, once', async (t) => {
  for (const capabilities of [ALL, { ...ALL, ifMatch: false, conditionalDelete: false } as const]) {
    const { server, store } = await open(t, { ttlMs: 3 * DAY_MS, capabilities })
    const digest = await put(store, 'hello')
    const many = numbered(20)
    fill(server, many)
    const key = await record(store, 'one')
    await store.refs.update('a', () => utf8('one'))
    const uses: ReadonlyArray<readonly [what: string, writes: number, use: () => Promise<unknown>]> = [
      ['missing, one by one', 1, () => store.blobs.missing([digest])],
      ['missing, by a list', 20, () => store.blobs.missing(many)],
      ['get', 1, () => store.blobs.get(digest)],
      ['put', 1, () => store.blobs.put(digest, bytesSource(utf8('hello')))],
      ['a record, its document and its output', 3, () => store.actions.get(key, ['main'])],
      ['a ref', 1, () => store.refs.read('a')],
    ]
    for (const [what, writes, use] of uses) {
      const count = (): number => server.operations().filter((operation) => /Put|Copy/.test(operation)).length
      server.bucket.clockOffsetMs += DAY_MS - HOUR_MS
      for (const object of server.bucket.objects.values())
        object.modified = server.bucket.now() - DAY_MS + HOUR_MS
      count()
      await use()
      t.equal(count(), 0, `${what}: nothing within a third`)
      server.bucket.clockOffsetMs += 2 * HOUR_MS
      await use()
      t.equal(count(), writes, `${what}: once after it`)
      await use()
      t.equal(count(), 0, `${what}: not again`)
    }
    t.strictSame(await store.refs.read('a'), utf8('one'))
    t.ok(await store.actions.get(key, ['main']), 'what was renewed is what it was')
  }
})

t.test('without a time to live nothing is made new', async (t) => {
  const { server, store } = await open(t)
  const digest = await put(store, 'hello')
  server.bucket.clockOffsetMs = 1000 * DAY_MS
  server.operations()
  await store.blobs.get(digest)
  t.strictSame(server.operations(), ['GetObject'])
})

t.test('what goes while it is made new is missing; what cannot be made new is used as it is', async (t) => {
  const { server, store, warnings } = await open(t, { ttlMs: DAY_MS })
  const digest = await put(store, 'hello')
  server.bucket.clockOffsetMs = DAY_MS
  server.script = ({ operation }) => (operation === 'CopyObject' ? failure(501, 'NotImplemented') : undefined)
  t.equal((await store.blobs.missing([digest])).size, 0)
  t.equal(await store.blobs.put(digest, bytesSource(utf8('hello'))), 'existed')
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_UNAVAILABLE', status: 501 }])
  t.equal(warnings.length, 1)
  server.script = ({ operation }) => (operation === 'CopyObject' ? failure(404, 'NoSuchKey') : undefined)
  t.equal((await store.blobs.missing([digest])).size, 1)
  t.equal(await store.blobs.get(digest), undefined)
  t.equal(await store.blobs.put(digest, bytesSource(utf8('hello'))), 'healed')
})

t.test('a sweep removes the oldest until the budget holds, and a record before its blobs', async (t) => {
  const { server, store } = await open(t)
  for (const name of ['old', 'middle', 'new']) {
    await record(store, name)
    server.bucket.clockOffsetMs += DAY_MS
  }
  await store.refs.update('kept', () => utf8('whatever its age'))
  const total = [...server.bucket.objects.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  const events: CollectionEvent[] = []
  const dry = await store.sweep({ maxBytes: total - 1 }, { dryRun: true })
  const before = server.seen.length
  const report = await store.sweep({ maxBytes: total - 1 }, { onProgress: (event) => events.push(event) })
  t.strictSame({ ...report, dryRun: true }, dry, 'what was said beforehand is what is done')
  t.match(report, {
    dryRun: false,
    busy: false,
    before: { count: 10, bytes: total },
    removed: { records: { count: 1 }, blobs: { count: 0 }, leftovers: { count: 0 } },
    overBudget: false,
  })

  const half = await store.sweep({ maxBytes: Math.floor(total / 2) })
  t.ok(half.after.bytes <= total / 2, `${half.after.bytes} of ${total} bytes`)
  const deleted = server.seen
    .slice(before)
    .flatMap(({ operation, key }) => (operation === 'DeleteObject' ? [key] : []))
  t.match(deleted[0], '/ac/', 'a record first')
  const names = [...server.bucket.objects.keys()]
  for (const key of names.filter((name) => name.includes('/ac/'))) {
    const named = parseKey('v1/', key)
    if (named.kind === 'record')
      t.ok(await store.actions.get(named.key, ['main']), 'a record that is left is whole')
  }
  t.ok(names.includes('v1/refs/kept'), 'refs stay')
  t.match(events, [
    { kind: 'scan', count: 10 },
    { kind: 'remove', what: 'record', path: /^ac\/main\// },
  ])
})

t.test('a sweep keeps what is young, whatever the budget, and says so', async (t) => {
  const { server, store } = await open(t)
  await put(store, 'an old one')
  server.bucket.clockOffsetMs = 2 * HOUR_MS
  await put(store, 'a new one')
  const report = await store.sweep({ maxBytes: 0 })
  t.match(report, {
    removed: { blobs: { count: 1, bytes: 10 } },
    kept: { recent: { count: 1, bytes: 9 } },
    after: { count: 1, bytes: 9 },
    overBudget: true,
  })
  t.match(await store.sweep({ maxBytes: 0, graceMs: 0 }), {
    after: { count: 0, bytes: 0 },
    overBudget: false,
  })
})

t.test('a blob is as old as the newest record that names it', async (t) => {
  const { server, store } = await open(t)
  const shared = await put(store, 'output two')
  server.bucket.clockOffsetMs = 5 * DAY_MS
  await record(store, 'two')
  server.bucket.clockOffsetMs += HOUR_MS * 2
  await store.sweep({ maxAgeMs: DAY_MS })
  t.equal((await store.blobs.missing([shared])).size, 0, 'used by a record of today')
  server.bucket.clockOffsetMs += 2 * DAY_MS
  const report = await store.sweep({ maxAgeMs: DAY_MS })
  t.match(report.removed, { records: { count: 1 }, blobs: { count: 2 } })
  t.equal(server.bucket.objects.size, 0)
})

t.test('what was renewed or made anew since the list stays', async (t) => {
  const { server, store } = await open(t)
  const digest = await put(store, 'hello')
  server.bucket.clockOffsetMs = 2 * HOUR_MS
  server.script = ({ operation }) => {
    if (operation === 'HeadObject')
      for (const object of server.bucket.objects.values()) object.modified = server.bucket.now()
    return undefined
  }
  t.match(await store.sweep({ maxBytes: 0 }), { removed: { blobs: { count: 0 } }, overBudget: true })
  server.script = () => undefined
  t.equal((await store.blobs.missing([digest])).size, 0)
})

t.test('marks, rests of probes and unfinished uploads go, and what is not ours stays', async (t) => {
  const { server, store } = await open(t)
  await store.flights!.create('main/x', utf8('one'))
  const bytes = Buffer.from('x')
  for (const key of ['v1/probe/1-canary', 'v1/something/else', 'v2/blobs/sha256/1', 'v1/ac/main/nonsense'])
    server.bucket.objects.set(key, { bytes, etag: '"x"', modified: server.bucket.now() })
  for (const key of ['v1/blobs/sha256/a', 'v1/blobs/sha256/b', 'v2/c'])
    server.bucket.uploads.set(key, { key, initiated: server.bucket.now(), parts: new Map() })
  t.match(await store.sweep({}), { removed: { leftovers: { count: 0 } } }, 'not while they are young')
  server.bucket.clockOffsetMs = 2 * HOUR_MS
  t.match(await store.sweep({}), { removed: { leftovers: { count: 2 } } })
  t.strictSame([...server.bucket.objects.keys()].toSorted(), [
    'v1/ac/main/nonsense',
    'v1/something/else',
    'v2/blobs/sha256/1',
  ])
  server.bucket.clockOffsetMs = DAY_MS + HOUR_MS
  t.match(await store.sweep({}, { dryRun: true }), { removed: { leftovers: { count: 2 } } })
  t.equal(server.bucket.uploads.size, 3, 'a dry run leaves them')
  t.match(await store.sweep({}), { removed: { leftovers: { count: 2 } } })
  t.strictSame([...server.bucket.uploads.keys()], ['v2/c'])
})

t.test('numbered versions of a ref do not pile up', async (t) => {
  const { server, store } = await open(t, {
    capabilities: { ...ALL, ifMatch: false, conditionalDelete: false },
  })
  for (let round = 1; round <= 10; round += 1) await store.refs.update('a', () => utf8(String(round)))
  t.equal(server.bucket.objects.size, 10, 'while they are young, all stay')
  server.bucket.clockOffsetMs = 2 * HOUR_MS
  await store.refs.update('a', () => utf8('last'))
  t.ok(server.bucket.objects.size <= 5, `${server.bucket.objects.size} are left`)
  t.strictSame(await store.refs.read('a'), utf8('last'))
})

t.test('keys are read back as what they were made of', async (t) => {
  const keys = createKeys('a/b')
  const digests = fc
    .constantFrom(...(['sha256', 'sha512', 'blake3'] as const))
    .map((algorithm) => digestOf(utf8('x'), algorithm))
  const scopes = fc
    .stringMatching(/^[A-Za-z0-9._-]{1,64}$/)
    .filter((scope) => scope !== '.' && scope !== '..')
  await fc.assert(
    fc.asyncProperty(digests, scopes, async (digest, scope) => {
      t.strictSame(parseKey(keys.root, keys.blob(digest)), { kind: 'blob', digest })
      t.strictSame(parseKey(keys.root, keys.record(scope, digest)), { kind: 'record', scope, key: digest })
    }),
    { numRuns: 30 },
  )
  for (const key of [
    'a/b/v1/blobs/sha256/x',
    'a/b/v1/ac/main/x',
    'a/b/v1/ac/main/x/y',
    'a/b/v1/',
    'a/b/v1/blobs/md5/00',
  ])
    t.strictSame(parseKey(keys.root, key), { kind: 'unknown' }, key)
  t.equal(keys.blob(digestOf(utf8('x'))), `a/b/v1/blobs/sha256/${hexOf(digestOf(utf8('x')))}`)
})

t.test('the bytes of a ref say which updates are in it; any other bytes are no document', async (t) => {
  const nonces = fc.array(fc.stringMatching(/^[0-9a-f]{32}$/), { minLength: 1, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      nonces,
      fc.nat(),
      async (document, [nonce = '', ...earlier], at) => {
        const bytes = encodeRef(document, nonce, earlier)
        const decoded = decodeRef(bytes)
        const isSame = decoded !== undefined && Buffer.compare(decoded.document, document) === 0
        const isKnown =
          decoded?.nonces[0] === nonce && decoded.nonces.length === Math.min(32, earlier.length + 1)
        bytes[at % bytes.byteLength]! ^= 1
        return isSame && isKnown && decodeRef(bytes) === undefined
      },
    ),
  )
  t.equal(decodeRef(new Uint8Array()), undefined)
})
