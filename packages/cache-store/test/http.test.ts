import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { inspect } from 'node:util'
import {
  type ByteSource,
  bytesSource,
  type Digest,
  digestOf,
  digestStream,
  hexOf,
  readAll,
} from '@varve/digest'
import t, { type Test } from 'tap'
import { ACTION_CHECKS, BLOB_CHECKS, INGEST_CHECKS } from '../src/conformance.ts'
import { createHttpTier, type HttpTier, type HttpTierOptions } from '../src/http.ts'
import { type ActionRecord, type BlobStore, createMemoryRefStore } from '../src/index.ts'
import { CERTIFICATE, KEY } from './fixtures/http-certificate.ts'
import {
  type Answer,
  bodyOf,
  type CacheServer,
  type CacheServerOptions,
  startCacheServer,
} from './fixtures/http-server.ts'

/** The protocol names blobs by sha256 and by nothing else. */
const NEEDS_OTHER_ALGORITHMS = new Set([
  'every algorithm names blobs',
  'a commit checks the digest, by any algorithm, and the size',
])

/** The protocol cannot remove anything, and many servers do not either. */
const NEEDS_DELETE = new Set([
  'a big blob in chunks of any size comes back',
  'delete forgets, and says whether there was something',
  'a record is a miss while an output or the key document is absent, and a later scope answers',
  'a record whose outputs are gone does not stand in the way of another result',
])

const SERVERS: ReadonlyArray<readonly [what: string, options: CacheServerOptions]> = [
  ['a server that can do everything', {}],
  ['a server that can do little', { ranges: false, deletes: false, conditions: false, verifies: false }],
]

for (const [what, options] of SERVERS) {
  t.test(`D13: the contract, against ${what}`, async (t) => {
    const applies = ({ name }: { readonly name: string }): boolean =>
      !NEEDS_OTHER_ALGORITHMS.has(name) && (options.deletes !== false || !NEEDS_DELETE.has(name))
    for (const check of [...BLOB_CHECKS, ...INGEST_CHECKS].filter(applies)) {
      await t.test(check.name, async (t) => {
        const { blobs, server } = await start(t, options)
        await check.run(blobs)
        await allIdle(t, server)
      })
    }
    for (const check of ACTION_CHECKS.filter(applies)) {
      await t.test(check.name, async (t) => {
        const { tier, server } = await start(t, options)
        await check.run({ ...tier, refs: createMemoryRefStore() })
        await allIdle(t, server)
      })
    }
  })
}

t.test('blobs named by another algorithm are missing, and their puts are skipped', async (t) => {
  const { blobs, server } = await start(t)
  for (const algorithm of ['sha512', 'blake3'] as const) {
    const digest = digestOf(HELLO, algorithm)
    t.equal(await blobs.put(digest, bytesSource(HELLO)), 'skipped')
    t.strictSame(await blobs.missing([digest]), new Set([digest]))
    t.equal(await blobs.get(digest), undefined)
    t.equal(await blobs.delete(digest), false)
  }
  t.strictSame(server.requests, [], 'and the server is not asked')
})

t.test('a server that deletes nothing says so', async (t) => {
  const { blobs } = await start(t, { deletes: false })
  await blobs.put(digestOf(HELLO), bytesSource(HELLO))
  t.equal(await blobs.delete(digestOf(HELLO)), false)
  t.equal((await blobs.missing([digestOf(HELLO)])).size, 0)
})

t.test('requests go below the path of the url, unencoded, with their length', async (t) => {
  const { server } = await start(t)
  for (const base of [`${server.url}/pre`, `${server.url}/pre/`]) {
    server.requests.length = 0
    const tier = createHttpTier({ url: base, headers: { 'X-Team': 'red' } })
    t.teardown(() => tier.close())
    const bytes = utf8(base)
    await tier.blobs.put(digestOf(bytes), bytesSource(bytes))
    t.strictSame(await read(tier.blobs, digestOf(bytes)), bytes)
    const path = `pre/cas/${hexOf(digestOf(bytes))}`
    t.strictSame(
      server.requests.map((request) => `${request.method} ${request.path}`),
      ['HEAD', 'PUT', 'HEAD', 'GET'].map((method) => `${method} ${path}`),
    )
    for (const { headers } of server.requests) {
      t.match(headers, { 'accept-encoding': 'identity', 'x-team': 'red' })
    }
    t.match(server.requests[1]?.headers, { 'content-length': String(bytes.byteLength) })
    t.notOk('transfer-encoding' in (server.requests[1]?.headers ?? {}))
  }
})

t.test('a source of unknown size is counted first, and nothing of it is left', async (t) => {
  const spool = t.testdir()
  // What was asked for, and where temporary files go without that.
  t.intercept(process, 'env', { value: { ...process.env, TMPDIR: spool } })
  for (const options of [{ spool: join(spool, 'made') }, {}]) {
    const { blobs, server } = await start(t, {}, options)
    const bytes = patternOf(300_000)
    t.equal(await blobs.put(digestOf(bytes), { ...bytesSource(bytes), size: undefined }), 'stored')
    t.match(server.requests.at(-1)?.headers, { 'content-length': '300000' })
    const wrong = blobs.put(digestOf(HELLO), { ...bytesSource(bytes), size: undefined })
    await t.rejects(wrong, { code: 'ERR_DIGEST_MISMATCH' })
    server.fault('PUT', /./, status(507))
    const others = patternOf(1000, 2)
    t.equal(await blobs.put(digestOf(others), { ...bytesSource(others), size: undefined }), 'skipped')
  }
  t.strictSame(readdirSync(spool), ['made'])
  for (const directory of ['blobs/sha256', 'ingest']) {
    t.strictSame(readdirSync(join(spool, 'made', directory)), [])
  }
})

// Reading.

t.test('a read goes on where the connection broke', async (t) => {
  for (const ranges of [true, false]) {
    const { blobs, server } = await start(t, { ranges })
    const bytes = patternOf(500_000)
    const path = await preload(server, bytes)
    server.fault('GET', path, cutAt(bytes, 200_000))
    sameBytes(t, await read(blobs, digestOf(bytes)), bytes)
    const [first, second] = server.requests.filter((request) => request.method === 'GET')
    t.equal(first?.headers.range, undefined)
    t.match(second?.headers.range, /^bytes=\d+-$/)
    server.fault('GET', path, cutAt(bytes, 200_000))
    const source = await blobs.get(digestOf(bytes))
    sameBytes(
      t,
      await readAll(source!.open({ start: 1000, end: 400_000 }), 1e9),
      bytes.subarray(1000, 400_000),
    )
    await allIdle(t, server)
  }
})

