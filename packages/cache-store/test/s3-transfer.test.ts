import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { S3Client } from '@aws-sdk/client-s3'
import { type ByteSource, bytesSource, digestOf, readAll } from '@varve/digest'
import fc from 'fast-check'
import t from 'tap'
import type { ResponseBody } from '../src/s3/attempt.ts'
import type { Objects } from '../src/s3/objects.ts'
import { partsOf, sizeOfPart } from '../src/s3/parts.ts'
import { fillRange, streamRange } from '../src/s3/ranges.ts'
import { failure } from './fixtures/s3-bucket.ts'
import { type S3Server, startServer } from './fixtures/s3-server.ts'
import { ALL, CREDENTIALS, openStore } from './fixtures/s3-store.ts'

const MIB = 1024 * 1024
/** Small parts keep the tests quick. */
const PART = 5 * MIB
const HUGE = bytesOf(17 * MIB + 7)
const HELLO = new TextEncoder().encode('hello, layer')

function bytesOf(size: number): Uint8Array {
  const block = createHash('sha256').update('a seed').digest()
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += 32) {
    block.writeUInt32LE(at)
    bytes.set(block.subarray(0, Math.min(32, size - at)), at)
  }
  return bytes
}

/** Bytes in chunks of a size, of which nothing is known before, and how far they were read. */
function unsized(bytes: Uint8Array, chunk = MIB): ByteSource & { read: number; opened: number } {
  const source = {
    size: undefined,
    read: 0,
    opened: 0,
    async *open() {
      source.opened += 1
      source.read = 0
      for (let at = 0; at < bytes.byteLength; at += chunk) {
        source.read = Math.min(at + chunk, bytes.byteLength)
        yield bytes.slice(at, at + chunk)
      }
    },
  }
  return source
}

/** Most requests of an operation that were ever in flight together. */
function watchWidth(server: S3Server, operation: string): { widest: number } {
  const state = { widest: 0, now: 0 }
  server.script = (request) => {
    if (request.operation !== operation) return undefined
    state.now += 1
    state.widest = Math.max(state.widest, state.now)
    setTimeout(() => (state.now -= 1), 30)
    return { delayMs: 30 }
  }
  return state
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

t.test('R16: bodies go out plain and signed, by any client', async (t) => {
  const server = await startServer(t)
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
  })
  t.teardown(() => client.destroy())
  const before = client.middlewareStack.identify()
  for (const options of [{}, { client }]) {
    const { blobs, refs } = await openStore(t, server, {
      ...options,
      partSize: PART,
      prefix: String('client' in options),
    })
    for (const bytes of [HELLO, bytesOf(3 * MIB), HUGE]) {
      t.equal(await blobs.put(digestOf(bytes), unsized(bytes)), 'stored')
      t.equal(await blobs.put(digestOf(bytes, 'sha512'), bytesSource(bytes)), 'stored')
    }
    await blobs.delete(digestOf(HUGE))
    t.equal(await blobs.put(digestOf(HUGE), bytesSource(HUGE)), 'stored', 'in one piece')
    await refs.update('a', () => HELLO)
  }
  t.strictSame(client.middlewareStack.identify(), before, 'the client is as it was')
  t.equal(await client.config.requestChecksumCalculation(), 'WHEN_SUPPORTED')
  const sent = server.seen.filter(
    ({ body }) => body.byteLength > 0 && !body.subarray(0, 1).equals(Buffer.from('<')),
  )
  t.ok(sent.some(({ operation }) => operation === 'UploadPart') && sent.length > 20, `${sent.length} bodies`)
  for (const { headers, body, operation } of sent) {
    const sha256 = createHash('sha256').update(body).digest('hex')
    if (headers['x-amz-content-sha256'] !== sha256) t.fail(`${operation}: what is signed is not the body`)
    if (!/SignedHeaders=[^,]*x-amz-content-sha256/.test(headers['authorization'] ?? '')) t.fail('not signed')
    if (headers['content-length'] !== String(body.byteLength)) t.fail('the length is not announced')
    for (const name of [
      'content-encoding',
      'transfer-encoding',
      'x-amz-trailer',
      'x-amz-decoded-content-length',
      'expect',
    ])
      if (headers[name] !== undefined) t.fail(`${operation}: ${name}`)
    const checksums = Object.keys(headers).filter((name) => name.startsWith('x-amz-checksum'))
    if (checksums.length > 0) t.fail(`${operation}: ${checksums.join()}`)
  }
})

