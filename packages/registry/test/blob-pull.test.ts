/** Pulls of blobs: parts, mirrors, addresses of foreign layers. */
import { gzipSync } from 'node:zlib'
import { type Descriptor, digestOf } from '@varve/digest'
import t from 'tap'
import type { Authorizer } from '../src/auth/authorizer.ts'
import { blobSource } from '../src/blob/pull.ts'
import { openEndpoint } from './blob-endpoint.ts'
import {
  caller,
  collect,
  content,
  memoryHandler,
  noise,
  openClient,
  startRaw,
  startRegistry,
  utf8,
} from './fixtures.ts'

const LARGE = content(noise(40_000_000))
const SMALL = content(noise(100_000))
const PARTS = { parallelBytes: 1, parallelParts: 3, parallelBelow: Infinity }

/** A registry that has both blobs; how many of its replies were under way at once. */
async function startBoth(t: Parameters<typeof startRegistry>[0]) {
  const inner = memoryHandler()
  for (const { bytes, descriptor } of [LARGE, SMALL])
    await caller(inner).putBlob('x', bytes, descriptor.digest)
  const ranges: (string | null)[] = []
  const { port } = await startRegistry(t, (request) => {
    ranges.push(request.headers.get('range'))
    return inner(request)
  })
  return { host: `127.0.0.1:${port}`, ranges }
}

t.test('a large blob comes in parts, in order, and no more of them at once than asked for', async (t) => {
  const { host, ranges } = await startBoth(t)
  const endpoint = openEndpoint(t, host, { transfer: PARTS })
  const mebibytes = 1024 * 1024
  let read = 0
  let isSlow = false
  const chunks: Uint8Array[] = []
  for await (const chunk of blobSource([endpoint], LARGE.descriptor).open()) {
    if (read === 0) t.equal(ranges.length, 1, 'the first comes alone')
    read += chunk.byteLength
    if (!isSlow && read > 8 * mebibytes) {
      // Whoever is slow must not make us keep the whole.
      isSlow = true
      await new Promise((resolve) => setTimeout(resolve, 300))
      t.ok(ranges.length <= 4, 'and then no more than three are kept')
    }
    chunks.push(chunk)
  }
  t.equal(digestOf(Buffer.concat(chunks)), LARGE.descriptor.digest)
  t.strictSame(ranges.toSorted(byStart), [
    `bytes=0-${8 * mebibytes - 1}`,
    `bytes=${8 * mebibytes}-${16 * mebibytes - 1}`,
    `bytes=${16 * mebibytes}-${24 * mebibytes - 1}`,
    `bytes=${24 * mebibytes}-${32 * mebibytes - 1}`,
    `bytes=${32 * mebibytes}-39999999`,
  ])
  const told = endpoint.events.map((event) => (event.kind === 'blob' ? event.bytes : -1))
  t.strictSame(
    told,
    told.toSorted((a, b) => a - b),
    'progress goes forward only',
  )
  t.equal(told.at(-1), 40_000_000)
})

function byStart(a: string | null, b: string | null): number {
  const start = (range: string | null): number => Number(/=(\d+)/.exec(range ?? '')?.[1])
  return start(a) - start(b)
}

t.test('a registry that is fast enough is asked for the rest in one request', async (t) => {
  const { host, ranges } = await startBoth(t)
  const endpoint = openEndpoint(t, host, { transfer: { ...PARTS, parallelBelow: 1 } })
  t.equal(digestOf(await collect(blobSource([endpoint], LARGE.descriptor))), LARGE.descriptor.digest)
  t.strictSame(ranges, ['bytes=0-8388607', 'bytes=8388608-39999999'])
})

t.test('a registry that has no ranges is read in one stream', async (t) => {
  for (const [how, status, requests] of [
    ['ignores them', 200, 1],
    ['refuses them', 416, 2],
  ] as const) {
    const ranges: (string | undefined)[] = []
    const host = await startRaw(t, ({ headers }, response) => {
      ranges.push(headers.range)
      const isRefused = status === 416 && headers.range !== undefined
      response.writeHead(isRefused ? 416 : 200).end(isRefused ? undefined : LARGE.bytes)
    })
    const endpoint = openEndpoint(t, host, { transfer: PARTS })
    t.equal(digestOf(await collect(blobSource([endpoint], LARGE.descriptor))), LARGE.descriptor.digest, how)
    t.equal(ranges.length, requests)
    t.equal(ranges[0], 'bytes=0-8388607')
  }
})