t.test('R15: a read whose connection keeps breaking is given up on', async (t) => {
  const { blobs, server } = await start(t, {}, { attempts: 2 })
  const bytes = patternOf(500_000)
  server.fault('GET', await preload(server, bytes), cutAt(bytes, 0), 100)
  await t.rejects(read(blobs, digestOf(bytes)), {
    name: 'CacheStoreError',
    code: 'ERR_CACHE_STORE_UNAVAILABLE',
    cause: { code: 'ECONNRESET' },
  })
  t.equal(server.requests.filter((request) => request.method === 'GET').length, 2)
})

t.test('a connection that breaks after the last byte broke in time', async (t) => {
  const { blobs, server } = await start(t, {}, { attempts: 1 })
  const bytes = patternOf(5000)
  server.fault('GET', await preload(server, bytes), (_, response) => {
    response.writeHead(200, { 'transfer-encoding': 'chunked' })
    response.write(bytes, () => setTimeout(() => response.destroy(), 50))
  })
  sameBytes(t, await read(blobs, digestOf(bytes)), bytes)
})

t.test('R11: a blob that went away after it was found is a miss of its own kind', async (t) => {
  const { blobs, server } = await start(t)
  const path = await preload(server, HELLO)
  const source = await blobs.get(digestOf(HELLO))
  server.files.delete(path)
  const gone = { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_MISSING' }
  await t.rejects(readAll(source!.open(), 1e6), gone)
  await t.rejects(readAll(source!.open({ start: 2 }), 1e6), gone)
  t.equal(await blobs.get(digestOf(HELLO)), undefined)
})

t.test('wrong bytes never come out whole, are a miss afterwards, and heal', async (t) => {
  const bytes = patternOf(200_000)
  const flipped = Uint8Array.from(bytes, (byte, at) => (at === 100_000 ? byte ^ 1 : byte))
  const page = utf8('<html><h1>Welcome to the hotel</h1></html>')
  const lies: ReadonlyArray<readonly [what: string, answer: Answer, code?: string]> = [
    ['flipped', send(flipped)],
    ['truncated', send(bytes.subarray(0, 1000)), 'ERR_DIGEST_SIZE'],
    ['nothing', send(new Uint8Array()), 'ERR_DIGEST_SIZE'],
    ['a byte more', send(new Uint8Array([...bytes, 0])), 'ERR_DIGEST_SIZE'],
    ['without an end', endless, 'ERR_DIGEST_SIZE'],
    ['a web page', send(page, { 'content-type': 'text/html' }), 'ERR_DIGEST_SIZE'],
    ['compressed all the same', send(patternOf(200_000, 3), { 'content-encoding': 'gzip' })],
  ]
  for (const [what, answer, code = 'ERR_DIGEST_MISMATCH'] of lies) {
    await t.test(what, async (t) => {
      const { blobs, server } = await start(t)
      server.fault('GET', await preload(server, bytes), answer)
      const source = await blobs.get(digestOf(bytes))
      let size = 0
      const reading = async (): Promise<void> => {
        for await (const chunk of source!.open()) size += chunk.byteLength
      }
      await t.rejects(reading(), { name: 'DigestError', code })
      t.ok(size < bytes.byteLength, 'some bytes were held back')
      t.equal(await blobs.get(digestOf(bytes)), undefined)
      t.equal((await blobs.missing([digestOf(bytes)])).size, 1)
      t.equal(await blobs.put(digestOf(bytes), bytesSource(bytes)), 'healed')
      sameBytes(t, await read(blobs, digestOf(bytes)), bytes)
      await allIdle(t, server)
    })
  }
})

t.test('a part that is not the one asked for is refused, or cut', async (t) => {
  const bytes = patternOf(10_000)
  const partOf = (contentRange: string | undefined, part: Uint8Array): Answer => {
    return (_, response) => {
      response.writeHead(206, contentRange === undefined ? {} : { 'content-range': contentRange }).end(part)
    }
  }
  const { blobs, server } = await start(t)
  const path = await preload(server, bytes)
  const source = await blobs.get(digestOf(bytes))
  const readPart = (): Promise<Uint8Array> => readAll(source!.open({ start: 100, end: 200 }), 1e6)
  for (const contentRange of [undefined, 'bytes 0-99/10000', 'nonsense']) {
    server.fault('GET', path, partOf(contentRange, bytes.subarray(0, 100)))
    await t.rejects(readPart(), { code: 'ERR_CACHE_STORE_UNAVAILABLE', status: 206 })
  }
  server.fault('GET', path, partOf('bytes 100-9999/10000', bytes.subarray(100)))
  t.strictSame(await readPart(), bytes.slice(100, 200))
  server.fault('GET', path, partOf('bytes 100-149/150', bytes.subarray(100, 150)))
  await t.rejects(readPart(), { code: 'ERR_DIGEST_SIZE', expected: 200, actual: 150 })
  server.fault('GET', path, (_, response) => void response.writeHead(416).end())
  await t.rejects(readPart(), { code: 'ERR_DIGEST_SIZE' })
  await allIdle(t, server)
})

t.test('a HEAD that lies about the size does no harm', async (t) => {
  const { blobs, server } = await start(t)
  const path = await preload(server, HELLO)
  const tell = (length: number | undefined): Answer => {
    return (_, response) => {
      response.writeHead(200, length === undefined ? {} : { 'content-length': length }).end()
    }
  }
  server.fault('HEAD', path, tell(0))
  t.equal(await blobs.get(digestOf(HELLO)), undefined, 'only the empty blob is empty')
  server.fault('HEAD', path, tell(undefined))
  t.equal((await blobs.get(digestOf(HELLO)))?.size, HELLO.byteLength, 'without a length, GET tells')
  server.fault('HEAD', path, tell(5))
  t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'healed', 'other bytes by their size')
  for (const length of [5, 500]) {
    server.fault('HEAD', path, tell(length))
    const source = await blobs.get(digestOf(HELLO))
    await t.rejects(readAll(source!.open(), 1e6), { code: 'ERR_DIGEST_SIZE' })
    await blobs.put(digestOf(HELLO), bytesSource(HELLO))
  }
  server.fault('HEAD', path, tell(undefined))
  server.fault('GET', path, (_, response) => void response.writeHead(200).end(HELLO))
  await t.rejects(blobs.get(digestOf(HELLO)), { code: 'ERR_CACHE_STORE_CONFIG', status: 200 })
})

