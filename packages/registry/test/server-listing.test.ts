/** Long lists: what they cost, and what they show while they are being changed. */
import { createMemoryStore, type RefStore } from '@varve/cache-store'
import type { Descriptor } from '@varve/digest'
import t from 'tap'
import { basicAuthorizer, createRegistryHandler } from '../src/server.ts'
import { createTagTable } from '../src/server/tag-table.ts'
import { caller, type Caller, image, indexOf, memoryHandler } from './server-fixtures.ts'

/** A store of names that counts how often it is read. */
function counting(refs: RefStore): { readonly refs: RefStore; readonly reads: () => number } {
  let reads = 0
  const read: RefStore['read'] = (...args) => {
    reads += 1
    return refs.read(...args)
  }
  return { refs: { ...refs, read }, reads: () => reads }
}

/** All pages of a list, by following its links. */
async function walk<Entry>(
  client: Caller,
  path: string,
  entriesOf: (body: Record<string, readonly Entry[]>) => readonly Entry[] | undefined,
): Promise<{ readonly entries: readonly Entry[]; readonly pages: number }> {
  const entries: Entry[] = []
  let pages = 0
  for (let next: string | undefined = path; next !== undefined;) {
    const response: Response = await client.call('GET', next)
    entries.push(...(entriesOf((await response.json()) as Record<string, readonly Entry[]>) ?? []))
    pages += 1
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]
  }
  return { entries, pages }
}

t.test('V13: ten thousand tags are read once for all of their pages', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const counted = counting(refs)
  const client = caller(createRegistryHandler({ blobs, refs: counted.refs }))
  const pushed = image()
  await client.putImage('r', 'first', pushed)
  const tags = createTagTable(refs, Date.now)
  const names = Array.from({ length: 10_000 }, (_, at) => `v${at}`)
  for (const name of names) await tags.set('r', name, pushed.descriptor.digest)
  const before = counted.reads()
  const { entries, pages } = await walk(client, '/v2/r/tags/list?n=100', (body) => body['tags'])
  t.strictSame(entries, ['first', ...names].toSorted())
  t.equal(pages, 101)
  t.ok(counted.reads() - before <= 256, `${counted.reads() - before} documents`)
})

t.test('V13: a change here shows in the next page, one elsewhere after a few seconds', async (t) => {
  const { blobs, refs } = createMemoryStore()
  let now = 0
  const open = () => caller(createRegistryHandler({ blobs, refs, allowDelete: true, now: () => now }))
  const [here, elsewhere] = [open(), open()]
  const pushed = image()
  for (const tag of ['a', 'b', 'c', 'd']) await here.putImage('r', tag, pushed)
  const list = async (client: Caller, query: string) =>
    ((await (await client.call('GET', `/v2/r/tags/list${query}`)).json()) as { tags: string[] }).tags
  t.strictSame(await list(here, '?n=1'), ['a'])
  await here.call('DELETE', '/v2/r/manifests/b')
  t.strictSame(await list(here, '?n=1&last=a'), ['c'])
  await elsewhere.call('DELETE', '/v2/r/manifests/c')
  t.strictSame(await list(here, '?n=1&last=a'), ['c'], 'the list is still that of the page before')
  t.strictSame(await list(here, ''), ['a', 'd'], 'a first page is always new')
  t.strictSame(await list(here, '?n=1&last=a'), ['d'])
  await elsewhere.call('DELETE', '/v2/r/manifests/d')
  now += 10_000
  t.strictSame(await list(here, '?n=1&last=a'), [])
})

t.test('V1, V13: the catalog has the repositories that hold a manifest, in pages', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const client = caller(createRegistryHandler({ blobs, refs, allowDelete: true }))
  const repositories = async (query = '') =>
    (await walk<string>(client, `/v2/_catalog${query}`, (body) => body['repositories'])).entries
  t.strictSame(await repositories(), [])
  const pushed = image()
  const names = ['z', 'a/b/c', 'a', 'registry', 'holders', `${'long/'.repeat(50)}name`]
  for (const name of names) await client.putImage(name, 'v1', pushed)
  await client.putBlob('only/blobs', pushed.blobs[1]!.bytes, pushed.blobs[1]!.descriptor.digest)
  t.strictSame(await repositories(), names.toSorted())
  t.strictSame(await repositories('?n=2'), names.toSorted())
  t.equal((await client.call('GET', '/v2/_catalog?n=x')).status, 400)
  t.equal((await client.call('DELETE', `/v2/z/manifests/${pushed.descriptor.digest}`)).status, 202)
  t.strictSame(await repositories(), names.filter((name) => name !== 'z').toSorted())
  const again = caller(createRegistryHandler({ blobs, refs }))
  const { entries } = await walk<string>(again, '/v2/_catalog', (body) => body['repositories'])
  t.equal(entries.length, 5, 'another process knows the names, too')
  t.equal((await again.call('POST', '/v2/_catalog')).status, 405)
})

t.test('V17: the catalog is a right of its own', async (t) => {
  const authorize = basicAuthorizer({ verify: (_, { action }) => (action === 'list' ? 'deny' : 'allow') })
  const { call } = caller(memoryHandler({ authorize, readOnly: true }))
  const authorization = `Basic ${Buffer.from('a:b').toString('base64')}`
  t.equal((await call('GET', '/v2/_catalog', { headers: { authorization } })).status, 403)
  const open = caller(memoryHandler({ readOnly: true }))
  t.equal((await open.call('GET', '/v2/_catalog')).status, 200, 'no write')
})

