/** Descriptors, manifests, indexes and the media types they go by. */
import { type Descriptor, DigestError } from '@varve/digest'
import * as fc from 'fast-check'
import t from 'tap'
import {
  assembleIndex,
  compressionOf,
  EMPTY_DESCRIPTOR,
  inlineContent,
  isConfigType,
  isDocumentType,
  isLayerType,
  isNondistributableType,
  MEDIA_TYPE_DOCKER_LIST,
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_DOCKER_SCHEMA1_SIGNED,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_MANIFEST,
  OciManifestError,
  ociLayerType,
  parseDescriptor,
  parseDocument,
  parseIndex,
  parseJson,
  parseManifest,
  type ParseOptions,
} from '../src/index.ts'
import { utf8 } from './fixtures/content.ts'

const HEX = 'a'.repeat(64)
const DESCRIPTOR = `{"mediaType":"application/x","digest":"sha256:${HEX}","size":1}`
const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const LIMIT = 'ERR_OCI_MANIFEST_LIMIT'
const UNSUPPORTED = 'ERR_OCI_MANIFEST_UNSUPPORTED'

const manifest = (more = '', layers = `[${DESCRIPTOR}]`): string =>
  `{"schemaVersion":2,"config":${DESCRIPTOR},"layers":${layers}${more}}`
const index = (more = '', manifests = `[${DESCRIPTOR}]`): string =>
  `{"schemaVersion":2,"manifests":${manifests}${more}}`
const typed = (mediaType: string): string => `,"mediaType":"${mediaType}"`
const descriptor = (text: string): Descriptor => parseDescriptor(parseJson(utf8(text)), 'd')

t.test('D3 a manifest is its bytes, a descriptor and a view without unknown fields', async (t) => {
  const text = manifest(
    `,"mediaType":"${MEDIA_TYPE_OCI_MANIFEST}","artifactType":"a/b","subject":${DESCRIPTOR},"annotations":{"k":"v"},"org.example":1.5`,
  )
  const bytes = utf8(text)
  const parsed = parseManifest(bytes)
  t.equal(parsed.bytes, bytes, 'the very same bytes')
  t.match(parsed.descriptor, { mediaType: MEDIA_TYPE_OCI_MANIFEST, size: text.length })
  const one = descriptor(DESCRIPTOR)
  t.same(parsed.value, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_MANIFEST,
    artifactType: 'a/b',
    config: one,
    layers: [one],
    subject: one,
    annotations: { k: 'v' },
  })
})

t.test('layers and manifests may be empty, mediaType may be missing', async (t) => {
  t.same(parseManifest(utf8(manifest('', '[]'))).value.layers, [])
  t.equal(parseManifest(utf8(manifest())).descriptor.mediaType, MEDIA_TYPE_OCI_MANIFEST)
  t.same(parseIndex(utf8(index('', '[]'))).value, { schemaVersion: 2, manifests: [] })
  t.equal(parseIndex(utf8(index())).descriptor.mediaType, MEDIA_TYPE_OCI_INDEX)
})

t.test('index entries have a platform, as it is written', async (t) => {
  const entry = DESCRIPTOR.replace(
    '}',
    ',"platform":{"architecture":"ARM","os":"linux","os.version":"1","os.features":["x"],"variant":"7","other":1}}',
  )
  const parsed = parseIndex(utf8(index('', `[${entry},${DESCRIPTOR.replace('}', ',"platform":null}')}]`)))
  t.same(parsed.value.manifests[0]?.platform, {
    os: 'linux',
    architecture: 'ARM',
    variant: '7',
    'os.version': '1',
    'os.features': ['x'],
  })
  t.notOk('platform' in (parsed.value.manifests[1] ?? {}))
})

t.test('Docker schema 2 has the same views', async (t) => {
  const list = parseDocument(utf8(index(typed(MEDIA_TYPE_DOCKER_LIST))))
  t.match(list, { kind: 'index', document: { descriptor: { mediaType: MEDIA_TYPE_DOCKER_LIST } } })
  const image = parseDocument(utf8(manifest(typed(MEDIA_TYPE_DOCKER_MANIFEST))))
  t.match(image, { kind: 'manifest', document: { descriptor: { mediaType: MEDIA_TYPE_DOCKER_MANIFEST } } })
})

