import { createMemoryStore } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import { bytesSource, describe, digestOf, readAll, streamSource } from '@varve/digest'
import type { Descriptor } from '@varve/digest'
import t from 'tap'
import {
  createRegistryClient,
  type ProgressEvent,
  type RegistryClientOptions,
  type Repository,
} from '../src/index.ts'
import { createRegistryHandler, listen } from '../src/server.ts'
import {
  collect,
  content,
  type Image,
  image,
  indexOf,
  json,
  memoryHandler,
  noise,
  openClient,
  OCI_INDEX,
  OCI_MANIFEST,
  startRaw,
  startRegistry,
  utf8,
} from './fixtures.ts'

/** As an exporter would: blobs, then the manifest, then the tag. */
async function push(repository: Repository, pushed: Image, tag?: string): Promise<void> {
  for (const { descriptor, bytes } of [...pushed.blobs, pushed]) {
    await repository.write(descriptor, bytesSource(bytes))
  }
  if (tag !== undefined) await repository.tag(tag, pushed.descriptor, pushed.bytes)
}

t.test('pushes and pulls an image by tag and digest', async (t) => {
  const stores = {
    memory: async () => createMemoryStore(),
    local: async () => createLocalStore({ directory: t.testdir() }),
  }
  for (const [name, open] of Object.entries(stores)) {
    const { blobs, refs } = await open()
    const server = await startRegistry(t, createRegistryHandler({ blobs, refs }))
    const client = openClient(t)
    const repository = client.repository(`127.0.0.1:${server.port}/team/app:v1`)
    const pushed = image([noise(5_000_000), noise(70_000), new Uint8Array()])
    t.equal(await repository.has(pushed.descriptor), false, `${name}: nothing there`)
    await push(repository, pushed, 'v1')
    await push(repository, pushed, 'v1')
    t.equal(await repository.has(pushed.descriptor), true)
    t.strictSame(await repository.resolve(), pushed.descriptor, `${name}: the tag of the reference`)
    t.strictSame(await repository.resolve(pushed.descriptor.digest), pushed.descriptor)
    const { bytes, descriptor } = await repository.manifest('v1')
    t.strictSame(descriptor, pushed.descriptor)
    t.strictSame(Buffer.from(bytes), Buffer.from(pushed.bytes), `${name}: byte for byte`)
    for (const blob of [...pushed.blobs, pushed]) {
      const got = await collect(await repository.read(blob.descriptor))
      t.equal(digestOf(got), blob.descriptor.digest, `${name}: ${blob.descriptor.mediaType}`)
    }
    const layer = pushed.blobs[1]!
    const part = (await repository.read(layer.descriptor))!.open({ start: 1000, end: 2_000_000 })
    t.equal(digestOf(await readAll(part, 1e8)), digestOf(layer.bytes.subarray(1000, 2_000_000)), 'a part')
    const tail = await readAll((await repository.read(layer.descriptor))!.open({ start: 4_999_990 }), 100)
    t.equal(digestOf(tail), digestOf(layer.bytes.subarray(4_999_990)), 'the end')
  }
})

t.test('sha512, indexes, artifacts and inline data go the same way', async (t) => {
  const { port } = await startRegistry(t)
  const client = openClient(t)
  const repository = client.repository(`localhost:${port}/x`)
  const wide = content(noise(50_000), 'application/octet-stream', 'sha512')
  await repository.write(wide.descriptor, bytesSource(wide.bytes))
  t.equal(digestOf(await collect(await repository.read(wide.descriptor)), 'sha512'), wide.descriptor.digest)

  const child = image([])
  await push(repository, child)
  const index = indexOf([child])
  await repository.tag('multi', index.descriptor, index.bytes)
  t.equal((await repository.resolve('multi')).mediaType, OCI_INDEX)
  const bySha512 = describe(OCI_MANIFEST, child.bytes, 'sha512')
  await repository.write(bySha512, bytesSource(child.bytes))
  t.strictSame((await repository.manifest(bySha512.digest)).descriptor, bySha512)

  const inline: Descriptor = { ...describe('text/plain', utf8('hi')), data: 'aGk=' }
  t.strictSame(
    Buffer.from(await collect(await repository.read(inline))),
    Buffer.from('hi'),
    'without a request',
  )
  await t.rejects(repository.read({ ...inline, size: 3 }), { code: 'ERR_DIGEST_SIZE' })
})

