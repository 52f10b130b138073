import { request as httpRequest } from 'node:http'
import { describe, digestOf } from '@varve/digest'
import fc from 'fast-check'
import t from 'tap'
import { createMemoryStore, type Ingest } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import { createRegistryHandler } from '../src/server.ts'
import { parseRange } from '../src/server/byte-range.ts'
import { cutPage } from '../src/server/page.ts'
import { pulled, ROWS } from './conformance.ts'
import {
  caller,
  codeOf,
  content,
  image,
  indexOf,
  json,
  memoryHandler,
  noise,
  OCI_MANIFEST,
  startRegistry,
  utf8,
} from './server-fixtures.ts'

const absent = digestOf(utf8('absent'))

t.test('answers as the distribution-spec says', async (t) => {
  const client = caller(memoryHandler())
  await client.putImage('a/b', 'v1', pulled)
  for (const { row, title, request, status, headers = {}, code, body } of ROWS) {
    const [method, path, sent = {}, payload] = request
    const response = await client.call(method, path, { headers: sent, ...(payload ? { body: payload } : {}) })
    const name = `${row} ${title}`
    t.equal(response.status, status, name)
    for (const [key, value] of Object.entries(headers))
      t.equal(response.headers.get(key), value, `${name}: ${key}`)
    if (code !== undefined) t.equal(await codeOf(response), code, `${name}: code`)
    else if (body !== undefined) {
      t.equal(digestOf(new Uint8Array(await response.arrayBuffer())), digestOf(body), `${name}: body`)
    }
  }
})

t.test('V3, V4: uploads in a stream and in chunks, in order only', async (t) => {
  const { call } = caller(memoryHandler())
  for (const { descriptor, bytes } of [content(noise(900)), content(noise(900), 'x/y', 'sha512')]) {
    const begun = await call('POST', '/v2/r/blobs/uploads/')
    t.equal(begun.status, 202)
    const where = begun.headers.get('location') ?? ''
    const chunk = (method: string, path: string, start: number, end: number) =>
      call(method, path, {
        body: bytes.subarray(start, end),
        headers: { 'content-range': `${start}-${end - 1}`, 'content-length': String(end - start) },
      })

    const early = await chunk('PATCH', where, 300, 600)
    t.equal(early.status, 416, 'a chunk that skips ahead')
    t.equal(early.headers.get('location'), where)
    t.equal((await call('GET', where)).headers.get('range'), '0-0', 'and nothing was taken')

    const first = await chunk('PATCH', where, 0, 300)
    t.equal(first.status, 202)
    t.equal(first.headers.get('range'), '0-299')
    t.equal((await chunk('PATCH', where, 0, 300)).status, 416, 'the same chunk again')
    t.equal(
      (await chunk('PUT', `${where}?digest=${descriptor.digest}`, 600, 900)).status,
      416,
      'a last chunk too early',
    )
    const status = await call('GET', where)
    t.equal(status.status, 204)
    t.equal(status.headers.get('range'), '0-299')
    t.equal(
      (await call('PATCH', where, { body: bytes.subarray(300, 600) })).headers.get('range'),
      '0-599',
      'a stream goes on',
    )
    const wrong = { 'content-range': '600-899', 'content-length': '7' }
    t.equal(
      await codeOf(await call('PATCH', where, { body: bytes.subarray(600), headers: wrong })),
      'SIZE_INVALID',
    )
    t.equal(
      (await call('PATCH', where, { body: utf8('x'), headers: { 'content-range': 'nonsense' } })).status,
      416,
    )
    const done = await chunk('PUT', `${where}?digest=${descriptor.digest}`, 600, 900)
    t.equal(done.status, 201)
    t.equal(done.headers.get('docker-content-digest'), descriptor.digest)
    const got = await call('GET', done.headers.get('location') ?? '')
    t.equal(digestOf(new Uint8Array(await got.arrayBuffer())), digestOf(bytes), 'V8: the location is right')
    t.equal((await call('GET', where)).status, 404, 'the upload is over')
  }
})