t.test('R18: connections are kept and given back', async (t) => {
  const server = await startServer(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 10 })
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
    requestHandler: { httpAgent: agent },
  })
  t.teardown(() => client.destroy())
  const { blobs, refs, actions } = await openStore(t, server, { client, partSize: PART })
  for (const bytes of [HELLO, bytesOf(3 * MIB), HUGE]) {
    await blobs.put(digestOf(bytes), unsized(bytes))
    for (let round = 0; round < 20; round += 1) {
      const blob = (await blobs.get(digestOf(bytes)))!
      // Every other one is opened and never read, or not even opened.
      if (round % 5 === 0) t.ok(same(await readAll(blob.open(), 64 * MIB), bytes))
      else if (round % 2 === 0) blob.open()
    }
  }
  await refs.update('a', () => HELLO)
  await refs.list('')
  await actions.get(digestOf(HELLO), ['main'])
  await blobs.missing([digestOf(HELLO), digestOf(HUGE, 'sha512')])
  await pause(20)
  t.strictSame(Object.keys(agent.sockets), [], 'none is in use')
  t.ok(server.opened() <= 10, `${server.opened()} connections for ${server.seen.length} requests`)

  const big = (await blobs.get(digestOf(HUGE)))!
  for await (const chunk of big.open()) if (chunk.byteLength > 0) break
  server.script = ({ operation }) => (operation === 'PutObject' ? failure(403, 'AccessDenied') : undefined)
  t.equal(await blobs.put(digestOf(bytesOf(2 * MIB)), bytesSource(bytesOf(2 * MIB))), 'skipped')
  await pause(50)
  t.strictSame(Object.keys(agent.sockets), [], 'nor after a read that was left, and a write that was refused')
})

t.test('a body that is not what was said is never complete', async (t) => {
  const server = await startServer(t)
  const { blobs } = await openStore(t, server, { partSize: PART })
  for (const size of [10, 3 * MIB, 11 * MIB]) {
    const bytes = bytesOf(size)
    const other = bytes.slice()
    other[size - 1]! ^= 1
    for (const source of [bytesSource(other), unsized(other)])
      await t.rejects(blobs.put(digestOf(bytes), source), { code: 'ERR_DIGEST_MISMATCH' })
    const long = { ...bytesSource(bytes), size: size - 1 }
    await t.rejects(blobs.put(digestOf(bytes), long), { code: 'ERR_DIGEST_SIZE' })
  }
  t.equal(server.bucket.objects.size, 0, 'nothing is there')
  t.equal(server.bucket.uploads.size, 0, 'no upload is left')
  t.notOk(
    server.seen.some(({ operation }) => ['PutObject', 'CompleteMultipartUpload'].includes(operation)),
    'no request came to its end that would have stored it',
  )
  await pause(20)
  t.equal(server.pending(), 0)
})

t.test('a failing source is met untouched, and ends the upload', async (t) => {
  const server = await startServer(t)
  const { blobs } = await openStore(t, server, { partSize: PART })
  const why = new Error('The disk is gone')
  for (const size of [3 * MIB, 70 * MIB, undefined]) {
    let closed = 0
    const source = {
      size,
      async *open() {
        try {
          for (let at = 0; at < 16; at += 1) yield HUGE.slice(at * MIB, (at + 1) * MIB)
          throw why
        } finally {
          closed += 1
        }
      },
    }
    const digest = digestOf(size === 3 * MIB ? bytesOf(3 * MIB) : HUGE)
    const error: unknown = await blobs.put(digest, source).catch((thrown: unknown) => thrown)
    if (size === 3 * MIB) t.match(error, { code: 'ERR_DIGEST_SIZE' })
    else t.equal(error, why, String(size))
    t.equal(closed, 1, 'the source is closed, and not opened again')
  }
  t.equal(server.bucket.uploads.size, 0)
})

t.test('a big blob goes up in parts side by side, so many at once and no more', async (t) => {
  const server = await startServer(t)
  const { blobs } = await openStore(t, server, { partSize: PART, concurrency: 3 })
  const width = watchWidth(server, 'UploadPart')
  const others = [bytesOf(12 * MIB), bytesOf(13 * MIB)]
  const outcomes = await Promise.all(
    [HUGE, ...others].map((bytes) => blobs.put(digestOf(bytes), unsized(bytes))),
  )
  t.strictSame(outcomes, ['stored', 'stored', 'stored'])
  t.ok(width.widest > 1 && width.widest <= 3, `${width.widest} at once, of three uploads`)
  server.script = () => undefined
  const down = watchWidth(server, 'GetObject')
  t.ok(same(await readAll((await blobs.get(digestOf(HUGE)))!.open(), 64 * MIB), HUGE))
  t.ok(down.widest > 1 && down.widest <= 3, `${down.widest} at once on the way down`)
})

