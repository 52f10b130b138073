/** Copying: order, what is left out, platforms, what a destination can do by itself. */
import { type ByteSource, bytesSource, type Descriptor, describe, digestOf } from '@varve/digest'
import t from 'tap'
import {
  copyContent,
  type CopyEvent,
  EMPTY_DESCRIPTOR,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_GZIP,
  MEDIA_TYPE_OCI_MANIFEST,
  parseIndex,
  parsePlatform,
  planCopy,
  readImage,
  verifyImage,
} from '../src/index.ts'
import { makeImage, MemoryContent, utf8 } from './fixtures/content.ts'
import { AMD64, ARM64, entry, makeIndex, plain, putIndex, putManifest } from './fixtures/index-of-images.ts'

const NOT_FOUND = 'ERR_OCI_MANIFEST_NOT_FOUND'

t.test('copyContent writes children first, each once, and nothing twice', async (t) => {
  const from = new MemoryContent()
  const to = new MemoryContent()
  const { index, amd64, arm64, attestation } = makeIndex(from)
  const events: CopyEvent[] = []
  await copyContent(index, from, to, { onProgress: (event) => events.push(event), concurrency: 2 })
  t.same(new Set(to.written), new Set(from.blobs.keys()))
  t.equal(new Set(to.written).size, to.written.length)
  const at = (descriptor: Descriptor): number => to.written.indexOf(descriptor.digest)
  for (const { manifest, config } of [amd64, arm64]) {
    t.ok(at(config.descriptor) < at(manifest.descriptor))
    for (const layer of manifest.value.layers) t.ok(at(layer) < at(manifest.descriptor))
    t.ok(at(manifest.descriptor) < at(index))
  }
  t.ok(at(attestation) < at(index))
  t.equal(at(index), to.written.length - 1, 'the root is last')
  t.ok(events.every((event) => event.type !== 'done' || event.outcome === 'copied'))
  t.ok(events.some((event) => event.type === 'transfer' && event.bytes === event.descriptor.size))

  const again: CopyEvent[] = []
  await copyContent(index, from, to, { onProgress: (event) => again.push(event) })
  t.ok(again.every((event) => event.type === 'done' && event.outcome === 'existed'))
  t.same(await verifyImage(to, index), [])
})

t.test('a sparse copy keeps the index, and brings one image and what is about it', async (t) => {
  const from = new MemoryContent()
  const { index, amd64, arm64, attestation, statement } = makeIndex(from)
  const nested = putIndex(from, [index])
  const to = new MemoryContent()
  await copyContent(nested, from, to, { platforms: [AMD64], sparse: true })
  for (const each of [
    nested,
    index,
    attestation,
    statement,
    amd64.manifest.descriptor,
    amd64.config.descriptor,
  ]) {
    t.ok(to.blobs.has(each.digest))
  }
  t.notOk(to.blobs.has(arm64.manifest.descriptor.digest))
  t.equal(
    (await readImage(to, nested, { platform: AMD64 })).descriptor.digest,
    amd64.manifest.descriptor.digest,
  )
  await t.rejects(copyContent(index, from, to, { platforms: [parsePlatform('linux/386')] }), {
    code: 'ERR_OCI_MANIFEST_PLATFORM',
  })
})

t.test('layers that may not be distributed are left out', async (t) => {
  const from = new MemoryContent()
  const foreign = describe(MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_GZIP, utf8('not here'))
  const { manifest } = makeImage(from, 'x', {
    layers: [{ descriptor: foreign, diffID: digestOf(utf8('y')) }],
  })
  const to = new MemoryContent()
  const outcomes: string[] = []
  await copyContent(manifest.descriptor, from, to, {
    onProgress: (event) => event.type === 'done' && outcomes.push(event.outcome),
  })
  t.same(outcomes.toSorted(), ['copied', 'copied', 'nondistributable'])
  t.same(await verifyImage(to, manifest.descriptor), [], 'and are not missed')
})