t.test('a server of web pages has nothing, and is warned of once', async (t) => {
  const { blobs, tier, server, warnings } = await start(t)
  const page: Answer = async (request, response) => {
    await bodyOf(request)
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(request.method === 'HEAD' ? undefined : '<html></html>')
  }
  for (const method of ['HEAD', 'GET']) server.fault(method, /./, page, 100)
  t.equal(await blobs.get(digestOf(HELLO)), undefined)
  t.equal((await blobs.missing([digestOf(HELLO)])).size, 1)
  t.equal(await tier.actions.get(RECORD.key, ['main']), undefined)
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_CONFIG', status: 200, hint: /url/ }])
  t.equal(warnings.length, 1)
})

// Refusals.

t.test('R17: a 403 for what is read is a miss, with one warning', async (t) => {
  const { blobs, tier, server, warnings } = await start(t)
  for (const method of ['HEAD', 'GET']) server.fault(method, /./, status(403), 100)
  t.equal(await blobs.get(digestOf(HELLO)), undefined)
  t.equal((await blobs.missing([digestOf(HELLO), digestOf(utf8('two'))])).size, 2)
  t.equal(await tier.actions.get(RECORD.key, ['main']), undefined)
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED', status: 403, hint: /credentials/ }])
  t.equal(warnings.length, 1)
  t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'stored', 'and writing goes on')
})

t.test('a 401 for what is read is an error that says what to do', async (t) => {
  const { blobs, tier, server } = await start(t)
  for (const method of ['HEAD', 'GET']) server.fault(method, /./, status(401), 100)
  const denied = { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_DENIED', status: 401, hint: /credentials/ }
  await t.rejects(blobs.get(digestOf(HELLO)), denied)
  await t.rejects(blobs.missing([digestOf(HELLO)]), denied)
  await t.rejects(tier.actions.get(RECORD.key, ['main']), denied)
  t.equal(server.requests.length, 3, 'it is not tried again')
})

t.test('writes that are refused make the cache read-only, with one warning', async (t) => {
  for (const code of [401, 403, 405]) {
    const { blobs, tier, server, warnings } = await start(t)
    const other = utf8('another')
    await preload(server, other)
    server.fault('PUT', /./, status(code), 100)
    t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'skipped')
    t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'skipped')
    t.equal(await tier.actions.put(RECORD, { scope: 'main' }), 'skipped')
    t.equal(await blobs.delete(digestOf(other)), false)
    t.equal(server.requests.filter((request) => request.method === 'PUT').length, 1)
    t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED', status: code, message: /nothing is written/ }])
    t.equal(warnings.length, 1)
    t.strictSame(await read(blobs, digestOf(other)), other, 'and reading goes on')
  }
})

t.test('a cache opened for reading is not written', async (t) => {
  const { blobs, tier, server, warnings } = await start(t, {}, { readOnly: true })
  await preload(server, HELLO)
  t.equal(await blobs.put(digestOf(utf8('new')), bytesSource(utf8('new'))), 'skipped')
  for (const mode of ['create', 'replace'] as const) {
    t.equal(await tier.actions.put(RECORD, { scope: 'main', mode }), 'skipped')
  }
  await t.rejects(tier.actions.put(RECORD, { scope: '..' }), { code: 'ERR_CACHE_STORE_NAME' })
  t.equal(await blobs.delete(digestOf(HELLO)), false)
  t.strictSame(server.requests, [], 'nor asked in vain')
  t.strictSame(await read(blobs, digestOf(HELLO)), HELLO)
  t.strictSame(warnings, [])
})

t.test('what does not fit is skipped, however big, and whenever the server says so', async (t) => {
  const big = patternOf(3 * 1024 * 1024)
  const late =
    (code: number): Answer =>
    async (request, response) => {
      if (request.headers.expect !== undefined) response.writeContinue()
      await bodyOf(request)
      await status(code)(request, response)
    }
  for (const code of [413, 507]) {
    for (const answer of [status(code), late(code)]) {
      for (const bytes of [HELLO, big]) {
        const { blobs, server, warnings } = await start(t)
        server.fault('PUT', /^cas/, answer)
        t.equal(await blobs.put(digestOf(bytes), bytesSource(bytes)), 'skipped')
        t.equal(await blobs.put(digestOf(bytes), bytesSource(bytes)), 'stored', 'the next one may fit')
        t.strictSame(warnings, [])
        await allIdle(t, server)
      }
    }
  }
  const { tier, blobs, server, warnings } = await start(t)
  server.fault('PUT', /^ac/, status(507))
  t.equal(await tier.actions.put(RECORD, { scope: 'main' }), 'skipped')
  server.fault('PUT', /^cas/, status(400), 2)
  t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'skipped')
  t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'skipped')
  t.match(
    warnings,
    [{ code: 'ERR_CACHE_STORE_CONFIG', status: 400 }],
    'what may mean it comes with a warning',
  )
  t.equal(warnings.length, 1)
})

t.test('redirects are not followed, and what they mean is said', async (t) => {
  const elsewhere = await startCacheServer(t)
  for (const code of [301, 302, 307, 308]) {
    const { blobs, server } = await start(t, {}, { credentials: { token: SECRET } })
    server.fault('HEAD', /./, (request, response) => {
      response.writeHead(code, { location: `${elsewhere.url}${request.url ?? ''}` }).end()
    })
    await t.rejects(blobs.get(digestOf(HELLO)), {
      code: 'ERR_CACHE_STORE_CONFIG',
      status: code,
      hint: /redirect/,
    })
  }
  t.strictSame(elsewhere.requests, [])
})

t.test('an explanation without an end is not read to it', async (t) => {
  const { blobs, server } = await start(t, {}, { attempts: 2 })
  const explain =
    (code: number): Answer =>
    async (_, response) => {
      response.writeHead(code)
      await flood(response)
    }
  await preload(server, HELLO)
  for (const code of [400, 404, 503]) {
    const source = await blobs.get(digestOf(HELLO))
    server.fault('GET', /./, explain(code), 2)
    await t.rejects(readAll(source!.open(), 1e6), { name: 'CacheStoreError' })
    if (code !== 503) await t.resolves(readAll(source!.open(), 1e6).catch(() => undefined))
  }
  await allIdle(t, server)
})

t.test('a url that leads to no cache is a mistake in the configuration', async (t) => {
  const { blobs, server } = await start(t)
  for (const code of [404, 409]) {
    server.fault('PUT', /./, status(code))
    await t.rejects(blobs.put(digestOf(HELLO), bytesSource(HELLO)), {
      code: 'ERR_CACHE_STORE_CONFIG',
      status: code,
    })
  }
  server.fault('HEAD', /./, status(400))
  await t.rejects(blobs.missing([digestOf(HELLO)]), { code: 'ERR_CACHE_STORE_CONFIG', status: 400 })
  server.fault('GET', /./, status(400))
  await preload(server, HELLO)
  await t.rejects(read(blobs, digestOf(HELLO)), { code: 'ERR_CACHE_STORE_CONFIG', status: 400 })
})

