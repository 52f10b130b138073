/** Referrers: listed by the registry, or by clients under a tag. */
import { bytesSource, type Descriptor, type Digest } from '@varve/digest'
import t from 'tap'
import { referrersTag } from '@varve/oci-manifest'
import type { Repository } from '../src/index.ts'
import {
  content,
  type Content,
  image,
  indexOf,
  json,
  memoryHandler,
  OCI_INDEX,
  OCI_MANIFEST,
  openClient,
  startRaw,
  startRegistry,
  type Teardown,
  utf8,
} from './fixtures.ts'

type Handler = (request: Request) => Promise<Response>

const EMPTY = content(utf8('{}'), 'application/vnd.oci.empty.v1+json')
const SUBJECT = image([utf8('a layer')])

/** A registry of before the referrers API; `heeds` conditions on tags, or not. */
function withoutReferrers(inner: Handler, { heeds }: { readonly heeds: boolean }): Handler {
  return async (request) => {
    if (new URL(request.url).pathname.includes('/referrers/'))
      return new Response('404 page not found', { status: 404 })
    const headers = new Headers(request.headers)
    if (!heeds) for (const name of ['if-match', 'if-none-match']) headers.delete(name)
    const response = await inner(new Request(request, { headers }))
    response.headers.delete('oci-subject')
    if (!heeds) response.headers.delete('etag')
    return response
  }
}

function signature(name: string, extra: Readonly<Record<string, unknown>> = {}): Content {
  const members = { config: EMPTY.descriptor, layers: [EMPTY.descriptor], subject: SUBJECT.descriptor }
  const named = { artifactType: 'application/vnd.test.signature', annotations: { name } }
  return content(
    json({ schemaVersion: 2, mediaType: OCI_MANIFEST, ...named, ...members, ...extra }),
    OCI_MANIFEST,
  )
}

async function push(repository: Repository, pushed: Content): Promise<void> {
  await repository.write(EMPTY.descriptor, bytesSource(EMPTY.bytes))
  await repository.write(pushed.descriptor, bytesSource(pushed.bytes))
}

const digests = (listed: readonly Descriptor[]): readonly Digest[] =>
  listed.map(({ digest }) => digest).toSorted()

async function open(t: Teardown, handler: Handler): Promise<Repository> {
  const { port } = await startRegistry(t, handler)
  return openClient(t).repository(`127.0.0.1:${port}/x`)
}

t.test('D8: a registry that says OCI-Subject is left to keep its own list', async (t) => {
  const requests: string[] = []
  const inner = memoryHandler({ allowDelete: true })
  const repository = await open(t, (request) => {
    requests.push(`${request.method} ${new URL(request.url).pathname}`)
    return inner(request)
  })
  const signed = signature('one')
  await push(repository, signed)
  t.notOk(requests.some((each) => each.includes('manifests/sha256-')))
  const [listed, ...more] = await repository.referrers(SUBJECT.descriptor.digest)
  t.strictSame(more, [])
  t.match(listed, {
    ...signed.descriptor,
    artifactType: 'application/vnd.test.signature',
    annotations: { name: 'one' },
  })
  await repository.delete(signed.descriptor)
  t.strictSame(await repository.referrers(SUBJECT.descriptor.digest), [])
  t.notOk(requests.some((each) => each.includes('manifests/sha256-')))
})

t.test('D8: an OCI-Subject that is another subject is no promise', async (t) => {
  const inner = withoutReferrers(memoryHandler(), { heeds: true })
  const repository = await open(t, async (request) => {
    const response = await inner(request)
    if (request.method === 'PUT') response.headers.set('oci-subject', EMPTY.descriptor.digest)
    return response
  })
  const signed = signature('one')
  await push(repository, signed)
  t.strictSame(digests(await repository.referrers(SUBJECT.descriptor.digest)), [signed.descriptor.digest])
})