t.test(
  'V5, V16: uploads are cancelled and expire, and too many at once are told when to come back',
  async (t) => {
    let now = 0
    const { call, putBlob } = caller(
      memoryHandler({ now: () => now, limits: { uploadIdleMs: 1000, uploads: 2 } }),
    )
    const start = async (): Promise<string> =>
      (await call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''

    const cancelled = await start()
    t.equal((await call('DELETE', cancelled)).status, 204)
    t.equal((await call('DELETE', cancelled)).status, 404)

    const forgotten = await start()
    now = 900
    t.equal((await call('GET', forgotten)).status, 204, 'a question keeps it alive')
    now = 1901
    t.equal((await call('PATCH', forgotten, { body: utf8('x') })).status, 404)

    await start()
    await start()
    const third = await call('POST', '/v2/r/blobs/uploads/')
    t.equal(third.status, 429, 'one too many')
    t.ok(third.headers.get('retry-after'))
    now += 1001
    const bad = await putBlob('r', utf8('abc'), absent)
    t.equal(bad.status, 400, 'the forgotten ones made room')
    t.equal(await codeOf(bad), 'DIGEST_INVALID')
    t.equal((await call('HEAD', `/v2/r/blobs/${digestOf(utf8('abc'))}`)).status, 404)

    const where = await start()
    t.equal((await call('PUT', where, { body: utf8('abc') })).status, 400, 'no digest at all')
    t.equal(
      (await call('PUT', `${where}?digest=${digestOf(utf8('abc'))}`, { body: utf8('abc') })).status,
      201,
      'which did no harm',
    )
  },
)

t.test(
  'V6: a wrong digest or length is refused on all ways of an upload, and nothing is stored',
  async (t) => {
    const { call } = caller(memoryHandler())
    const start = async (): Promise<string> =>
      (await call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const { bytes, descriptor } = content(noise(90), 'x/y', algorithm)
      const wrong = content(noise(91), 'x/y', algorithm).descriptor.digest
      const patch = async (where: string, from: number, to: number) =>
        call('PATCH', where, {
          body: bytes.subarray(from, to),
          headers: { 'content-range': `${from}-${to - 1}`, 'content-length': String(to - from) },
        })
      const ways: Readonly<Record<string, (digest: string) => Promise<Response>>> = {
        'POST only': (digest) => call('POST', `/v2/r/blobs/uploads/?digest=${digest}`, { body: bytes }),
        'POST and PUT': async (digest) => call('PUT', `${await start()}?digest=${digest}`, { body: bytes }),
        'a stream': async (digest) => {
          const where = await start()
          t.equal((await call('PATCH', where, { body: bytes })).status, 202)
          return call('PUT', `${where}?digest=${digest}`)
        },
        chunks: async (digest) => {
          const where = await start()
          for (const from of [0, 30, 60]) t.equal((await patch(where, from, from + 30)).status, 202)
          return call('PUT', `${where}?digest=${digest}`)
        },
        'the last chunk with the PUT': async (digest) => {
          const where = await start()
          t.equal((await patch(where, 0, 60)).status, 202)
          const headers = { 'content-range': '60-89', 'content-length': '30' }
          return call('PUT', `${where}?digest=${digest}`, { body: bytes.subarray(60), headers })
        },
      }
      for (const [name, push] of Object.entries(ways)) {
        const refused = await push(wrong)
        t.equal(refused.status, 400, `${algorithm}, ${name}`)
        t.equal(await codeOf(refused), 'DIGEST_INVALID')
        for (const digest of [wrong, descriptor.digest]) {
          t.equal((await call('HEAD', `/v2/r/blobs/${digest}`)).status, 404, 'nothing is stored')
        }
      }
      const long = { body: bytes, headers: { 'content-length': '91' } }
      for (const short of [
        await call('POST', `/v2/r/blobs/uploads/?digest=${descriptor.digest}`, long),
        await call('PUT', `${await start()}?digest=${descriptor.digest}`, long),
        await call('PATCH', await start(), long),
      ]) {
        t.equal(short.status, 400)
        t.equal(await codeOf(short), 'SIZE_INVALID')
      }
      for (const [name, push] of Object.entries(ways)) {
        const done = await push(descriptor.digest)
        t.equal(done.status, 201, `${algorithm}, ${name}`)
        const got = await call('GET', done.headers.get('location') ?? '')
        t.equal(
          digestOf(new Uint8Array(await got.arrayBuffer()), algorithm),
          descriptor.digest,
          'V8: pullable',
        )
      }
    }
  },
)

t.test('S17: an upload has one writer, one repository and a largest size', async (t) => {
  const { call } = caller(memoryHandler({ limits: { blobBytes: 10 } }))
  const where = (await call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
  let finish = (): void => undefined
  const held = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(utf8('abc'))
      finish = () => controller.close()
    },
  })
  const slow = call('PATCH', where, { body: held })
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal((await call('PATCH', where, { body: utf8('x') })).status, 416, 'a second writer')
  finish()
  t.equal((await slow).headers.get('range'), '0-2')
  t.equal(
    (await call('PATCH', where.replace('/r/', '/s/'), { body: utf8('x') })).status,
    404,
    'of another repository',
  )
  t.equal((await call('PATCH', where, { body: utf8('12345678') })).status, 413)

  let more = (): void => undefined
  const doomed = call('PATCH', where, {
    body: new ReadableStream<Uint8Array>({
      start(controller) {
        more = () => {
          controller.enqueue(utf8('d'))
          controller.close()
        }
      },
    }),
  })
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal((await call('DELETE', where)).status, 204, 'a cancelled upload')
  more()
  t.equal((await doomed).status, 404, 'has no writer any more')
})