t.test('copyContent stops at the first error, and never writes the parent', async (t) => {
  const from = new MemoryContent()
  const { index, amd64 } = makeIndex(from)
  const [layer] = amd64.manifest.value.layers
  if (layer === undefined) throw new Error('no layer')
  const to = new MemoryContent()
  const bytes = from.blobs.get(layer.digest)
  from.blobs.delete(layer.digest)
  await t.rejects(copyContent(index, from, to), { code: NOT_FOUND, digest: layer.digest })
  from.blobs.set(layer.digest, utf8('something else'))
  await t.rejects(copyContent(index, from, to), { name: 'DigestError' })
  t.notOk(
    to.blobs.has(index.digest) ||
      to.blobs.has(amd64.manifest.descriptor.digest) ||
      to.blobs.has(layer.digest),
  )
  from.blobs.set(layer.digest, bytes ?? new Uint8Array())
  await copyContent(index, from, to)
  t.ok(to.blobs.has(index.digest), 'and can be repeated')
})

t.test('platforms: the index is written anew, with every field it has', async (t) => {
  const from = new MemoryContent()
  const { index, amd64, arm64, attestation } = makeIndex(from)
  const parsed = JSON.parse(new TextDecoder().decode(from.blobs.get(index.digest))) as object
  const root = from.put(MEDIA_TYPE_OCI_INDEX, utf8(JSON.stringify({ ...parsed, 'org.example.number': 1e30 })))
  const to = new MemoryContent()
  const result = await copyContent(root, from, to, { platforms: [AMD64] })
  t.not(result.descriptor.digest, root.digest)
  const bytes = to.blobs.get(result.descriptor.digest) ?? new Uint8Array()
  t.match(new TextDecoder().decode(bytes), /,"org.example.number":1e\+30\}$/, 'numbers as they were spelled')
  t.strictSame(
    parseIndex(bytes, { descriptor: result.descriptor }).value.manifests.map(({ digest }) => digest),
    [amd64.manifest.descriptor.digest, attestation.digest],
  )
  t.notOk(to.blobs.has(arm64.manifest.descriptor.digest))
  t.same(await verifyImage(to, result.descriptor), [])
  const reads = from.reads
  t.ok(reads <= 9, `${reads} reads: no document is read twice`)
})

t.test('platforms: nested indexes shrink, and go where nothing is left of them', async (t) => {
  const from = new MemoryContent()
  const { index } = makeIndex(from)
  const lone = putIndex(from, [
    entry(makeImage(from, 'other', { platform: ARM64 }).manifest.descriptor, ARM64),
  ])
  const root = putIndex(from, [index, lone])
  const { root: became, levels } = await planCopy(root, from, { platforms: [AMD64] })
  t.strictSame(
    levels.map((level) => level.length),
    [2, 1, 1],
  )
  const top = parseIndex(levels[2]?.[0]?.bytes ?? new Uint8Array(), { descriptor: became })
  t.equal(top.value.manifests.length, 1)
  const [inner] = top.value.manifests
  t.strictSame(inner?.digest, levels[1]?.[0]?.descriptor.digest)
  t.equal(inner?.size, levels[1]?.[0]?.bytes.byteLength)
  const same = await planCopy(putIndex(from, [index]), from, { platforms: [AMD64, ARM64] })
  t.equal(same.root.digest, putIndex(from, [index]).digest, 'all there is: nothing to write anew')
})

t.test('attestations can be left out', async (t) => {
  const from = new MemoryContent()
  const { index, attestation } = makeIndex(from)
  const to = new MemoryContent()
  const { descriptor, documents } = await copyContent(index, from, to, { attestations: false })
  t.notOk(documents.some(({ digest }) => digest === attestation.digest))
  const { value } = parseIndex(to.blobs.get(descriptor.digest) ?? new Uint8Array())
  t.equal(value.manifests.length, 2)
  t.same(await verifyImage(to, descriptor), [])
})

t.test('the result says what was done', async (t) => {
  const from = new MemoryContent()
  const { index } = makeIndex(from)
  const to = new MemoryContent()
  const first = await copyContent(index, from, to)
  const bytes = [...to.blobs.values()].reduce((total, each) => total + each.byteLength, 0)
  t.match(first, { descriptor: index, copied: to.blobs.size, existed: 0, mounted: 0, bytes })
  t.equal(first.documents.at(-1)?.digest, index.digest)
  t.match(await copyContent(index, from, to), { copied: 0, existed: to.blobs.size, bytes: 0 })
})