for (const heeds of [true, false]) {
  const registry = heeds ? 'a registry that heeds If-Match' : 'a registry that knows no conditions'

  t.test(`C11: at ${registry} the list is kept under the tag`, async (t) => {
    const repository = await open(t, withoutReferrers(memoryHandler({ allowDelete: true }), { heeds }))
    const subject = SUBJECT.descriptor.digest
    t.strictSame(await repository.referrers(subject), [], 'C13: no tag, no referrers')
    const one = signature('one')
    const two = signature('two', {
      artifactType: undefined,
      config: { ...EMPTY.descriptor, mediaType: 'x/y' },
    })
    const about = indexOf([], { subject: SUBJECT.descriptor, annotations: { kind: 'index' } })
    for (const each of [one, two, about, one]) await push(repository, each)
    const { bytes, descriptor } = await repository.manifest(referrersTag(subject))
    t.equal(descriptor.mediaType, OCI_INDEX)
    t.strictSame(
      JSON.parse(new TextDecoder().decode(bytes)),
      {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [
          { ...one.descriptor, annotations: { name: 'one' }, artifactType: 'application/vnd.test.signature' },
          { ...two.descriptor, annotations: { name: 'two' }, artifactType: 'x/y' },
          { ...about.descriptor, annotations: { kind: 'index' } },
        ],
      },
      'each once, with what it is',
    )
    t.strictSame(
      digests(await repository.referrers(subject, { artifactType: 'x/y' })),
      [two.descriptor.digest],
      'C13: filtered here',
    )
    await repository.delete(two.descriptor.digest)
    t.strictSame(
      digests(await repository.referrers(subject)),
      digests([one.descriptor, about.descriptor]),
      'C12: a deleted one is taken out',
    )
    for (const each of [one, about]) await repository.delete(each.descriptor)
    t.strictSame(await repository.referrers(subject), [])
  })

  t.test(`S18 M11: two clients and many referrers at ${registry}: all survive`, async (t) => {
    const { port } = await startRegistry(t, withoutReferrers(memoryHandler(), { heeds }))
    // Two names of one server, so that not even this process knows that the writers should take turns.
    const repositories = ['127.0.0.1', 'localhost'].map((host) =>
      openClient(t).repository(`${host}:${port}/x`),
    )
    const pushed = repositories.flatMap((repository, client) =>
      Array.from({ length: 6 }, (_, number) => ({ repository, signed: signature(`${client} ${number}`) })),
    )
    await Promise.all(pushed.map(({ repository, signed }) => push(repository, signed)))
    const [repository] = repositories
    t.strictSame(
      digests(await repository!.referrers(SUBJECT.descriptor.digest)),
      digests(pushed.map(({ signed }) => signed.descriptor)),
    )
  })

  t.test(`S18: at ${registry} both survive even if both have read before either writes`, async (t) => {
    const tag = referrersTag(SUBJECT.descriptor.digest)
    const inner = withoutReferrers(memoryHandler(), { heeds })
    let reads = 0
    let release = (): void => undefined
    const bothHaveRead = new Promise<void>((resolve) => {
      release = resolve
    })
    const { port } = await startRegistry(t, async (request) => {
      const response = await inner(request)
      if (request.method !== 'GET' || !request.url.endsWith(tag)) return response
      if (++reads === 2) release()
      await bothHaveRead
      return response
    })
    const pushed = ['127.0.0.1', 'localhost'].map((host) => ({
      repository: openClient(t).repository(`${host}:${port}/x`),
      signed: signature(host),
    }))
    await Promise.all(pushed.map(({ repository, signed }) => push(repository, signed)))
    t.ok(reads > 2)
    t.strictSame(
      digests(await pushed[0]!.repository.referrers(SUBJECT.descriptor.digest)),
      digests(pushed.map(({ signed }) => signed.descriptor)),
    )
  })
}