t.test('V11: takes every kind of manifest by tag and digest, and gives back its bytes', async (t) => {
  const nondistributable = {
    ...describe('application/vnd.oci.image.layer.nondistributable.v1.tar', noise(10)),
    urls: ['https://example.com/layer'],
  }
  const emptyJson = content(utf8('{}'), 'application/vnd.oci.empty.v1+json')
  const base = image()
  const artifact = { ...image([]), blobs: [emptyJson] }
  const manifests = {
    image: base,
    'without layers': image([]),
    'with a subject that is missing': image([noise(5)], { subject: describe(OCI_MANIFEST, utf8('gone')) }),
    'with a layer that may not be copied': {
      ...content(
        json({
          schemaVersion: 2,
          mediaType: OCI_MANIFEST,
          config: base.blobs[0]?.descriptor,
          layers: [nondistributable],
        }),
        OCI_MANIFEST,
      ),
      blobs: base.blobs,
    },
    artifact: {
      ...artifact,
      ...content(
        json({
          schemaVersion: 2,
          mediaType: OCI_MANIFEST,
          artifactType: 'application/x',
          config: emptyJson.descriptor,
          layers: [emptyJson.descriptor],
        }),
        OCI_MANIFEST,
      ),
    },
    'with data': image([], { subject: { ...emptyJson.descriptor, data: 'e30=' } }),
    'with fields of its own': image([], { 'org.example': { nested: [1, { deep: true }] } }),
    'without mediaType': {
      ...content(json({ schemaVersion: 2, config: base.blobs[0]?.descriptor, layers: [] }), OCI_MANIFEST),
      blobs: base.blobs,
    },
    index: { ...indexOf([base]), blobs: [] },
    'empty index': { ...indexOf([]), blobs: [] },
    'nested index': { ...indexOf([indexOf([])]), blobs: [] },
    'artifact index': { ...indexOf([base], { artifactType: 'application/y' }), blobs: [] },
  }
  const client = caller(memoryHandler())
  for (const [name, pushed] of Object.entries(manifests)) {
    const { digest } = pushed.descriptor
    const byTag = await client.putImage('r', 'tag', pushed)
    t.equal(byTag.status, 201, name)
    t.equal(byTag.headers.get('docker-content-digest'), digest, name)
    t.equal((await client.putManifest('r', digest, pushed)).status, 201, `${name}, by digest`)
    for (const where of ['/v2/r/manifests/tag', byTag.headers.get('location') ?? '']) {
      const got = await client.call('GET', where)
      t.equal(digestOf(new Uint8Array(await got.arrayBuffer())), digest, `${name}: ${where}`)
      t.equal(got.headers.get('content-type'), pushed.descriptor.mediaType)
    }
  }
  const wide = content(base.bytes, OCI_MANIFEST, 'sha512')
  const put = await client.putManifest('r', wide.descriptor.digest, wide)
  t.equal(put.headers.get('docker-content-digest'), wide.descriptor.digest, 'sha512')
  t.equal(
    (await client.call('GET', put.headers.get('location') ?? '')).headers.get('docker-content-digest'),
    wide.descriptor.digest,
  )
  t.equal(
    (await caller(memoryHandler({ allowMissing: true })).putManifest('r', 'x', base)).status,
    201,
    'sparse by option',
  )
})

