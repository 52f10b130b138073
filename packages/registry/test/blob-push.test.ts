/** Pushes of blobs: sources, sessions that end, and what is remembered of places. */
import { bytesSource, type ByteSource, type Descriptor, digestOf, streamSource } from '@varve/digest'
import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import t from 'tap'
import type { Authorizer } from '../src/auth/authorizer.ts'
import { deleteBlob } from '../src/blob/delete.ts'
import { transferSettings } from '../src/blob/options.ts'
import { blobSource, hasBlob } from '../src/blob/pull.ts'
import { pushBlob } from '../src/blob/push.ts'
import { createMemoryLocations } from '../src/locations/memory.ts'
import { openEndpoint } from './blob-endpoint.ts'
import { caller, collect, content, memoryHandler, noise, startRaw, startRegistry, utf8 } from './fixtures.ts'

/** A handler that notes `METHOD path`, and its log. */
function logged(inner = memoryHandler({ allowDelete: true })) {
  const calls: string[] = []
  const handler = (request: Request): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url)
    const from = searchParams.get('from')
    const place = pathname.replace(/^\/v2\//, '').replace(/sha256:.*|[0-9a-f-]{36}$/, '…')
    calls.push(`${request.method} ${place}${from === null ? '' : ` from ${from}`}`)
    return inner(request)
  }
  return { handler, calls, inner }
}

t.test('a blob is pushed with three requests, and its source opened once', async (t) => {
  const { handler, calls } = logged()
  const { port } = await startRegistry(t, handler)
  const { descriptor, bytes } = content(noise(3_000_000))
  let opened = 0
  const source = streamSource(() => {
    opened += 1
    return [bytes.subarray(0, 1_000_000), new Uint8Array(), bytes.subarray(1_000_000)]
  })
  const endpoint = openEndpoint(t, `127.0.0.1:${port}`)
  t.equal(await pushBlob(endpoint, descriptor, source), 'pushed')
  t.strictSame(calls, ['HEAD x/blobs/…', 'POST x/blobs/uploads/', 'PUT x/blobs/uploads/…'])
  t.equal(opened, 1)
  t.equal(digestOf(await collect(blobSource([endpoint], descriptor))), descriptor.digest)
})

t.test('who has just been told that a blob is missing does not ask again', async (t) => {
  const { handler, calls } = logged()
  const { port } = await startRegistry(t, handler)
  const { descriptor, bytes } = content(noise(10))
  const endpoint = openEndpoint(t, `127.0.0.1:${port}`)
  t.notOk(await hasBlob(endpoint, descriptor))
  t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'pushed')
  t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'existed')
  t.strictSame(calls, ['HEAD x/blobs/…', 'POST x/blobs/uploads/', 'PUT x/blobs/uploads/…'])
  await deleteBlob(endpoint, descriptor.digest)
  t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'pushed', 'a deleted one is missing')
  await t.rejects(deleteBlob(endpoint, digestOf(utf8('other'))), { code: 'ERR_REGISTRY_NOT_FOUND' })
})

t.test('chunks of any size make the blob', async (t) => {
  const { handler, inner } = logged()
  const { port } = await startRegistry(t, handler)
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 20, max: 220 }),
      fc.integer({ min: 1, max: 50 }),
      async (random, chunkBytes, blockBytes) => {
        const { descriptor, bytes } = content(random)
        const endpoint = openEndpoint(t, `127.0.0.1:${port}`, {
          transfer: { chunkBytes, monolithicBytes: 0 },
        })
        await pushBlob(endpoint, descriptor, inBlocks(bytes, blockBytes))
        const stored = await caller(inner).call('GET', `/v2/x/blobs/${descriptor.digest}`)
        return digestOf(new Uint8Array(await stored.arrayBuffer())) === descriptor.digest
      },
    ),
    { numRuns: 30 },
  )
})

/** In blocks of a size, from any offset. */
function inBlocks(bytes: Uint8Array, size: number): ByteSource {
  return {
    size: bytes.byteLength,
    async *open({ start = 0, end = bytes.byteLength } = {}) {
      for (let at = start; at < end; at += size) yield bytes.subarray(at, Math.min(at + size, end))
    },
  }
}

