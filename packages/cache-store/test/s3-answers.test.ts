import { bytesSource, digestOf, hexOf, readAll, streamSource } from '@varve/digest'
import t, { type Test } from 'tap'
import { CacheStoreError } from '../src/index.ts'
import { createS3Store, type S3Options, type S3Store } from '../src/s3.ts'
import { failure } from './fixtures/s3-bucket.ts'
import { type S3Server, startServer, type Turn } from './fixtures/s3-server.ts'
import { ALL, CREDENTIALS, openStore } from './fixtures/s3-store.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const HELLO = utf8('hello, layer')
const KEY = digestOf(HELLO)
const MIB = 1024 * 1024
const BIG = new Uint8Array(3 * MIB).map((_, at) => (at * 31) ^ (at >> 8))
const RECORD = {
  kv: 1,
  key: KEY,
  keyDoc: KEY,
  outputs: [],
  diffIDs: [],
  createdAt: '2026-01-01T00:00:00Z',
  durationMs: 1,
  builder: 'test',
} as const

const increment = (old: Uint8Array | undefined): Uint8Array =>
  utf8(String(Number(new TextDecoder().decode(old ?? utf8('0'))) + 1))

/** A server with a store on it, and the warnings of that. */
async function open(
  t: Test,
  options: Partial<S3Options> = {},
  quirks: Parameters<typeof startServer>[1] = {},
): Promise<{ server: S3Server; store: S3Store; warnings: unknown[] }> {
  const server = await startServer(t, quirks)
  const warnings: unknown[] = []
  const store = await openStore(t, server, { onWarning: (error) => void warnings.push(error), ...options })
  return { server, store, warnings }
}

/** Decides about the first so many requests of an operation. */
function first(server: S3Server, times: number, operation: string, turn: Turn, path = ''): void {
  let left = times
  server.script = (request) => {
    if (request.operation !== operation || !request.key.includes(path) || left === 0) return undefined
    left -= 1
    return turn
  }
}

async function read(store: S3Store, digest = KEY): Promise<Uint8Array | undefined> {
  const source = await store.blobs.get(digest)
  return source && readAll(source.open(), 64 * MIB)
}

t.test('R17: a read that is denied is a miss, and told once', async (t) => {
  const { server, store, warnings } = await open(t, {}, { mayNotList: true })
  t.equal(await store.blobs.get(KEY), undefined)
  t.strictSame([...(await store.blobs.missing([KEY]))], [KEY])
  t.equal(await store.actions.get(KEY, ['main']), undefined)
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED', status: 403 }])
  t.equal(warnings.length, 1)
  t.equal(await store.blobs.put(KEY, bytesSource(HELLO)), 'stored')
  const many = Array.from({ length: 20 }, (_, number) => digestOf(utf8(String(number))))
  t.equal((await store.blobs.missing([KEY, ...many])).size, 20, 'without a list, too')
  t.equal(server.pending(), 0)
})