t.test('parts do not wait for each other where there is one slot only', async (t) => {
  const { host } = await startBoth(t)
  const endpoint = openEndpoint(t, host, { transfer: PARTS, concurrency: 1 })
  t.equal(digestOf(await collect(blobSource([endpoint], LARGE.descriptor))), LARGE.descriptor.digest)
})

t.test('a part of a blob is a range, in one request or in several', async (t) => {
  const { host, ranges } = await startBoth(t)
  for (const transfer of [{}, PARTS]) {
    const source = blobSource([openEndpoint(t, host, { transfer })], LARGE.descriptor)
    const chunks: Uint8Array[] = []
    for await (const chunk of source.open({ start: 1_000_000, end: 21_000_000 })) chunks.push(chunk)
    t.ok(Buffer.concat(chunks).equals(LARGE.bytes.subarray(1_000_000, 21_000_000)))
  }
  // One, and three of 8 MiB.
  t.equal(ranges.length, 4)
})

t.test('a reader that leaves early, or is called away, leaves nothing behind', async (t) => {
  const { host } = await startBoth(t)
  for (const transfer of [{}, PARTS]) {
    const endpoint = openEndpoint(t, host, { transfer, concurrency: 3 })
    for await (const _ of blobSource([endpoint], LARGE.descriptor).open()) break
    const controller = new AbortController()
    const reason = new Error('Enough')
    const read = async (): Promise<void> => {
      for await (const _ of blobSource([endpoint], LARGE.descriptor).open({ signal: controller.signal })) {
        controller.abort(reason)
      }
    }
    await t.rejects(read(), reason)
    t.equal(digestOf(await collect(blobSource([endpoint], SMALL.descriptor))), SMALL.descriptor.digest)
  }
})

t.test('D6: another mirror goes on where one has failed, under the same hash', async (t) => {
  const { host, ranges } = await startBoth(t)
  const missing = await startRegistry(t)
  let asked = 0
  const half = await startRaw(t, (_, response) => {
    asked += 1
    if (asked > 1) {
      response.destroy()
      return
    }
    response.writeHead(200, { 'content-length': SMALL.bytes.byteLength })
    response.write(SMALL.bytes.subarray(0, 60_000), () => response.destroy())
  })
  const places = [
    openEndpoint(t, `127.0.0.1:${missing.port}`, { retries: 1 }),
    openEndpoint(t, half, { retries: 1 }),
    openEndpoint(t, host),
  ]
  t.equal(digestOf(await collect(blobSource(places, SMALL.descriptor))), SMALL.descriptor.digest)
  t.equal(asked, 2, 'it gets one more chance')
  t.equal(ranges.length, 1)
  t.match(ranges[0], /^bytes=\d+-99999$/, 'the rest only')
  t.notMatch(ranges[0], /^bytes=0-/)
  const mirrors = places.flatMap(({ events }) => events.filter(({ kind }) => kind === 'mirror'))
  t.match(mirrors, [
    { error: { code: 'ERR_REGISTRY_NOT_FOUND' } },
    { error: { code: 'ERR_REGISTRY_CONNECTION' } },
  ])
})

t.test('D6: parts leave a failed mirror together', async (t) => {
  const { host } = await startBoth(t)
  const { port } = await startRegistry(t)
  const options = { transfer: PARTS, retries: 0 }
  const places = [openEndpoint(t, `127.0.0.1:${port}`, options), openEndpoint(t, host, options)]
  t.equal(digestOf(await collect(blobSource(places, LARGE.descriptor))), LARGE.descriptor.digest)
  t.equal(places[0]?.events.filter(({ kind }) => kind === 'mirror').length, 1)
})

t.test('N1: bytes are kept as they are, whatever their type or encoding is said to be', async (t) => {
  const compressed = new Uint8Array(gzipSync(noise(1000)))
  const types = [
    'application/vnd.oci.image.layer.v1.tar+zstd',
    'application/vnd.docker.image.rootfs.diff.tar.zstd',
    'application/x-unheard-of',
  ]
  const host = await startRaw(t, (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/html' })
    response.end(compressed)
  })
  for (const type of types) {
    const { descriptor } = content(compressed, type)
    t.strictSame(
      await collect(blobSource([openEndpoint(t, host)], descriptor)),
      Buffer.from(compressed),
      type,
    )
  }
})

