/**
 * Transfers over connections that break, and servers that lie or dawdle. Bytes that have passed are counted: what was
 * there once is not sent again.
 */
import type { ServerResponse } from 'node:http'
import { bytesSource, digestOf } from '@varve/digest'
import t from 'tap'
import { blobSource, hasBlob } from '../src/blob/pull.ts'
import { pushBlob } from '../src/blob/push.ts'
import { breakLine, openEndpoint } from './blob-endpoint.ts'
import { caller, collect, content, memoryHandler, noise, startRaw, startRegistry } from './fixtures.ts'

const SIZE = 12_000_000
const TENTHS = Array.from({ length: 9 }, (_, index) => ((index + 1) * SIZE) / 10)
/** A tenth for headers, and for what was in the buffers of a connection when it was cut. */
const BOUND = SIZE * 1.1
const blob = content(noise(SIZE))

t.test('a push that is cut at every tenth goes on where the registry stands', async (t) => {
  const handler = memoryHandler()
  const { port } = await startRegistry(t, handler)
  const line = await breakLine(t, port, 'up', TENTHS)
  const endpoint = openEndpoint(t, line.host)
  t.equal(await pushBlob(endpoint, blob.descriptor, bytesSource(blob.bytes)), 'pushed')
  t.equal(line.cuts, TENTHS.length, 'all cuts were made')
  const stored = await caller(handler).call('GET', `/v2/x/blobs/${blob.descriptor.digest}`)
  t.equal(digestOf(new Uint8Array(await stored.arrayBuffer())), blob.descriptor.digest)
  t.comment(`${line.passed.up} bytes for ${SIZE}, ${TENTHS.length} cuts`)
  t.ok(line.passed.up <= BOUND, 'next to nothing was sent twice')
})

t.test('a push whose replies are cut is not sent again', async (t) => {
  const { port } = await startRegistry(t)
  // The first reply is that to HEAD, so this cuts in the middle of those to POST, GET and PATCH.
  const line = await breakLine(t, port, 'down', [300, 700, 1100, 1500, 1900, 2300])
  const endpoint = openEndpoint(t, line.host, { transfer: { monolithicBytes: 0, chunkBytes: 1_100_000 } })
  await pushBlob(endpoint, blob.descriptor, bytesSource(blob.bytes))
  t.equal(line.cuts, 6)
  t.ok(await hasBlob(endpoint, blob.descriptor))
  t.comment(`${line.passed.up} bytes for ${SIZE}, 6 cuts`)
  t.ok(line.passed.up <= BOUND, 'next to nothing was sent twice')
})

for (const [how, transfer] of [
  ['in one stream', { parallelParts: 1 }],
  ['in parts', { parallelBytes: 1, parallelBelow: Infinity }],
] as const) {
  t.test(`a pull ${how} that is cut at every tenth is resumed where it broke`, async (t) => {
    const handler = memoryHandler()
    await caller(handler).putBlob('x', blob.bytes, blob.descriptor.digest)
    const { port } = await startRegistry(t, handler)
    const line = await breakLine(t, port, 'down', TENTHS)
    const endpoint = openEndpoint(t, line.host, { transfer })
    const bytes = await collect(blobSource([endpoint], blob.descriptor))
    t.equal(digestOf(bytes), blob.descriptor.digest)
    t.equal(line.cuts, TENTHS.length, 'all cuts were made')
    t.comment(`${line.passed.down} bytes for ${SIZE}, ${TENTHS.length} cuts`)
    t.ok(line.passed.down <= BOUND, 'next to nothing was sent twice')
  })
}

/** Answers the first requests of each kind with trouble, before anything of them was read. */
function stormy(inner: (request: Request) => Promise<Response>, troubles: readonly (() => Response)[]) {
  const seen = new Map<string, number>()
  const handler = async (request: Request): Promise<Response> => {
    const kind = `${request.method} ${new URL(request.url).pathname.split('/').at(-2)}`
    const turn = seen.get(kind) ?? 0
    seen.set(kind, turn + 1)
    return troubles[turn]?.() ?? inner(request)
  }
  return { handler, seen }
}

t.test('a storm of 429 and 503 is waited out, with both forms of Retry-After', async (t) => {
  const refusal = (status: number, after: string) => () =>
    new Response('<h1>Busy</h1>', { status, headers: { 'retry-after': after } })
  const yesterday = new Date(Date.now() - 86_400_000).toUTCString()
  const troubles = [refusal(429, '0'), refusal(503, yesterday), refusal(429, '0')]
  for (const transfer of [
    { parallelParts: 1 },
    { monolithicBytes: 0, parallelBytes: 1, parallelBelow: Infinity },
  ]) {
    const inner = memoryHandler()
    const { handler, seen } = stormy(inner, troubles)
    const { port } = await startRegistry(t, handler)
    const endpoint = openEndpoint(t, `127.0.0.1:${port}`, { transfer })
    t.equal(await pushBlob(endpoint, blob.descriptor, bytesSource(blob.bytes)), 'pushed')
    t.equal(digestOf(await collect(blobSource([endpoint], blob.descriptor))), blob.descriptor.digest)
    t.equal(seen.get('POST uploads'), 4, 'one upload was begun, and never given up')
    t.notMatch([...seen.keys()], [/^DELETE/])
    const delays = endpoint.events.flatMap((event) => (event.kind === 'retry' ? [event.delayMs] : []))
    t.strictSame(new Set(delays), new Set([0]), 'the registry knows best how long to wait')
  }
})