t.test('412 after our own retry: the object decides whose it is', async (t) => {
  await t.test('a record', async (t) => {
    const { server, store } = await open(t)
    await store.blobs.put(KEY, bytesSource(HELLO))
    first(server, 1, 'PutObject', 'lose', '/ac/')
    t.equal(await store.actions.put(RECORD, { scope: 'main' }), 'created')
    t.equal(await store.actions.put(RECORD, { scope: 'main' }), 'same')
  })
  await t.test('a mark of a flight', async (t) => {
    const { server, store } = await open(t)
    first(server, 1, 'PutObject', 'lose')
    const tag = await store.flights!.create('main/a', utf8('one'))
    t.ok(tag, 'created')
    first(server, 1, 'PutObject', 'lose')
    const second = await store.flights!.replace('main/a', tag!, utf8('one'))
    t.ok(second !== undefined && second !== tag, 'replaced, by the same bytes, and the tag is another')
    t.equal(await store.flights!.create('main/a', utf8('one')), undefined, 'the same mark of another is lost')
  })
  await t.test('a ref', async (t) => {
    for (const capabilities of [ALL, { ...ALL, ifMatch: false, conditionalDelete: false } as const]) {
      const { server, store } = await open(t, { capabilities })
      for (let round = 0; round < 3; round += 1) {
        first(server, 1, 'PutObject', 'lose')
        await store.refs.update('count', increment)
      }
      t.strictSame(await store.refs.read('count'), utf8('3'))
    }
  })
  await t.test('a ref on which others have built meanwhile', async (t) => {
    const { server, store } = await open(t)
    const other = await openStore(t, server)
    await store.refs.update('count', increment)
    let tries = 0
    const second = new Promise<void>((resolve) => {
      server.script = ({ operation }) => {
        if (operation !== 'PutObject' || tries === 2) return undefined
        tries += 1
        if (tries === 1) return 'lose'
        // Our second try waits until another update is in.
        resolve()
        return { delayMs: 300 }
      }
    })
    const ours = store.refs.update('count', increment)
    await second
    await other.refs.update('count', increment)
    await ours
    t.strictSame(await store.refs.read('count'), utf8('3'), 'every update is in it once')
  })
})

t.test('a tag of one version with the bytes of another is not believed', async (t) => {
  const { server, store } = await open(t)
  await store.refs.update('count', increment)
  const [key, old] = [...server.bucket.objects][0]!
  await store.refs.update('count', increment)
  let torn = 3
  server.script = ({ operation }) => {
    if (operation !== 'GetObject' || torn === 0) return undefined
    torn -= 1
    const headers = {
      etag: server.bucket.objects.get(key)!.etag,
      'content-length': String(old.bytes.byteLength),
    }
    // Bytes that came before, one after the other.
    return { status: 200, headers, body: torn % 2 === 0 ? old.bytes : Buffer.alloc(old.bytes.byteLength) }
  }
  await store.refs.update('count', increment)
  t.equal(torn, 0)
  t.strictSame(await store.refs.read('count'), utf8('3'))

  // Where tags are no digests, a second read tells once and for all.
  const encrypted = await open(t, {}, { opaqueTags: true })
  await encrypted.store.refs.update('a', () => HELLO)
  encrypted.server.operations()
  await encrypted.store.refs.read('a')
  await encrypted.store.refs.read('a')
  t.strictSame(encrypted.server.operations(), ['GetObject', 'GetObject', 'GetObject'])
})

t.test('409: nothing was changed, so it is tried again', async (t) => {
  const { server, store } = await open(t)
  first(server, 2, 'PutObject', failure(409, 'ConditionalRequestConflict'))
  t.equal(await store.blobs.put(KEY, bytesSource(HELLO)), 'stored')
  first(server, 2, 'PutObject', failure(409, 'ConditionalRequestConflict'))
  await store.refs.update('count', increment)
  t.strictSame(await store.refs.read('count'), utf8('1'))
  server.script = ({ operation }) =>
    operation === 'PutObject' ? failure(409, 'OperationAborted') : undefined
  await t.rejects(store.blobs.put(digestOf(BIG), bytesSource(BIG)), {
    code: 'ERR_CACHE_STORE_BUSY',
    status: 409,
  })
})

t.test('404 on If-Match: the ref that was deleted meanwhile is made anew', async (t) => {
  const { server, store } = await open(t)
  await store.refs.update('count', increment)
  let isDeleted = false
  server.script = ({ operation, key }) => {
    if (operation === 'PutObject' && !isDeleted) isDeleted = server.bucket.objects.delete(key)
    return undefined
  }
  await store.refs.update('count', increment)
  t.ok(isDeleted, 'it was gone')
  t.ok(server.seen.some(({ status, operation }) => operation === 'PutObject' && status === 404))
  t.strictSame(await store.refs.read('count'), utf8('1'), 'counted from nothing')
})