// Trouble that passes, or does not.

t.test('R15: what may pass is tried again, with the source opened anew', async (t) => {
  const bytes = patternOf(400_000)
  const cut: Answer = (request) => {
    if (request.method === 'PUT') request.once('data', () => request.socket.destroy())
    else request.socket.destroy()
  }
  const troubles: ReadonlyArray<readonly [what: string, answer: Answer]> = [
    ['a connection that breaks', cut],
    ...[408, 429, 500, 502, 503, 504].map((code) => [String(code), status(code)] as const),
  ]
  // All at once: they spend their time waiting.
  await Promise.all(
    troubles.map(async ([what, answer]) => {
      const { blobs, server } = await start(t)
      for (const method of ['HEAD', 'PUT', 'GET']) server.fault(method, /./, answer)
      let opened = 0
      const source: ByteSource = {
        size: bytes.byteLength,
        open: (options) => {
          opened += 1
          return bytesSource(bytes).open(options)
        },
      }
      t.equal(await blobs.put(digestOf(bytes), source), 'stored', what)
      t.equal(opened, 2)
      sameBytes(t, await read(blobs, digestOf(bytes)), bytes)
      t.equal(server.requests.length, 7, 'twice a HEAD, a PUT and a GET, and one more HEAD')
    }),
  )
})

t.test('R15: what does not pass is an error that says so, after as many attempts', async (t) => {
  const { blobs, tier, server } = await start(t, {}, { attempts: 2 })
  const gone = { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_UNAVAILABLE' }
  for (const method of ['HEAD', 'GET', 'PUT', 'DELETE']) server.fault(method, /./, status(503), 100)
  await t.rejects(blobs.missing([digestOf(HELLO)]), { ...gone, status: 503 })
  await t.rejects(blobs.get(digestOf(HELLO)), { ...gone, status: 503 })
  await t.rejects(blobs.put(digestOf(HELLO), bytesSource(HELLO)), { ...gone, status: 503 })
  await t.rejects(blobs.delete(digestOf(HELLO)), { ...gone, status: 503 })
  await t.rejects(tier.actions.get(RECORD.key, ['main']), { ...gone, status: 503 })
  await t.rejects(tier.actions.put(RECORD, { scope: 'main' }), { ...gone, status: 503 })
  t.equal(server.requests.length, 12)
  await server.close()
  await t.rejects(blobs.get(digestOf(HELLO)), { ...gone, cause: { code: 'ECONNREFUSED' } })
})

t.test('Retry-After is waited for, as seconds and as a date, but not for long', async (t) => {
  const { blobs, server } = await start(t)
  await preload(server, HELLO)
  for (const after of ['1', () => new Date(Date.now() + 2000).toUTCString()]) {
    server.fault('HEAD', /./, (_, response) => {
      response.writeHead(429, { 'retry-after': typeof after === 'string' ? after : after() }).end()
    })
    const began = performance.now()
    t.equal((await blobs.get(digestOf(HELLO)))?.size, HELLO.byteLength)
    t.ok(performance.now() - began >= 990, 'not sooner than asked')
  }
  server.requests.length = 0
  server.fault('HEAD', /./, (_, response) => void response.writeHead(503, { 'retry-after': '3600' }).end())
  await t.rejects(blobs.get(digestOf(HELLO)), { code: 'ERR_CACHE_STORE_UNAVAILABLE', status: 503 })
  t.equal(server.requests.length, 1, 'a build does not wait for an hour')
})

t.test('R15: a server that is silent is given up on', async (t) => {
  const silence: Answer = () => undefined
  const late = { code: 'ERR_CACHE_STORE_UNAVAILABLE', message: /took too long/, cause: { code: 'ETIMEDOUT' } }
  const bytes = patternOf(3 * 1024 * 1024)
  const limits = { timeoutMs: 150, attempts: 2 }

  await t.test('before it answers', async (t) => {
    const { blobs, tier, server } = await start(t, {}, limits)
    for (const method of ['HEAD', 'GET', 'PUT']) server.fault(method, /./, silence, 100)
    await t.rejects(blobs.get(digestOf(HELLO)), late)
    await t.rejects(tier.actions.get(RECORD.key, ['main']), late)
    t.equal(server.requests.length, 4)
  })
  await t.test('in the middle of a header', async (t) => {
    const { blobs, server } = await start(t, {}, limits)
    const drip: Answer = (_, response) => {
      response.socket?.write('HTTP/1.1 200 OK\r\nX: ')
      const timer = setInterval(() => response.socket?.write('x'), 40)
      response.socket?.once('close', () => clearInterval(timer))
    }
    server.fault('HEAD', /./, drip, 100)
    await t.rejects(blobs.get(digestOf(HELLO)), late)
  })
  await t.test('in the middle of a blob', async (t) => {
    const { blobs, server } = await start(t, {}, limits)
    const stall: Answer = (_, response) => {
      response.writeHead(200, { 'content-length': bytes.byteLength })
      response.write(bytes.subarray(0, 1000))
    }
    server.fault('GET', await preload(server, bytes), stall, 100)
    await t.rejects(read(blobs, digestOf(bytes)), late)
  })
  await t.test('with an entry that drips in', async (t) => {
    const { tier, server } = await start(t, {}, limits)
    const drip: Answer = (_, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('x'), 40)
      response.once('close', () => clearInterval(timer))
    }
    server.fault('GET', /^ac/, drip, 100)
    await t.rejects(tier.actions.get(RECORD.key, ['main']), late)
  })
  await t.test('while it is sent something', async (t) => {
    const { blobs, server } = await start(t, {}, limits)
    const deaf: Answer = (_, response) => response.writeContinue()
    server.fault('PUT', /./, deaf, 100)
    const huge = { size: 1024 ** 3, open: () => repeated(bytes, 400) }
    await t.rejects(blobs.put(digestOf(HELLO), huge), late)
  })
  await t.test('but it may take its time when we do', async (t) => {
    const { blobs, server } = await start(t, {}, { ...limits, attempts: 1 })
    await preload(server, bytes)
    const source = await blobs.get(digestOf(bytes))
    let size = 0
    for await (const chunk of source!.open()) {
      if (size === 0) await new Promise((resolve) => setTimeout(resolve, 400))
      size += chunk.byteLength
    }
    t.equal(size, bytes.byteLength, 'a slow reader')
    const slow = {
      size: HELLO.byteLength,
      async *open() {
        await new Promise((resolve) => setTimeout(resolve, 400))
        yield HELLO
      },
    }
    t.equal(await blobs.put(digestOf(HELLO), slow), 'stored', 'a slow source')
  })
})