t.test('N4: a source that is not what it was said to be is never sent as that', async (t) => {
  const bytes = noise(100_000)
  const { descriptor } = content(bytes)
  const longer = new Uint8Array([...bytes, 0])
  const other = bytes.with(99_999, (bytes[99_999] ?? 0) ^ 1)
  const failure = new Error('The disk is gone')
  const rejected: readonly (readonly [
    why: string,
    source: ByteSource,
    error: Error | { code: string },
    sessions: number,
  ])[] = [
    ['said to be shorter', bytesSource(bytes.subarray(1)), { code: 'ERR_DIGEST_SIZE' }, 0],
    ['shorter', streamSource(() => [bytes.subarray(1)]), { code: 'ERR_DIGEST_SIZE' }, 1],
    ['longer', streamSource(() => [longer]), { code: 'ERR_DIGEST_SIZE' }, 1],
    ['longer, at the end', streamSource(() => [bytes, new Uint8Array(1)]), { code: 'ERR_DIGEST_SIZE' }, 1],
    ['other bytes', streamSource(() => [other]), { code: 'ERR_DIGEST_MISMATCH' }, 1],
    [
      'one that fails',
      streamSource(function* () {
        yield bytes.subarray(0, 10)
        throw failure
      }),
      failure,
      1,
    ],
  ]
  for (const transfer of [{}, { monolithicBytes: 0, chunkBytes: 200_000 }]) {
    for (const [why, source, error, sessions] of rejected) {
      const { handler, calls } = logged()
      const { port } = await startRegistry(t, handler)
      const endpoint = openEndpoint(t, `127.0.0.1:${port}`, { transfer })
      await t.rejects(pushBlob(endpoint, descriptor, source), error, why)
      const posts = calls.filter((call) => call.startsWith('POST'))
      t.equal(posts.length, sessions, `${why}: not tried again`)
      if (sessions > 0) t.match(calls.at(-1), /^DELETE /, `${why}: the upload is cancelled`)
      t.notOk(await hasBlob(endpoint, descriptor))
    }
  }
})

t.test('N4: an empty blob is empty', async (t) => {
  const { handler, calls } = logged()
  const { port } = await startRegistry(t, handler)
  const { descriptor } = content(new Uint8Array())
  const endpoint = openEndpoint(t, `127.0.0.1:${port}`)
  await t.rejects(
    pushBlob(
      endpoint,
      descriptor,
      streamSource(() => [utf8('x')]),
    ),
    { code: 'ERR_DIGEST_SIZE' },
  )
  const wrong: Descriptor = { ...descriptor, digest: digestOf(utf8('x')) }
  await t.rejects(pushBlob(endpoint, wrong, bytesSource(new Uint8Array())), { code: 'ERR_DIGEST_MISMATCH' })
  t.notMatch(calls, [/^PUT /], 'nothing was sent')
  t.equal(await pushBlob(endpoint, descriptor, bytesSource(new Uint8Array())), 'pushed')
})

t.test('C8: abort ends an upload at once, with the reason, and cancels its session', async (t) => {
  for (const transfer of [{}, { monolithicBytes: 0, chunkBytes: 100_000 }]) {
    const { handler, calls } = logged()
    const { port } = await startRegistry(t, handler)
    const { descriptor, bytes } = content(noise(1_000_000))
    const controller = new AbortController()
    const reason = new Error('Enough')
    const source: ByteSource = {
      size: bytes.byteLength,
      async *open({ start = 0, end = bytes.byteLength, signal } = {}) {
        for (let at = start; at < end; at += 100_000) {
          if (at === 500_000) controller.abort(reason)
          signal?.throwIfAborted()
          yield bytes.subarray(at, at + 100_000)
        }
      },
    }
    const endpoint = openEndpoint(t, `127.0.0.1:${port}`, { transfer })
    await t.rejects(pushBlob(endpoint, descriptor, source, { signal: controller.signal }), reason)
    t.equal(calls.at(-1), 'DELETE x/blobs/uploads/…')
    const gone = new AbortController()
    gone.abort(reason)
    const before = calls.length
    await t.rejects(pushBlob(endpoint, descriptor, bytesSource(bytes), { signal: gone.signal }), reason)
    t.equal(calls.length, before, 'nothing is begun')
  }
})

t.test('C8: abort also ends an upload that was begun in place of a mount', async (t) => {
  const controller = new AbortController()
  const reason = new Error('Enough')
  const { descriptor, bytes } = content(noise(10))
  const calls: string[] = []
  const host = await startRaw(t, ({ method = '', url = '' }, response) => {
    calls.push(method)
    if (url.includes('from=two')) controller.abort(reason)
    else response.writeHead(method === 'POST' ? 202 : 404, { location: '/up' }).end()
  })
  const options = { mountFrom: ['one', 'two'], signal: controller.signal }
  await t.rejects(pushBlob(openEndpoint(t, host), descriptor, bytesSource(bytes), options), reason)
  t.strictSame(calls, ['HEAD', 'POST', 'POST', 'DELETE'])
})

t.test('a push that breaks off for good cancels its session', async (t) => {
  const inner = memoryHandler()
  const { handler, calls } = logged((request) => {
    if (request.method !== 'PUT') return inner(request)
    return Promise.resolve(Response.json({ errors: [{ code: 'DENIED', message: 'no' }] }, { status: 403 }))
  })
  const { port } = await startRegistry(t, handler)
  const { descriptor, bytes } = content(noise(10))
  const endpoint = openEndpoint(t, `127.0.0.1:${port}`)
  await t.rejects(pushBlob(endpoint, descriptor, bytesSource(bytes)), { code: 'ERR_REGISTRY_DENIED' })
  t.equal(calls.at(-1), 'DELETE x/blobs/uploads/…')
})