t.test('inline data is used after it was proven, without a request', async (t) => {
  const client = openClient(t)
  const repository = client.repository('127.0.0.1:9/x')
  const { descriptor, bytes } = content(utf8('inline'))
  const data = Buffer.from(bytes).toString('base64')
  t.strictSame(await collect(await repository.read({ ...descriptor, data })), bytes)
  const wrong = { ...descriptor, data: Buffer.from('Inline').toString('base64') }
  await t.rejects(repository.read(wrong), { code: 'ERR_DIGEST_MISMATCH' })
})

/** Has a password for everybody. */
const GENEROUS: Authorizer = { authorization: async () => 'Basic c2VjcmV0', answer: async () => true }

t.test('S6: the addresses of a foreign layer are followed only where that was asked for', async (t) => {
  const { descriptor, bytes } = content(
    noise(1000),
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  )
  const seen: (string | undefined)[] = []
  const elsewhere = await startRaw(t, (request, response) => {
    seen.push(request.headers.authorization)
    if (request.url === '/away') response.writeHead(302, { location: 'http://169.254.169.254/layer' })
    if (request.url === '/nowhere') response.writeHead(404)
    response.end(request.url === '/other' ? noise(1000) : bytes)
  })
  const { port } = await startRegistry(t)
  const at = (foreignLayers: boolean) =>
    openEndpoint(t, `127.0.0.1:${port}`, { transfer: { foreignLayers }, retries: 1, authorizer: GENEROUS })
  const pull = (urls: readonly string[], allowed = true): Promise<Uint8Array> =>
    collect(blobSource([at(allowed)], { ...descriptor, urls }))

  const url = `http://${elsewhere}/layer`
  await t.rejects(pull([url], false), { code: 'ERR_REGISTRY_NOT_FOUND' }, 'off by default')
  t.equal(seen.length, 0)
  t.equal(digestOf(await pull([url])), descriptor.digest)
  t.equal(
    digestOf(await pull([`http://${elsewhere}/nowhere`, url])),
    descriptor.digest,
    'one after the other',
  )
  t.strictSame(new Set(seen), new Set([undefined]), 'without credentials')

  for (const foreignLayers of [true, false]) {
    const client = openClient(t, { transfer: { foreignLayers } })
    const found = await client.repository(`127.0.0.1:${port}/x`).read({ ...descriptor, urls: [url] })
    if (foreignLayers)
      t.equal(digestOf(await collect(found)), descriptor.digest, 'a client follows them, too')
    else t.equal(found, undefined)
  }

  const rejected = [
    ['other bytes', `http://${elsewhere}/other`, 'ERR_DIGEST_MISMATCH'],
    ['a redirect into the house', `http://${elsewhere}/away`, 'ERR_REGISTRY_REFUSED'],
    ['a private address', 'https://10.0.0.1/layer', 'ERR_REGISTRY_REFUSED'],
    ['a mapped private address', 'https://[::ffff:169.254.169.254]/layer', 'ERR_REGISTRY_REFUSED'],
    ['user information', `http://user:secret@${elsewhere}/layer`, 'ERR_REGISTRY_REFUSED'],
    ['plain HTTP', 'http://layers.example/layer', 'ERR_REGISTRY_REFUSED'],
    ['a file', 'file:///etc/passwd', 'ERR_REGISTRY_RESPONSE'],
    ['no URL', 'https://', 'ERR_REGISTRY_RESPONSE'],
  ] as const
  for (const [why, address, code] of rejected) await t.rejects(pull([address]), { code }, why)
})

t.test('S6: not even the registry is told who asks for a foreign layer', async (t) => {
  const { descriptor } = content(noise(10))
  const seen: string[] = []
  const host = await startRaw(t, (request, response) => {
    seen.push(`${request.url} ${request.headers.authorization ?? '-'}`)
    response
      .writeHead(request.url === '/foreign' ? 401 : 404, { 'www-authenticate': 'Basic realm="x"' })
      .end()
  })
  const open = openEndpoint(t, host, { transfer: { foreignLayers: true }, retries: 0, authorizer: GENEROUS })
  const urls = [`http://${host}/foreign`]
  const described: Descriptor = { ...descriptor, urls }
  await t.rejects(collect(blobSource([open], described)), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.strictSame(seen, [`/v2/x/blobs/${descriptor.digest} Basic c2VjcmV0`, '/foreign -'])
})
