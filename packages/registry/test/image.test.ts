/** Whole images between repositories, layouts and archives. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bytesSource, type Descriptor } from '@varve/digest'
import { type CopyEvent, parseIndex, parsePlatform, readImage } from '@varve/oci-manifest'
import { readArchive } from '@varve/oci-manifest/archive'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import t from 'tap'
import { archiveTarget, copyImage, type CopyImageResult, type Repository } from '../src/index.ts'
import { memoryHandler, OCI_MANIFEST } from './fixtures.ts'
import { AMD64, ARM64, assertWhole, counts, makeImage, makeIndex, open, push } from './image-fixtures.ts'

t.test('an image goes from a registry to a layout, an archive and back, byte for byte', async (t) => {
  const directory = t.testdir({})
  const { repository } = await open(t)
  const made = makeIndex()
  const from = repository('from:v1')
  await push(from, made, 'v1')
  const layout = await openLayout(join(directory, 'layout'), { create: true })
  const pulled = await copyImage({ from, to: layout })
  t.strictSame(pulled.descriptor, made.root.descriptor)
  t.strictSame(counts(pulled), [12, 0, 0])
  t.strictSame([...(await layout.tags()).keys()], ['v1'], 'under the tag it was asked for by')
  await assertWhole(t, layout, made.root.descriptor)

  const path = join(directory, 'app.tar')
  const packed = await copyImage({ image: 'v1', from: layout, to: archiveTarget(path) })
  t.strictSame(counts(packed), counts(pulled))
  t.equal(packed.bytes, pulled.bytes)
  const archive = await readArchive(path)
  t.strictSame(readdirSync(directory).toSorted(), ['app.tar', 'layout'], 'nothing is left of the writing')

  const to = repository('to:v2')
  const pushed = await copyImage({ image: 'v1', from: archive, to })
  t.strictSame(pushed.descriptor.digest, made.root.descriptor.digest)
  t.ok(Buffer.from((await to.manifest('v2')).bytes).equals(made.root.bytes))
  await assertWhole(t, to, made.root.descriptor)
  await assertWhole(t, await copyBack(to, join(directory, 'again')), made.root.descriptor)
})

async function copyBack(from: Repository, directory: string): Promise<ImageLayout> {
  const layout = await openLayout(directory, { create: true })
  await copyImage({ from, to: layout, tags: ['a', 'b'] })
  return layout
}

t.test('C20: blobs, then children, then the parent, and the tag last', async (t) => {
  const { repository, requests } = await open(t)
  const made = makeIndex()
  await push(repository('from'), made, 'v1')
  requests.length = 0
  await copyImage({ image: 'v1', from: repository('from'), to: repository('elsewhere'), tags: ['a', 'b'] })
  const puts = requests.filter((each) => /^(PUT|POST.*mount)/.test(each))
  const kinds = puts.map((each) =>
    each.includes('/blobs/') ? 'blob' : each.includes('tag=') ? 'root' : 'child',
  )
  t.strictSame(kinds, [...Array.from({ length: 8 }, () => 'blob'), 'child', 'child', 'child', 'root'])
})

t.test('blobs are mounted from the repository that they come from, and not pulled', async (t) => {
  const { repository, requests } = await open(t)
  const made = makeImage('app', 'amd64', 5)
  await push(repository('from'), made, 'v1')
  requests.length = 0
  const result = await copyImage({ image: 'v1', from: repository('from'), to: repository('to') })
  t.strictSame(counts(result), [1, 0, 6])
  t.notOk(requests.some((each) => each.startsWith('GET /v2/from/blobs')))
  t.equal(requests.filter((each) => /^POST .*mount=.*from=from/.test(each)).length, 6)
  t.strictSame(await repository('to').resolve('v1'), made.root.descriptor)
})

t.test('Q1: another registry is never named as the source of a mount', async (t) => {
  const first = await open(t)
  const second = await open(t)
  const made = makeImage('app', 'amd64')
  await push(first.repository('from'), made, 'v1')
  const result = await copyImage({ image: 'v1', from: first.repository('from'), to: second.repository('to') })
  t.strictSame(counts(result), [4, 0, 0])
  t.notOk(second.requests.some((each) => each.includes('from=')))
})

t.test(
  'a push of what has not changed takes one request for a name, and one for each manifest',
  async (t) => {
    const { repository, requests } = await open(t)
    const directory = t.testdir({})
    const layout = await openLayout(directory, { create: true })
    const one = makeImage('app', 'amd64', 20)
    const many = makeIndex()
    for (const [tag, made] of [
      ['one', one],
      ['many', many],
    ] as const) {
      for (const { descriptor, bytes } of made.all) await layout.write(descriptor, bytesSource(bytes))
      await layout.tag(tag, made.root.descriptor)
    }
    await copyImage({ image: 'one', from: layout, to: repository('x') })
    await copyImage({ image: 'many', from: layout, to: repository('x') })
    requests.length = 0
    const again = await copyImage({ image: 'one', from: layout, to: repository('x') })
    t.strictSame(requests, ['HEAD /v2/x/manifests/one'])
    t.strictSame(counts(again), [0, 1, 0])
    t.equal(again.bytes, 0)
    requests.length = 0
    await copyImage({ image: 'many', from: layout, to: repository('x') })
    t.strictSame(
      requests.toSorted(),
      [...[many.amd64, many.arm64, many.attestation].map(({ root }) => root.descriptor.digest), 'many']
        .map((name) => `HEAD /v2/x/manifests/${name}`)
        .toSorted(),
    )
    requests.length = 0
    await copyImage({ image: 'one', from: layout, to: repository('x'), tags: ['one', 'two', 'three'] })
    t.match(requests.at(-1), /^PUT \/v2\/x\/manifests\/sha256:[0-9a-f]+\?tag=two&tag=three$/)
    t.equal(requests.length, 4, 'a new name costs one PUT')
  },
)

t.test('what is missing below a manifest is found by a recheck, and only that is sent', async (t) => {
  const inner = memoryHandler({ allowDelete: true })
  const { repository, requests } = await open(t, inner)
  const made = makeImage('app', 'amd64', 3)
  const layout = await openLayout(t.testdir({}), { create: true })
  for (const { descriptor, bytes } of made.all) await layout.write(descriptor, bytesSource(bytes))
  await layout.tag('v1', made.root.descriptor)
  await copyImage({ from: layout, image: 'v1', to: repository('x') })
  const lost = made.all[2]!.descriptor
  await repository('x').delete(lost)
  t.strictSame(counts(await copyImage({ from: layout, image: 'v1', to: repository('x') })), [0, 1, 0])
  requests.length = 0
  const result = await copyImage({ from: layout, image: 'v1', to: repository('x'), recheck: true })
  t.strictSame(counts(result), [1, 4, 0])
  t.equal(requests.filter((each) => each.startsWith('PUT')).length, 1)
  t.ok(await repository('x').has(lost))
})

t.test('a copy that was broken off goes on where it was', async (t) => {
  const inner = memoryHandler()
  let left = 5
  const { repository } = await open(t, async (request) => {
    const isUpload = request.method === 'PUT' && request.url.includes('/blobs/')
    if (isUpload && left-- <= 0) return new Response(null, { status: 403 })
    return inner(request)
  })
  const layout = await openLayout(t.testdir({}), { create: true })
  const made = makeImage('app', 'amd64', 9)
  for (const { descriptor, bytes } of made.all) await layout.write(descriptor, bytesSource(bytes))
  const copy = (): Promise<CopyImageResult> =>
    copyImage({
      image: made.root.descriptor,
      from: layout,
      to: repository('x'),
      tags: ['v1'],
      concurrency: 1,
    })
  await t.rejects(copy(), { code: 'ERR_REGISTRY_DENIED' })
  await t.rejects(repository('x').resolve('v1'), { code: 'ERR_REGISTRY_NOT_FOUND' })
  left = Infinity
  t.strictSame(counts(await copy()), [6, 5, 0])
  await assertWhole(t, repository('x'), made.root.descriptor)
})

t.test('platforms: an index of only those is written, with what is about them', async (t) => {
  const { repository } = await open(t)
  const made = makeIndex()
  const from = repository('from')
  await push(from, made, 'v1')
  const amd64 = await copyImage({ image: 'v1', from, to: repository('amd64'), platforms: [AMD64] })
  const { bytes } = await repository('amd64').manifest('v1')
  t.not(amd64.descriptor.digest, made.root.descriptor.digest)
  t.strictSame(
    parseIndex(bytes).value.manifests.map(({ digest }) => digest),
    [made.amd64, made.attestation].map(({ root }) => root.descriptor.digest),
  )
  t.equal((JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>)['org.example.field'], 1)
  await assertWhole(t, repository('amd64'), amd64.descriptor)
  t.notOk(await repository('amd64').has(made.arm64.root.descriptor))

  const both = await copyImage({ image: 'v1', from, to: repository('both'), platforms: [ARM64, AMD64] })
  t.strictSame(both.descriptor, made.root.descriptor, 'all there is: nothing to write anew')

  const bare = { image: 'v1', from, platforms: [AMD64, ARM64], attestations: false }
  const without = await copyImage({ ...bare, to: repository('bare') })
  const index = await repository('bare').manifest('v1')
  t.equal(parseIndex(index.bytes).value.manifests.length, 2)
  t.equal(index.descriptor.digest, without.descriptor.digest)

  await t.rejects(
    copyImage({ image: 'v1', from, to: repository('none'), platforms: [parsePlatform('linux/s390x')] }),
    { code: 'ERR_OCI_MANIFEST_PLATFORM' },
  )
})

t.test('platforms, sparse: the index stays what it is where that is taken', async (t) => {
  const { repository } = await open(t)
  const made = makeIndex()
  await push(repository('from'), made, 'v1')
  const layout = await openLayout(t.testdir({}), { create: true })
  const some = { image: 'v1', from: repository('from'), platforms: [ARM64], sparse: true }
  const result = await copyImage({ ...some, to: layout })
  t.strictSame(result.descriptor, made.root.descriptor)
  t.equal(
    (await readImage(layout, result.descriptor, { platform: ARM64 })).descriptor.digest,
    made.arm64.root.descriptor.digest,
  )
  await t.rejects(
    copyImage({ ...some, to: repository('to') }),
    { code: 'ERR_REGISTRY_NOT_FOUND' },
    'not here',
  )
})

t.test('reports each descriptor, and stops when told to', async (t) => {
  const { repository, requests } = await open(t)
  const made = makeIndex()
  await push(repository('from'), made, 'v1')
  const events: CopyEvent[] = []
  const onProgress = (event: CopyEvent): void => void events.push(event)
  await copyImage({ image: 'v1', from: repository('from'), to: repository('to'), onProgress })
  const done = events.filter((event) => event.type === 'done')
  t.equal(done.length, 12)
  t.equal(new Set(done.map(({ descriptor }) => descriptor.digest)).size, 12)
  const stop = new AbortController()
  const reason = new Error('enough')
  requests.length = 0
  const layout = await openLayout(join(t.testdir({}), 'x'), { create: true })
  const copy = copyImage({
    image: 'v1',
    from: repository('from'),
    to: layout,
    signal: stop.signal,
    onProgress: () => stop.abort(reason),
  })
  await t.rejects(copy, reason)
  t.strictSame([...(await layout.tags())], [])
  const path = join(t.testdir({}), 'x.tar')
  const archiving = copyImage({
    image: 'v1',
    from: repository('from'),
    to: archiveTarget(path),
    signal: AbortSignal.abort(reason),
  })
  await t.rejects(archiving, reason)
  t.notOk(existsSync(path))
})

t.test('many blobs go from one repository to another where the registry mounts nothing', async (t) => {
  const inner = memoryHandler()
  const { repository } = await open(t, (request) => {
    const url = new URL(request.url)
    if (!url.searchParams.has('mount')) return inner(request)
    url.search = ''
    return inner(new Request(url, request))
  })
  const made = makeImage('app', 'amd64', 12)
  await push(repository('from'), made, 'v1')
  const to = repository('to')
  // Each push reads from the host that it goes to, and must not hold what it waits for.
  const signal = AbortSignal.timeout(30_000)
  t.strictSame(counts(await copyImage({ image: 'v1', from: repository('from'), to, signal })), [14, 0, 0])
})

t.test('S9: bytes that are not what they should be leave no name and no archive', async (t) => {
  const { repository } = await open(t)
  const made = makeImage('app', 'amd64')
  await push(repository('from'), made, 'v1')
  const from = repository('from')
  const [, bad] = made.all
  const blob = (descriptor: Descriptor) =>
    descriptor.digest === bad!.descriptor.digest
      ? bytesSource(new Uint8Array(descriptor.size))
      : from.blob(descriptor)
  const liar = {
    blob,
    read: async (descriptor: Descriptor) =>
      descriptor.mediaType === OCI_MANIFEST ? from.read(descriptor) : blob(descriptor),
    resolve: () => made.root.descriptor,
  }
  await t.rejects(copyImage({ from: liar, to: repository('to'), tags: ['v1'] }), { name: 'DigestError' })
  await t.rejects(repository('to').resolve('v1'), { code: 'ERR_REGISTRY_NOT_FOUND' })
  const directory = t.testdir({})
  await t.rejects(copyImage({ from: liar, to: archiveTarget(join(directory, 'x.tar')) }), {
    name: 'DigestError',
  })
  t.strictSame(readdirSync(directory), [])
})

t.test('an image goes into a docker-archive, and from there to a registry', async (t) => {
  const { repository, port } = await open(t)
  const made = makeIndex()
  await push(repository('from'), made, 'v1')
  const path = join(t.testdir({}), 'app.tar')
  const to = archiveTarget(path, { format: 'docker' })
  const packed = await copyImage({ from: repository('from:v1'), to, platforms: [ARM64] })
  t.strictSame(packed.descriptor.digest, made.arm64.root.descriptor.digest)
  t.strictSame(counts(packed), [4, 0, 0])
  const archive = await readArchive(path)
  const name = `127.0.0.1:${port}/from:v1`
  t.equal(archive.resolve(name).digest, packed.descriptor.digest, 'under the whole reference')
  const back = await copyImage({ image: name, from: archive, to: repository('to:v1') })
  t.equal(back.descriptor.digest, packed.descriptor.digest)
  await copyImage({ image: 'v1', from: repository('from'), to, platforms: [ARM64], tags: ['app:1', 'app:2'] })
  t.equal((await readArchive(path)).resolve('app:2').digest, packed.descriptor.digest)
  for (const more of [{ platforms: [AMD64, ARM64] }, { platforms: [AMD64], referrers: true }]) {
    await t.rejects(copyImage({ from: repository('from:v1'), to, ...more }), TypeError)
  }
})

t.test('names that a copy gets', async (t) => {
  const { repository } = await open(t)
  const made = makeImage('app', 'amd64', 1)
  await push(repository('from'), made, 'v1')
  const { digest } = made.root.descriptor
  const layout = await openLayout(t.testdir({}), { create: true })
  await copyImage({ from: repository('from:v1'), to: repository('a:other') })
  t.equal((await repository('a').resolve('other')).digest, digest, 'that of the destination')
  await copyImage({ image: 'v1', from: repository('from:no'), to: repository('b') })
  t.equal((await repository('b').resolve('v1')).digest, digest, 'that it was asked for by')
  await copyImage({ image: digest, from: repository('from:v1'), to: layout })
  t.strictSame([...(await layout.tags()).keys()], [], 'none')
  t.equal((await layout.resolve(digest)).digest, digest)
  await copyImage({ image: digest, from: repository('from'), to: layout, tags: ['x', 'y'] })
  t.strictSame([...(await layout.tags()).keys()], ['x', 'y'])
})