t.test('says what is not there', async (t) => {
  const { port } = await startRegistry(t)
  const client = openClient(t)
  const repository = client.repository(`localhost:${port}/x`)
  const nothing = describe('text/plain', utf8('nothing'))
  t.equal(await repository.read(nothing), undefined)
  t.equal(await repository.read({ ...nothing, mediaType: OCI_MANIFEST }), undefined)
  t.equal(await repository.has(nothing), false)
  await t.rejects(repository.resolve(), { code: 'ERR_REGISTRY_NOT_FOUND', message: /"latest"/ })
  await t.rejects(repository.manifest('nope'), { code: 'ERR_REGISTRY_NOT_FOUND', status: 404 })
  await t.rejects(repository.tags().next(), {
    code: 'ERR_REGISTRY_NOT_FOUND',
    status: 404,
    errors: [{ code: 'NAME_UNKNOWN' }],
    request: { method: 'GET', url: `http://localhost:${port}/v2/x/tags/list?…` },
  })
  const orphan = image()
  await t.rejects(repository.tag('t', orphan.descriptor, orphan.bytes), {
    code: 'ERR_REGISTRY_NOT_FOUND',
    errors: [{ code: 'MANIFEST_BLOB_UNKNOWN' }, { code: 'MANIFEST_BLOB_UNKNOWN' }],
  })
  await t.rejects(repository.manifest('../../blobs/x'), TypeError, 'a tag that would be a path')
  t.throws(() => client.repository('host.io/UPPER'), { code: 'ERR_OCI_MANIFEST_REFERENCE' })
  t.throws(() => client.repository({ domain: 'localhost', path: '../x' }), TypeError)
  t.throws(() => client.repository({ domain: 'a/b', path: 'x' }), TypeError)
})

t.test('walks tags page by page', async (t) => {
  const { url, port } = await startRegistry(t, memoryHandler({ limits: { pageEntries: 2 } }))
  const client = openClient(t)
  const repository = client.repository(`localhost:${port}/x`)
  const pushed = image([])
  const names = ['a', 'b', 'c', 'd', 'e']
  for (const name of names) await push(repository, pushed, name)
  const tags: string[] = []
  for await (const tag of repository.tags()) tags.push(tag)
  t.strictSame(tags, names)
  t.ok(url)
})

t.test('a source that is not what it was said to be is never sent as that', async (t) => {
  const { port } = await startRegistry(t)
  const events: ProgressEvent[] = []
  const client = openClient(t, { onProgress: (event) => events.push(event) })
  const repository = client.repository(`localhost:${port}/x`)
  const { descriptor, bytes } = content(noise(200_000))
  const wrong = noise(200_000)
  await t.rejects(repository.write(descriptor, bytesSource(wrong)), { code: 'ERR_DIGEST_MISMATCH' })
  await t.rejects(repository.write(descriptor, bytesSource(bytes.subarray(1))), { code: 'ERR_DIGEST_SIZE' })
  const short = streamSource(() => [bytes.subarray(0, 5)])
  await t.rejects(repository.write(descriptor, short), { code: 'ERR_DIGEST_SIZE' })
  const broken = streamSource(async function* () {
    yield bytes.subarray(0, 5)
    throw new RangeError('the disk')
  })
  await t.rejects(repository.write(descriptor, broken), RangeError, 'its own error, once')
  t.equal(await repository.has(descriptor), false)
  t.notOk(
    events.some(({ kind }) => kind === 'retry'),
    'and no second try',
  )
  const manifest = image([])
  await t.rejects(repository.tag('t', manifest.descriptor, utf8('{}')), { code: 'ERR_DIGEST_SIZE' })
})