t.test('a server that knows nothing of 100-continue gets the bytes all the same', async (t) => {
  const { blobs, server } = await start(t)
  const bytes = patternOf(2 * 1024 * 1024)
  server.fault('PUT', /./, async (request, response) => {
    const body = await bodyOf(request)
    response.writeHead(body.byteLength === bytes.byteLength ? 200 : 400).end()
  })
  t.equal(await blobs.put(digestOf(bytes), bytesSource(bytes)), 'stored')
  server.fault('PUT', /./, status(417))
  const others = patternOf(2 * 1024 * 1024, 5)
  t.equal(await blobs.put(digestOf(others), bytesSource(others)), 'stored', 'also when it says so')
  t.equal(server.requests.at(-1)?.headers.expect, undefined)
})

t.test('a server that thanks for half of the bytes has stored nothing', async (t) => {
  const { blobs, server } = await start(t)
  const bytes = patternOf(5 * 1024 * 1024)
  server.fault('PUT', /./, status(200))
  await t.rejects(blobs.put(digestOf(bytes), bytesSource(bytes)), {
    code: 'ERR_CACHE_STORE_UNAVAILABLE',
    status: 200,
    message: /before all of it was sent/,
  })
})

t.test('a source that fails is not tried again, and its error comes out untouched', async (t) => {
  const { blobs, server } = await start(t)
  const failure = Object.assign(new Error('The disk is broken'), { code: 'ECONNRESET' })
  let opened = 0
  const source = {
    size: 3_000_000,
    async *open() {
      opened += 1
      yield patternOf(2_000_000)
      throw failure
    },
  }
  const error: unknown = await blobs.put(digestOf(HELLO), source).catch((reason: unknown) => reason)
  t.equal(error, failure)
  t.equal(opened, 1)
  t.equal(server.files.size, 0)
})

// Aborts.