t.test('parseDocument goes by what was delivered, then by what is said, then by the keys', async (t) => {
  t.equal(parseDocument(utf8(index())).kind, 'index')
  t.equal(parseDocument(utf8(manifest())).kind, 'manifest')
  t.equal(parseDocument(utf8(manifest()), { mediaType: MEDIA_TYPE_OCI_MANIFEST }).kind, 'manifest')
  t.throws(() => parseDocument(utf8(manifest()), { mediaType: MEDIA_TYPE_OCI_INDEX }), { code: INVALID })
  t.throws(() => parseDocument(utf8(manifest()), { mediaType: 'application/json' }), { code: UNSUPPORTED })
  t.throws(() => parseDocument(utf8(manifest(typed('application/json')))), { code: UNSUPPORTED })
})

// Sheet rows S7, S10, S12 and S14, and the facts of image-spec v1.1.1.
type Row = readonly [why: string, text: string, code: string, at?: string | undefined, options?: ParseOptions]
const DOCUMENTS: readonly Row[] = [
  ['S7 an index that is also a manifest', index(`,"layers":[]`), INVALID, 'layers'],
  ['S7 an index with a config', index(`,"config":${DESCRIPTOR}`), INVALID, 'config'],
  ['S7 an index with a history', index(`,"history":[]`), INVALID, 'history'],
  ['S7 an index with fsLayers', index(`,"fsLayers":[]`), INVALID, 'fsLayers'],
  ['S7 a manifest that is also an index', manifest(`,"manifests":[]`), INVALID, 'manifests'],
  ['S7 even if null', manifest(`,"manifests":null`), INVALID, 'manifests'],
  ['S7 a manifest with a history', manifest(`,"history":[]`), INVALID, 'history'],
  [
    'S7 another type than delivered',
    manifest(typed(MEDIA_TYPE_OCI_MANIFEST)),
    INVALID,
    'mediaType',
    { mediaType: MEDIA_TYPE_DOCKER_MANIFEST },
  ],
  ['S7 the type of an index', manifest(typed(MEDIA_TYPE_OCI_INDEX)), INVALID],
  [
    'S7 Docker without a mediaType',
    manifest(),
    INVALID,
    'mediaType',
    { mediaType: MEDIA_TYPE_DOCKER_MANIFEST },
  ],
  ['schema 1', '{"schemaVersion":1,"name":"x","fsLayers":[],"history":[]}', UNSUPPORTED],
  [
    'schema 1 by type',
    manifest(),
    UNSUPPORTED,
    'schemaVersion',
    { mediaType: MEDIA_TYPE_DOCKER_SCHEMA1_SIGNED },
  ],
  [
    'schema 1, mislabelled',
    '{"schemaVersion":1,"fsLayers":[],"history":[]}',
    UNSUPPORTED,
    'schemaVersion',
    { mediaType: MEDIA_TYPE_DOCKER_MANIFEST },
  ],
  ['no schemaVersion', `{"config":${DESCRIPTOR},"layers":[]}`, INVALID, 'schemaVersion'],
  ['schemaVersion 3', manifest().replace('2', '3'), INVALID, 'schemaVersion'],
  ['schemaVersion as text', manifest().replace('2', '"2"'), INVALID, 'schemaVersion'],
  ['not an object', '[]', INVALID, ''],
  ['no config', '{"schemaVersion":2,"layers":[]}', INVALID, 'config'],
  ['no layers', `{"schemaVersion":2,"config":${DESCRIPTOR}}`, INVALID, 'layers'],
  ['layers null', manifest('', 'null'), INVALID, 'layers'],
  ['layers not an array', manifest('', '{}'), INVALID, 'layers'],
  ['manifests null', index('', 'null'), INVALID, 'manifests'],
  ['a layer that is not an object', manifest('', '[1]'), INVALID, 'layers[0]'],
  ['S12 Layers beside layers', manifest(`,"Layers":[]`), INVALID, 'Layers'],
  [
    'S12 LAYERS instead of layers',
    `{"schemaVersion":2,"config":${DESCRIPTOR},"LAYERS":[]}`,
    INVALID,
    'LAYERS',
  ],
  ['S12 U+017F for s', manifest(`,"layer\u017f":[]`), INVALID],
  ['S12 U+017F, escaped', manifest(`,"manifest\\u017f":[]`), INVALID],
  ['S12 MediaType', manifest(`,"MediaType":"x"`), INVALID, 'MediaType'],
  ['S12 a key of another kind in another case', manifest(`,"Manifests":[]`), INVALID, 'Manifests'],
  ['S12 a duplicate key', manifest(`,"layers":[]`), INVALID, 'layers'],
  [
    'S12 Digest in a descriptor',
    manifest('', `[${DESCRIPTOR.replace('}', ',"Digest":"x"}')}]`),
    INVALID,
    'layers[0].Digest',
  ],
  ['S12 a duplicate annotation', manifest(`,"annotations":{"a":"1","a":"2"}`), INVALID, 'annotations.a'],
  ['S12 a byte order mark', `\ufeff${manifest()}`, INVALID],
  ['S12 trailing bytes', `${manifest()}{}`, INVALID],
  ['annotations that are not text', manifest(`,"annotations":{"a":1}`), INVALID, 'annotations.a'],
  ['annotations as a list', manifest(`,"annotations":[]`), INVALID, 'annotations'],
  [
    'S10 too many layers',
    manifest('', `[${Array.from({ length: 17_000 }, () => DESCRIPTOR).join()}]`),
    LIMIT,
    'layers',
  ],
  [
    'S10 too many manifests',
    index('', `[${DESCRIPTOR},${DESCRIPTOR}]`),
    LIMIT,
    'manifests',
    { maxEntries: 1 },
  ],
  ['S10 too many bytes', manifest(), LIMIT, undefined, { maxBytes: 100 }],
  ['S10 too deep', manifest(`,"x":${'['.repeat(100)}${']'.repeat(100)}`), LIMIT],
]

