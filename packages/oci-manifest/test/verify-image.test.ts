/** Checking images: all that is wrong at once, and nothing that is right. */
import {
  type ByteSource,
  bytesSource,
  type Descriptor,
  describe,
  digestOf,
  streamSource,
} from '@varve/digest'
import * as fc from 'fast-check'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import {
  assembleIndex,
  convertContent,
  EMPTY_DESCRIPTOR,
  type Finding,
  type JsonInput,
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_LAYER,
  MEDIA_TYPE_OCI_LAYER_GZIP,
  MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_GZIP,
  MEDIA_TYPE_OCI_LAYER_ZSTD,
  MEDIA_TYPE_OCI_MANIFEST,
  verifyImage,
  type VerifyImageOptions,
  writeJson,
} from '../src/index.ts'
import { makeImage, makeLayer, MemoryContent, utf8 } from './fixtures/content.ts'
import { plain, putDocument, putJson } from './fixtures/documents.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const LIMIT = 'ERR_OCI_MANIFEST_LIMIT'
const SIZE = 'ERR_DIGEST_SIZE'
const MISMATCH = 'ERR_DIGEST_MISMATCH'

type Members = { readonly [key: string]: JsonInput }

const putConfig = (content: MemoryContent, diffIDs: readonly string[], more: Members = {}): Descriptor =>
  putJson(content, MEDIA_TYPE_OCI_CONFIG, {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: diffIDs },
    ...more,
  })

const putManifest = (content: MemoryContent, members: Members): Descriptor =>
  putJson(content, MEDIA_TYPE_OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_MANIFEST,
    ...members,
  })

const codesOf = (findings: readonly Finding[]): readonly string[] => findings.map(({ code }) => code)

t.test('M9 everything that is wrong with an image is reported at once, with its place', async (t) => {
  const content = new MemoryContent()
  const [good, other] = [makeLayer(content, 'good'), makeLayer(content, 'other')]
  const config = putConfig(content, [other.diffID, other.diffID], { history: [{}] })
  const missing = describe(MEDIA_TYPE_OCI_LAYER, utf8('missing'))
  const root = putManifest(content, {
    artifactType: 'not a type',
    config: plain(config),
    layers: [
      { ...plain(good.descriptor), data: 'e30=' },
      { ...plain(missing), mediaType: 'also not' },
    ],
    subject: { ...plain(good.descriptor), mediaType: MEDIA_TYPE_OCI_MANIFEST },
  })
  const findings = await verifyImage(content, root)
  t.match(
    findings.map(({ code, at, message }) => [code, at, message]),
    [
      [INVALID, 'artifactType', /Not a media type: "not a type"/],
      [INVALID, 'history', /1 entries for 2 layers/],
      [INVALID, '', /is referred to as manifest and as blob/],
      [SIZE, undefined, /got 2/],
      [INVALID, undefined, /Its diffID is/],
      [INVALID, 'mediaType', /Not a media type: "also not"/],
      ['ERR_OCI_MANIFEST_NOT_FOUND', undefined, /No sha256:/],
    ],
  )
  t.equal(findings.length, 7)
})

t.test('M9 one blob may be several layers, each with its own diffID', async (t) => {
  const content = new MemoryContent()
  const { descriptor, diffID } = makeLayer(content, 'x')
  const wrong = digestOf(utf8('wrong'))
  const layers = [plain(descriptor), plain(descriptor), plain(descriptor)]
  const check = (diffIDs: readonly string[]): Promise<readonly Finding[]> =>
    verifyImage(content, putManifest(content, { config: plain(putConfig(content, diffIDs)), layers }))
  t.same(await check([diffID, diffID, diffID]), [])
  const before = content.reads
  await check([diffID, diffID, diffID])
  t.ok(content.reads - before <= 5, 'and is read once')
  t.match(await check([diffID, wrong, diffID]), [{ code: INVALID, message: /Its diffID is/ }])
  const config = putConfig(content, [diffID, diffID])
  const plainly = { ...plain(descriptor), mediaType: MEDIA_TYPE_OCI_LAYER }
  const twoTypes = putManifest(content, { config: plain(config), layers: [plain(descriptor), plainly] })
  t.match(
    await verifyImage(content, twoTypes),
    [{ code: INVALID, descriptor: { mediaType: MEDIA_TYPE_OCI_LAYER } }],
    'S7',
  )
})

