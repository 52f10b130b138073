/** Manifests by tag and digest: read, pushed under one tag or several, deleted. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bytesSource, digestOf } from '@varve/digest'
import t from 'tap'
import type { ProgressEvent, Repository } from '../src/index.ts'
import {
  collect,
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
type Answer = (request: IncomingMessage, response: ServerResponse) => void

const MADE = image([utf8('a layer')])
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
const SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws'

/** A repository of a server, and what it was asked. */
async function open(t: Teardown, handler: Handler): Promise<{ repository: Repository; requests: string[] }> {
  const requests: string[] = []
  const { port } = await startRegistry(t, (request) => {
    const { pathname, search } = new URL(request.url)
    requests.push(`${request.method} ${pathname.replace('/v2/x/', '')}${search}`)
    return handler(request)
  })
  return { repository: openClient(t).repository(`127.0.0.1:${port}/x`), requests }
}

async function openRaw(t: Teardown, answer: Answer): Promise<Repository> {
  return openClient(t, { retries: 0 }).repository(`${await startRaw(t, answer)}/x`)
}

/** Sends a manifest to whoever asks for one, with headers of the caller's choice. */
function sends(
  { bytes, descriptor }: Content,
  headers: Readonly<Record<string, string | string[]>> = {},
): Answer {
  return (request, response) => {
    response.writeHead(200, {
      'content-type': descriptor.mediaType,
      'content-length': String(bytes.byteLength),
      ...headers,
    })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }
}

async function pushBlobs(repository: Repository, { blobs }: typeof MADE): Promise<void> {
  for (const { descriptor, bytes } of blobs) await repository.write(descriptor, bytesSource(bytes))
}

t.test('C2: asks for every type of manifest, and gets the bytes as they are', async (t) => {
  const accepted: (string | undefined)[] = []
  const spaced = content(
    utf8(JSON.stringify(JSON.parse(new TextDecoder().decode(MADE.bytes)), null, 3)),
    OCI_MANIFEST,
  )
  const repository = await openRaw(t, (request, response) => {
    accepted.push(request.headers.accept)
    sends(spaced)(request, response)
  })
  const { bytes, descriptor } = await repository.manifest('v1')
  t.ok(Buffer.from(bytes).equals(spaced.bytes))
  t.strictSame(descriptor, spaced.descriptor)
  for (const each of [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, 'manifest.list.v2+json']) {
    t.ok(accepted[0]?.includes(each), each)
  }
})

t.test('S7 C2: one document has one type', async (t) => {
  const named = (mediaType: string, extra: object = {}): Uint8Array =>
    json({ ...(JSON.parse(new TextDecoder().decode(MADE.bytes)) as object), mediaType, ...extra })
  const rejected: readonly (readonly [why: string, type: string, body: Uint8Array, code: string])[] = [
    ['delivered as another type', OCI_INDEX, MADE.bytes, 'ERR_OCI_MANIFEST_INVALID'],
    ['says another type', OCI_MANIFEST, named(DOCKER_MANIFEST), 'ERR_OCI_MANIFEST_INVALID'],
    ['keys of both kinds', OCI_MANIFEST, named(OCI_MANIFEST, { manifests: [] }), 'ERR_OCI_MANIFEST_INVALID'],
    ['an unknown type, and says another', 'a/b', named(OCI_MANIFEST), 'ERR_REGISTRY_RESPONSE'],
    ['schema 1 by header', SCHEMA1, utf8('{"schemaVersion":1}'), 'ERR_REGISTRY_UNSUPPORTED'],
    [
      'schema 1 under a false name',
      OCI_MANIFEST,
      utf8('{"schemaVersion":1,"fsLayers":[]}'),
      'ERR_OCI_MANIFEST_UNSUPPORTED',
    ],
  ]
  for (const [why, type, body, code] of rejected) {
    const repository = await openRaw(t, sends(content(body, type)))
    await t.rejects(repository.manifest('v1'), { code }, why)
  }
  const repository = await openRaw(t, sends(MADE))
  await t.rejects(
    repository.read({ ...MADE.descriptor, mediaType: DOCKER_MANIFEST }),
    { code: 'ERR_REGISTRY_RESPONSE' },
    'one digest is not read as two types',
  )
  const typed = await openRaw(t, sends(MADE, { 'content-type': `${OCI_MANIFEST}; charset=utf-8` }))
  t.strictSame((await typed.manifest('v1')).descriptor, MADE.descriptor, 'Q15: parameters are no part of it')
})