t.test('V12: lists referrers with type and annotations, filtered, in pages', async (t) => {
  const client = caller(memoryHandler({ allowDelete: true }))
  const subject = image()
  await client.putImage('r', 'subject', subject)
  const referrers = [
    image([], {
      subject: subject.descriptor,
      artifactType: 'application/sbom',
      annotations: { made: 'here' },
    }),
    image([], { subject: subject.descriptor, annotations: { n: '2' } }),
    { ...indexOf([], { subject: subject.descriptor }), blobs: [] },
  ]
  for (const referrer of referrers) {
    const put = await client.putImage('r', referrer.descriptor.digest, referrer)
    t.equal(put.headers.get('oci-subject'), subject.descriptor.digest)
  }
  const list = async (query = '') => {
    const response = await client.call('GET', `/v2/r/referrers/${subject.descriptor.digest}${query}`)
    const body = (await response.json()) as { manifests: { digest: string }[] }
    return { response, manifests: body.manifests.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)) }
  }
  const types = ['application/sbom', 'application/vnd.oci.image.config.v1+json', undefined]
  const annotations = [{ made: 'here' }, { n: '2' }, undefined]
  const expected = referrers.map(({ descriptor }, at) => ({
    ...descriptor,
    ...(types[at] === undefined ? {} : { artifactType: types[at] }),
    ...(annotations[at] === undefined ? {} : { annotations: annotations[at] }),
  }))
  const all = await list()
  t.strictSame(
    all.manifests,
    expected.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
  )
  t.equal(all.response.headers.get('oci-filters-applied'), null)

  const filtered = await list('?artifactType=application/sbom')
  t.strictSame(filtered.manifests, [expected[0]])
  t.equal(filtered.response.headers.get('oci-filters-applied'), 'artifactType')

  const page = await list('?n=2')
  t.equal(page.manifests.length, 2)
  const [, next = ''] = /^<(.*)>; rel="next"$/.exec(page.response.headers.get('link') ?? '') ?? []
  const rest = (await (await client.call('GET', next)).json()) as { manifests: unknown[] }
  t.equal(rest.manifests.length, 1)

  const tagged = image([], { annotations: { listed: 'by hand' } })
  await client.putImage('r', tagged.descriptor.digest, tagged)
  await client.putManifest('r', subject.descriptor.digest.replace(':', '-'), indexOf([tagged]))
  t.equal((await list()).manifests.length, 4, 'also what was listed under the tag')

  await client.call('DELETE', `/v2/r/manifests/${referrers[0]?.descriptor.digest}`)
  t.equal((await list()).manifests.length, 3, 'V14: a deleted one is gone')
})

t.test('V13: lists tags in order, in pages', async (t) => {
  const client = caller(memoryHandler())
  const pushed = image()
  const names = ['b', 'a', 'B', 'a1', '_x', '10', '9', 'z'.repeat(128)]
  for (const name of names) await client.putImage('r', name, pushed)
  const sorted = names.toSorted()
  const tags = async (query: string) => {
    const response = await client.call('GET', `/v2/r/tags/list${query}`)
    return { tags: ((await response.json()) as { tags: string[] }).tags, link: response.headers.get('link') }
  }
  t.strictSame(await tags(''), { tags: sorted, link: null })
  t.strictSame(await tags('?n=0'), { tags: [], link: null })
  t.strictSame((await tags('?n=2')).tags, sorted.slice(0, 2))
  t.strictSame(
    (await tags('?last=B')).tags,
    sorted.filter((tag) => tag > 'B'),
  )
  const walked: string[] = []
  for (let link: string | null = '</v2/r/tags/list?n=3>'; link !== null;) {
    const query: string = /\?[^>]*/.exec(link)?.[0] ?? ''
    const page = await tags(query)
    walked.push(...page.tags)
    link = page.link
  }
  t.strictSame(walked, sorted)
})

