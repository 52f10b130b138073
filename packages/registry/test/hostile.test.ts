/** What registries, and whoever sits in between, may do to a client. Rows are those of the threat table. */
import type { ServerResponse } from 'node:http'
import { bytesSource, describe, digestOf } from '@varve/digest'
import t from 'tap'
import { createRegistryClient, createTransport, type RegistryClientOptions } from '../src/index.ts'
import {
  collect,
  type Content,
  content,
  image,
  json,
  noise,
  openClient,
  OCI_INDEX,
  OCI_MANIFEST,
  startRaw,
  startRegistry,
  type Teardown,
  utf8,
} from './fixtures.ts'
import { fakeNetwork, type Reply, type Sent } from './http-fixtures.ts'

const pushed = image([])
const GOOD: Reply = {
  status: 200,
  headers: { 'content-type': OCI_MANIFEST, 'docker-content-digest': pushed.descriptor.digest },
  body: pushed.bytes,
}

function repositoryOf(
  answer: (request: Sent) => Reply,
  options: RegistryClientOptions = {},
  name = 'reg.example.com/x',
) {
  const { transport, sent } = fakeNetwork(answer)
  return { sent, repository: createRegistryClient({ transport, retries: 0, ...options }).repository(name) }
}

const challenge = (realm: string): Reply => ({
  status: 401,
  headers: { 'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:x:pull"` },
})

t.test('S1: a token realm is a public web server, or the registry', async (t) => {
  const refused = [
    'http://auth.example.com/token',
    'http://reg.example.com/token',
    'file:///etc/passwd',
    'ftp://auth.example.com/token',
    'https://user:pass@auth.example.com/token',
    'https://127.0.0.1/token',
    'https://127.1/token',
    'https://0x7f.1/token',
    'https://2130706433/token',
    'https://169.254.169.254/latest',
    'https://10.0.0.1/token',
    'https://[::1]/token',
    'https://[::]/token',
    'https://[::ffff:169.254.169.254]/token',
    'https://[fd00::1]/token',
    'https://localhost/token',
    'https://auth.localhost/token',
    'https:\\\\auth.example.com',
    'not a url',
  ]
  for (const realm of refused) {
    const { repository, sent } = repositoryOf(() => challenge(realm))
    await t.rejects(repository.manifest('t'), { code: 'ERR_REGISTRY_REFUSED' }, realm)
    t.equal(sent.length, 1, 'nothing was asked')
  }
  for (const realm of ['https://auth.example.org/token', 'https://reg.example.com/token']) {
    const { repository, sent } = repositoryOf((request) => {
      if (request.url.includes('/token')) return { status: 200, body: json({ access_token: 'T' }) }
      return request.authorization === 'Bearer T' ? GOOD : challenge(realm)
    })
    t.strictSame((await repository.manifest('t')).descriptor, pushed.descriptor, realm)
    t.equal(sent.find(({ url }) => url.includes('/token'))?.authorization, undefined)
  }
})

t.test('S1: plain HTTP stays with hosts that were said to be insecure', async (t) => {
  const insecure = ['reg.internal:5000']
  const answer = (realm: string) => (request: Sent) => {
    if (request.url.includes('/token')) return { status: 200, body: json({ token: 'T' }) }
    return request.authorization === undefined ? challenge(realm) : GOOD
  }
  const own = repositoryOf(answer('http://reg.internal:5000/token'), { insecure }, 'reg.internal:5000/x')
  t.ok(await own.repository.manifest('t'))
  t.match(own.sent[0]?.url, /^http:\/\/reg\.internal:5000\//)
  const other = repositoryOf(answer('http://elsewhere.internal/token'), { insecure }, 'reg.internal:5000/x')
  await t.rejects(other.repository.manifest('t'), { code: 'ERR_REGISTRY_REFUSED' })
  const port = repositoryOf(() => GOOD, { insecure }, 'reg.internal:5001/x')
  await port.repository.manifest('t')
  t.match(port.sent[0]?.url, /^https:/, 'another port is another host')
  t.throws(() => createRegistryClient({ insecure: ['http://a/b'] }), TypeError)
})

t.test('S2: a realm may not lead on to where it could not be', async (t) => {
  for (const location of [
    'http://auth.example.com/t',
    'https://169.254.169.254/t',
    'https://a:b@example.com/',
  ]) {
    const { repository } = repositoryOf((request) =>
      request.url.includes('auth.example.com')
        ? { status: 307, headers: { location } }
        : challenge('https://auth.example.com/t'),
    )
    await t.rejects(repository.manifest('t'), { code: 'ERR_REGISTRY_REFUSED' }, location)
  }
})

t.test('S1: a token is text for a header, of a sane size', async (t) => {
  const bodies: readonly (readonly [Uint8Array, string])[] = [
    [json({ token: 'a\r\nX-Evil: 1' }), 'ERR_REGISTRY_RESPONSE'],
    [json({ token: 7 }), 'ERR_REGISTRY_RESPONSE'],
    [json({}), 'ERR_REGISTRY_RESPONSE'],
    [utf8('{"token":"secret'), 'ERR_REGISTRY_RESPONSE'],
    [noise(200_000), 'ERR_REGISTRY_LIMIT'],
  ]
  for (const [body, code] of bodies) {
    const { repository } = repositoryOf(({ url }) =>
      url.includes('auth') ? { status: 200, body } : challenge('https://auth.example.com/t'),
    )
    const error = (await repository.manifest('t').catch((thrown: unknown) => thrown)) as Error
    t.match(error, { code })
    t.notMatch(`${error.message} ${String(error.cause)}`, /secret/)
  }
  const { repository, sent } = repositoryOf(({ url }) =>
    url.includes('auth')
      ? { status: 200, body: json({ token: 'T' }) }
      : challenge('https://auth.example.com/t'),
  )
  await t.rejects(
    repository.manifest('t'),
    { code: 'ERR_REGISTRY_UNAUTHORIZED' },
    'a token that does not help',
  )
  t.equal(sent.length, 3, 'is tried once')
})

t.test(
  'S3 C16 N3: a token goes to the registry only, and not even there once the chain has left it',
  async (t) => {
    const withToken = (next: (request: Sent) => Reply) => (request: Sent) => {
      if (request.url.startsWith('https://auth.')) return { status: 200, body: json({ token: 'T' }) }
      if (request.url.includes('/v2/x/manifests/') && request.authorization === undefined) {
        return challenge('https://auth.example.com/t')
      }
      return next(request)
    }
    const targets = ['https://cdn.example.net/a', 'https://reg.example.com:8443/a', 'https://example.com/a']
    for (const target of targets) {
      const { repository, sent } = repositoryOf(
        withToken(({ url }) => (url === target ? GOOD : { status: 307, headers: { location: target } })),
      )
      t.ok(await repository.manifest('t'))
      t.equal(sent.at(-1)?.authorization, undefined, target)
      t.equal(sent.at(-2)?.authorization, 'Bearer T')
    }
    const back = repositoryOf(
      withToken(({ url }) => {
        if (url === 'https://cdn.example.net/a')
          return { status: 302, headers: { location: 'https://reg.example.com/b' } }
        if (url === 'https://reg.example.com/b') return GOOD
        return { status: 302, headers: { location: 'https://cdn.example.net/a' } }
      }),
    )
    t.ok(await back.repository.manifest('t'))
    t.equal(back.sent.at(-1)?.authorization, undefined, 'there and back')

    const asks = repositoryOf(
      withToken(({ url }) =>
        url.includes('cdn')
          ? challenge('https://evil.example/t')
          : { status: 307, headers: { location: 'https://cdn.example.net/a' } },
      ),
    )
    await t.rejects(asks.repository.manifest('t'), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
    t.notOk(
      asks.sent.some(({ url }) => url.includes('evil')),
      'the second host cannot ask for anything',
    )
  },
)

t.test('S3: redirects end, and do not lead into the open or into the house', async (t) => {
  const table: readonly (readonly [why: string, reply: Reply, code: string])[] = [
    ['to http', { status: 307, headers: { location: 'http://reg.example.com/a' } }, 'ERR_REGISTRY_REFUSED'],
    [
      'to a private address',
      { status: 307, headers: { location: 'https://192.168.1.1/a' } },
      'ERR_REGISTRY_REFUSED',
    ],
    ['for ever', { status: 307, headers: { location: '/v2/x/manifests/t?again' } }, 'ERR_REGISTRY_REFUSED'],
    ['to nowhere', { status: 307 }, 'ERR_REGISTRY_RESPONSE'],
    ['to two places', { status: 307, headers: { location: ['/a', '/b'] } }, 'ERR_REGISTRY_RESPONSE'],
    ['to another scheme', { status: 307, headers: { location: 'javascript:1' } }, 'ERR_REGISTRY_RESPONSE'],
    ['with a backslash', { status: 307, headers: { location: '/\\evil.example/' } }, 'ERR_REGISTRY_RESPONSE'],
  ]
  for (const [why, reply, code] of table) {
    const { repository } = repositoryOf(() => reply)
    await t.rejects(repository.manifest('t'), { code }, why)
  }
  const { repository } = repositoryOf(() => ({ status: 302, headers: { location: '/elsewhere' } }))
  await t.rejects(
    repository.tag('t', pushed.descriptor, pushed.bytes),
    { code: 'ERR_REGISTRY_REFUSED' },
    'a push that would become a read',
  )
})

t.test('S4 Q10 N9: an upload goes on where the registry says, within bounds, byte for byte', async (t) => {
  const blob = content(noise(100))
  const uploadTo = (location: string | readonly string[] | undefined) =>
    repositoryOf(({ method, url }) => {
      if (method === 'HEAD') return { status: 404 }
      if (method === 'POST') return { status: 202, headers: location === undefined ? {} : { location } }
      return { status: url.includes('digest=') || method === 'DELETE' ? 201 : 400 }
    })
  const digest = encodeURIComponent(blob.descriptor.digest)
  const accepted = [
    ['/up?_state=a%3D%3D&x=%7e', `https://reg.example.com/up?_state=a%3D%3D&x=%7e&digest=${digest}`],
    ['https://reg.example.com:443/up', `https://reg.example.com:443/up?digest=${digest}`],
    ['https://storage.example.net/up?sig=a+b', `https://storage.example.net/up?sig=a+b&digest=${digest}`],
    ['session-1?', `https://reg.example.com/v2/x/blobs/uploads/session-1?digest=${digest}`],
    ["?s='1'", `https://reg.example.com/v2/x/blobs/uploads/?s='1'&digest=${digest}`],
    ['//reg.example.com/up', `https://reg.example.com/up?digest=${digest}`],
  ] as const
  for (const [location, url] of accepted) {
    const { repository, sent } = uploadTo(location)
    await repository.write(blob.descriptor, bytesSource(blob.bytes))
    t.strictSame(sent.at(-1), { method: 'PUT', url, authorization: undefined }, location)
  }
  const refused = [
    ['http://reg.example.com/up', 'ERR_REGISTRY_REFUSED'],
    ['https://127.0.0.1/up', 'ERR_REGISTRY_REFUSED'],
    ['https://[::ffff:a9fe:a9fe]/up', 'ERR_REGISTRY_REFUSED'],
    ['https://u:p@reg.example.com/up', 'ERR_REGISTRY_REFUSED'],
    ['https:///up', 'ERR_REGISTRY_RESPONSE'],
    ['/up\u00e9', 'ERR_REGISTRY_RESPONSE'],
    [['/a', '/b'], 'ERR_REGISTRY_RESPONSE'],
    [undefined, 'ERR_REGISTRY_RESPONSE'],
  ] as const
  for (const [location, code] of refused) {
    const { repository, sent } = uploadTo(location)
    await t.rejects(repository.write(blob.descriptor, bytesSource(blob.bytes)), { code }, String(location))
    t.notOk(sent.some(({ method }) => method === 'PUT'))
  }
})

t.test('S5: a list of tags stays with the registry, and ends', async (t) => {
  const page = (tags: unknown, link?: string): Reply => ({
    status: 200,
    headers: link === undefined ? {} : { link },
    body: json({ name: 'x', tags }),
  })
  const table: readonly (readonly [why: string, answer: (request: Sent) => Reply, code: string])[] = [
    ['elsewhere', () => page(['a'], '<https://evil.example/next>; rel="next"'), 'ERR_REGISTRY_REFUSED'],
    [
      'another port',
      () => page(['a'], '<https://reg.example.com:8443/next>; rel=next'),
      'ERR_REGISTRY_REFUSED',
    ],
    ['itself', ({ url }) => page(['a'], `<${url}>; rel="next"`), 'ERR_REGISTRY_LIMIT'],
    ['without end', ({ url }) => page([], `<${url}x>; rel="next"`), 'ERR_REGISTRY_LIMIT'],
    ['a page without end', () => ({ status: 200, body: new Uint8Array(9_000_000) }), 'ERR_REGISTRY_LIMIT'],
    ['no page', () => ({ status: 200, body: utf8('<html>') }), 'ERR_REGISTRY_RESPONSE'],
    ['no tags', () => page({ a: 1 }), 'ERR_REGISTRY_RESPONSE'],
    ['a tag that is none', () => page(['a', '../b']), 'ERR_REGISTRY_RESPONSE'],
  ]
  for (const [why, answer, code] of table) {
    const { repository } = repositoryOf(answer)
    await t.rejects(
      async () => {
        for await (const _ of repository.tags());
      },
      { code },
      why,
    )
  }
  const walk = async (answer: (request: Sent) => Reply): Promise<string[]> => {
    const tags: string[] = []
    for await (const tag of repositoryOf(answer).repository.tags()) tags.push(tag)
    return tags
  }
  t.strictSame(await walk(() => page(null)), [], 'Q13: null is empty')
  const full = Array.from({ length: 1000 }, (_, at) => `t${at}`)
  const noLink = await walk(({ url }) => (url.includes('last=t999') ? page(['t999', 'u']) : page(full)))
  t.strictSame(noLink, [...full, 'u'], 'C15: a full page without a link, and Q13: the last one twice')
  const short = await walk(({ url }) =>
    url.endsWith('/more') ? page(['b']) : page(['a'], '</more>; rel="next"'),
  )
  t.strictSame(short, ['a', 'b'], 'C15: a short page that is not the end')
})

t.test('S7 S9: a manifest is of one type and of the digest asked for', async (t) => {
  const wide = describe(OCI_MANIFEST, pushed.bytes, 'sha512').digest
  const other = image().descriptor.digest
  const { digest } = pushed.descriptor
  const reply = (headers: Reply['headers'], body = pushed.bytes): Reply => ({
    status: 200,
    headers: headers ?? {},
    body,
  })
  const both = json({ ...JSON.parse(new TextDecoder().decode(pushed.bytes)), manifests: [] })
  const typed = { 'content-type': OCI_MANIFEST }
  const table: readonly (readonly [why: string, name: string, reply: Reply, code: string | undefined])[] = [
    ['right', digest, GOOD, undefined],
    ['type with parameters', 't', reply({ 'content-type': `${OCI_MANIFEST}; charset=utf-8` }), undefined],
    ['no digest header', 't', reply(typed), undefined],
    ['no type header', 't', reply({}), undefined],
    [
      'Q5: a header in another algorithm',
      wide,
      reply({ ...typed, 'docker-content-digest': digest }),
      undefined,
    ],
    [
      'a header in no algorithm of ours',
      't',
      reply({ ...typed, 'docker-content-digest': 'md5:00' }),
      undefined,
    ],
    ['wrong body', digest, reply(typed, image().bytes), 'ERR_DIGEST_MISMATCH'],
    [
      'wrong body, right header',
      digest,
      reply({ ...typed, 'docker-content-digest': digest }, image().bytes),
      'ERR_DIGEST_MISMATCH',
    ],
    ['wrong header', digest, reply({ ...typed, 'docker-content-digest': other }), 'ERR_DIGEST_MISMATCH'],
    [
      'wrong header for a tag',
      't',
      reply({ ...typed, 'docker-content-digest': other }),
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'two headers',
      't',
      reply({ ...typed, 'docker-content-digest': [digest, other] }),
      'ERR_REGISTRY_RESPONSE',
    ],
    ['truncated', digest, reply(typed, pushed.bytes.subarray(1)), 'ERR_DIGEST_MISMATCH'],
    ['S7: delivered as an index', 't', reply({ 'content-type': OCI_INDEX }), 'ERR_OCI_MANIFEST_INVALID'],
    ['S7: manifest and index', 't', reply(typed, both), 'ERR_OCI_MANIFEST_INVALID'],
    [
      'S7: an unknown type that the body denies',
      't',
      reply({ 'content-type': 'application/x' }),
      'ERR_REGISTRY_RESPONSE',
    ],
    [
      'schema 1',
      't',
      reply({ 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' }),
      'ERR_REGISTRY_UNSUPPORTED',
    ],
    [
      'S10: too large, announced',
      't',
      reply({ ...typed, 'content-length': '8388609' }),
      'ERR_REGISTRY_LIMIT',
    ],
    ['S10: too large', 't', reply(typed, new Uint8Array(8_388_609)), 'ERR_REGISTRY_LIMIT'],
    ['a length that is none', 't', reply({ ...typed, 'content-length': '1e3' }), 'ERR_REGISTRY_RESPONSE'],
  ]
  for (const [why, name, answer, code] of table) {
    const { repository } = repositoryOf(() => answer)
    if (code === undefined) t.ok(await repository.manifest(name), why)
    else await t.rejects(repository.manifest(name), { code }, why)
  }
  const asIndex = repositoryOf(() => GOOD).repository.read({ ...pushed.descriptor, mediaType: OCI_INDEX })
  await t.rejects(asIndex, { code: 'ERR_REGISTRY_RESPONSE' }, 'S7: one digest under two types')
  const lying = repositoryOf(() => ({ status: 201, headers: { 'docker-content-digest': other } })).repository
  await t.rejects(
    lying.tag('t', pushed.descriptor, pushed.bytes),
    { code: 'ERR_DIGEST_MISMATCH' },
    'after a push',
  )
})

t.test('Q12: resolves by GET where HEAD does not do', async (t) => {
  const length = String(pushed.bytes.byteLength)
  const heads: readonly Reply[] = [
    { status: 405 },
    { status: 200 },
    { status: 200, headers: { 'content-type': OCI_MANIFEST, 'content-length': length } },
  ]
  for (const head of heads) {
    const { repository, sent } = repositoryOf(({ method }) => (method === 'HEAD' ? head : GOOD))
    t.strictSame(await repository.resolve('t'), pushed.descriptor)
    t.equal(sent.length, 2)
  }
  const headers = { ...GOOD.headers, 'content-length': length }
  const { repository, sent } = repositoryOf(() => ({ status: 200, headers }))
  t.strictSame(await repository.resolve('t'), pushed.descriptor)
  t.equal(sent.length, 1)
})

t.test('Q1: Docker Hub answers elsewhere', async (t) => {
  const { repository, sent } = repositoryOf(() => GOOD, {}, 'ubuntu')
  await repository.manifest()
  t.equal(sent[0]?.url, 'https://registry-1.docker.io/v2/library/ubuntu/manifests/latest')
})

/** What a raw server sends for a blob, as often as it is asked. */
type BlobAnswer = (
  attempt: number,
  range: string | undefined,
) => Reply | { readonly cutAfter: number; readonly reply: Reply }

async function pullFrom(t: Teardown, blob: Content, answer: BlobAnswer, retries = 2) {
  let attempt = 0
  const ranges: (string | undefined)[] = []
  const host = await startRaw(t, (request, response) => {
    if (request.method === 'HEAD') {
      response.writeHead(200, { 'content-length': blob.bytes.byteLength }).end()
      return
    }
    const { range } = request.headers
    ranges.push(range)
    const given = answer(attempt++, range)
    const reply = 'reply' in given ? given.reply : given
    response.writeHead(reply.status, { ...reply.headers } as Record<string, string>)
    if ('cutAfter' in given) {
      response.write(reply.body!.subarray(0, given.cutAfter), () => setTimeout(() => response.destroy(), 20))
    } else {
      response.end(reply.body)
    }
  })
  const client = createRegistryClient({ retries })
  t.teardown(() => client.close())
  const source = await client.repository(`${host}/x`).read(blob.descriptor)
  return { ranges, read: () => collect(source) }
}

t.test('Q11: a download that breaks is resumed where it broke', async (t) => {
  const blob = content(noise(400_000))
  const whole = (headers: Reply['headers'] = {}): Reply => ({
    status: 200,
    headers: { 'content-length': '400000', ...headers },
    body: blob.bytes,
  })
  const rest = (range: string | undefined): Reply => {
    const start = Number(/^bytes=(\d+)-399999$/.exec(range ?? '')?.[1])
    return {
      status: 206,
      headers: { 'content-range': `bytes ${start}-399999/400000`, 'content-length': String(400_000 - start) },
      body: blob.bytes.subarray(start),
    }
  }
  const resumed = await pullFrom(t, blob, (attempt, range) =>
    attempt === 0 ? { cutAfter: 150_000, reply: whole() } : rest(range),
  )
  t.equal(digestOf(await resumed.read()), blob.descriptor.digest)
  t.strictSame(resumed.ranges, [undefined, 'bytes=150000-399999'])

  const ignored = await pullFrom(t, blob, (attempt) =>
    attempt === 0 ? { cutAfter: 150_000, reply: whole() } : whole(),
  )
  t.equal(
    digestOf(await ignored.read()),
    blob.descriptor.digest,
    'a registry without ranges sends all of it again',
  )

  const refused = await pullFrom(t, blob, (attempt, range) => {
    if (attempt === 0) return { cutAfter: 150_000, reply: whole() }
    return range === undefined ? whole() : { status: 416 }
  })
  t.equal(digestOf(await refused.read()), blob.descriptor.digest, 'or refuses')

  const shifted = await pullFrom(t, blob, (attempt) => {
    if (attempt === 0) return { cutAfter: 150_000, reply: whole() }
    return {
      status: 206,
      headers: { 'content-range': 'bytes 0-249999/400000' },
      body: blob.bytes.subarray(0, 250_000),
    }
  })
  await t.rejects(shifted.read(), { code: 'ERR_REGISTRY_RESPONSE' }, 'another range than was asked for')

  const hopeless = await pullFrom(t, blob, () => ({ cutAfter: 10, reply: whole() }), 1)
  await t.rejects(hopeless.read(), { code: 'ERR_REGISTRY_CONNECTION' })
  t.equal(hopeless.ranges.length, 2)
})

t.test('S9 S10: a blob is what its descriptor says, or an error before its last byte', async (t) => {
  const blob = content(noise(100_000))
  const flipped = blob.bytes.slice()
  flipped[99_999]! ^= 1
  const table: readonly (readonly [why: string, reply: Reply, code: string])[] = [
    [
      'wrong bytes',
      { status: 200, headers: { 'content-length': '100000' }, body: flipped },
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'announced too short',
      { status: 200, headers: { 'content-length': '99999' }, body: blob.bytes.subarray(1) },
      'ERR_DIGEST_SIZE',
    ],
    [
      'announced too long',
      { status: 200, headers: { 'content-length': '100001' }, body: noise(100_001) },
      'ERR_DIGEST_SIZE',
    ],
    ['too long', { status: 200, body: noise(1_000_000) }, 'ERR_DIGEST_SIZE'],
    ['too short', { status: 200, body: blob.bytes.subarray(0, 5) }, 'ERR_DIGEST_SIZE'],
    ['gone by now', { status: 404 }, 'ERR_REGISTRY_NOT_FOUND'],
    [
      'packed, though nobody asked',
      { status: 200, headers: { 'content-encoding': 'gzip' }, body: noise(100_000) },
      'ERR_DIGEST_MISMATCH',
    ],
  ]
  for (const [why, reply, code] of table) {
    const { read } = await pullFrom(t, blob, () => reply, 0)
    await t.rejects(read(), { code }, why)
  }
  const length = repositoryOf(() => ({ status: 200, headers: { 'content-length': '5' } })).repository
  await t.rejects(length.has(blob.descriptor), { code: 'ERR_DIGEST_SIZE' }, 'HEAD of another size')
})

/** A server that never stops sending, to whatever `isEndless`, and what it has written so far. */
async function startEndless(
  t: Teardown,
  isEndless: (path: string) => boolean,
  answer: (host: string, response: ServerResponse) => void,
) {
  const counter = { written: 0, host: '' }
  const part = utf8('"'.padEnd(65_536, 'x'))
  counter.host = await startRaw(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'content-type': OCI_MANIFEST }).end()
    else if (!isEndless(request.url ?? '')) answer(counter.host, response)
    else {
      response.writeHead(request.url?.includes('/error') === true ? 400 : 200, {
        'content-type': OCI_MANIFEST,
      })
      const pump = (): void => {
        while (!response.destroyed && response.write(part)) counter.written += part.byteLength
        if (!response.destroyed) response.once('drain', pump)
      }
      pump()
    }
  })
  return counter
}

t.test('S10: an endless manifest, blob, token, error or page costs no memory and no time', async (t) => {
  const challenged = (host: string, response: ServerResponse): void => {
    response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end()
  }
  const server = await startEndless(t, (path) => path.startsWith('/v2/'), challenged)
  const realm = await startEndless(t, (path) => path.startsWith('/token'), challenged)
  const client = openClient(t, { retries: 0 })
  const repository = client.repository(`${server.host}/x`)
  const blob = content(noise(1000))
  await t.rejects(collect(await repository.read(blob.descriptor)), { code: 'ERR_DIGEST_SIZE' })
  await t.rejects(repository.manifest('t'), { code: 'ERR_REGISTRY_LIMIT' })
  await t.rejects(repository.manifest('error'), { code: 'ERR_REGISTRY_REJECTED', status: 400, errors: [] })
  await t.rejects(repository.tags().next(), { code: 'ERR_REGISTRY_LIMIT' })
  await t.rejects(client.repository(`${realm.host}/x`).manifest('t'), { code: 'ERR_REGISTRY_LIMIT' })
  t.ok(server.written + realm.written < 64e6, 'the sender was stopped')

  const small = openClient(t, { retries: 0, limits: { documentBytes: 10, errorBytes: 10, tokenBytes: 10 } })
  const { port } = await startRegistry(t)
  const narrow = small.repository(`127.0.0.1:${port}/x`)
  await t.rejects(
    narrow.tags().next(),
    { code: 'ERR_REGISTRY_NOT_FOUND', errors: [] },
    'an error too long to read',
  )
  const wide = client.repository(`127.0.0.1:${port}/x`)
  await wide.write(pushed.blobs[0]!.descriptor, bytesSource(pushed.blobs[0]!.bytes))
  await wide.tag('t', pushed.descriptor, pushed.bytes)
  await t.rejects(narrow.manifest('t'), { code: 'ERR_REGISTRY_LIMIT' })
  await t.rejects(narrow.tags().next(), { code: 'ERR_REGISTRY_LIMIT' })
  t.throws(() => createRegistryClient({ limits: { documentBytes: 0 } }), TypeError)
  const frugal = repositoryOf(
    ({ url }) =>
      url.includes('/token')
        ? { status: 200, body: json({ token: 'T'.repeat(20) }) }
        : challenge('https://reg.example.com/token'),
    { limits: { tokenBytes: 20 } },
  )
  await t.rejects(frugal.repository.manifest('t'), { code: 'ERR_REGISTRY_LIMIT' })
})

t.test('what may pass is tried again, what may not is not', async (t) => {
  let calls = 0
  const flaky = (failures: readonly Reply[]) =>
    repositoryOf(() => failures[calls++] ?? GOOD, { retries: 2 }).repository
  const started = Date.now()
  t.ok(await flaky([{ status: 503 }, { status: 429, headers: { 'retry-after': '1' } }]).manifest('t'))
  t.equal(calls, 3)
  t.ok(Date.now() - started >= 1000, 'Retry-After was honoured')
  for (const status of [400, 404, 501]) {
    calls = 0
    await t.rejects(flaky([{ status }]).manifest('t'), { name: 'RegistryError', status })
    t.equal(calls, 1, String(status))
  }
  calls = 0
  await t.rejects(flaky([{ status: 502 }, { status: 502 }, { status: 502 }]).manifest('t'), {
    code: 'ERR_REGISTRY_SERVER',
    status: 502,
  })
  t.equal(calls, 3)
  const nobody = createRegistryClient({ retries: 1 }).repository('127.0.0.1:1/x')
  await t.rejects(nobody.manifest('t'), {
    code: 'ERR_REGISTRY_CONNECTION',
    cause: { code: 'ECONNREFUSED' },
    request: { method: 'GET', url: 'http://127.0.0.1:1/v2/x/manifests/t' },
  })
})

t.test('N6: a registry that says nothing is not waited for', async (t) => {
  const host = await startRaw(t, () => undefined)
  const transport = createTransport({ headersTimeoutMs: 200 })
  t.teardown(() => transport.close())
  const repository = createRegistryClient({ transport, retries: 0 }).repository(`${host}/x`)
  await t.rejects(repository.manifest('t'), { code: 'ERR_REGISTRY_TIMEOUT' })
})