t.test(
  'memory is bounded: an upload reads no further than its parts in flight, a download neither',
  async (t) => {
    const server = await startServer(t)
    const { blobs } = await openStore(t, server, { partSize: PART, concurrency: 2 })
    const bytes = bytesOf(40 * MIB)
    const source = unsized(bytes)
    const controller = new AbortController()
    server.script = ({ operation }) => (operation === 'UploadPart' ? 'hang' : undefined)
    const put = blobs.put(digestOf(bytes), source, { signal: controller.signal })
    put.catch(() => undefined)
    await pause(500)
    t.ok(source.read > 0 && source.read <= 3 * PART + 3 * MIB, `${source.read} bytes were read of 40 MiB`)
    controller.abort(new Error('enough'))
    await t.rejects(put, { message: 'enough' })
    t.equal(server.bucket.uploads.size, 0, 'the upload is aborted')

    server.script = () => undefined
    await blobs.put(digestOf(HUGE), bytesSource(HUGE))
    const blob = (await blobs.get(digestOf(HUGE)))!
    const before = server.seen.length
    const chunks = blob.open()[Symbol.asyncIterator]()
    await chunks.next()
    await pause(300)
    t.ok(server.seen.length - before <= 3, 'no more parts are asked for than may be held')
    await chunks.return?.()
  },
)

t.test('an upload that loses to another writer', async (t) => {
  const server = await startServer(t)
  const { blobs } = await openStore(t, server, { partSize: PART })
  const digest = digestOf(HUGE)

  await t.test('finds the blob there', async (t) => {
    server.script = ({ operation, key }) => {
      if (operation === 'CompleteMultipartUpload')
        server.bucket.objects.set(key, { bytes: Buffer.from(HUGE), etag: '"x"', modified: Date.now() })
      return undefined
    }
    t.equal(await blobs.put(digest, unsized(HUGE)), 'existed')
    t.equal(server.bucket.uploads.size, 0, 'its own parts are gone')
  })

  await t.test('409: sends its parts again', async (t) => {
    await blobs.delete(digest)
    server.operations()
    let conflicts = 0
    server.script = ({ operation }) =>
      operation === 'CompleteMultipartUpload' && (conflicts += 1) === 1
        ? failure(409, 'ConditionalRequestConflict')
        : undefined
    const source = unsized(HUGE)
    t.equal(await blobs.put(digest, source), 'stored')
    t.equal(source.opened, 2)
    t.equal(server.operations().filter((operation) => operation === 'UploadPart').length, 8)
    t.equal(server.bucket.uploads.size, 0)
  })

  await t.test('or loses the upload itself', async (t) => {
    await blobs.delete(digest)
    let parts = 0
    server.script = ({ operation }) => {
      if (operation === 'UploadPart' && (parts += 1) === 3) server.bucket.uploads.clear()
      return undefined
    }
    t.equal(await blobs.put(digest, unsized(HUGE)), 'stored')
    t.ok(same(server.bucket.objects.get(`v1/blobs/sha256/${digest.slice(7)}`)!.bytes, HUGE))
  })

  await t.test('but not for ever', async (t) => {
    await blobs.delete(digest)
    server.script = ({ operation }) =>
      operation === 'CompleteMultipartUpload' ? failure(409, 'ConditionalRequestConflict') : undefined
    const { blobs: hasty } = await openStore(t, server, { partSize: PART, attempts: 2 })
    await t.rejects(hasty.put(digest, unsized(HUGE)), { code: 'ERR_CACHE_STORE_BUSY', status: 409 })
    t.equal(server.bucket.uploads.size, 0)
  })
})

t.test('the answer to the last request of an upload may get lost', async (t) => {
  const server = await startServer(t)
  const { blobs } = await openStore(t, server, { partSize: PART })
  let lost = false
  server.script = ({ operation }) => {
    if (operation !== 'CompleteMultipartUpload' || lost) return undefined
    lost = true
    return 'lose'
  }
  t.match(await blobs.put(digestOf(HUGE), unsized(HUGE)), /^(?:stored|existed)$/)
  t.ok(same(await readAll((await blobs.get(digestOf(HUGE)))!.open(), 64 * MIB), HUGE))
})

t.test('a blob of a size that was not known, and too big for one request, is healed', async (t) => {
  const server = await startServer(t)
  const { blobs } = await openStore(t, server, { partSize: PART, capabilities: ALL })
  const digest = digestOf(HUGE, 'sha512')
  const key = `v1/blobs/sha512/${digest.slice(7)}`
  await blobs.put(digest, bytesSource(HUGE))
  const object = server.bucket.objects.get(key)!
  server.bucket.objects.set(key, { ...object, bytes: object.bytes.subarray(1) })
  t.equal(await blobs.put(digest, bytesSource(HUGE)), 'healed')
  t.ok(same(server.bucket.objects.get(key)!.bytes, HUGE))
})