t.test('pages of any list put together are the list', async () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string(), { maxLength: 30 }),
      fc.integer({ min: 1, max: 7 }),
      (words, n) => {
        const keys = words.toSorted()
        const seen: string[] = []
        for (let path: string | undefined = `/list?n=${n}`; path !== undefined;) {
          const page = cutPage(keys, new URL(path, 'http://registry.test'), 5)
          seen.push(...page.entries)
          path = /^<(.*)>/.exec(page.headers['Link'] ?? '')?.[1]
        }
        return seen.length === keys.length && seen.every((key, at) => key === keys[at])
      },
    ),
    { numRuns: 50 },
  )
})

t.test('a range lies inside the body, or is none', async (t) => {
  fc.assert(
    fc.property(
      fc.nat(100),
      fc.nat(150),
      fc.nat(150),
      fc.constantFrom('ab', 'a', 'b'),
      (size, a, b, form) => {
        const text = { ab: `bytes=${a}-${b}`, a: `bytes=${a}-`, b: `bytes=-${b}` }[form]
        const range = parseRange(text, size)
        if (range === 'unsatisfiable') return true
        return range !== undefined && 0 <= range.start && range.start < range.end && range.end <= size
      },
    ),
  )
  t.equal(parseRange('lines=1-2', 10), undefined)
  t.equal(parseRange(null, 10), undefined)
})

t.test('V14: deletes at once, and a manifest takes its tags along', async (t) => {
  const client = caller(memoryHandler({ allowDelete: true }))
  const pushed = image()
  const other = image()
  for (const tag of ['one', 'two']) await client.putImage('r', tag, pushed)
  await client.putImage('r', 'three', other)
  t.equal((await client.call('DELETE', '/v2/r/manifests/one')).status, 202)
  t.equal((await client.call('GET', '/v2/r/manifests/one')).status, 404)
  t.equal((await client.call('DELETE', '/v2/r/manifests/one')).status, 404)
  const path = `/v2/r/manifests/${pushed.descriptor.digest}`
  t.equal((await client.call('GET', path)).status, 200, 'the manifest outlives its tag')
  t.equal((await client.call('DELETE', path)).status, 202)
  t.equal((await client.call('GET', '/v2/r/manifests/two')).status, 404)
  t.equal((await client.call('DELETE', path)).status, 404)
  t.strictSame(((await (await client.call('GET', '/v2/r/tags/list')).json()) as { tags: unknown }).tags, [
    'three',
  ])
  const layer = `/v2/r/blobs/${pushed.blobs[1]?.descriptor.digest}`
  t.equal((await client.call('DELETE', layer)).status, 202)
  t.equal((await client.call('HEAD', layer)).status, 404)
  t.equal((await client.call('DELETE', layer)).status, 404)
})

t.test('V15: one push sets many tags, and says which', async (t) => {
  const { url } = await startRegistry(t)
  const pushed = image([])
  const config = pushed.blobs[0]!
  await fetch(`${url}/v2/r/blobs/uploads/?digest=${config.descriptor.digest}`, {
    method: 'POST',
    body: config.bytes,
  })
  const tags = Array.from({ length: 12 }, (_, at) => `t${at}`)
  const query = tags.map((tag) => `tag=${tag}`).join('&')
  const lines = await new Promise<string[]>((resolve, reject) => {
    const sent = httpRequest(
      `${url}/v2/r/manifests/${pushed.descriptor.digest}?${query}`,
      { method: 'PUT', headers: { 'content-type': OCI_MANIFEST } },
      (response) => {
        response.resume()
        resolve(response.headersDistinct['oci-tag'] ?? [])
      },
    )
    sent.on('error', reject).end(pushed.bytes)
  })
  t.strictSame(lines, tags)
  t.equal((await fetch(`${url}/v2/r/manifests/t11`)).status, 200)
  const many = Array.from({ length: 33 }, (_, at) => `tag=t${at}`).join('&')
  const put = { method: 'PUT', body: pushed.bytes, headers: { 'content-type': OCI_MANIFEST } }
  t.equal((await fetch(`${url}/v2/r/manifests/${pushed.descriptor.digest}?${many}`, put)).status, 414)
})