t.test('S7 S10 S12 documents that are wrong, or could be read as something else, are refused', async (t) => {
  for (const [why, text, code, at, options] of DOCUMENTS) {
    const parse = text.includes('"manifests":[{') ? parseIndex : parseManifest
    const expected = { name: 'OciManifestError', code, ...(at === undefined ? {} : { at }) }
    t.throws(() => parse(utf8(text), options), expected, why)
    if (options?.mediaType === undefined)
      t.throws(() => parseDocument(utf8(text), options), { code }, `${why}, as any document`)
  }
})

t.test('S12 keys that differ in case are free among annotations', async (t) => {
  const { annotations } = parseManifest(
    utf8(manifest(`,"annotations":{"a":"1","A":"2","2":"","1":null}`)),
  ).value
  t.same(annotations, { a: '1', A: '2', 2: '', 1: '' })
})

t.test('S13 keys of every object are only keys', async (t) => {
  const text = manifest(
    `,"annotations":{"__proto__":"x","constructor":"y","toString":"z"},"__proto__":{"polluted":1}`,
  )
  const { value } = parseManifest(utf8(text))
  t.equal(Object.getPrototypeOf(value.annotations), null)
  t.strictSame(Object.keys(value.annotations ?? {}), ['__proto__', 'constructor', 'toString'])
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
  t.equal(Object.getPrototypeOf(value), Object.prototype)
})

t.test('a document is checked against the descriptor that led to it', async (t) => {
  const bytes = utf8(manifest(typed(MEDIA_TYPE_OCI_MANIFEST)))
  const { descriptor } = parseManifest(bytes)
  t.equal(
    parseManifest(bytes, { descriptor }).descriptor,
    descriptor,
    'and it becomes the descriptor of the result',
  )
  const wrong = { ...descriptor, digest: EMPTY_DESCRIPTOR.digest }
  t.throws(() => parseManifest(bytes, { descriptor: wrong }), {
    name: 'DigestError',
    code: 'ERR_DIGEST_MISMATCH',
  })
  t.throws(() => parseManifest(bytes, { descriptor: { ...descriptor, size: 1 } }), {
    code: 'ERR_DIGEST_SIZE',
  })
  t.throws(() => parseManifest(bytes, { descriptor: { ...descriptor, mediaType: MEDIA_TYPE_OCI_INDEX } }), {
    code: INVALID,
  })
})