t.test('an abort ends every kind of waiting with its reason', async (t) => {
  const reason = { why: 'enough' }
  const silence: Answer = () => undefined
  const deaf: ByteSource = {
    size: 10,
    // A source that never ends, and knows nothing of signals.
    open: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
  }
  type Operation = (tier: HttpTier, signal: AbortSignal) => Promise<unknown>
  const operations: ReadonlyArray<readonly [what: string, operation: Operation]> = [
    ['missing', ({ blobs }, signal) => blobs.missing([digestOf(HELLO)], { signal })],
    ['get', ({ blobs }, signal) => blobs.get(digestOf(HELLO), { signal })],
    ['delete', ({ blobs }, signal) => blobs.delete(digestOf(HELLO), { signal })],
    ['a record', ({ actions }, signal) => actions.get(RECORD.key, ['main'], { signal })],
    ['a new record', ({ actions }, signal) => actions.put(RECORD, { scope: 'main', signal })],
    [
      'a replaced record',
      ({ actions }, signal) => actions.put(RECORD, { scope: 'main', mode: 'replace', signal }),
    ],
  ]
  for (const answer of [silence, status(503)]) {
    for (const [what, operation] of operations) {
      const { tier, server } = await start(t, {}, { attempts: 100, concurrency: 1 })
      for (const method of ['HEAD', 'GET', 'PUT', 'DELETE']) server.fault(method, /./, answer, 1000)
      const controllers = [new AbortController(), new AbortController()]
      const running = controllers.map(({ signal }) =>
        operation(tier, signal).catch((error: unknown) => error),
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
      for (const controller of controllers.toReversed()) controller.abort(reason)
      t.strictSame(await Promise.all(running), [reason, reason], `${what}, under way and in the queue`)
    }
  }
  const { blobs } = await start(t)
  const putting = new AbortController()
  const put = blobs.put(digestOf(HELLO), deaf, { signal: putting.signal })
  setTimeout(() => putting.abort(reason), 50)
  t.equal(await put.catch((error: unknown) => error), reason, 'a put from a source that hangs')
  const counting = new AbortController()
  const uncounted = {
    size: undefined,
    async *open() {
      yield patternOf(1000)
      counting.abort(reason)
      yield patternOf(1000)
    },
  }
  const counted = blobs.put(digestOf(HELLO), uncounted, { signal: counting.signal })
  t.equal(await counted.catch((error: unknown) => error), reason, 'a put of unknown size')
})

// Records.

t.test('an entry is an ActionResult that names every blob of the record', async (t) => {
  const { tier, server } = await start(t)
  await recordIn(tier)
  const [path] = [...server.files.keys()].filter((name) => name.startsWith('ac/'))
  const text = Buffer.from(server.files.get(path!)!).toString('latin1')
  for (const digest of [RECORD.keyDoc, ...RECORD.outputs.map((output) => output.digest)]) {
    t.ok(text.includes(hexOf(digest)))
  }
  // What a server holds must be found by the next version, too.
  t.equal(path, 'ac/f06b91f6d60cc51032af31b730cf0228f69b49654c9bcce8bc1185cc7f777ddb')
})

t.test('R19: an entry counts only under the key and scope it was written for', async (t) => {
  const { tier, server } = await start(t)
  await recordIn(tier, 'pr-17')
  const [[path, entry] = []] = [...server.files].filter(([name]) => name.startsWith('ac/'))
  await recordIn(tier, 'main')
  const main = [...server.files.keys()].find((name) => name.startsWith('ac/') && name !== path)
  t.ok(main !== undefined, 'scopes have entries of their own')
  server.files.set(main!, entry!)
  t.equal(await tier.actions.get(RECORD.key, ['main']), undefined, 'a copy from another scope is a miss')
  t.strictSame((await tier.actions.get(RECORD.key, ['pr-17']))?.outputs, RECORD.outputs)
})

t.test('D12: with a verifier, records without its signature are misses', async (t) => {
  const { tier, server } = await start(t)
  await recordIn(tier)
  const verifier = { verify: async () => false }
  const strict = tierFor(t, { url: server.url, trust: { verifier } })
  t.equal(await strict.actions.get(RECORD.key, ['main']), undefined)
  t.equal(await strict.actions.put(RECORD, { scope: 'main' }), 'created', 'and do not stand in the way')
})

t.test('an entry that is damaged or of somebody else is a miss, and is replaced', async (t) => {
  const entries: ReadonlyArray<readonly [what: string, entry: Uint8Array]> = [
    ['nothing', new Uint8Array()],
    ['no message', utf8('<html>')],
    ['another record', new Uint8Array([0x2a, 3, 1, 2, 3])],
    ['an action that failed', new Uint8Array([0x20, 1])],
    ['larger than any', new Uint8Array(9 * 1024 * 1024)],
  ]
  for (const [what, entry] of entries) {
    const { tier, server } = await start(t)
    await recordIn(tier)
    const path = [...server.files.keys()].find((name) => name.startsWith('ac/'))!
    server.files.set(path, entry)
    t.equal(await tier.actions.get(RECORD.key, ['main']), undefined, what)
    server.fault('GET', /^ac/, (_, response) => void response.writeHead(200).end(entry))
    t.equal(await tier.actions.get(RECORD.key, ['main']), undefined, `${what}, of unknown size`)
    t.equal(await tier.actions.put(RECORD, { scope: 'main' }), 'created')
    t.strictSame((await tier.actions.get(RECORD.key, ['main']))?.outputs, RECORD.outputs)
    await allIdle(t, server)
  }
})

t.test('an entry whose connection breaks is asked for again', async (t) => {
  const { tier, server } = await start(t)
  await recordIn(tier)
  server.fault('GET', /^ac/, cutAt(patternOf(1000), 500))
  t.strictSame((await tier.actions.get(RECORD.key, ['main']))?.outputs, RECORD.outputs)
})

t.test('R27: where the server honours conditions, of many clients one creates the record', async (t) => {
  const { tier, server } = await start(t)
  const other = { ...RECORD, diffIDs: [digestOf(utf8('another'))] }
  await putBytes(tier.blobs, KEY_DOCUMENT)
  await putBytes(tier.blobs, LAYER)
  // All of them look before anybody writes.
  let looked = 0
  const together = resolvers()
  server.fault(
    'HEAD',
    /^ac/,
    async (request, response) => {
      looked += 1
      if (looked === 8) together.resolve()
      await together.promise
      await server.honestly(request, response)
    },
    8,
  )
  const clients = Array.from({ length: 8 }, () => createHttpTier({ url: server.url }))
  const outcomes = await Promise.all(
    clients.map(({ actions }, number) => actions.put(number % 2 === 0 ? RECORD : other, { scope: 'main' })),
  )
  await Promise.all(clients.map((client) => client.close()))
  t.equal(outcomes.filter((outcome) => outcome === 'created').length, 1)
  t.equal(outcomes.filter((outcome) => outcome === 'conflict').length, 4)
  t.equal(outcomes.filter((outcome) => outcome === 'same').length, 3)
})

t.test('a record may name blobs that only other tiers have', async (t) => {
  const { tier } = await start(t)
  const record: ActionRecord = {
    ...RECORD,
    outputs: [{ mediaType: 'application/octet-stream', digest: digestOf(LAYER, 'sha512'), size: 1 }],
  }
  t.equal(await tier.actions.put(record, { scope: 'main' }), 'created')
  t.equal(await tier.actions.get(RECORD.key, ['main']), undefined)
  const elsewhere = { blobs: { missing: async () => new Set<Digest>() } }
  t.match(await tier.actions.get(RECORD.key, ['main'], elsewhere), { outputs: record.outputs })
})

// Connections.

t.test('R18: sockets and questions are bounded, and given back', async (t) => {
  const { blobs, tier, server } = await start(t, { ranges: false }, { concurrency: 2 })
  const bytes = patternOf(3_000_000)
  await preload(server, bytes)
  let [asking, most] = [0, 0]
  const count: Answer = async (request, response) => {
    asking += 1
    most = Math.max(most, asking)
    await new Promise((resolve) => setTimeout(resolve, 2))
    asking -= 1
    await server.honestly(request, response)
  }
  server.fault('HEAD', /./, count, 1000)
  const digests = Array.from({ length: 100 }, (_, number) => digestOf(utf8(String(number))))
  t.equal((await blobs.missing([...digests, ...digests, digestOf(bytes)])).size, 100)
  t.equal(server.requests.length, 101, 'each digest is asked for once')
  t.equal(most, 2)
  const source = await blobs.get(digestOf(bytes))
  for (let round = 0; round < 8; round += 1) {
    for await (const _ of source!.open()) break
    for await (const _ of source!.open({ start: 10, end: 20 }));
  }
  await allIdle(t, server)
  t.ok(server.sockets.size <= 6, `${server.sockets.size} sockets`)
  await tier.close()
  await until(() => server.sockets.size === 0)
  const closed = { code: 'ERR_CACHE_STORE_UNAVAILABLE', message: /closed/ }
  await t.rejects(blobs.get(digestOf(bytes)), closed)
  await t.rejects(blobs.ingest('upload'), closed)
})

t.test('R18: one request after the other goes through one connection', async (t) => {
  const { blobs, tier, server } = await start(t)
  const opened = new Set<unknown>()
  const bytes = patternOf(200_000)
  const note = (): void => {
    for (const socket of server.sockets) opened.add(socket)
  }
  await recordIn(tier)
  note()
  server.fault('HEAD', /./, status(404))
  await blobs.put(digestOf(bytes), bytesSource(bytes))
  note()
  await read(blobs, digestOf(bytes))
  const source = await blobs.get(digestOf(bytes))
  await readAll(source!.open({ start: 1000, end: 2000 }), 1e6)
  note()
  await tier.actions.get(RECORD.key, ['main'])
  note()
  // A record asks for its two blobs at once.
  t.ok(opened.size <= 2, `${opened.size} connections`)
})

t.test('a small reply that is not read to its end gives its connection back, too', async (t) => {
  const { blobs, server } = await start(t, { ranges: false }, { concurrency: 1 })
  const path = await preload(server, HELLO)
  const source = await blobs.get(digestOf(HELLO))
  for (let round = 0; round < 3; round += 1) {
    t.strictSame(await readAll(source!.open({ start: 1, end: 3 }), 100), HELLO.subarray(1, 3))
    server.fault('GET', path, send(new Uint8Array([...HELLO, 0])))
    await t.rejects(readAll(source!.open(), 100), { code: 'ERR_DIGEST_SIZE' })
  }
  await allIdle(t, server)
  t.ok(server.sockets.size <= 3)
})

t.test('R18: a reader that does not read holds up no questions and no uploads', async (t) => {
  const { blobs, server } = await start(t, {}, { concurrency: 1 })
  const bytes = patternOf(3_000_000)
  await preload(server, bytes)
  const source = await blobs.get(digestOf(bytes))
  for await (const _ of source!.open()) {
    t.equal((await blobs.missing([digestOf(HELLO)])).size, 1)
    t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'stored')
    break
  }
})