t.test('M11: a registry that always refuses conditions does not stop a push', async (t) => {
  const inner = withoutReferrers(memoryHandler(), { heeds: true })
  let refusals = 0
  const repository = await open(t, async (request) => {
    if (!request.headers.has('if-none-match') && !request.headers.has('if-match')) return inner(request)
    refusals += 1
    return new Response(null, { status: 412 })
  })
  const signed = signature('one')
  await push(repository, signed)
  t.equal(refusals, 1)
  t.strictSame(digests(await repository.referrers(SUBJECT.descriptor.digest)), [signed.descriptor.digest])
})

t.test('M11: a list that was overwritten by a client without manners is written again', async (t) => {
  const handler = withoutReferrers(memoryHandler(), { heeds: false })
  const tag = referrersTag(SUBJECT.descriptor.digest)
  let isRude = true
  const repository = await open(t, async (request) => {
    const isWrite = request.method === 'PUT' && request.url.endsWith(tag)
    const response = await handler(request)
    if (isWrite && isRude) {
      isRude = false
      const { bytes, descriptor } = indexOf([])
      const headers = { 'content-type': descriptor.mediaType }
      await handler(new Request(request.url, { method: 'PUT', body: bytes, headers }))
    }
    return response
  })
  const signed = signature('one')
  await push(repository, signed)
  t.notOk(isRude)
  t.strictSame(digests(await repository.referrers(SUBJECT.descriptor.digest)), [signed.descriptor.digest])
})

t.test('C11: a tag that holds something else than an index is neither listed nor overwritten', async (t) => {
  const repository = await open(t, withoutReferrers(memoryHandler(), { heeds: true }))
  const other = image([])
  for (const { descriptor, bytes } of other.blobs) await repository.write(descriptor, bytesSource(bytes))
  const tag = referrersTag(SUBJECT.descriptor.digest)
  await repository.tag(tag, other.descriptor, other.bytes)
  t.strictSame(await repository.referrers(SUBJECT.descriptor.digest), [])
  await t.rejects(push(repository, signature('one')), { code: 'ERR_REGISTRY_RESPONSE' })
  t.equal((await repository.resolve(tag)).digest, other.descriptor.digest)
})

t.test('C13: a list that cannot be read is none, and one that is null is empty', async (t) => {
  const bodies = [
    utf8('{'),
    json({ schemaVersion: 2, layers: [] }),
    json({ schemaVersion: 2, manifests: null }),
  ]
  for (const body of bodies) {
    const host = await startRaw(t, (request, response) => {
      const status = request.url?.includes('/referrers/') ? 404 : 200
      response.writeHead(status, { 'content-type': OCI_INDEX }).end(status === 200 ? body : '')
    })
    const repository = openClient(t).repository(`${host}/x`)
    t.strictSame(await repository.referrers(SUBJECT.descriptor.digest), [])
  }
  const host = await startRaw(t, (_, response) => {
    response.writeHead(200, { 'content-type': OCI_INDEX }).end(bodies[2])
  })
  t.strictSame(
    await openClient(t).repository(`${host}/x`).referrers(SUBJECT.descriptor.digest),
    [],
    'as olareg does',
  )
})

t.test('C11: fields that we do not know stay in the list', async (t) => {
  const repository = await open(t, withoutReferrers(memoryHandler({ allowMissing: true }), { heeds: true }))
  const old = { ...content(utf8('gone'), OCI_MANIFEST).descriptor, 'org.example.more': [1] }
  const list = indexOf([], { manifests: [old], 'org.example.field': { a: 1 } })
  const tag = referrersTag(SUBJECT.descriptor.digest)
  await repository.tag(tag, list.descriptor, list.bytes)
  const signed = signature('one')
  await push(repository, signed)
  const { bytes } = await repository.manifest(tag)
  const written = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown[]>
  t.strictSame(written['org.example.field'], { a: 1 })
  t.strictSame(written['manifests']?.[0], old)
  t.equal(written['manifests']?.length, 2)
})