t.test('ranges are the bytes, wherever connections are cut', async () => {
  const bytes = bytesOf(5_000)
  const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 30 })
  const never = new AbortController().signal
  await fc.assert(
    fc.asyncProperty(cuts, fc.nat(5_000), fc.nat(5_000), async (lengths, a, b) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)]
      let requests = 0
      const objects = {
        open: async (_: string, from: number, to = bytes.byteLength) => {
          const length = lengths[(requests += 1) % lengths.length]!
          const sent = bytes.subarray(from, Math.min(to, from + length))
          return { size: bytes.byteLength, tag: 'x', ageMs: 0, body: bodyOf(sent, from + length < to) }
        },
      } as unknown as Objects
      // As many cuts as there are: without them, the number is limited by what comes in between.
      const settings = { objects, attempts: 10_000 }
      const part = new Uint8Array(end - start)
      await fillRange(settings, 'key', start, part, never, 0)
      const streamed = await readAll(streamRange(settings, 'key', start, end, never, 0), 10_000)
      const wanted = bytes.subarray(start, end)
      return same(part, wanted) && same(streamed, wanted)
    }),
    { numRuns: 50 },
  )
})

t.test('a stream is no faster than its reader, and is given up when it is only cut', async (t) => {
  const never = new AbortController().signal
  let sent = 0
  const endless = {
    open: async () => ({
      size: 1e9,
      tag: 'x',
      ageMs: 0,
      body: {
        async *read() {
          for (;;) {
            sent += 1000
            yield new Uint8Array(1000)
          }
        },
      },
    }),
  } as unknown as Objects
  for await (const chunk of streamRange({ objects: endless, attempts: 3 }, 'key', 0, 1e9, never)) {
    t.equal(chunk.byteLength, 1000)
    break
  }
  t.equal(sent, 1000, 'nothing is read ahead')

  let requests = 0
  const cutting = {
    open: async () => {
      requests += 1
      return { size: 1e9, tag: 'x', ageMs: 0, body: bodyOf(new Uint8Array(10), true) }
    },
  } as unknown as Objects
  const settings = { objects: cutting, attempts: 3 }
  await t.rejects(readAll(streamRange(settings, 'key', 0, 1e9, never, 0), 1e9), {
    code: 'ERR_CACHE_STORE_UNAVAILABLE',
    cause: { message: 'cut' },
  })
  t.equal(requests, 3)
  await t.rejects(fillRange(settings, 'key', 0, new Uint8Array(1000), never, 0), {
    code: 'ERR_CACHE_STORE_UNAVAILABLE',
  })
  t.equal(requests, 6)
})

/** A body of these bytes, and a cut after them. */
function bodyOf(bytes: Uint8Array, isCut: boolean): ResponseBody {
  return {
    async *read() {
      yield bytes
      if (isCut) throw new Error('cut')
    },
    pump: async (sink) => {
      sink(bytes)
      if (isCut) throw new Error('cut')
    },
    discard: () => undefined,
  }
}

t.test('parts are the bytes, in order, and 10,000 of them suffice', async (t) => {
  const sizes = fc.array(fc.nat(50), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      async (chunks, partSize, isKnown) => {
        const all = bytesOf(chunks.reduce((sum, size) => sum + size, 0))
        let at = 0
        const pieces = chunks.map((size) => all.slice(at, (at += size)))
        const stream = (async function* () {
          yield* pieces
        })()
        const seen: Uint8Array[] = []
        for await (const part of partsOf(stream, partSize, isKnown ? all.byteLength : undefined)) {
          seen.push(part.bytes.slice())
          part.release()
        }
        const joined = Buffer.concat(seen)
        const areFull = seen.slice(0, -1).every(({ byteLength }) => byteLength === partSize)
        return (
          joined.equals(all) && areFull && seen.length === Math.max(1, Math.ceil(all.byteLength / partSize))
        )
      },
    ),
  )
  for (const total of [1, 80_000 * MIB, 80_001 * MIB, 5 * MIB * MIB]) {
    const size = sizeOfPart(0, 8 * MIB, total)
    t.ok(size >= 8 * MIB && Math.ceil(total / size) <= 10_000, `${total} bytes in parts of ${size}`)
    t.equal(sizeOfPart(9_999, 8 * MIB, total), size, 'all alike')
  }
  let unknown = 0
  for (let number = 0; number < 10_000; number += 1) unknown += sizeOfPart(number, 8 * MIB, undefined)
  t.ok(unknown > 400 * 1024 * MIB, `${unknown} bytes of unknown size`)
})