t.test('a tag moves only from where its writer thinks it is', async (t) => {
  const client = caller(memoryHandler())
  const [first, second] = [image(), image()]
  await client.putImage('r', 'tag', first)
  for (const blob of second.blobs) await client.putBlob('r', blob.bytes, blob.descriptor.digest)
  const put = (headers: Record<string, string>) =>
    client.call('PUT', '/v2/r/manifests/tag', {
      body: second.bytes,
      headers: { 'content-type': OCI_MANIFEST, ...headers },
    })
  t.equal((await put({ 'if-match': `"${absent}"` })).status, 412)
  t.equal((await put({ 'if-none-match': '*' })).status, 412)
  const etag = (await client.call('HEAD', '/v2/r/manifests/tag')).headers.get('etag') ?? ''
  t.equal((await put({ 'if-match': etag })).status, 201)
})

t.test('V14: a push and a delete at the same time leave no tag that leads nowhere', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const hesitant: typeof refs = {
    ...refs,
    update: async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
      return refs.update(...args)
    },
  }
  const client = caller(createRegistryHandler({ blobs, refs: hesitant, allowDelete: true }))
  const pushed = image()
  const path = `/v2/r/manifests/${pushed.descriptor.digest}`
  await client.putImage('r', 'first', pushed)
  for (let round = 0; round < 30; round += 1) {
    const begin = [() => client.putManifest('r', 'tag', pushed), () => client.call('DELETE', path)]
    const answers = await Promise.all((round % 2 === 0 ? begin : begin.toReversed()).map((each) => each()))
    t.ok(answers.every(({ ok }) => ok))
    const isTagged = (await client.call('GET', '/v2/r/manifests/tag')).status === 200
    const { tags } = (await (await client.call('GET', '/v2/r/tags/list')).json()) as { tags: string[] }
    t.strictSame(tags, isTagged ? ['tag'] : [])
    if (!isTagged) await client.putManifest('r', 'tag', pushed)
  }
})

t.test('V17: a repository is what was pushed to it; switches and the hook are obeyed', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const pushed = image()
  const client = caller(createRegistryHandler({ blobs, refs }))
  await client.putImage('team/one', 'v1', pushed)
  t.equal(await blobs.delete(pushed.blobs[1]!.descriptor.digest), true)
  t.equal(
    (await client.call('HEAD', `/v2/team/one/blobs/${pushed.blobs[1]?.descriptor.digest}`)).status,
    404,
    'lost by the store',
  )

  const readOnly = caller(createRegistryHandler({ blobs, refs, readOnly: true }))
  t.equal((await readOnly.call('GET', '/v2/team/one/manifests/v1')).status, 200)
  for (const [method, path] of [
    ['POST', '/v2/team/one/blobs/uploads/'],
    ['PUT', '/v2/team/one/manifests/v2'],
    ['DELETE', '/v2/team/one/manifests/v1'],
  ] as const) {
    t.equal((await readOnly.call(method, path)).status, 405, `read-only: ${method}`)
  }

  const asked: unknown[] = []
  const guarded = caller(
    createRegistryHandler({
      blobs,
      refs,
      authorize: async (access) => {
        asked.push(access)
        return access.repository === 'team/one' ? new Response(null, { status: 401 }) : undefined
      },
    }),
  )
  t.equal((await guarded.call('GET', '/v2/team/one/tags/list')).status, 401)
  const config = pushed.blobs[0]?.descriptor.digest
  const mount = await guarded.call('POST', `/v2/team/two/blobs/uploads/?mount=${config}&from=team/one`)
  t.equal(mount.status, 202, 'S17: a mount of what the caller may not read')
  t.strictSame(asked, [
    { repository: 'team/one', action: 'pull' },
    { repository: 'team/two', action: 'push' },
    { repository: 'team/one', action: 'pull' },
  ])
})