t.test('abort ends a push and a pull with the reason, and cancels the upload', async (t) => {
  const calls: string[] = []
  const handler = memoryHandler()
  const server = await startRegistry(t, (request) => {
    calls.push(request.method)
    return handler(request)
  })
  const client = openClient(t)
  const repository = client.repository(`localhost:${server.port}/x`)
  const { descriptor, bytes } = content(noise(3_000_000))
  const controller = new AbortController()
  const reason = new Error('enough')
  const source = streamSource(async function* () {
    yield bytes.subarray(0, 1_000_000)
    controller.abort(reason)
    yield bytes.subarray(1_000_000)
  }, bytes.byteLength)
  await t.rejects(repository.write(descriptor, source, { signal: controller.signal }), reason)
  t.equal(calls.at(-1), 'DELETE')

  await repository.write(descriptor, bytesSource(bytes))
  const pull = new AbortController()
  const reading = (await repository.read(descriptor))!.open({ signal: pull.signal })
  await t.rejects(async () => {
    for await (const _ of reading) pull.abort(reason)
  }, reason)
  await t.rejects(repository.resolve('x', { signal: AbortSignal.abort(reason) }), reason)
})

t.test('reports progress of both directions', async (t) => {
  const { port } = await startRegistry(t)
  const events: ProgressEvent[] = []
  const client = openClient(t, { onProgress: (event) => events.push(event) })
  const repository = client.repository(`localhost:${port}/x`)
  const { descriptor, bytes } = content(noise(500_000))
  await repository.write(descriptor, bytesSource(bytes))
  await collect(await repository.read(descriptor))
  for (const direction of ['push', 'pull']) {
    const last = events.findLast((event) => event.kind === 'blob' && event.direction === direction)
    t.match(last, { digest: descriptor.digest, bytes: 500_000, size: 500_000 })
  }
})

t.test('never has more blobs under way than allowed', async (t) => {
  const handler = memoryHandler()
  let active = 0
  let most = 0
  const server = await startRegistry(t, async (request) => {
    if (request.method !== 'PUT') return handler(request)
    most = Math.max(most, ++active)
    await new Promise((resolve) => setTimeout(resolve, 20))
    return handler(request).finally(() => active--)
  })
  const client = openClient(t, { concurrency: 2 })
  const repository = client.repository(`localhost:${server.port}/x`)
  const blobs = Array.from({ length: 7 }, () => content(noise(1000)))
  await Promise.all(blobs.map(({ descriptor, bytes }) => repository.write(descriptor, bytesSource(bytes))))
  t.equal(most, 2)
})

t.test('gets an anonymous token once, for pull and for push', async (t) => {
  const inner = memoryHandler()
  const asked: string[] = []
  const server = await listen(async (request) => {
    const url = new URL(request.url)
    if (url.pathname === '/token') {
      asked.push(url.search)
      t.equal(request.headers.get('authorization'), null)
      return Response.json({ token: url.search.includes('push') ? 'may-push' : 'may-pull', expires_in: 300 })
    }
    const wanted = ['GET', 'HEAD'].includes(request.method) ? /^Bearer may-/ : /^Bearer may-push$/
    if (wanted.test(request.headers.get('authorization') ?? '')) return inner(request)
    const challenge = `Basic realm="x", Bearer realm="${server.url}/token",service="it",scope="repository:x:pull"`
    return Response.json(
      { errors: [{ code: 'UNAUTHORIZED', message: 'who?' }] },
      { status: 401, headers: { 'www-authenticate': challenge } },
    )
  })
  t.teardown(() => server.close())
  const client = openClient(t)
  const repository = client.repository(`127.0.0.1:${server.port}/x`)
  const pushed = image([noise(2_000_000)])
  await push(repository, pushed, 'v1')
  await Promise.all(pushed.blobs.map(async ({ descriptor }) => collect(await repository.read(descriptor))))
  t.strictSame(asked, [
    '?service=it&scope=repository%3Ax%3Apull',
    '?service=it&scope=repository%3Ax%3Apull%2Cpush',
  ])
})