t.test('N2: a body is sent again where the registry wanted a token first', async (t) => {
  const inner = memoryHandler()
  const refused: string[] = []
  const { port } = await startRegistry(t, async (request) => {
    if (request.method !== 'PUT' || request.headers.get('authorization') === 'Bearer new')
      return inner(request)
    refused.push(request.headers.get('authorization') ?? '-')
    return new Response(null, {
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="https://x.example"' },
    })
  })
  let token = 'Bearer old'
  const authorizer: Authorizer = {
    authorization: async () => token,
    answer: async () => {
      token = 'Bearer new'
      return true
    },
  }
  const { descriptor, bytes } = content(noise(300_000))
  const endpoint = openEndpoint(t, `127.0.0.1:${port}`, { authorizer })
  t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'pushed')
  t.strictSame(refused, ['Bearer old'])
  t.equal(digestOf(await collect(blobSource([endpoint], descriptor))), descriptor.digest)
})

t.test('S4: an upload at another host is not told who we are', async (t) => {
  const { descriptor, bytes } = content(noise(1000))
  const seen: string[] = []
  const note = (request: IncomingMessage): void => {
    const { method, headers } = request
    seen.push(`${method} ${headers.authorization ?? '-'}`)
    request.resume()
  }
  const elsewhere = await startRaw(t, (request, response) => {
    note(request)
    response.writeHead(request.method === 'PUT' ? 201 : 202, { range: '0-499' }).end()
  })
  const host = await startRaw(t, (request, response) => {
    note(request)
    const location = `http://${elsewhere}/up?signature=x`
    response.writeHead(request.method === 'POST' ? 202 : 404, { location }).end()
  })
  const endpoint = openEndpoint(t, host, {
    transfer: { monolithicBytes: 0, chunkBytes: 500 },
    authorizer: { authorization: async () => 'Bearer secret', answer: async () => true },
  })
  t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'pushed')
  t.strictSame(seen, ['HEAD Bearer secret', 'POST Bearer secret', 'PATCH -', 'PUT -'])
})

t.test('D12: what was pushed, pulled or mounted once is mounted from there', async (t) => {
  const { handler, calls } = logged()
  const { port } = await startRegistry(t, handler)
  const host = `127.0.0.1:${port}`
  const locations = createMemoryLocations()
  const { descriptor, bytes } = content(noise(1000))
  const at = (repository: string) => openEndpoint(t, host, { repository, locations })
  t.equal(await pushBlob(at('one'), descriptor, bytesSource(bytes)), 'pushed')
  const two = at('two')
  calls.length = 0
  t.equal(await pushBlob(two, descriptor, bytesSource(bytes)), 'mounted')
  t.strictSame(calls, ['HEAD two/blobs/…', 'POST two/blobs/uploads/ from one'])
  t.strictSame(two.events, [{ kind: 'mount', digest: descriptor.digest, from: 'one', size: 1000 }])
  t.strictSame(await locations.repositoriesOf(descriptor.digest, host), ['two', 'one'])
  t.strictSame(await locations.repositoriesOf(descriptor.digest, 'docker.io'), [], 'of that registry only')

  await deleteBlob(two, descriptor.digest)
  t.strictSame(await locations.repositoriesOf(descriptor.digest, host), ['one'])
  await locations.add(descriptor.digest, { registry: host, repository: 'two' })
  calls.length = 0
  t.equal(
    await pushBlob(at('three'), descriptor, bytesSource(bytes)),
    'mounted',
    'a wrong hint costs a request',
  )
  t.match(calls, [
    'HEAD three/blobs/…',
    'POST three/blobs/uploads/ from two',
    'POST three/blobs/uploads/ from one',
    'DELETE three/blobs/uploads/…',
  ])
  t.strictSame(await locations.repositoriesOf(descriptor.digest, host), ['three', 'one'], 'and is dropped')
})

t.test('D12: a pull that was proven is remembered', async (t) => {
  const handler = memoryHandler()
  const { descriptor, bytes } = content(noise(1000))
  await caller(handler).putBlob('base', bytes, descriptor.digest)
  const { port } = await startRegistry(t, handler)
  const host = `127.0.0.1:${port}`
  const locations = createMemoryLocations()
  const base = openEndpoint(t, host, { repository: 'base', locations })
  for await (const _ of blobSource([base], descriptor).open({ start: 1 }));
  t.strictSame(await locations.repositoriesOf(descriptor.digest, host), [], 'a part proves nothing')
  await collect(blobSource([base], descriptor))
  t.strictSame(await locations.repositoriesOf(descriptor.digest, host), ['base'])
})

t.test('transfer options are whole numbers', async (t) => {
  t.throws(() => transferSettings({ chunkBytes: 0 }), TypeError)
  t.throws(() => transferSettings({ parallelParts: 1.5 }), TypeError)
  t.throws(() => transferSettings({ parallelBytes: Number.NaN }), TypeError)
  t.throws(() => transferSettings({ monolithicBytes: -1 }), TypeError)
  t.match(transferSettings({ monolithicBytes: 0 }), { monolithicBytes: 0, chunkBytes: 4 * 1024 * 1024 })
})