t.test('what fails inside is told to the owner, and not to the caller', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const errors: unknown[] = []
  const failure = new Error('secret path')
  const { call } = caller(
    createRegistryHandler({
      blobs: { ...blobs, ingest: () => Promise.reject(failure) },
      refs,
      onError: (error) => errors.push(error),
    }),
  )
  const response = await call('POST', '/v2/r/blobs/uploads/')
  t.equal(response.status, 500)
  t.notMatch(await response.text(), /secret/)
  t.strictSame(errors, [failure])
})

t.test('keeps what it has in a directory', async (t) => {
  const directory = t.testdir()
  const pushed = image([noise(100_000)])
  const first = await createLocalStore({ directory })
  const before = caller(createRegistryHandler({ blobs: first.blobs, refs: first.refs }))
  t.equal((await before.putImage('deep/er/name', 'Tag', pushed)).status, 201)
  const wide = content(noise(70), 'x/y', 'sha512')
  t.equal((await before.putBlob('deep/er/name', wide.bytes, wide.descriptor.digest)).status, 201)
  const second = await createLocalStore({ directory })
  const after = caller(createRegistryHandler({ blobs: second.blobs, refs: second.refs }))
  const got = await after.call('GET', '/v2/deep/er/name/manifests/Tag')
  t.equal(digestOf(new Uint8Array(await got.arrayBuffer())), pushed.descriptor.digest)
  const layer = await after.call('GET', `/v2/deep/er/name/blobs/${pushed.blobs[1]?.descriptor.digest}`)
  t.equal((await layer.arrayBuffer()).byteLength, 100_000)
  t.equal(
    (await after.call('HEAD', `/v2/deep/er/name/blobs/${wide.descriptor.digest}`)).status,
    200,
    'sha512',
  )
})

t.test('S17: uploads begun at the same time are counted like others', async (t) => {
  const { call } = caller(memoryHandler({ limits: { uploads: 3 } }))
  const begun = Array.from({ length: 9 }, () => call('POST', '/v2/r/blobs/uploads/'))
  const statuses = (await Promise.all(begun)).map(({ status }) => status)
  t.strictSame(
    statuses.toSorted((a, b) => a - b),
    [202, 202, 202, ...Array.from({ length: 6 }, () => 429)],
  )
})

t.test(
  'S17: an upload that another request goes on with is not finished, which is no failure of the server',
  async (t) => {
    const { blobs, refs } = createMemoryStore()
    let finish = (): void => undefined
    const waiting = new Promise<void>((resolve) => {
      finish = resolve
    })
    let atCommit = (): void => undefined
    const committing = new Promise<void>((resolve) => {
      atCommit = resolve
    })
    const ingest = async (name: string): Promise<Ingest> => {
      const inner = await blobs.ingest(name)
      return {
        get offset() {
          return inner.offset
        },
        write: (chunk) => inner.write(chunk),
        abort: () => inner.abort(),
        // As a store does that hashes a large blob.
        commit: async (expected) => {
          atCommit()
          await waiting
          return inner.commit(expected)
        },
      }
    }
    const { call } = caller(createRegistryHandler({ blobs: { ...blobs, ingest }, refs }))
    const { bytes, descriptor } = content(noise(100))
    const where = (await call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
    t.equal((await call('PATCH', where, { body: bytes })).status, 202)
    const finished = call('PUT', `${where}?digest=${descriptor.digest}`)
    await committing
    const status = await call('GET', where)
    t.equal(status.headers.get('range'), '0-99')
    finish()
    t.equal((await finished).status, 416)
    t.equal((await call('PUT', `${where}?digest=${descriptor.digest}`)).status, 201)
    t.equal((await call('HEAD', `/v2/r/blobs/${descriptor.digest}`)).status, 200)
  },
)