t.test('C3 S9: a manifest is what its digest says, or nothing', async (t) => {
  const other = image([utf8('another')])
  const { digest } = MADE.descriptor
  const sha512 = digestOf(MADE.bytes, 'sha512')
  const rejected: readonly (readonly [why: string, name: string, answer: Answer])[] = [
    ['another body', digest, sends(other)],
    [
      'another body, with the digest that was asked for',
      digest,
      sends(other, { 'docker-content-digest': digest }),
    ],
    [
      'another digest in the header',
      digest,
      sends(MADE, { 'docker-content-digest': other.descriptor.digest }),
    ],
    ['a tag whose body is not that of the header', 'v1', sends(other, { 'docker-content-digest': digest })],
    ['a byte less', digest, sends({ ...MADE, bytes: MADE.bytes.subarray(1) })],
  ]
  for (const [why, name, answer] of rejected) {
    const repository = await openRaw(t, answer)
    await t.rejects(repository.manifest(name), { name: 'DigestError' }, why)
  }
  const accepted: readonly (readonly [
    why: string,
    name: string,
    digest: string,
    headers: Record<string, string>,
  ])[] = [
    ['no header', 'v1', digest, {}],
    ['no header, by digest', digest, digest, {}],
    ['Q5: sha512 with a header of sha256', sha512, sha512, { 'docker-content-digest': digest }],
    ['a header that is no digest', 'v1', digest, { 'docker-content-digest': 'sha256:xyz' }],
    ['a header of an unknown algorithm', 'v1', digest, { 'docker-content-digest': 'md5:00' }],
    ['a tag with a sha512', 'v1', sha512, { 'docker-content-digest': sha512 }],
  ]
  for (const [why, name, expected, headers] of accepted) {
    const repository = await openRaw(t, sends(MADE, headers))
    t.equal((await repository.manifest(name)).descriptor.digest, expected, why)
    t.equal((await repository.resolve(name)).digest, expected, `${why}, resolved`)
  }
  const twice = await openRaw(t, sends(MADE, { 'docker-content-digest': [digest, other.descriptor.digest] }))
  await t.rejects(twice.manifest('v1'), { code: 'ERR_REGISTRY_RESPONSE' }, 'a repeated header')
})

t.test('S9: a HEAD that says something else than the GET is found out', async (t) => {
  const other = image([utf8('another')])
  const repository = await openRaw(t, (request, response) =>
    request.method === 'HEAD'
      ? sends(MADE, { 'docker-content-digest': MADE.descriptor.digest })(request, response)
      : sends(other)(request, response),
  )
  const resolved = await repository.resolve('v1')
  t.strictSame(resolved, MADE.descriptor)
  await t.rejects(repository.read(resolved), { name: 'DigestError' })
})

t.test('Q12: a HEAD that is refused, or says too little, is followed by a GET', async (t) => {
  const { bytes, descriptor } = MADE
  for (const status of [400, 401, 403, 405, 406, 200]) {
    const methods: (string | undefined)[] = []
    const repository = await openRaw(t, (request, response) => {
      methods.push(request.method)
      if (request.method === 'HEAD') response.writeHead(status).end()
      else sends(MADE)(request, response)
    })
    t.strictSame(await repository.resolve('v1'), descriptor, String(status))
    t.strictSame(methods.slice(-1), ['GET'])
    t.ok(await repository.has({ ...descriptor, size: bytes.byteLength }))
  }
  const denied = await openRaw(t, (request, response) => {
    response.writeHead(403, { 'content-type': 'application/json' })
    response.end(
      request.method === 'HEAD' ? undefined : '{"errors":[{"code":"DENIED","message":"the reason"}]}',
    )
  })
  await t.rejects(denied.resolve('v1'), { code: 'ERR_REGISTRY_DENIED', errors: [{ message: 'the reason' }] })
})