t.test('304 is 412, and for a blob both mean that it is there', async (t) => {
  for (const answer of [failure(412, 'PreconditionFailed'), { status: 304 }]) {
    for (const bytes of [HELLO, BIG]) {
      const { server, store } = await open(t)
      first(server, 1, 'PutObject', answer)
      t.equal(await store.blobs.put(digestOf(bytes), bytesSource(bytes)), 'existed', String(answer.status))
    }
  }
})

t.test('429 and 503 are waited out, as long as the server asks', async (t) => {
  for (const status of [429, 503]) {
    const { server, store } = await open(t)
    first(server, 1, 'HeadObject', failure(status, 'SlowDown', { 'retry-after': '1' }))
    const started = performance.now()
    t.equal((await store.blobs.missing([KEY])).size, 1)
    t.ok(performance.now() - started >= 990, `${status}: not before`)
    t.strictSame(server.operations(), ['HeadObject', 'HeadObject'])

    first(server, 1, 'HeadObject', failure(status, 'SlowDown', { 'retry-after': '3600' }))
    await t.rejects(
      store.blobs.missing([KEY]),
      { code: 'ERR_CACHE_STORE_UNAVAILABLE', status },
      'an hour is too long',
    )
    t.strictSame(server.operations(), ['HeadObject'])
  }
})