t.test('V12: pages of referrers together are all referrers, each looked into once', async (t) => {
  const client = caller(memoryHandler({ limits: { pageEntries: 3 } }))
  const subject = image()
  await client.putImage('r', 'subject', subject)
  for (let at = 0; at < 8; at += 1) {
    const artifactType = at % 2 === 0 ? 'application/even' : 'application/odd'
    const referrer = image([], { subject: subject.descriptor, artifactType, annotations: { at: `${at}` } })
    t.equal((await client.putImage('r', referrer.descriptor.digest, referrer)).status, 201)
  }
  const path = `/v2/r/referrers/${subject.descriptor.digest}`
  const manifestsOf = (body: Record<string, readonly Descriptor[]>) => body['manifests']
  const all = await walk(client, path, manifestsOf)
  t.equal(all.pages, 3)
  t.equal(new Set(all.entries.map(({ digest }) => digest)).size, 8)
  const even = await walk(client, `${path}?artifactType=application/even`, manifestsOf)
  t.equal(even.pages, 2)
  const found = even.entries.map(({ annotations }) => Number(annotations?.['at']))
  t.strictSame(new Set(found), new Set([0, 2, 4, 6]))
})

t.test('S10: a manifest that names very many things is refused for little work', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const counted = counting(refs)
  const client = caller(createRegistryHandler({ blobs, refs: counted.refs }))
  const pushed = image()
  await client.putImage('r', 'v1', pushed)
  const entry = (at: number) => ({
    mediaType: 'a/b',
    size: 1,
    digest: `sha256:${at.toString(16).padStart(64, '0')}`,
  })
  const naming = (count: number) =>
    indexOf([], { manifests: Array.from({ length: count }, (_, at) => entry(at)) })
  for (const [count, status] of [
    [5000, 404],
    [20_000, 400],
  ] as const) {
    const before = counted.reads()
    const refused = await client.putManifest('r', 'many', naming(count))
    t.equal(refused.status, status)
    t.ok(counted.reads() - before < 200, `${counted.reads() - before} documents`)
    t.ok((await refused.arrayBuffer()).byteLength < 100_000)
  }
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
  })
  const headers = { 'content-type': pushed.descriptor.mediaType }
  t.equal((await client.call('PUT', '/v2/r/manifests/x', { body: endless, headers })).status, 413)
})

t.test('S13: names that every object has are names like others', async (t) => {
  const client = caller(memoryHandler({ allowDelete: true }))
  const names = ['constructor', '__proto__', 'prototype', 'toString']
  const subject = image()
  const text = JSON.stringify({
    ...JSON.parse(new TextDecoder().decode(image([]).bytes)),
    subject: subject.descriptor,
  })
  await client.putImage('constructor', 'v1', subject)
  for (const name of names) t.equal((await client.putImage('constructor', name, subject)).status, 201, name)
  const { entries } = await walk<string>(client, '/v2/constructor/tags/list', (body) => body['tags'])
  t.strictSame(entries, [...names, 'v1'].toSorted())
  t.equal((await client.call('GET', '/v2/toString/tags/list')).status, 400, 'which is no name, for its case')
  t.equal((await client.call('GET', '/v2/valueof/manifests/constructor')).status, 404)
  const annotations = '"annotations":{"__proto__":"x","constructor":"y"}'
  const bytes = new TextEncoder().encode(`${text.slice(0, -1)},${annotations}}`)
  const put = await client.call('PUT', '/v2/constructor/manifests/odd', {
    body: bytes,
    headers: { 'content-type': subject.descriptor.mediaType },
  })
  t.equal(put.status, 201)
  const referrers = await client.call('GET', `/v2/constructor/referrers/${subject.descriptor.digest}`)
  t.match(await referrers.text(), annotations)
})

t.test(
  'S10: a page of referrers is no larger than a manifest may be, whatever they say of themselves',
  async (t) => {
    const client = caller(memoryHandler({ limits: { manifestBytes: 40_000 } }))
    const subject = image()
    await client.putImage('r', 'subject', subject)
    for (let at = 0; at < 7; at += 1) {
      const annotations = { text: 'x'.repeat(15_000 + at) }
      const referrer = image([], { subject: subject.descriptor, annotations, artifactType: 'application/x' })
      t.equal((await client.putImage('r', referrer.descriptor.digest, referrer)).status, 201)
    }
    const manifestsOf = (body: Record<string, readonly Descriptor[]>) => body['manifests']
    for (const query of ['', '?artifactType=application/x', '?n=5']) {
      const path = `/v2/r/referrers/${subject.descriptor.digest}${query}`
      const first = await client.call('GET', path)
      t.ok(Number(first.headers.get('content-length')) < 40_000)
      const all = await walk(client, path, manifestsOf)
      t.equal(all.entries.length, 7)
      t.equal(new Set(all.entries.map(({ digest }) => digest)).size, 7)
    }
  },
)

t.test(
  'V16: a manifest may be as large as its owner says, and stays readable when he changes his mind',
  async (t) => {
    const { blobs, refs } = createMemoryStore()
    const open = (manifestBytes: number): Caller =>
      caller(createRegistryHandler({ blobs, refs, limits: { manifestBytes } }))
    const subject = image()
    const large = image([], {
      subject: subject.descriptor,
      annotations: { text: 'x'.repeat(9 * 1024 * 1024) },
    })
    const { digest } = large.descriptor
    t.equal((await open(10 * 1024 * 1024).putImage('r', digest, large)).status, 201)
    const later = open(4 * 1024 * 1024)
    t.equal((await later.putImage('r', digest, large)).status, 413)
    t.equal((await later.call('GET', `/v2/r/manifests/${digest}`)).status, 200)
    const listed = await later.call('GET', `/v2/r/referrers/${subject.descriptor.digest}`)
    t.equal(((await listed.json()) as { manifests: readonly Descriptor[] }).manifests[0]?.digest, digest)
  },
)