t.test('S10: a manifest without end is not read', async (t) => {
  const tooLarge = new Uint8Array(8 * 1024 * 1024 + 1).fill(32)
  const bodies: readonly (readonly [why: string, answer: Answer])[] = [
    ['a length', sends({ ...MADE, bytes: tooLarge })],
    [
      'no length',
      (_, response) => {
        response.writeHead(200, { 'content-type': OCI_MANIFEST })
        response.write(tooLarge.subarray(0, -1))
        response.end('  ')
      },
    ],
  ]
  for (const [why, answer] of bodies) {
    await t.rejects((await openRaw(t, answer)).manifest('v1'), { code: 'ERR_REGISTRY_LIMIT' }, why)
  }
})

t.test('S14 S10: sizes that are no sizes are refused', async (t) => {
  const text = new TextDecoder().decode(MADE.bytes)
  for (const size of ['9007199254740992', '-1', '1.5', '1e3', '1.0', '-0', '"7"', '01']) {
    const body = utf8(text.replace(/"size":\d+/, `"size":${size}`))
    const repository = await openRaw(t, sends(content(body, OCI_MANIFEST)))
    await t.rejects(repository.manifest('v1'), { code: 'ERR_OCI_MANIFEST_INVALID' }, size)
  }
})

t.test('C20: a manifest of 4 MiB goes both ways', async (t) => {
  const { repository } = await open(t, memoryHandler())
  await pushBlobs(repository, MADE)
  const note = 'x'.repeat(4 * 1024 * 1024 - MADE.bytes.byteLength - 30)
  const large = image([utf8('a layer')], { annotations: { note } })
  t.ok(large.bytes.byteLength > 4_100_000 && large.bytes.byteLength <= 4 * 1024 * 1024)
  await repository.tag('large', large.descriptor, large.bytes)
  t.ok(Buffer.from((await repository.manifest('large')).bytes).equals(large.bytes))
})

t.test('C10: a push says the type of the manifest, without parameters, and sends its bytes', async (t) => {
  const seen: (readonly [type: string | undefined, body: string])[] = []
  const repository = await openRaw(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      seen.push([request.headers['content-type'], Buffer.concat(chunks).toString()])
      response.writeHead(seen.length === 1 ? 201 : 413).end()
    })
  })
  await repository.tag('v1', MADE.descriptor, MADE.bytes)
  t.strictSame(seen, [[OCI_MANIFEST, new TextDecoder().decode(MADE.bytes)]])
  await t.rejects(repository.tag('v1', MADE.descriptor, MADE.bytes), { code: 'ERR_REGISTRY_TOO_LARGE' })
})

t.test('C10: several tags are one push where the registry confirms them', async (t) => {
  const { repository, requests } = await open(t, memoryHandler())
  await pushBlobs(repository, MADE)
  const names = Array.from({ length: 12 }, (_, number) => `v${number}`)
  requests.length = 0
  await repository.tag(names, MADE.descriptor, MADE.bytes)
  t.equal(requests.length, 2, 'ten, and the rest')
  t.match(requests[0], new RegExp(`^PUT manifests/${MADE.descriptor.digest}\\?tag=v0&tag=v1&.*tag=v9$`))
  for (const name of names) t.equal((await repository.resolve(name)).digest, MADE.descriptor.digest)
})

t.test('a registry that does not see yet what it has taken is asked again, for a second', async (t) => {
  const errors = [{ code: 'DIGEST_INVALID' }, { code: 'MANIFEST_BLOB_UNKNOWN' }]
  for (const [failures, retries, puts] of [
    [1, 5, 2],
    [2, 5, 3],
    [Infinity, 5, 3],
    [Infinity, 1, 2],
    [Infinity, 0, 1],
  ] as const) {
    let asked = 0
    const name = await startRaw(t, (request, response) => {
      request.resume()
      asked += 1
      if (asked > failures) response.writeHead(201).end()
      else response.writeHead(400).end(JSON.stringify({ errors }))
    })
    const repository = openClient(t, { retries }).repository(`${name}/x`)
    const pushing = repository.tag('t', MADE.descriptor, MADE.bytes)
    if (failures === Infinity) await t.rejects(pushing, { code: 'ERR_REGISTRY_REJECTED', errors })
    else await pushing
    t.equal(asked, puts)
  }
})