t.test('a descriptor has all the fields of the specification', async (t) => {
  const text = `{"size":9007199254740991,"digest":"sha512:${'b'.repeat(128)}","mediaType":"a/b; c=d","urls":["https://x/"],"annotations":{"k":"v"},"data":"e30=","artifactType":"x/y","platform":{"os":"z"},"extra":[]}`
  t.same(descriptor(text), {
    mediaType: 'a/b; c=d',
    digest: `sha512:${'b'.repeat(128)}`,
    size: Number.MAX_SAFE_INTEGER,
    urls: ['https://x/'],
    annotations: { k: 'v' },
    data: 'e30=',
    artifactType: 'x/y',
  })
})

const digestRows = (digests: readonly string[], code: string): readonly Row[] =>
  digests.map((digest) => [`S8 ${digest}`, DESCRIPTOR.replace(`sha256:${HEX}`, digest), code, 'd.digest'])
const sizeRows = (sizes: readonly string[]): readonly Row[] =>
  sizes.map((size) => [
    `S14 size ${size}`,
    DESCRIPTOR.replace('"size":1', `"size":${size}`),
    INVALID,
    'd.size',
  ])
const DESCRIPTORS: readonly Row[] = [
  ...digestRows(
    [
      'sha256:../../x',
      'sha256:..%2f..%2fx',
      'sha256/aa',
      `sha256:${'a'.repeat(63)}`,
      `sha256:${'a'.repeat(65)}`,
      `sha256:${'A'.repeat(64)}`,
      `SHA256:${HEX}`,
      `sha256:%2e%2e${'a'.repeat(58)}`,
      `sha256:${HEX}:`,
      `sha512:${HEX}`,
      HEX,
      '',
    ],
    INVALID,
  ),
  ...digestRows([`md5:${'a'.repeat(32)}`, `sha256+b64u:aGk`, `blake3:${HEX}`, 'constructor:aa'], UNSUPPORTED),
  ...sizeRows([
    '9007199254740992',
    '-1',
    '1.5',
    '"7"',
    '1e3',
    '1.0',
    '-0',
    'true',
    '[1]',
    '99999999999999999999',
  ]),
  ['no size', DESCRIPTOR.replace(',"size":1', ''), INVALID, 'd.size'],
  ['a null size', DESCRIPTOR.replace('"size":1', '"size":null'), INVALID, 'd.size'],
  ['no digest', `{"mediaType":"x","size":1}`, INVALID, 'd.digest'],
  ['a digest that is a number', `{"mediaType":"x","size":1,"digest":1}`, INVALID, 'd.digest'],
  ['no mediaType', `{"digest":"sha256:${HEX}","size":1}`, INVALID, 'd.mediaType'],
  ['an empty mediaType', DESCRIPTOR.replace('application/x', ''), INVALID, 'd.mediaType'],
  ['a line break in mediaType', DESCRIPTOR.replace('application/x', 'a\\r\\nb'), INVALID, 'd.mediaType'],
  ['urls that are not text', DESCRIPTOR.replace('}', ',"urls":[1]}'), INVALID, 'd.urls[0]'],
  ['data that is not base64', DESCRIPTOR.replace('}', ',"data":"e30"}'), INVALID, 'd.data'],
  ['data in the URL alphabet', DESCRIPTOR.replace('}', ',"data":"_-8="}'), INVALID, 'd.data'],
  ['data with spare bits', DESCRIPTOR.replace('}', ',"data":"e31="}'), INVALID, 'd.data'],
  ['data with a line break', DESCRIPTOR.replace('}', ',"data":"e30=\\n\\n\\n\\n"}'), INVALID, 'd.data'],
  [
    'an artifactType that is a number',
    DESCRIPTOR.replace('}', ',"artifactType":1}'),
    INVALID,
    'd.artifactType',
  ],
]