t.test('a server that only fails is given up on, and costs fewer and fewer tries', async (t) => {
  const { server, store } = await open(t, { attempts: 2 })
  server.script = () => failure(500, 'InternalError')
  await t.rejects(store.blobs.get(KEY), { code: 'ERR_CACHE_STORE_UNAVAILABLE', status: 500 })
  t.equal(server.operations().length, 2, 'two tries at first')
  const others = Array.from({ length: 120 }, () => store.blobs.get(KEY))
  t.ok((await Promise.allSettled(others)).every(({ status }) => status === 'rejected'))
  await t.rejects(store.blobs.get(KEY), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  t.ok(server.seen.length < 225, `${server.seen.length} requests for 122 operations: one try each in the end`)
})

t.test('a download that is cut goes on where it was', async (t) => {
  const { server, store } = await open(t)
  await store.blobs.put(digestOf(BIG), bytesSource(BIG))
  const blob = (await store.blobs.get(digestOf(BIG)))!
  server.operations()
  const before = server.seen.length
  first(server, 2, 'GetObject', { cutAfter: MIB })
  t.strictSame(Buffer.compare(await readAll(blob.open(), BIG.byteLength), BIG), 0)
  const ranges = server.seen
    .slice(before)
    .map(({ headers }) => Number(/\d+/.exec(headers['range'] ?? '')![0]))
  t.equal(ranges.length, 3)
  t.equal(ranges[0], 0)
  t.ok(ranges[1]! > 0 && ranges[2]! > ranges[1]!, `from ${ranges.join(', ')}`)

  server.script = ({ operation }) => (operation === 'GetObject' ? { cutAfter: 10 } : undefined)
  await t.rejects(
    readAll(blob.open(), BIG.byteLength),
    { code: 'ERR_CACHE_STORE_UNAVAILABLE' },
    'but not for ever',
  )
  t.equal(server.seen.length - before, 3 + 4)
})

t.test('a small document that is cut is read again', async (t) => {
  const { server, store } = await open(t)
  await store.refs.update('a', () => HELLO)
  await store.blobs.put(KEY, bytesSource(HELLO))
  first(server, 1, 'GetObject', { cutAfter: 5 })
  t.strictSame(await store.refs.read('a'), new Uint8Array(HELLO))
  first(server, 1, 'GetObject', { cutAfter: 5 })
  t.strictSame(await read(store), new Uint8Array(HELLO))
})

t.test('an upload that is cut opens its source again', async (t) => {
  const { server, store } = await open(t)
  for (const turn of ['drop', 'lose'] as const) {
    let opened = 0
    const source = {
      size: BIG.byteLength,
      open: () => {
        opened += 1
        return bytesSource(BIG).open()
      },
    }
    first(server, 1, 'PutObject', turn)
    t.match(await store.blobs.put(digestOf(BIG), source), /^(?:stored|existed)$/, turn)
    t.equal(opened, 2)
    t.equal(Buffer.compare((await read(store, digestOf(BIG)))!, BIG), 0)
    await store.blobs.delete(digestOf(BIG))
  }
})

t.test('R11: a blob that goes away after a hit is missing, and no harm is done', async (t) => {
  const { server, store } = await open(t)
  await store.blobs.put(digestOf(BIG), bytesSource(BIG))
  const blob = (await store.blobs.get(digestOf(BIG)))!
  server.bucket.objects.clear()
  await t.rejects(readAll(blob.open(), BIG.byteLength), { code: 'ERR_CACHE_STORE_MISSING' })
  await t.rejects(readAll(blob.open({ start: 5, end: 10 }), BIG.byteLength), {
    code: 'ERR_CACHE_STORE_MISSING',
  })
})

t.test('damaged objects never come out, and heal', async (t) => {
  const { server, store } = await open(t)
  for (const bytes of [HELLO, BIG]) {
    const digest = digestOf(bytes)
    const key = `v1/blobs/sha256/${hexOf(digest)}`
    const damage = (change: (bytes: Buffer) => Buffer): void => {
      const object = server.bucket.objects.get(key)!
      server.bucket.objects.set(key, { ...object, bytes: change(Buffer.from(object.bytes)) })
    }
    const damages: ReadonlyArray<readonly [string, (bytes: Buffer) => Buffer, string]> = [
      ['flipped', (all) => (all.writeUInt8(all[7]! ^ 1, 7), all), 'stored'],
      ['zeroed', (all) => all.fill(0), 'stored'],
      ['shortened', (all) => all.subarray(1), 'healed'],
      ['extended', (all) => Buffer.concat([all, all]), 'healed'],
      ['emptied', () => Buffer.alloc(0), 'healed'],
    ]
    for (const [what, change, outcome] of damages) {
      await store.blobs.put(digest, bytesSource(bytes))
      damage(change)
      if (outcome === 'stored') {
        const source = await store.blobs.get(digest)
        if (source !== undefined)
          await t.rejects(readAll(source.open(), BIG.byteLength * 2), { name: 'DigestError' })
        t.notOk(server.bucket.objects.has(key), `${what}: taken out of the way`)
      }
      t.equal(await store.blobs.put(digest, bytesSource(bytes)), outcome, `${what}: ${outcome}`)
      t.equal(Buffer.compare((await read(store, digest))!, bytes), 0, `${what}: right again`)
      damage(change)
      const source = await store.blobs.get(digest)
      if (source !== undefined) await t.rejects(readAll(source.open(), BIG.byteLength * 2), Error, what)
      server.bucket.objects.delete(key)
    }
  }
})

t.test('a damaged record is a miss and a damaged ref is none; both are made anew', async (t) => {
  const { server, store } = await open(t)
  await store.blobs.put(KEY, bytesSource(HELLO))
  await store.actions.put(RECORD, { scope: 'main' })
  await store.refs.update('a', () => HELLO)
  for (const [key, object] of server.bucket.objects) {
    if (!key.includes('/blobs/'))
      server.bucket.objects.set(key, { ...object, bytes: Buffer.from('nonsense') })
  }
  t.equal(await store.actions.get(KEY, ['main']), undefined)
  t.equal(await store.refs.read('a'), undefined)
  t.equal(await store.actions.put(RECORD, { scope: 'main' }), 'created')
  await store.refs.update('a', (old) => (t.equal(old, undefined), HELLO))
  t.ok(await store.actions.get(KEY, ['main']))
  t.strictSame(await store.refs.read('a'), new Uint8Array(HELLO))
})

t.test('a store that may not write is read-only from the first 403, and told once', async (t) => {
  const { server, store, warnings } = await open(t)
  await store.blobs.put(KEY, bytesSource(HELLO))
  await store.actions.put(RECORD, { scope: 'main' })
  await store.refs.update('a', () => HELLO)
  server.bucket.quirks.mayNotWrite = true
  t.equal(await store.blobs.put(digestOf(BIG), bytesSource(BIG)), 'skipped')
  server.operations()
  t.equal(await store.blobs.put(digestOf(BIG), bytesSource(BIG)), 'skipped')
  t.equal(await store.actions.put({ ...RECORD, diffIDs: [KEY] }, { scope: 'other' }), 'skipped')
  await t.rejects(
    store.refs.update('a', () => BIG.slice(0, 5)),
    { code: 'ERR_CACHE_STORE_UNWRITABLE' },
  )
  await t.rejects(store.blobs.delete(KEY), { code: 'ERR_CACHE_STORE_UNWRITABLE' })
  const ingest = await store.blobs.ingest('upload')
  await ingest.write(utf8('other bytes'))
  await t.rejects(ingest.commit(), { code: 'ERR_CACHE_STORE_UNWRITABLE' })
  t.strictSame(server.operations(), [], 'nothing is tried any more')
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED', status: 403, hint: /s3:PutObject/ }])
  t.equal(warnings.length, 1)
  t.strictSame(await read(store), new Uint8Array(HELLO), 'reads go on')
  t.ok(await store.actions.get(KEY, ['main']))
  t.strictSame(await store.refs.read('a'), new Uint8Array(HELLO))
})

t.test('a record that is denied is skipped', async (t) => {
  const { server, store } = await open(t)
  await store.blobs.put(KEY, bytesSource(HELLO))
  server.bucket.quirks.mayNotWrite = true
  t.equal(await store.actions.put(RECORD, { scope: 'main' }), 'skipped')
})

t.test('credentials that may only read open a read-only store', async (t) => {
  const { store, warnings } = await open(t, { capabilities: {} }, { mayNotWrite: true })
  t.equal(await store.blobs.put(KEY, bytesSource(HELLO)), 'skipped')
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED' }])
  t.equal(store.flights, undefined)
})

t.test('R8: a server without room: blobs and records are skipped, and the caller goes on', async (t) => {
  const { server, store, warnings } = await open(t)
  await store.blobs.put(KEY, bytesSource(HELLO))
  for (const answer of [failure(507, 'InsufficientStorage'), failure(403, 'QuotaExceeded')]) {
    server.script = ({ operation }) =>
      ['PutObject', 'CreateMultipartUpload'].includes(operation) ? answer : undefined
    t.equal(await store.blobs.put(digestOf(BIG), bytesSource(BIG)), 'skipped')
    t.equal(await store.actions.put(RECORD, { scope: 'main' }), 'skipped')
  }
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_FULL' }])
  server.script = () => undefined
  t.equal(
    await store.blobs.put(digestOf(BIG), bytesSource(BIG)),
    'stored',
    'as soon as there is room, it goes on',
  )
})

t.test('no more requests are made than the budget allows', async (t) => {
  const { server, store } = await open(t, { requestBudget: 5 })
  for (let request = 0; request < 5; request += 1) await store.blobs.get(KEY)
  await t.rejects(store.blobs.get(KEY), { code: 'ERR_CACHE_STORE_UNAVAILABLE', hint: /requestBudget/ })
  t.equal(server.seen.length, 5)
})

t.test('a server that hangs is given up on after the time that was set', async (t) => {
  const { server, store } = await open(t, { timeoutMs: 200, attempts: 2 })
  await store.blobs.put(digestOf(BIG), bytesSource(BIG))
  const blob = (await store.blobs.get(digestOf(BIG)))!
  for (const operation of ['HeadObject', 'PutObject', 'GetObject', 'ListObjectsV2', 'DeleteObject']) {
    server.script = (request) => (request.operation === operation ? 'hang' : undefined)
    const call: Promise<unknown> = {
      HeadObject: () => store.blobs.missing([KEY]),
      PutObject: () => store.blobs.put(KEY, bytesSource(HELLO)),
      GetObject: () => readAll(blob.open(), BIG.byteLength),
      ListObjectsV2: () => store.refs.list(''),
      DeleteObject: () => store.blobs.delete(digestOf(BIG)),
    }[operation]!()
    await t.rejects(call, { code: 'ERR_CACHE_STORE_UNAVAILABLE', cause: { name: 'TimeoutError' } }, operation)
  }
})

t.test('a source may take its time', async (t) => {
  const { store } = await open(t, { timeoutMs: 150 })
  const slow = streamSource(async function* () {
    for (let at = 0; at < BIG.byteLength; at += MIB) {
      await new Promise((resolve) => setTimeout(resolve, 300))
      yield BIG.subarray(at, at + MIB)
    }
  }, BIG.byteLength)
  t.equal(await store.blobs.put(digestOf(BIG), slow), 'stored')
})

t.test('a caller who gives up gets the reason, whatever is going on', async (t) => {
  const { server, store } = await open(t)
  await store.blobs.put(digestOf(BIG), bytesSource(BIG))
  const blob = (await store.blobs.get(digestOf(BIG)))!
  server.script = () => 'hang'
  const calls: ReadonlyArray<(signal: AbortSignal) => Promise<unknown>> = [
    (signal) => store.blobs.missing([KEY], { signal }),
    (signal) => store.blobs.get(KEY, { signal }),
    (signal) => readAll(blob.open({ signal }), BIG.byteLength),
    (signal) => store.actions.get(KEY, ['main'], { signal }),
    (signal) => store.refs.update('a', () => HELLO, { signal }),
    (signal) => store.flights!.create('main/a', HELLO, { signal }),
    (signal) => store.sweep({}, { signal }),
  ]
  for (const [number, call] of calls.entries()) {
    const controller = new AbortController()
    const reason = { why: 'enough' }
    setTimeout(() => controller.abort(reason), 50)
    const error: unknown = await call(controller.signal).catch((thrown: unknown) => thrown)
    t.equal(error, reason, `call ${number}`)
  }
})

const SECRET = 'session-token-of-ours'

/** What is wrong when a store is opened: what the server says, and what the caller is told. */
const OPENINGS: ReadonlyArray<readonly [what: string, turn: Turn, code: string, hint: RegExp | undefined]> = [
  ['no such bucket', failure(404, 'NoSuchBucket'), 'ERR_CACHE_STORE_CONFIG', /Create it/],
  ['another region', failure(400, 'AuthorizationHeaderMalformed'), 'ERR_CACHE_STORE_CONFIG', /region/],
  ['another endpoint', failure(301, 'PermanentRedirect'), 'ERR_CACHE_STORE_CONFIG', /endpoint/],
  ['another server', { status: 404, body: 'Not found' }, 'ERR_CACHE_STORE_CONFIG', /endpoint/],
  ['no S3 server', { status: 200, body: '<html>Welcome!' }, 'ERR_CACHE_STORE_CONFIG', /endpoint/],
  ['an unknown key', failure(403, 'InvalidAccessKeyId'), 'ERR_CACHE_STORE_DENIED', /AWS_ACCESS_KEY_ID/],
  ['a token that expired', failure(400, 'ExpiredToken'), 'ERR_CACHE_STORE_DENIED', /expired/],
  ['everything denied', failure(403, 'AccessDenied'), 'ERR_CACHE_STORE_DENIED', /s3:GetObject/],
  ['another time', failure(403, 'RequestTimeTooSkewed'), 'ERR_CACHE_STORE_CLOCK', /clock/],
  ['failures only', failure(500, 'InternalError'), 'ERR_CACHE_STORE_UNAVAILABLE', undefined],
  [
    'a wrong secret',
    {
      status: 403,
      body: `<Error><Code>SignatureDoesNotMatch</Code><Message>No</Message><CanonicalRequest>x-amz-security-token:${SECRET}</CanonicalRequest><StringToSign>${SECRET}</StringToSign></Error>`,
    },
    'ERR_CACHE_STORE_DENIED',
    /credentials/,
  ],
]

t.test('what is wrong when a store is opened is said, with what to do, and without secrets', async (t) => {
  for (const [what, turn, code, hint] of OPENINGS) {
    const server = await startServer(t)
    server.script = () => turn
    const options = {
      bucket: 'cache',
      endpoint: server.endpoint,
      credentials: { ...CREDENTIALS, sessionToken: SECRET },
      attempts: 2,
    }
    const error = await createS3Store(options).then(
      () => undefined,
      (thrown: unknown) => thrown as CacheStoreError,
    )
    t.ok(error instanceof CacheStoreError, what)
    t.equal(error?.code, code, what)
    if (hint === undefined) t.equal(error?.hint, undefined, what)
    else t.match(error?.hint, hint, what)
    t.notMatch(allOf(error), new RegExp(`${SECRET}|testtest`), `${what}: no secret`)
  }
})

t.test('without credentials, and without a server, opening says so', async (t) => {
  const server = await startServer(t)
  const none = Object.defineProperty(new Error('Nothing found'), 'name', {
    value: 'CredentialsProviderError',
  })
  await t.rejects(
    createS3Store({ bucket: 'cache', endpoint: server.endpoint, credentials: () => Promise.reject(none) }),
    { code: 'ERR_CACHE_STORE_DENIED', hint: /AWS_ACCESS_KEY_ID/, cause: none },
  )
  await t.rejects(
    createS3Store({ bucket: 'cache', endpoint: 'http://127.0.0.1:1', credentials: CREDENTIALS, attempts: 2 }),
    { code: 'ERR_CACHE_STORE_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } },
  )
})

t.test('an answer without end is not read to its end', async (t) => {
  const { server, store } = await open(t, { attempts: 1 })
  const long = Buffer.alloc(40 * MIB, '<a>')
  server.script = ({ operation }) => {
    if (operation === 'ListObjectsV2') return { status: 200, body: long }
    return operation === 'PutObject' ? { status: 400, body: long } : undefined
  }
  await t.rejects(store.refs.list(''), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  await t.rejects(store.blobs.put(KEY, bytesSource(HELLO)), { code: 'ERR_CACHE_STORE_UNAVAILABLE' })
  server.script = ({ operation }) =>
    operation === 'GetObject'
      ? { status: 200, headers: { etag: '"x"', 'content-length': String(long.byteLength) }, body: long }
      : undefined
  t.equal(await store.refs.read('a'), undefined, 'a document that is too long is none')
  t.equal(await store.actions.get(KEY, ['main']), undefined)
  t.equal(await store.flights!.read('main/a'), undefined)
})

t.test('a clock that is wrong is learnt from the server', async (t) => {
  const server = await startServer(t)
  server.bucket.clockOffsetMs = 3_600_000
  server.script = ({ headers }) => {
    const [, year, month, day, hour, minute, second] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(
      headers['x-amz-date']!,
    )!
    const sent = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
    return Math.abs(sent - server.bucket.now()) > 900_000 ? failure(403, 'RequestTimeTooSkewed') : undefined
  }
  const store = await openStore(t, server, { capabilities: {} })
  t.equal(await store.blobs.put(KEY, bytesSource(HELLO)), 'stored')
  await store.flights!.create('main/a', HELLO)
  t.ok((await store.flights!.read('main/a'))!.ageMs < 60_000, 'ages are by the clock of the server alone')
})

/** Everything that is in an error, hidden or not. */
function allOf(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null || depth > 5) return String(value)
  return Object.getOwnPropertyNames(value)
    .map((name) => allOf((value as Record<string, unknown>)[name], depth + 1))
    .join('\n')
}