t.test('C10: tags that are not confirmed are pushed singly', async (t) => {
  const confirmations: readonly (readonly [
    why: string,
    status: number,
    tags: string | string[] | undefined,
    puts: number,
  ])[] = [
    ['none, as by a registry that does not know it', 201, undefined, 3],
    ['some', 201, 'b', 2],
    ['all, in one header', 201, 'a, b,c', 0],
    ['all, in several headers', 201, ['a', 'b', 'c'], 0],
    ['another', 201, 'z', 3],
    ['URI too long', 414, undefined, 3],
    ['headers too large', 431, undefined, 3],
  ]
  for (const [why, status, confirmed, puts] of confirmations) {
    const asked: string[] = []
    const repository = await openRaw(t, (request, response) => {
      asked.push(request.url?.replace(/.*\//, '') ?? '')
      request.resume()
      const isTogether = request.url?.includes('?') === true
      const headers = isTogether && confirmed !== undefined ? { 'oci-tag': confirmed } : {}
      response.writeHead(isTogether ? status : 201, headers).end()
    })
    await repository.tag(['a', 'b', 'c'], MADE.descriptor, MADE.bytes)
    t.equal(asked.filter((each) => !each.includes('?')).length, puts, why)
    if (puts < 3) continue
    asked.length = 0
    await repository.tag(['a', 'b'], MADE.descriptor, MADE.bytes)
    t.strictSame(asked, ['a', 'b'], `${why}: remembered`)
  }
})

t.test('C10: a tag of a sha512 is pushed so that it means the sha512', async (t) => {
  const { repository } = await open(t, memoryHandler())
  await pushBlobs(repository, MADE)
  const { descriptor } = content(MADE.bytes, OCI_MANIFEST, 'sha512')
  await repository.tag('v1', descriptor, MADE.bytes)
  t.strictSame(await repository.resolve('v1'), descriptor)
})

t.test('what is no tag, no digest or not the bytes never leaves', async (t) => {
  let requests = 0
  const repository = await openRaw(t, (_, response) => {
    requests += 1
    response.end()
  })
  for (const name of [
    '',
    '../x',
    'a/b',
    'a?b',
    '-a',
    `sha256:${'A'.repeat(64)}`,
    'sha256:../../x',
    'x'.repeat(129),
  ]) {
    await t.rejects(repository.resolve(name), TypeError, JSON.stringify(name))
    await t.rejects(repository.tag(name, MADE.descriptor, MADE.bytes), TypeError)
    await t.rejects(repository.delete(name), TypeError)
  }
  await t.rejects(
    repository.tag(MADE.descriptor.digest, MADE.descriptor, MADE.bytes),
    TypeError,
    'a digest is no tag',
  )
  await t.rejects(repository.tag('v1', MADE.descriptor, utf8('{}')), { name: 'DigestError' })
  const odd = content(json({ layers: [], manifests: [], schemaVersion: 2 }), OCI_MANIFEST)
  await t.rejects(repository.tag('v1', odd.descriptor, odd.bytes), { code: 'ERR_OCI_MANIFEST_INVALID' })
  t.equal(requests, 0)
})

t.test('C1: a name that is long with its host is pushed, with a warning, once', async (t) => {
  const { port } = await startRegistry(t)
  const events: ProgressEvent[] = []
  const client = openClient(t, { onProgress: (event) => events.push(event) })
  const warnings = (): readonly ProgressEvent[] => events.filter(({ kind }) => kind === 'warning')
  const short = client.repository(`127.0.0.1:${port}/x`)
  await pushBlobs(short, MADE)
  await short.tag('v1', MADE.descriptor, MADE.bytes)
  t.strictSame(warnings(), [])
  const long = client.repository(`127.0.0.1:${port}/${'x'.repeat(250)}`)
  await pushBlobs(long, MADE)
  await long.tag('v1', MADE.descriptor, MADE.bytes)
  await long.tag('v2', MADE.descriptor, MADE.bytes)
  t.match(warnings(), [{ host: `127.0.0.1:${port}`, text: /255/ }])
})

t.test('content inside a descriptor is used after a check, and not asked for', async (t) => {
  const repository = await openRaw(t, (_, response) => void response.writeHead(500).end())
  const { descriptor, bytes } = content(utf8('{}'), 'application/vnd.oci.empty.v1+json')
  const inline = { ...descriptor, data: Buffer.from(bytes).toString('base64') }
  t.strictSame(await collect(await repository.read(inline)), bytes)
  t.strictSame(await collect(repository.blob(inline)), bytes)
  await t.rejects(repository.read({ ...inline, data: 'e319' }), { code: 'ERR_DIGEST_SIZE' })
  await t.rejects(repository.read({ ...inline, data: 'e3s=' }), { code: 'ERR_DIGEST_MISMATCH' })
  await t.rejects(repository.read({ ...inline, data: 'e30' }), { code: 'ERR_OCI_MANIFEST_INVALID' })
})

t.test('deletes a tag alone, a manifest with its tags, a blob', async (t) => {
  const { repository } = await open(t, memoryHandler({ allowDelete: true }))
  await pushBlobs(repository, MADE)
  await repository.tag(['a', 'b'], MADE.descriptor, MADE.bytes)
  await repository.delete('a')
  await t.rejects(repository.resolve('a'), { code: 'ERR_REGISTRY_NOT_FOUND' })
  t.strictSame(await repository.resolve('b'), MADE.descriptor)
  await repository.delete(MADE.descriptor)
  await t.rejects(repository.resolve('b'), { code: 'ERR_REGISTRY_NOT_FOUND' })
  await t.rejects(repository.delete(MADE.descriptor), { code: 'ERR_REGISTRY_NOT_FOUND' })
  const [config] = MADE.blobs
  await repository.delete(config!.descriptor)
  t.notOk(await repository.has(config!.descriptor))
  const strict = await open(t, memoryHandler())
  await t.rejects(strict.repository.delete('a'), { code: 'ERR_REGISTRY_REJECTED', status: 405 })
})

t.test('a deletion whose answer is lost is done, and one that was never begun is not', async (t) => {
  const cases = [
    ['cut', 404, undefined],
    [502, 404, undefined],
    [429, 404, 'ERR_REGISTRY_NOT_FOUND'],
    [404, 202, 'ERR_REGISTRY_NOT_FOUND'],
  ] as const
  for (const [first, then, code] of cases) {
    const answers: (number | 'cut')[] = [first, then]
    const host = await startRaw(t, (_, response) => {
      const answer = answers.shift()
      if (answer === 'cut') response.destroy()
      else response.writeHead(answer ?? 500, { 'retry-after': '0' }).end()
    })
    const repository = openClient(t, { retries: 1 }).repository(`${host}/x`)
    if (code === undefined) await repository.delete('tag')
    else await t.rejects(repository.delete('tag'), { code }, String(first))
    t.equal(answers.length, first === 404 ? 1 : 0, `${first}, ${then}`)
  }
})

t.test('a manifest that cannot be read can be deleted', async (t) => {
  const methods: (string | undefined)[] = []
  for (const each of [content(utf8('{"schemaVersion":1}'), SCHEMA1), content(utf8('{'), OCI_MANIFEST)]) {
    const repository = await openRaw(t, (request, response) => {
      methods.push(request.method)
      if (request.method === 'DELETE') response.writeHead(202).end()
      else sends(each)(request, response)
    })
    await repository.delete(each.descriptor.digest)
    t.equal(methods.at(-1), 'DELETE')
  }
})

t.test('an index with a subject is a referrer like any other', async (t) => {
  const { repository } = await open(t, memoryHandler())
  const about = indexOf([], { subject: MADE.descriptor, artifactType: 'a/b' })
  await repository.write(about.descriptor, bytesSource(about.bytes))
  t.match(await repository.referrers(MADE.descriptor.digest), [{ ...about.descriptor, artifactType: 'a/b' }])
})
