/** Reading, copying and verifying images. */
import { bytesSource, type Descriptor, digestOf } from '@varve/digest'
import t from 'tap'
import {
  assembleImage,
  copyContent,
  EMPTY_DESCRIPTOR,
  type Finding,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_LAYER,
  MEDIA_TYPE_OCI_LAYER_ZSTD,
  MEDIA_TYPE_OCI_MANIFEST,
  parsePlatform,
  readImage,
  verifyImage,
} from '../src/index.ts'
import { EPOCH, makeImage, makeLayer, MemoryContent, utf8 } from './fixtures/content.ts'
import {
  AMD64,
  ARM64,
  entry,
  makeIndex,
  plain,
  put,
  putIndex,
  putManifest,
} from './fixtures/index-of-images.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const NOT_FOUND = 'ERR_OCI_MANIFEST_NOT_FOUND'

t.test('readImage chooses from an index by platform', async (t) => {
  const content = new MemoryContent()
  const { amd64, arm64, index } = makeIndex(content)
  const image = await readImage(content, index, { platform: AMD64 })
  t.equal(image.descriptor.digest, amd64.manifest.descriptor.digest)
  t.notOk('platform' in image.descriptor)
  t.strictSame(image.config.bytes, amd64.config.bytes)
  t.strictSame(image.manifest.bytes, amd64.manifest.bytes)
  t.strictSame(image.platform, AMD64)
  t.intercept(process, 'arch', { value: 'arm64' })
  t.equal(
    (await readImage(content, index)).descriptor.digest,
    arm64.manifest.descriptor.digest,
    'the host’s by default',
  )
})