t.test('S10 one digest with two sizes is reported, whichever comes first', async (t) => {
  const content = new MemoryContent()
  const { descriptor, diffID } = makeLayer(content, 'x')
  const config = putConfig(content, [diffID, diffID])
  const right = plain(descriptor)
  const wrong = { ...right, size: descriptor.size + 1 }
  for (const layers of [
    [right, wrong],
    [wrong, right],
  ]) {
    const findings = await verifyImage(content, putManifest(content, { config: plain(config), layers }))
    t.match(findings, [{ code: SIZE, descriptor: { size: wrong['size'] } }])
  }
})

t.test('M9 inline data is checked wherever it is', async (t) => {
  const content = new MemoryContent()
  const { descriptor, diffID } = makeLayer(content, 'x')
  const config = putConfig(content, [diffID])
  const data = { data: 'AAAA' }
  const subject = plain(makeImage(content, 's').manifest.descriptor)
  const rows: readonly (readonly [why: string, members: Members])[] = [
    ['config', { config: { ...plain(config), ...data }, layers: [plain(descriptor)] }],
    ['layer', { config: plain(config), layers: [{ ...plain(descriptor), ...data }] }],
    ['subject', { config: plain(config), layers: [plain(descriptor)], subject: { ...subject, ...data } }],
  ]
  for (const [why, members] of rows) {
    t.ok(codesOf(await verifyImage(content, putManifest(content, members))).includes(SIZE), why)
  }
  const inline = { ...plain(EMPTY_DESCRIPTOR), data: 'e30=' }
  content.put(EMPTY_DESCRIPTOR.mediaType, utf8('{}'))
  const artifact = putManifest(content, { artifactType: 'a/b', config: inline, layers: [inline] })
  t.same(await verifyImage(content, artifact), [])
})

t.test('S7 a digest that is two kinds of thing is reported, also as a subject', async (t) => {
  const content = new MemoryContent()
  const image = makeImage(content, 'x')
  const { descriptor } = image.manifest
  const blob = { ...descriptor, mediaType: 'application/octet-stream' }
  for (const entries of [
    [blob, descriptor],
    [descriptor, blob],
    [descriptor, { ...descriptor, mediaType: MEDIA_TYPE_OCI_INDEX }],
  ]) {
    const findings = await verifyImage(content, putDocument(content, assembleIndex(entries)))
    t.match(findings[0], { code: INVALID, message: /is referred to as/ })
  }
  const [layer] = image.manifest.value.layers
  const subject = { ...plain(layer as Descriptor), mediaType: MEDIA_TYPE_OCI_MANIFEST }
  const about = putManifest(content, {
    config: plain(image.config.descriptor),
    layers: [plain(layer as Descriptor)],
    subject,
  })
  t.match(await verifyImage(content, about), [{ code: INVALID, message: /as manifest and as blob/ }])
})