t.test('a storm that does not end is an error, with the status of the registry', async (t) => {
  const host = await startRaw(t, (_, response) => void response.writeHead(429, { 'retry-after': '0' }).end())
  const endpoint = openEndpoint(t, host, { retries: 2 })
  const limited = { code: 'ERR_REGISTRY_RATE_LIMITED', status: 429 }
  await t.rejects(pushBlob(endpoint, blob.descriptor, bytesSource(blob.bytes)), limited)
  await t.rejects(collect(blobSource([endpoint], blob.descriptor)), limited)
})

const LIES: readonly (readonly [
  why: string,
  answer: (response: ServerResponse, start: number, end: number) => void,
  code: string,
])[] = [
  ['other bytes', (response, start, end) => response.end(new Uint8Array(end - start)), 'ERR_DIGEST_MISMATCH'],
  [
    'a body that is cut off',
    (response) => void response.write('x', () => response.destroy()),
    'ERR_REGISTRY_CONNECTION',
  ],
  ['nothing at all', (response) => response.destroy(), 'ERR_REGISTRY_CONNECTION'],
  [
    'garbage',
    (response) => void response.socket?.end('220 smtp.example ESMTP\r\n'),
    'ERR_REGISTRY_CONNECTION',
  ],
]

for (const [how, transfer] of [
  ['in one stream', { parallelParts: 1 }],
  ['in parts', { parallelBytes: 1, parallelBelow: Infinity }],
] as const) {
  t.test(
    `S9: a pull ${how} gives the bytes that were meant, or an error before the last of them`,
    async (t) => {
      for (const [why, answer, code] of LIES) {
        const host = await startRaw(t, (request, response) => {
          const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
          const start = Number(first ?? 0)
          const end = Number(last ?? SIZE - 1) + 1
          const range = first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${SIZE}` }
          response.writeHead(first === undefined ? 200 : 206, { 'content-length': end - start, ...range })
          answer(response, start, end)
        })
        let received = 0
        const read = async (): Promise<void> => {
          const endpoint = openEndpoint(t, host, { transfer, retries: 1 })
          for await (const chunk of blobSource([endpoint], blob.descriptor).open())
            received += chunk.byteLength
        }
        await t.rejects(read(), { code }, why)
        t.ok(received < SIZE, `${why}: the last bytes were held back`)
      }
    },
  )

  t.test(`S10: a body without end is not read ${how}`, async (t) => {
    let sent = 0
    const host = await startRaw(t, (_, response) => {
      const block = new Uint8Array(100_000)
      const more = (): void => {
        for (; !response.destroyed && response.write(block); sent += block.byteLength);
      }
      response.on('drain', more)
      more()
    })
    const small = { ...blob.descriptor, size: 1_000_000 }
    const endpoint = openEndpoint(t, host, { transfer, retries: 1 })
    await t.rejects(collect(blobSource([endpoint], small)), { code: 'ERR_DIGEST_SIZE' })
    t.ok(sent < SIZE, 'the connection was closed')
  })
}

t.test('a registry that drips is left, and another one asked for the rest', async (t) => {
  const handler = memoryHandler()
  await caller(handler).putBlob('x', blob.bytes, blob.descriptor.digest)
  const { port } = await startRegistry(t, handler)
  const closed: boolean[] = []
  const slow = await startRaw(t, (request, response) => {
    const start = Number(/=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const range = start === 0 ? {} : { 'content-range': `bytes ${start}-${SIZE - 1}/${SIZE}` }
    response.writeHead(start === 0 ? 200 : 206, range)
    let position = start
    const drip = setInterval(() => response.write(blob.bytes.subarray(position, (position += 10))), 10)
    response.once('close', () => {
      clearInterval(drip)
      closed.push(true)
    })
  })
  const transfer = { stallMs: 100, parallelParts: 1 }
  const dripping = openEndpoint(t, slow, { transfer, retries: 1 })
  await t.rejects(collect(blobSource([dripping], blob.descriptor)), { code: 'ERR_REGISTRY_TIMEOUT' })
  const places = [dripping, openEndpoint(t, `127.0.0.1:${port}`, { transfer })]
  t.equal(digestOf(await collect(blobSource(places, blob.descriptor))), blob.descriptor.digest)
  t.ok(closed.length >= 3, 'nobody listens any more')
})

t.test('a reader that is slow is not taken for a registry that drips', async (t) => {
  const small = content(noise(6000))
  let position = 0
  let send = (): void => undefined
  const host = await startRaw(t, (_, response) => {
    response.writeHead(200, { 'content-length': 6000 })
    send = () => void response.write(small.bytes.subarray(position, (position += 1000)))
    send()
  })
  const endpoint = openEndpoint(t, host, { transfer: { stallMs: 600 }, retries: 0 })
  const started = performance.now()
  let received = 0
  // Unverified, so that each piece is given as it comes.
  for await (const chunk of blobSource([endpoint], small.descriptor).open({ end: 5999 })) {
    received += chunk.byteLength
    await new Promise((resolve) => setTimeout(resolve, 150))
    send()
  }
  t.equal(received, 5999)
  t.ok(performance.now() - started > 600, 'it took longer than a registry may')
})