t.test('C13: every way to say that there is no list leads to the tag, once', async (t) => {
  const signed = signature('one')
  const list = indexOf([signed])
  const replies: readonly (readonly [why: string, status: number, type: string, body: string])[] = [
    ['bad request', 400, 'application/json', '{"errors":[{"code":"UNSUPPORTED"}]}'],
    ['not found, as a page', 404, 'text/html', '<html>'],
    ['not found, as an error', 404, 'application/json', '{"errors":[{"code":"NOT_FOUND"}]}'],
    ['method not allowed', 405, 'text/plain', ''],
    ['not acceptable', 406, 'text/plain', ''],
    ['another type', 200, 'application/json', '{"manifests":[]}'],
  ]
  for (const [why, status, type, body] of replies) {
    let asked = 0
    const host = await startRaw(t, (request, response) => {
      if (request.url?.includes('/referrers/')) {
        asked += 1
        response.writeHead(status, { 'content-type': type }).end(body)
        return
      }
      response.writeHead(200, { 'content-type': OCI_INDEX }).end(list.bytes)
    })
    const client = openClient(t, { retries: 0 })
    for (let times = 0; times < 2; times++) {
      const listed = await client.repository(`${host}/x`).referrers(SUBJECT.descriptor.digest)
      t.strictSame(digests(listed), [signed.descriptor.digest], why)
    }
    t.equal(asked, 1, `${why}: remembered`)
  }
})

t.test('C13: what says nothing about the list is an error, or asked again', async (t) => {
  let reply: readonly [status: number, body: string] = [403, '{"errors":[{"code":"DENIED"}]}']
  let asked = 0
  const host = await startRaw(t, (request, response) => {
    if (request.url?.includes('/referrers/')) asked += 1
    response.writeHead(reply[0], { 'content-type': 'application/json' }).end(reply[1])
  })
  const repository = openClient(t, { retries: 0 }).repository(`${host}/x`)
  const list = (): Promise<readonly Descriptor[]> => repository.referrers(SUBJECT.descriptor.digest)
  await t.rejects(list(), { code: 'ERR_REGISTRY_DENIED' })
  reply = [500, '']
  await t.rejects(list(), { code: 'ERR_REGISTRY_SERVER' })
  reply = [404, '{"errors":[{"code":"NAME_UNKNOWN"}]}']
  t.strictSame(await list(), [])
  t.strictSame(await list(), [])
  t.equal(asked, 4, 'an unknown repository says nothing about the registry')
})

t.test('C13: pages are followed, and filtered here unless the registry has done it', async (t) => {
  const wanted = 'application/vnd.test.signature'
  const page = (...entries: readonly Content[]): string =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: entries.map(({ descriptor }, index) => ({
        ...descriptor,
        artifactType: index === 0 ? wanted : 'other/type',
      })),
    })
  for (const applied of [['artifactType'], ['size, artifactType'], []]) {
    const asked: string[] = []
    const [one, two, three] = [signature('1'), signature('2'), signature('3')]
    const host = await startRaw(t, (request, response) => {
      asked.push(request.url ?? '')
      const isFirst = asked.length === 1
      response
        .writeHead(200, {
          'content-type': `${OCI_INDEX}; charset=utf-8`,
          ...(isFirst ? { link: `<${request.url}&page=2>; rel="next"` } : {}),
          ...(applied.length > 0 ? { 'oci-filters-applied': applied } : {}),
        })
        .end(isFirst ? page(one, two) : page(three, one))
    })
    const repository = openClient(t).repository(`${host}/x`)
    const listed = await repository.referrers(SUBJECT.descriptor.digest, { artifactType: wanted })
    const expected = applied.length > 0 ? [one, two, three] : [one, three]
    t.strictSame(digests(listed), digests(expected.map(({ descriptor }) => descriptor)), String(applied))
    t.match(asked, [/\?artifactType=application%2Fvnd\.test\.signature$/, /&page=2$/])
  }
})