t.test(
  'S7 S12 a document that could be read as another is reported, and its neighbours are checked',
  async (t) => {
    const content = new MemoryContent()
    const { manifest, config } = makeImage(content, 'x')
    const head = { schemaVersion: 2, config: plain(config.descriptor), layers: [] }
    const rows: readonly (readonly [why: string, bytes: Uint8Array, at: string])[] = [
      ['also an index', writeJson({ ...head, manifests: [] }), 'manifests'],
      ['Layers beside layers', writeJson({ ...head, Layers: [] }), 'Layers'],
      ['a duplicate key', utf8('{"schemaVersion":2,"schemaVersion":2}'), 'schemaVersion'],
      ['another type', writeJson({ ...head, mediaType: MEDIA_TYPE_DOCKER_MANIFEST }), 'mediaType'],
    ]
    const broken = describe(MEDIA_TYPE_OCI_LAYER, utf8('gone'))
    for (const [why, bytes, at] of rows) {
      const bad = content.put(MEDIA_TYPE_OCI_MANIFEST, bytes)
      const index = putDocument(content, assembleIndex([bad, manifest.descriptor, broken]))
      t.match(
        await verifyImage(content, index),
        [
          { code: INVALID, at, descriptor: bad },
          { code: 'ERR_OCI_MANIFEST_NOT_FOUND', descriptor: broken },
        ],
        why,
      )
    }
  },
)

t.test('S10 a layer may not grow without end', async (t) => {
  const content = new MemoryContent()
  const zeros = new Uint8Array(32 * 1024 * 1024)
  const bomb = content.put(MEDIA_TYPE_OCI_LAYER_GZIP, new Uint8Array(gzipSync(zeros)))
  const root = putManifest(content, {
    config: plain(putConfig(content, [digestOf(zeros)])),
    layers: [plain(bomb)],
  })
  t.ok(bomb.size < 64 * 1024)
  t.same(await verifyImage(content, root), [])
  t.match(await verifyImage(content, root, { maxLayerBytes: zeros.byteLength - 1 }), [
    { code: LIMIT, descriptor: bomb },
  ])
  t.same(await verifyImage(content, root, { maxLayerBytes: zeros.byteLength }), [])
})

t.test('M9 zstd is checked by whoever can decompress it', async (t) => {
  const content = new MemoryContent()
  const layer = content.put(MEDIA_TYPE_OCI_LAYER_ZSTD, utf8('packed'))
  const check = (diffID: string, options: VerifyImageOptions): Promise<readonly Finding[]> => {
    const members = { config: plain(putConfig(content, [diffID])), layers: [plain(layer)] }
    return verifyImage(content, putManifest(content, members), options)
  }
  const decompress: VerifyImageOptions['decompress'] = async function* (compression, source) {
    t.equal(compression, 'zstd')
    for await (const chunk of source) yield utf8(`${new TextDecoder().decode(chunk)} and unpacked`)
  }
  t.same(await check(digestOf(utf8('packed and unpacked')), { decompress }), [])
  t.match(await check(digestOf(utf8('packed')), { decompress }), [
    { code: INVALID, message: /Its diffID is/ },
  ])
  const broken: VerifyImageOptions['decompress'] = () => {
    throw new Error('not zstd')
  }
  t.match(await check(digestOf(utf8('x')), { decompress: broken }), [
    { code: INVALID, message: /does not decompress/ },
  ])
  content.blobs.set(layer.digest, utf8('wrong!'))
  t.match(
    await check(digestOf(utf8('x')), { decompress: broken }),
    [{ code: MISMATCH }],
    'the bytes are wrong, says the digest',
  )
})

t.test('a gzip layer may have several members, and a diffID of SHA-512', async (t) => {
  const content = new MemoryContent()
  const members = ['one', 'two'].map((each) => gzipSync(each))
  const layer = content.put(MEDIA_TYPE_OCI_LAYER_GZIP, new Uint8Array(Buffer.concat(members)))
  const config = putConfig(content, [digestOf(utf8('onetwo'), 'sha512')])
  t.same(
    await verifyImage(content, putManifest(content, { config: plain(config), layers: [plain(layer)] })),
    [],
  )
})

t.test('runtimes without node:zlib find the same diffID, of a layer of one member', async (t) => {
  const content = new MemoryContent()
  const layer = content.put(MEDIA_TYPE_OCI_LAYER_GZIP, new Uint8Array(gzipSync('one')))
  const config = putConfig(content, [digestOf(utf8('one'))])
  t.intercept(process, 'getBuiltinModule', { value: () => undefined })
  t.same(
    await verifyImage(content, putManifest(content, { config: plain(config), layers: [plain(layer)] })),
    [],
  )
})