t.test('readImage lists what there is if nothing matches', async (t) => {
  const content = new MemoryContent()
  const { index } = makeIndex(content)
  await t.rejects(readImage(content, index, { platform: parsePlatform('linux/s390x') }), {
    code: 'ERR_OCI_MANIFEST_PLATFORM',
    available: ['linux/arm64', 'linux/amd64'],
    message: 'Nothing for linux/s390x; there is linux/arm64, linux/amd64',
  })
  const hostile = putIndex(content, [entry(index, { os: '\u001b[31m', architecture: 'x' })])
  await t.rejects(readImage(content, hostile, { platform: AMD64 }), { message: /there is "\\u001b\[31m/ })
  await t.rejects(readImage(content, putIndex(content, []), { platform: AMD64 }), {
    message: /no image at all/,
  })
})

t.test('readImage takes a lone manifest for what it is, unless a platform is asked for', async (t) => {
  const content = new MemoryContent()
  const { manifest } = makeImage(content, 'x', { platform: parsePlatform('linux/arm/v6') })
  const image = await readImage(content, manifest.descriptor)
  t.strictSame(image.platform, parsePlatform('linux/arm/v6'))
  t.ok(
    await readImage(content, manifest.descriptor, { platform: parsePlatform('linux/arm/v7') }),
    'an older level will do',
  )
  await t.rejects(
    readImage(content, manifest.descriptor, { platform: parsePlatform('linux/arm/v7'), strict: true }),
    {
      code: 'ERR_OCI_MANIFEST_PLATFORM',
      available: ['linux/arm/v6'],
    },
  )
})

t.test('an entry without a platform is judged by its config, after all others', async (t) => {
  const content = new MemoryContent()
  const untold = makeImage(content, 'untold', { platform: ARM64 }).manifest.descriptor
  const told = makeImage(content, 'told', { platform: AMD64 }).manifest.descriptor
  const artifact = putManifest(content, { artifactType: 'a/b', config: plain(EMPTY_DESCRIPTOR), layers: [] })
  content.put(EMPTY_DESCRIPTOR.mediaType, utf8('{}'))
  const index = putIndex(content, [artifact, untold, entry(told, AMD64)])
  t.equal((await readImage(content, index, { platform: AMD64 })).descriptor.digest, told.digest)
  t.equal((await readImage(content, index, { platform: ARM64 })).descriptor.digest, untold.digest)
  const alone = putIndex(content, [untold])
  await t.rejects(
    readImage(content, alone, { platform: AMD64 }),
    { code: 'ERR_OCI_MANIFEST_PLATFORM', available: ['linux/arm64'] },
    'never assumed',
  )
})

t.test('nested indexes are searched, to a depth', async (t) => {
  const content = new MemoryContent()
  const { index, amd64 } = makeIndex(content)
  const nested = putIndex(content, [putIndex(content, []), index])
  t.equal(
    (await readImage(content, nested, { platform: AMD64 })).descriptor.digest,
    amd64.manifest.descriptor.digest,
  )
  let deep = index
  for (let level = 0; level < 9; level += 1) deep = putIndex(content, [deep])
  await t.rejects(readImage(content, deep, { platform: AMD64 }), { code: 'ERR_OCI_MANIFEST_LIMIT' })
  await t.rejects(copyContent(deep, content, new MemoryContent()), { code: 'ERR_OCI_MANIFEST_LIMIT' })
  t.match(await verifyImage(content, deep), [{ code: 'ERR_OCI_MANIFEST_LIMIT' }])
})

t.test('S7 a digest may not be two kinds of thing', async (t) => {
  const content = new MemoryContent()
  const { manifest } = makeImage(content, 'x')
  const { mediaType: _, ...rest } = manifest.descriptor
  const index = putIndex(content, [{ ...rest, mediaType: 'application/octet-stream' }, manifest.descriptor])
  await t.rejects(copyContent(index, content, new MemoryContent()), {
    code: INVALID,
    message: /as blob and as manifest/,
  })
  const confused = putIndex(content, [{ ...rest, mediaType: MEDIA_TYPE_OCI_INDEX }])
  await t.rejects(readImage(content, confused, { platform: AMD64 }), { code: INVALID })
})

t.test('readImage refuses artifacts, and layers out of step', async (t) => {
  const content = new MemoryContent()
  const { attestation, amd64 } = makeIndex(content)
  await t.rejects(readImage(content, attestation), {
    code: 'ERR_OCI_MANIFEST_UNSUPPORTED',
    at: 'config.mediaType',
  })
  await t.rejects(readImage(content, attestation, { platform: AMD64 }), {
    code: 'ERR_OCI_MANIFEST_UNSUPPORTED',
  })
  const short = putManifest(content, { config: plain(amd64.config.descriptor), layers: [] })
  await t.rejects(readImage(content, short), { code: INVALID, at: 'rootfs.diff_ids' })
})

t.test('S9 S10 bytes that are missing, other, or too many are refused', async (t) => {
  const content = new MemoryContent()
  const { manifest, config } = makeImage(content, 'x')
  const { digest } = manifest.descriptor
  for (const [why, bytes, code] of [
    ['other bytes', new Uint8Array(manifest.bytes.byteLength), 'ERR_DIGEST_MISMATCH'],
    ['fewer', manifest.bytes.subarray(1), 'ERR_DIGEST_SIZE'],
    ['more', new Uint8Array([...manifest.bytes, 10]), 'ERR_DIGEST_SIZE'],
  ] as const) {
    content.blobs.set(digest, bytes)
    await t.rejects(readImage(content, manifest.descriptor), { code }, why)
  }
  content.blobs.set(digest, manifest.bytes)
  content.blobs.delete(config.descriptor.digest)
  await t.rejects(readImage(content, manifest.descriptor), {
    code: NOT_FOUND,
    digest: config.descriptor.digest,
  })
  const huge = { ...manifest.descriptor, size: 2 ** 40 }
  const before = content.reads
  await t.rejects(readImage(content, huge), { code: 'ERR_OCI_MANIFEST_LIMIT' })
  t.equal(content.reads, before, 'nothing was read')
})

t.test('inline data saves the read', async (t) => {
  const content = new MemoryContent()
  const { manifest, config } = makeImage(content, 'x')
  const data = btoa(String.fromCharCode(...config.bytes))
  const inline = putManifest(content, {
    config: { ...plain(config.descriptor), data },
    layers: manifest.value.layers.map(plain),
  })
  content.blobs.delete(config.descriptor.digest)
  t.strictSame((await readImage(content, inline)).config.bytes, config.bytes)
})

t.test('an abort is passed on as it is', async (t) => {
  const from = new MemoryContent()
  const { index } = makeIndex(from)
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  await t.rejects(readImage(from, index, { platform: AMD64, signal }), reason)
  await t.rejects(copyContent(index, from, new MemoryContent(), { signal }), reason)
  await t.rejects(verifyImage(from, index, { signal }), reason)
  const later = new AbortController()
  const to = new MemoryContent()
  const copy = copyContent(index, from, to, {
    signal: later.signal,
    concurrency: 1,
    onProgress: () => later.abort(reason),
  })
  await t.rejects(copy, reason)
  t.notOk(to.blobs.has(index.digest))
})

t.test('verifyImage reports everything that is wrong', async (t) => {
  const content = new MemoryContent()
  const { index, amd64, arm64, statement, attestation } = makeIndex(content)
  t.same(await verifyImage(content, index), [])
  const [layer] = amd64.manifest.value.layers
  if (layer === undefined) throw new Error('no layer')
  content.blobs.set(layer.digest, new Uint8Array(layer.size))
  content.blobs.set(arm64.manifest.descriptor.digest, arm64.manifest.bytes.subarray(1))
  content.blobs.delete(statement.digest)
  const findings = await verifyImage(content, index)
  t.same(
    new Set(findings.map(({ descriptor, code }) => [descriptor.digest, code].join(' '))),
    new Set([
      `${layer.digest} ERR_DIGEST_MISMATCH`,
      `${arm64.manifest.descriptor.digest} ERR_DIGEST_SIZE`,
      `${statement.digest} ${NOT_FOUND}`,
    ]),
  )
  content.blobs.delete(attestation.digest)
  content.blobs.delete(amd64.config.descriptor.digest)
  t.equal((await verifyImage(content, index)).length, 4)
})

t.test('M9 verifyImage checks diffIDs, history, configs and artifacts', async (t) => {
  const content = new MemoryContent()
  const check = async (
    options: Partial<Parameters<typeof makeImage>[2]>,
    more = {},
  ): Promise<readonly Finding[]> =>
    verifyImage(content, makeImage(content, 'x', options).manifest.descriptor, more)
  const good = makeLayer(content, 'good')
  const wrong = digestOf(utf8('wrong'))
  t.match(await check({ layers: [{ ...good, diffID: wrong }] }), [
    { code: INVALID, message: /Its diffID is/ },
  ])
  const tar = content.put(MEDIA_TYPE_OCI_LAYER, utf8('plain'))
  t.same(
    await check({ layers: [{ descriptor: tar, diffID: digestOf(utf8('plain')) }] }),
    [],
    'an uncompressed layer',
  )
  const noise = content.put('application/vnd.oci.image.layer.v1.tar+gzip', utf8('not gzip'))
  t.match(await check({ layers: [{ descriptor: noise, diffID: wrong }] }), [
    { code: INVALID, message: /does not decompress/ },
  ])
  const zstd = content.put(MEDIA_TYPE_OCI_LAYER_ZSTD, utf8('zstd'))
  const packed = { layers: [{ descriptor: zstd, diffID: wrong }] }
  t.same(await check(packed), [], 'zstd passes without a decompressor')
  const decompress = (_: string, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> => source
  t.match(await check(packed, { decompress }), [{ code: INVALID }], 'and not with one')

  const config = (members: object): Descriptor =>
    content.put(
      MEDIA_TYPE_OCI_CONFIG,
      utf8(
        JSON.stringify({
          architecture: 'a',
          os: 'b',
          rootfs: { type: 'layers', diff_ids: [good.diffID] },
          ...members,
        }),
      ),
    )
  const image = (configured: Descriptor, layers = [plain(good.descriptor)]): Promise<readonly Finding[]> =>
    verifyImage(content, putManifest(content, { config: plain(configured), layers }))
  t.same(await image(config({})), [])
  t.match(await image(config({ history: [] })), [{ code: INVALID, message: /0 entries for 1 layers/ }], 'M1')
  t.match(await image(config({}), []), [{ code: INVALID, message: /1 diffIDs for 0 layers/ }])
  t.match(await image(config({ rootfs: { type: 'other' } })), [{ code: INVALID, message: /rootfs.type/ }])
  t.match(await image(config({ RootFS: 1 })), [{ code: INVALID, message: /case/ }], 'S12')
  content.put(EMPTY_DESCRIPTOR.mediaType, utf8('{}'))
  const bare = putManifest(content, { config: plain(EMPTY_DESCRIPTOR), layers: [plain(EMPTY_DESCRIPTOR)] })
  t.match(await verifyImage(content, bare), [{ code: INVALID, message: /no artifactType/ }])
})

t.test('errors of the reader are not findings', async (t) => {
  const content = new MemoryContent()
  const { manifest } = makeImage(content, 'x')
  const broken = Object.assign(new Error('disk'), { code: 'EIO' })
  const reader = {
    read: async (descriptor: Descriptor) =>
      descriptor.mediaType === MEDIA_TYPE_OCI_MANIFEST ? bytesSource(manifest.bytes) : Promise.reject(broken),
  }
  await t.rejects(verifyImage(reader, manifest.descriptor), broken)
})

t.test('an image assembled on a base that was read is whole', async (t) => {
  const content = new MemoryContent()
  const base = await readImage(content, makeImage(content, 'base').manifest.descriptor)
  const top = makeLayer(content, 'top')
  const { config, manifest } = assembleImage({
    platform: base.platform,
    layers: [top],
    history: [{ created_by: 'top' }],
    created: EPOCH,
    base: { config: base.config, layers: base.manifest.value.layers },
  })
  put(content, config)
  t.same(await verifyImage(content, put(content, manifest)), [])
})