t.test('one failure of a batch is its error, and the rest is not asked', async (t) => {
  const { blobs, server } = await start(t, {}, { concurrency: 2 })
  server.fault('HEAD', /./, status(401), 1000)
  const digests = Array.from({ length: 100 }, (_, number) => digestOf(utf8(String(number))))
  await t.rejects(blobs.missing(digests), { code: 'ERR_CACHE_STORE_DENIED' })
  t.ok(server.requests.length <= 4)
})

t.test('a tier can be disposed of', async (t) => {
  const server = await startCacheServer(t)
  const tier = createHttpTier({ url: server.url })
  await tier.blobs.missing([digestOf(HELLO)])
  await (await tier.blobs.ingest('upload')).write(HELLO)
  await tier[Symbol.asyncDispose]()
  await until(() => server.sockets.size === 0)
  await t.resolves(tier.close(), 'and closed once more')
})

t.test('connections that the server closed meanwhile do not matter', async (t) => {
  const { blobs, server } = await start(t)
  await blobs.put(digestOf(HELLO), bytesSource(HELLO))
  for (const socket of server.sockets) socket.destroy()
  t.strictSame(await read(blobs, digestOf(HELLO)), HELLO)
})

t.test('memory does not grow with a blob', async (t) => {
  const { blobs, server } = await start(t)
  const block = patternOf(1024 * 1024)
  const blocks = 256
  const size = blocks * block.byteLength
  const { digest } = await digestOfRepeated(block, blocks)
  let received = 0
  server.fault('PUT', /./, async (request, response) => {
    response.writeContinue()
    for await (const chunk of request) received += (chunk as Buffer).byteLength
    response.writeHead(200).end()
  })
  server.fault('GET', /./, async (_, response) => {
    response.writeHead(200, { 'content-length': size })
    for (let number = 0; number < blocks; number += 1) {
      if (!response.write(block)) await once(response, 'drain')
    }
    response.end()
  })
  const before = process.memoryUsage().rss
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 5)
  t.teardown(() => clearInterval(watch))
  t.equal(await blobs.put(digest, { size, open: () => repeated(block, blocks) }), 'stored')
  t.equal(received, size)
  server.fault('HEAD', /./, (_, response) => void response.writeHead(200, { 'content-length': size }).end())
  const source = await blobs.get(digest)
  let seen = 0
  for await (const chunk of source!.open()) seen += chunk.byteLength
  t.equal(seen, size)
  const grown = (peak - before) / 1024 / 1024
  // Both sides of the connection are in this process.
  t.ok(grown < 128, `${Math.round(grown)} MiB more than before`)
})

// Who we are, and whom we trust.

const SECRET = 'p4ss:w/o@rd-%C3%A9'

t.test('credentials reach the server, and no error', async (t) => {
  const basic = `Basic ${Buffer.from(`us er:${SECRET}`).toString('base64')}`
  const ways: ReadonlyArray<readonly [options: (url: string) => HttpTierOptions, authorization: string]> = [
    [(url) => ({ url, credentials: { username: 'us er', password: SECRET } }), basic],
    [(url) => ({ url: withUser(url, 'us er', SECRET) }), basic],
    [(url) => ({ url: new URL(withUser(url, 'us er', SECRET)) }), basic],
    [(url) => ({ url: withUser(url, 'x', 'y'), credentials: { token: SECRET } }), `Bearer ${SECRET}`],
    [(url) => ({ url, headers: { authorization: SECRET } }), SECRET],
  ]
  for (const [options, authorization] of ways) {
    const server = await startCacheServer(t)
    const warnings: unknown[] = []
    const tier = createHttpTier({
      ...options(server.url),
      attempts: 1,
      onWarning: (error) => void warnings.push(error),
    })
    await tier.blobs.put(digestOf(HELLO), bytesSource(HELLO))
    for (const { headers } of server.requests) t.equal(headers.authorization, authorization)
    const errors: unknown[] = warnings
    const fail = async (operation: Promise<unknown>): Promise<void> => {
      errors.push(await operation.catch((error: unknown) => error))
    }
    for (const code of [301, 400, 401, 403, 500]) {
      server.fault('HEAD', /./, status(code))
      await fail(tier.blobs.missing([digestOf(HELLO)]))
    }
    server.fault('HEAD', /./, (_, response) => void response.socket?.end('nonsense'))
    await fail(tier.blobs.missing([digestOf(HELLO)]))
    server.fault('PUT', /./, status(403))
    await fail(tier.blobs.put(digestOf(utf8('x')), bytesSource(utf8('x'))))
    await server.close()
    await fail(tier.blobs.missing([digestOf(HELLO)]))
    await tier.close()
    await fail(tier.blobs.missing([digestOf(HELLO)]))
    const told = inspect(errors, { depth: 10, showHidden: true })
    for (const secret of [SECRET, encodeURIComponent(SECRET), authorization, 'us er']) {
      t.notOk(told.includes(secret))
    }
    t.ok(errors.length >= 9)
  }
})