t.test('S8 S10 S14 descriptors that are wrong are refused', async (t) => {
  for (const [why, text, code, at] of DESCRIPTORS) {
    t.throws(() => descriptor(text), { name: 'OciManifestError', code, at }, why)
  }
})

t.test('N11 inline content is used only if it is right', async (t) => {
  t.strictSame(inlineContent(EMPTY_DESCRIPTOR), utf8('{}'))
  t.equal(inlineContent(descriptor(DESCRIPTOR)), undefined)
  t.throws(() => inlineContent({ ...EMPTY_DESCRIPTOR, data: 'e31=' }), { code: INVALID })
  t.throws(() => inlineContent({ ...EMPTY_DESCRIPTOR, data: 'W10=' }), { code: 'ERR_DIGEST_MISMATCH' })
  t.throws(() => inlineContent({ ...EMPTY_DESCRIPTOR, data: 'e30K' }), { code: 'ERR_DIGEST_SIZE' })
  const large = parseJson(utf8(DESCRIPTOR.replace('}', `,"data":"${'AAAA'.repeat(1_500_000)}"}`)))
  t.equal(parseDescriptor(large, '').data?.length, 6_000_000, 'large data does not overflow')
})

t.test('media types are told apart', async (t) => {
  const rows: readonly (readonly [string, string | undefined, string])[] = [
    ['application/vnd.oci.image.layer.v1.tar', 'none', 'application/vnd.oci.image.layer.v1.tar'],
    ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip', 'application/vnd.oci.image.layer.v1.tar+gzip'],
    ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'],
    ['application/vnd.docker.image.rootfs.diff.tar', 'none', 'application/vnd.oci.image.layer.v1.tar'],
    [
      'application/vnd.docker.image.rootfs.diff.tar.gzip',
      'gzip',
      'application/vnd.oci.image.layer.v1.tar+gzip',
    ],
    [
      'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      'gzip',
      'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    ],
    [
      'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
      'zstd',
      'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
    ],
    ['application/vnd.in-toto+json', undefined, 'application/vnd.in-toto+json'],
    ['constructor', undefined, 'constructor'],
  ]
  for (const [mediaType, compression, oci] of rows) {
    t.equal(compressionOf(mediaType), compression, mediaType)
    t.equal(isLayerType(mediaType), compression !== undefined)
    t.equal(isNondistributableType(mediaType), oci.includes('nondistributable'))
    t.equal(ociLayerType(mediaType), oci)
    t.notOk(isDocumentType(mediaType) || isConfigType(mediaType))
  }
})

t.test('parsers throw nothing but their own errors', async (t) => {
  const keys = [
    'schemaVersion',
    'mediaType',
    'config',
    'layers',
    'manifests',
    'subject',
    'annotations',
    'digest',
    'size',
    'data',
    'platform',
    'urls',
    'Size',
    '__proto__',
  ]
  const leaf = fc.oneof(
    fc.constantFrom(2, 1, null, true, MEDIA_TYPE_OCI_MANIFEST, MEDIA_TYPE_OCI_INDEX, `sha256:${HEX}`, 'x'),
    fc.double(),
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('tree'), { noNullPrototype: true }),
    ),
  }))
  const base = fc
    .constantFrom(manifest(), index(), '{"schemaVersion":2}')
    .map((text) => JSON.parse(text) as object)
  fc.assert(
    fc.property(base, fc.dictionary(fc.constantFrom(...keys), tree), (object, changes) => {
      const bytes = utf8(JSON.stringify({ ...object, ...changes }))
      for (const parse of [parseManifest, parseIndex, parseDocument]) {
        try {
          parse(bytes)
        } catch (error) {
          if (!(error instanceof OciManifestError)) throw error
        }
      }
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

t.test('errors keep what lay underneath', async (t) => {
  let error: unknown
  try {
    descriptor(DESCRIPTOR.replace(HEX, 'x'))
  } catch (thrown) {
    error = thrown
  }
  if (!(error instanceof OciManifestError)) throw error
  t.ok(error.cause instanceof DigestError)
  t.notOk(Object.keys(error).includes('name'))
  t.match(String(error), /^OciManifestError: Not a digest: "sha256:x", at d.digest$/)
})

t.test('assembleIndex writes entries in the order given, the same bytes each time', async (t) => {
  const entry = { ...EMPTY_DESCRIPTOR, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }
  const parsed = assembleIndex([entry, EMPTY_DESCRIPTOR], { annotations: { b: '2', 1: 'x' } })
  t.equal(
    new TextDecoder().decode(parsed.bytes),
    `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE_OCI_INDEX}","manifests":[` +
      `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"${EMPTY_DESCRIPTOR.digest}","size":2,"data":"e30=","platform":{"architecture":"arm","os":"linux","variant":"v7"}},` +
      `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"${EMPTY_DESCRIPTOR.digest}","size":2,"data":"e30="}],"annotations":{"1":"x","b":"2"}}`,
  )
  t.same(parsed.value.manifests, [entry, EMPTY_DESCRIPTOR])
})

t.test('S10 a hundred thousand descriptors are refused', async (t) => {
  const entry = `{"mediaType":"a","size":1,"digest":"sha256:${HEX}"}`
  const bytes = utf8(index('', `[${Array.from({ length: 100_000 }, () => entry).join()}]`))
  t.throws(() => parseIndex(bytes), { code: LIMIT, message: /bytes/ }, 'for the bytes they take')
  t.throws(
    () => parseIndex(bytes, { maxBytes: bytes.byteLength }),
    { code: LIMIT, at: 'manifests' },
    'and their number',
  )
})

t.test('S12 S13 the platform of an entry is read as strictly', async (t) => {
  const platform = (text: string): string => index('', `[${DESCRIPTOR.replace('}', `,"platform":${text}}`)}]`)
  const rows: readonly (readonly [why: string, text: string, at: string])[] = [
    ['another case', '{"os":"linux","architecture":"arm","OS":"x"}', 'manifests[0].platform.OS'],
    ['U+017F for s', '{"oſ":"linux","architecture":"arm"}', 'manifests[0].platform["oſ"]'],
    ['a duplicate key', '{"os":"linux","os":"x","architecture":"arm"}', 'manifests[0].platform.os'],
    ['a number', '{"os":1,"architecture":"arm"}', 'manifests[0].platform.os'],
    ['no object', '[]', 'manifests[0].platform'],
  ]
  for (const [why, text, at] of rows)
    t.throws(() => parseIndex(utf8(platform(text))), { code: INVALID, at }, why)
  const odd = platform('{"os":"linux","architecture":"arm","__proto__":{"variant":"v9"},"constructor":1}')
  t.same(parseIndex(utf8(odd)).value.manifests[0]?.platform, { os: 'linux', architecture: 'arm' })
})

t.test('D3 N10 what was parsed and is written again has the same bytes', async (t) => {
  const text = fc.string({ maxLength: 6 })
  const annotations = fc.dictionary(
    text.filter((key) => key !== ''),
    text,
    { maxKeys: 4 },
  )
  const entry = fc.record(
    {
      mediaType: fc.constantFrom('a/b', MEDIA_TYPE_OCI_MANIFEST),
      digest: fc.constant(EMPTY_DESCRIPTOR.digest),
      size: fc.maxSafeInteger().map(Math.abs),
      urls: fc.array(text, { maxLength: 2 }),
      annotations,
      artifactType: text,
      platform: fc.record({ os: text, architecture: text, 'os.features': fc.array(text, { maxLength: 2 }) }),
    },
    { requiredKeys: ['mediaType', 'digest', 'size'], noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), fc.option(annotations), (entries, own) => {
      const written = assembleIndex(entries, own === null ? {} : { annotations: own })
      const { manifests, annotations: read } = parseIndex(written.bytes).value
      const again = assembleIndex(manifests, read === undefined ? {} : { annotations: read })
      return Buffer.from(again.bytes).equals(written.bytes)
    }),
    { numRuns: 300 },
  )
  t.pass()
})