t.test('a manifest that is there is trusted only if that is wanted', async (t) => {
  const from = new MemoryContent()
  const { index, amd64 } = makeIndex(from)
  const to = new MemoryContent()
  await copyContent(index, from, to)
  const [layer] = amd64.manifest.value.layers
  if (layer === undefined) throw new Error('no layer')
  to.blobs.delete(layer.digest)
  to.written.length = 0
  from.reads = 0
  const trusting = await copyContent(index, from, to, { trustManifests: true })
  t.match(trusting, { copied: 0, existed: 4 })
  t.equal(from.reads, 1, 'the index alone')
  t.strictSame(
    new Set(trusting.documents.map(({ digest }) => digest)),
    new Set((await copyContent(index, from, to)).documents.map(({ digest }) => digest)),
  )
  t.strictSame(to.written, [layer.digest], 'the other way, what is missing is found')
})

t.test('readers and writers that know a shorter way for blobs are asked for it', async (t) => {
  const from = new MemoryContent()
  const { manifest, config } = makeImage(from, 'x')
  const [layer] = manifest.value.layers
  if (layer === undefined) throw new Error('no layer')
  const seen: string[] = []
  class Near extends MemoryContent {
    async pushBlob(descriptor: Descriptor, source: ByteSource, options: { from?: unknown } = {}) {
      t.equal(options.from, from)
      if (descriptor.digest === config.descriptor.digest) return 'mounted' as const
      await this.write(descriptor, source)
      return 'copied' as const
    }
  }
  const to = new Near()
  const result = await copyContent(manifest.descriptor, from, to, {
    onProgress: (event) => event.type === 'done' && seen.push(event.outcome),
  })
  t.match(result, { copied: 2, mounted: 1 })
  t.strictSame(seen.toSorted(), ['copied', 'copied', 'mounted'])
  t.notOk(to.blobs.has(config.descriptor.digest), 'its bytes never came here')

  const direct = {
    read: from.read.bind(from),
    blob: ({ digest }: Descriptor) => bytesSource(from.blobs.get(digest) ?? utf8('')),
  }
  const reads = from.reads
  await copyContent(manifest.descriptor, direct, new MemoryContent())
  t.equal(from.reads - reads, 1, 'the manifest')
  from.blobs.delete(layer.digest)
  await t.rejects(copyContent(manifest.descriptor, from, new Near()), {
    code: NOT_FOUND,
    digest: layer.digest,
  })
})

t.test('S10: documents that name each other too deeply, however they are met', async (t) => {
  const content = new MemoryContent()
  let deep = makeIndex(content).index
  const all: Descriptor[] = []
  for (let level = 0; level < 12; level += 1) {
    all.push(deep)
    deep = putIndex(content, [deep])
  }
  await t.rejects(planCopy(deep, content), { code: 'ERR_OCI_MANIFEST_LIMIT' })
  // Each of them is near the root, and yet they are a chain.
  const wide = putIndex(content, all)
  await t.rejects(planCopy(wide, content), { code: 'ERR_OCI_MANIFEST_LIMIT' })
})

t.test('S10: a subject is not followed', async (t) => {
  const content = new MemoryContent()
  const away = describe(MEDIA_TYPE_OCI_MANIFEST, utf8('not here'))
  content.put(EMPTY_DESCRIPTOR.mediaType, utf8('{}'))
  const about = putManifest(content, { config: plain(EMPTY_DESCRIPTOR), layers: [], subject: plain(away) })
  t.match(await copyContent(about, content, new MemoryContent()), { copied: 2 })
})

t.test('writeRoot writes the root, after all else', async (t) => {
  const from = new MemoryContent()
  const { index } = makeIndex(from)
  const to = new MemoryContent()
  await copyContent(index, from, to, {
    async writeRoot({ descriptor, bytes }) {
      t.equal(to.written.length, from.blobs.size - 1)
      await to.write({ ...descriptor }, bytesSource(bytes))
      return 'copied'
    },
  })
  t.equal(to.written.at(-1), index.digest)
})

t.test('a blob that one image may not distribute and another needs is copied', async (t) => {
  const content = new MemoryContent()
  const image = makeImage(content, 'both')
  const { config, layers } = image.manifest.value
  const foreign = { ...plain(layers[0]!), mediaType: MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_GZIP }
  const other = putManifest(content, { config: plain(config), layers: [foreign] })
  for (const entries of [
    [other, image.manifest.descriptor],
    [image.manifest.descriptor, other],
  ]) {
    const root = putIndex(content, entries)
    const to = new MemoryContent()
    await copyContent(root, content, to)
    t.ok(to.blobs.has(layers[0]!.digest))
    t.same(await verifyImage(to, root), [])
  }
})