t.test('S5: links of a list that lead away, in circles or nowhere are not followed', async (t) => {
  const base = `/v2/x/referrers/${SUBJECT.descriptor.digest}`
  const links: readonly (readonly [
    why: string,
    link: (count: number) => string,
    code: string,
    most: number,
  ])[] = [
    ['another host', () => 'https://evil.example/v2/', 'ERR_REGISTRY_REFUSED', 1],
    ['the metadata service', () => 'http://169.254.169.254/latest', 'ERR_REGISTRY_REFUSED', 1],
    ['itself', () => `${base}?page=2`, 'ERR_REGISTRY_LIMIT', 3],
    ['endless', (count) => `${base}?page=${count}`, 'ERR_REGISTRY_LIMIT', 2000],
  ]
  for (const [why, link, code, most] of links) {
    let count = 0
    const host = await startRaw(t, (_, response) => {
      count += 1
      response
        .writeHead(200, { 'content-type': OCI_INDEX, link: `<${link(count)}>; rel="next"` })
        .end(indexOf([]).bytes)
    })
    const repository = openClient(t, { retries: 0 }).repository(`${host}/x`)
    await t.rejects(repository.referrers(SUBJECT.descriptor.digest), { code }, why)
    t.ok(count <= most, `${why}: ${count} requests`)
  }
})

t.test('S10: a list that cannot be a list is refused, and one without end ends', async (t) => {
  const bodies: readonly (readonly [why: string, body: Uint8Array, code: string])[] = [
    ['not JSON', utf8('<'), 'ERR_OCI_MANIFEST_INVALID'],
    ['not an index', json({ schemaVersion: 2, layers: [] }), 'ERR_OCI_MANIFEST_INVALID'],
    [
      'a bad digest',
      indexOf([], { manifests: [{ ...EMPTY.descriptor, digest: '../x' }] }).bytes,
      'ERR_OCI_MANIFEST_INVALID',
    ],
    ['too large', new Uint8Array(9 * 1024 * 1024), 'ERR_REGISTRY_LIMIT'],
  ]
  for (const [why, body, code] of bodies) {
    const host = await startRaw(t, (_, response) => {
      response.writeHead(200, { 'content-type': OCI_INDEX }).end(body)
    })
    const repository = openClient(t, { retries: 0 }).repository(`${host}/x`)
    await t.rejects(repository.referrers(SUBJECT.descriptor.digest), { code }, why)
  }
})

t.test('S10: few referrers with much to say do not fill the memory', async (t) => {
  let pages = 0
  const annotations = { padding: 'x'.repeat(7 * 1024 * 1024) }
  const page = indexOf([], {
    manifests: [{ ...EMPTY.descriptor, mediaType: OCI_MANIFEST, annotations }],
  }).bytes
  const host = await startRaw(t, (_, response) => {
    const link = `</v2/x/referrers/next?page=${++pages}>; rel="next"`
    response.writeHead(200, { 'content-type': OCI_INDEX, link }).end(page)
  })
  const repository = openClient(t, { retries: 0 }).repository(`${host}/x`)
  await t.rejects(repository.referrers(SUBJECT.descriptor.digest), { code: 'ERR_REGISTRY_LIMIT' })
  t.equal(pages, 10)
})

t.test('an abort stops a push that waits for its list to settle', async (t) => {
  const stop = new AbortController()
  const reason = new Error('enough')
  const inner = withoutReferrers(memoryHandler(), { heeds: false })
  const repository = await open(t, async (request) => {
    const response = await inner(request)
    if (request.method === 'PUT' && request.url.includes('manifests/sha256-'))
      setImmediate(() => stop.abort(reason))
    return response
  })
  const signed = signature('one')
  await repository.write(EMPTY.descriptor, bytesSource(EMPTY.bytes))
  const source = bytesSource(signed.bytes)
  await t.rejects(repository.write(signed.descriptor, source, { signal: stop.signal }), reason)
})