t.test('C18 Q15: maps refusals to codes, with the words of the registry', async (t) => {
  const replies: Record<string, readonly [status: number, type: string, body: Uint8Array]> = {
    denied: [
      403,
      'application/json',
      json({ errors: [{ code: 'DENIED', message: 'no', detail: { a: 1 } }, 7] }),
    ],
    unauthorized: [401, 'text/html', utf8('<html>')],
    large: [413, 'text/plain', utf8('')],
    odd: [418, 'application/json', utf8('{"errors":')],
    endless: [400, 'application/json', noise(100_000)],
  }
  const host = await startRaw(t, (request, response) => {
    const [status, type, body] = replies[request.url?.split('/').at(-1) ?? ''] ?? [500, '', utf8('')]
    response.writeHead(status, { 'content-type': type }).end(request.method === 'HEAD' ? undefined : body)
  })
  const client = openClient(t, { retries: 0 })
  const repository = client.repository(`${host}/x`)
  const expected = {
    denied: {
      code: 'ERR_REGISTRY_DENIED',
      status: 403,
      errors: [{ code: 'DENIED', message: 'no', detail: { a: 1 } }],
    },
    unauthorized: { code: 'ERR_REGISTRY_UNAUTHORIZED', status: 401, errors: [] },
    large: { code: 'ERR_REGISTRY_TOO_LARGE', status: 413 },
    odd: { code: 'ERR_REGISTRY_REJECTED', status: 418 },
    endless: { code: 'ERR_REGISTRY_REJECTED', status: 400, errors: [] },
    broken: { code: 'ERR_REGISTRY_SERVER', status: 500 },
  }
  for (const [tag, error] of Object.entries(expected)) {
    await t.rejects(repository.manifest(tag), error, tag)
    await t.rejects(repository.resolve(tag), error, `${tag}, resolved: the GET says why`)
  }
})

t.test('options that cannot be meant are mistakes', async (t) => {
  const wrong: readonly RegistryClientOptions[] = [
    { concurrency: 0 },
    { concurrency: 1.5 },
    { retries: -1 },
    { retries: Infinity },
    { userAgent: '' },
    { userAgent: 'a\r\nx-evil: 1' },
    { hosts: { 'reg.example': { concurrency: 0 } } },
    { hosts: { 'reg.example/a': {} } },
    { proxy: { https: 'ftp://proxy.example' } },
    { limits: { errorBytes: -1 } },
  ]
  for (const options of wrong)
    t.throws(() => createRegistryClient(options), TypeError, JSON.stringify(options))
})

t.test('a host that is blocked is never asked, as a registry, a mirror or by redirect', async (t) => {
  const asked: string[] = []
  const blocked = await startRaw(t, (request, response) => {
    asked.push(request.url ?? '')
    response.end()
  })
  const leading = await startRaw(t, (request, response) => {
    response.writeHead(307, { location: `http://${blocked}${request.url}` }).end()
  })
  const client = openClient(t, {
    hosts: { [blocked]: { blocked: true }, [leading]: { mirrors: [{ location: blocked }] } },
  })
  const expected = { code: 'ERR_REGISTRY_REFUSED', message: /is blocked by the settings/ }
  await t.rejects(client.repository(`${blocked}/x`).manifest('t'), expected)
  await t.rejects(client.repository(`${leading}/x`).manifest('t'), expected)
  t.strictSame(asked, [])
})

t.test('says which client it is', async (t) => {
  const agents: (string | undefined)[] = []
  const host = await startRaw(t, (request, response) => {
    agents.push(request.headers['user-agent'])
    response.writeHead(404).end()
  })
  for (const options of [{}, { userAgent: 'my-tool/1.0 (linux)' }]) {
    await t.rejects(openClient(t, options).repository(`${host}/x`).manifest('t'), {
      code: 'ERR_REGISTRY_NOT_FOUND',
    })
  }
  t.strictSame(agents, ['varve', 'my-tool/1.0 (linux)'])
})