t.test('S10 a body without end is left at the first byte too many', async (t) => {
  const content = new MemoryContent()
  const { manifest } = makeImage(content, 'x')
  let sent = 0
  const endless = streamSource(async function* () {
    for (;;) {
      sent += 1
      yield new Uint8Array(1024)
    }
  })
  const reader = {
    read: async (descriptor: Descriptor): Promise<ByteSource | undefined> =>
      descriptor.mediaType === MEDIA_TYPE_OCI_MANIFEST ? bytesSource(manifest.bytes) : endless,
  }
  const findings = await verifyImage(reader, manifest.descriptor)
  t.strictSame(new Set(codesOf(findings)), new Set([SIZE]))
  t.ok(sent < 20)
})

t.test('S10 a cycle of indexes, or of subjects, ends', async (t) => {
  const content = new MemoryContent()
  const claimed = describe(MEDIA_TYPE_OCI_INDEX, utf8('an index that lists itself'))
  const cyclic = assembleIndex([{ ...claimed, size: 500 }, claimed], { subject: claimed }).bytes
  content.blobs.set(claimed.digest, cyclic)
  const reader = { read: async (): Promise<ByteSource> => bytesSource(cyclic) }
  const root = describe(MEDIA_TYPE_OCI_INDEX, cyclic)
  t.strictSame(
    codesOf(await verifyImage(reader, root)),
    [SIZE, SIZE],
    'no bytes have a digest that is in them',
  )
  await t.rejects(convertContent(reader, root, { to: 'docker', lossy: true }), { code: SIZE })
  const own = assembleIndex([], { subject: claimed })
  t.same(await verifyImage(content, putDocument(content, own)), [], 'a subject is not followed')
})

t.test('types with parameters, as cosign writes them, pass', async (t) => {
  const content = new MemoryContent()
  const layer = content.put('application/vnd.dev.sigstore.bundle+json;version=0.2', utf8('{}'))
  const config = content.put('application/vnd.example.config', utf8('{}'))
  t.same(
    await verifyImage(content, putManifest(content, { config: plain(config), layers: [plain(layer)] })),
    [],
  )
})

t.test('M9 no change of a byte, anywhere, goes unseen', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (which, where, difference) => {
        const content = new MemoryContent()
        const images = ['a', 'b'].map((each) => makeImage(content, each).manifest.descriptor)
        const root = putDocument(content, assembleIndex(images))
        if ((await verifyImage(content, root)).length > 0) return false
        const digests = [...content.blobs.keys()]
        const digest = digests[which % digests.length] ?? ''
        const bytes = Uint8Array.from(content.blobs.get(digest) ?? [])
        const position = where % bytes.byteLength
        bytes[position] = (bytes[position] as number) ^ difference
        content.blobs.set(digest, bytes)
        return (await verifyImage(content, root)).length > 0
      },
    ),
    { numRuns: 60 },
  )
  t.pass()
})

t.test('M9 a layer that is not here is missed, also where another image may not distribute it', async (t) => {
  const content = new MemoryContent()
  const missing = plain(describe(MEDIA_TYPE_OCI_LAYER_GZIP, utf8('missing')))
  const config = putConfig(content, [digestOf(utf8('x'))])
  const foreign = { ...missing, mediaType: MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_GZIP }
  const images = [foreign, missing].map((layer) =>
    putManifest(content, { config: plain(config), layers: [layer] }),
  )
  for (const manifests of [images, images.toReversed()]) {
    const { descriptor, bytes } = assembleIndex(manifests)
    content.put(descriptor.mediaType, bytes)
    t.strictSame(codesOf(await verifyImage(content, descriptor)), ['ERR_OCI_MANIFEST_NOT_FOUND'])
  }
})