t.test('TLS: the certificate is checked, ours is shown, and mistakes are explained', async (t) => {
  const tls = { key: KEY, cert: CERTIFICATE }
  const server = await startCacheServer(t, { tls })
  const trusting = tierFor(t, { url: server.url, ca: CERTIFICATE })
  t.equal(await trusting.blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'stored')
  t.strictSame(await read(tierFor(t, { url: server.url, ca: [CERTIFICATE] }).blobs, digestOf(HELLO)), HELLO)

  const mistakes: ReadonlyArray<readonly [what: string, options: HttpTierOptions, hint: RegExp]> = [
    ['not trusted', { url: server.url }, /ca/],
    ['another name', { url: server.url.replace('127.0.0.1', '[::ffff:127.0.0.1]'), ca: CERTIFICATE }, /ca/],
  ]
  const plain = await startCacheServer(t)
  const babbler = await startCacheServer(t)
  babbler.fault('HEAD', /./, (_, response) => void response.socket?.end('nonsense'))
  for (const [what, options, hint] of [
    ...mistakes,
    ['something else than HTTP', { url: babbler.url }, /protocol/] as const,
    ['https, where http is spoken', { url: plain.url.replace('http', 'https') }, /http/] as const,
  ]) {
    await t.rejects(
      tierFor(t, { ...options, attempts: 2 }).blobs.get(digestOf(HELLO)),
      { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_CONFIG', hint },
      what,
    )
  }

  const strict = await startCacheServer(t, { tls: { ...tls, ca: CERTIFICATE } })
  const known = tierFor(t, { url: strict.url, ca: CERTIFICATE, cert: CERTIFICATE, key: KEY })
  t.equal(await known.blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'stored')
  const unknown = tierFor(t, { url: strict.url, ca: CERTIFICATE, attempts: 1 })
  await t.rejects(unknown.blobs.get(digestOf(HELLO)), { name: 'CacheStoreError' })
  const error: unknown = attempt(() => createHttpTier({ url: strict.url, cert: CERTIFICATE, key: 'no PEM' }))
  t.match(error, { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_CONFIG', hint: /PEM/ })
})

t.test('options that make no sense are refused, without a secret in the message', async (t) => {
  const url = 'https://cache.example'
  const refused: ReadonlyArray<readonly [what: string, options: HttpTierOptions]> = [
    ['no url', { url: `not a url ${SECRET}` }],
    ['another protocol', { url: 'ftp://cache.example' }],
    ['a query', { url: `${url}/?token=${SECRET}` }],
    ['a fragment', { url: `${url}/#x` }],
    ['user information that is not UTF-8', { url: 'https://x:%FF@cache.example' }],
    ['a colon in a name', { url, credentials: { username: 'a:b', password: SECRET } }],
    ['a token of two lines', { url, credentials: { token: `${SECRET}\nx: y` } }],
    ['a header of two lines', { url, headers: { 'x-key': `${SECRET}\r\ny: z` } }],
    ['a header with a bad name', { url, headers: { 'x key': 'y' } }],
    ['a header of ours', { url, headers: { 'Content-Length': '1' } }],
    ['two authorizations', { url, headers: { Authorization: SECRET }, credentials: { token: SECRET } }],
    ['a certificate without a key', { url, cert: CERTIFICATE }],
    ['a certificate without TLS', { url: 'http://cache.example', ca: CERTIFICATE }],
    ['no attempt', { url, attempts: 0 }],
    ['half a request', { url, concurrency: 0.5 }],
    ['no time', { url, timeoutMs: Number.NaN }],
  ]
  for (const [what, options] of refused) {
    const error: unknown = attempt(() => createHttpTier(options))
    t.ok(error instanceof TypeError, what)
    t.notOk(inspect(error).includes(SECRET), what)
  }
})

const HELLO = utf8('hello, layer')
const KEY_DOCUMENT = utf8('the key document')
const LAYER = utf8('a layer')
const RECORD: ActionRecord = {
  kv: 1,
  key: digestOf(KEY_DOCUMENT),
  keyDoc: digestOf(KEY_DOCUMENT),
  outputs: [{ mediaType: 'application/octet-stream', digest: digestOf(LAYER), size: LAYER.byteLength }],
  diffIDs: [digestOf(LAYER)],
  createdAt: '2026-01-01T00:00:00Z',
  durationMs: 1,
  builder: 'test',
}

interface Started {
  readonly server: CacheServer
  readonly tier: HttpTier
  readonly blobs: BlobStore
  readonly warnings: unknown[]
}

async function start(
  t: Test,
  server: CacheServerOptions = {},
  options: Partial<HttpTierOptions> = {},
): Promise<Started> {
  const running = await startCacheServer(t, server)
  const warnings: unknown[] = []
  const tier = tierFor(t, { url: running.url, onWarning: (error) => void warnings.push(error), ...options })
  return { server: running, tier, blobs: tier.blobs, warnings }
}

function tierFor(t: Test, options: HttpTierOptions): HttpTier {
  const tier = createHttpTier(options)
  t.teardown(() => tier.close())
  return tier
}

/** Puts bytes on the server behind the back of the driver, and tells where. */
async function preload(server: CacheServer, bytes: Uint8Array): Promise<string> {
  const path = `cas/${hexOf(digestOf(bytes))}`
  server.files.set(path, bytes)
  return path
}

async function read(blobs: BlobStore, digest: Digest): Promise<Uint8Array> {
  const source = await blobs.get(digest)
  if (source === undefined) throw new Error('Expected a blob')
  return new Uint8Array(await readAll(source.open(), 1e9))
}

/** A comparison that does not print what it compares. */
function sameBytes(t: Test, actual: Uint8Array, expected: Uint8Array): void {
  t.ok(Buffer.compare(actual, expected) === 0, `${actual.byteLength} of ${expected.byteLength} bytes`)
}

async function putBytes(blobs: BlobStore, bytes: Uint8Array): Promise<void> {
  await blobs.put(digestOf(bytes), bytesSource(bytes))
}

async function recordIn(tier: HttpTier, scope = 'main'): Promise<void> {
  await putBytes(tier.blobs, KEY_DOCUMENT)
  await putBytes(tier.blobs, LAYER)
  await tier.actions.put(RECORD, { scope })
}

function status(code: number): Answer {
  return (_, response) => void response.writeHead(code, { 'content-length': 0 }).end()
}

function send(bytes: Uint8Array, headers: Record<string, string> = {}): Answer {
  return (_, response) =>
    void response.writeHead(200, { 'content-length': bytes.byteLength, ...headers }).end(bytes)
}

/** Announces all the bytes, sends so many, and hangs up. */
function cutAt(bytes: Uint8Array, size: number): Answer {
  return (request, response) => {
    const [, first = '0'] = /^bytes=(\d+)-/.exec(request.headers.range ?? '') ?? []
    const start = Number(first)
    response.writeHead(start === 0 ? 200 : 206, {
      'content-length': bytes.byteLength - start,
      ...(start === 0
        ? {}
        : { 'content-range': `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}` }),
    })
    response.flushHeaders()
    response.write(bytes.subarray(start, start + size), () => setTimeout(() => response.destroy(), 20))
  }
}

async function endless(_: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(200)
  await flood(response)
}

async function flood(response: ServerResponse): Promise<void> {
  for (const block = patternOf(65_536); !response.destroyed;) {
    if (!response.write(block)) await Promise.race([once(response, 'drain'), once(response, 'close')])
  }
}

/** Whether every connection that is left is one that waits for the next request. */
async function allIdle(t: Test, server: CacheServer): Promise<void> {
  await until(() => server.busy() === 0)
  t.pass('no connection is busy')
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    if (tries > 500) throw new Error('It did not come about')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function attempt(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}

function resolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil
  })
  return { promise, resolve }
}

function withUser(url: string, username: string, password: string): string {
  const whole = new URL(url)
  whole.username = encodeURIComponent(username)
  whole.password = encodeURIComponent(password)
  return whole.href
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function patternOf(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

async function* repeated(block: Uint8Array, times: number): AsyncGenerator<Uint8Array> {
  for (let number = 0; number < times; number += 1) yield block
}

function digestOfRepeated(block: Uint8Array, times: number): Promise<{ readonly digest: Digest }> {
  return digestStream(repeated(block, times))
}
