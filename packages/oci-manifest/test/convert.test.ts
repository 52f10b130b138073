/** Images between OCI and Docker's schema 2. */
import { type Descriptor, describe, digestOf } from '@varve/digest'
import * as fc from 'fast-check'
import t from 'tap'
import {
  assembleArtifact,
  assembleAttestation,
  assembleIndex,
  convertContent,
  convertImage,
  convertManifest,
  copyContent,
  type JsonInput,
  JsonNumber,
  MEDIA_TYPE_DOCKER_CONFIG,
  MEDIA_TYPE_DOCKER_LIST,
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_MANIFEST,
  type Manifest,
  type Parsed,
  parseIndex,
  parseManifest,
  parsePlatform,
  readAttestations,
  readImage,
  verifyImage,
  withDocuments,
  writeJson,
} from '../src/index.ts'
import { makeImage, MemoryContent, utf8 } from './fixtures/content.ts'
import { plain, putArtifact, putDocument, putJson, text } from './fixtures/documents.ts'

const UNSUPPORTED = 'ERR_OCI_MANIFEST_UNSUPPORTED'
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'
const OCI_FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar'
const DOCKER_FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar'
// image-spec v1.1.1, media-types.md, "Compatibility Matrix"; for zstd: containerd, core/images/mediatypes.go.
const LAYERS: readonly (readonly [oci: string, docker: string])[] = [
  [OCI_LAYER, DOCKER_LAYER],
  [`${OCI_LAYER}+gzip`, `${DOCKER_LAYER}.gzip`],
  [`${OCI_LAYER}+zstd`, `${DOCKER_LAYER}.zstd`],
  [OCI_FOREIGN, DOCKER_FOREIGN],
  [`${OCI_FOREIGN}+gzip`, `${DOCKER_FOREIGN}.gzip`],
]
const AMD64 = parsePlatform('linux/amd64')
const ARM64 = parsePlatform('linux/arm64')

type Members = { readonly [key: string]: JsonInput }

const describeLayer = (mediaType: string): { mediaType: string; digest: string; size: number } => ({
  mediaType,
  digest: digestOf(utf8(mediaType)),
  size: 7,
})

function manifestOf(
  mediaType: string,
  config: string,
  layers: readonly string[],
  more: Members = {},
): Parsed<Manifest> {
  return parseManifest(
    writeJson({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: config, digest: digestOf(utf8('config')), size: 6 },
      layers: layers.map(describeLayer),
      ...more,
    }),
  )
}

const oci = (layers: readonly string[], more: Members = {}): Parsed<Manifest> =>
  manifestOf(MEDIA_TYPE_OCI_MANIFEST, MEDIA_TYPE_OCI_CONFIG, layers, more)
const docker = (layers: readonly string[], more: Members = {}): Parsed<Manifest> =>
  manifestOf(MEDIA_TYPE_DOCKER_MANIFEST, MEDIA_TYPE_DOCKER_CONFIG, layers, more)
const typesOf = ({ value }: Parsed<Manifest>): readonly string[] =>
  value.layers.map(({ mediaType }) => mediaType)

t.test('M8 every type has its name in the other format, and the blobs stay', async (t) => {
  const ours = oci(LAYERS.map(([name]) => name))
  const theirs = convertManifest(ours, { to: 'docker' })
  t.strictSame(
    typesOf(theirs),
    LAYERS.map(([, name]) => name),
  )
  t.match(theirs.value, {
    mediaType: MEDIA_TYPE_DOCKER_MANIFEST,
    config: { mediaType: MEDIA_TYPE_DOCKER_CONFIG },
  })
  t.match(theirs.descriptor, { mediaType: MEDIA_TYPE_DOCKER_MANIFEST, digest: digestOf(theirs.bytes) })
  t.equal(theirs.value.config.digest, ours.value.config.digest, 'the image ID is the same')
  t.strictSame(
    theirs.value.layers.map(({ digest, size }) => [digest, size]),
    ours.value.layers.map(({ digest, size }) => [digest, size]),
  )
  t.strictSame(convertManifest(theirs, { to: 'oci' }).bytes, ours.bytes, 'and back')
})

t.test('M8 a manifest of the format that is asked for is the very same', async (t) => {
  for (const [manifest, to] of [
    [oci([OCI_LAYER]), 'oci'],
    [docker([DOCKER_LAYER]), 'docker'],
  ] as const) {
    t.equal(convertManifest(manifest, { to }), manifest)
  }
  const untyped = parseManifest(
    utf8(text(oci([OCI_LAYER]).bytes).replace(`"mediaType":"${MEDIA_TYPE_OCI_MANIFEST}",`, '')),
  )
  t.equal(convertManifest(untyped, { to: 'oci' }), untyped, 'also if it does not say which it is')
  t.match(text(convertManifest(untyped, { to: 'docker' }).bytes), /^\{"schemaVersion":2,"mediaType":"/)
  t.strictSame(
    typesOf(convertManifest(oci([DOCKER_LAYER]), { to: 'oci' })),
    [OCI_LAYER],
    'but for types within',
  )
})

t.test('M8 what is not known here stays, to OCI also types', async (t) => {
  const more = {
    'org.example': new Map<string, JsonInput>([
      ['z', new JsonNumber('1.50e3')],
      ['2', null],
    ]),
  }
  const source = docker([DOCKER_LAYER, 'application/x'], more)
  const converted = convertManifest(source, { to: 'oci' })
  t.match(text(converted.bytes), /"org.example":\{"z":1.50e3,"2":null\}\}$/)
  t.strictSame(typesOf(converted), [OCI_LAYER, 'application/x'])
  const plugin = manifestOf(MEDIA_TYPE_DOCKER_MANIFEST, 'application/vnd.docker.plugin.v1+json', [
    DOCKER_LAYER,
  ])
  t.equal(
    convertManifest(plugin, { to: 'oci' }).value.config.mediaType,
    'application/vnd.docker.plugin.v1+json',
  )
  const foreign = docker([], {
    layers: [{ ...describeLayer(DOCKER_FOREIGN), urls: ['https://example.org/x'] }],
  })
  t.strictSame(convertManifest(foreign, { to: 'oci' }).value.layers[0]?.urls, ['https://example.org/x'])
})

t.test("M8 what Docker's format cannot hold is refused, or dropped if that is asked for", async (t) => {
  const annotated = { ...describeLayer(OCI_LAYER), annotations: { a: 'b' } }
  const rows: readonly (readonly [
    why: string,
    manifest: Parsed<Manifest>,
    at: string,
    droppable: boolean,
  ])[] = [
    ['annotations', oci([OCI_LAYER], { annotations: { a: 'b' } }), 'annotations', true],
    ['a subject', oci([OCI_LAYER], { subject: describeLayer(MEDIA_TYPE_OCI_MANIFEST) }), 'subject', true],
    ['an artifactType', oci([OCI_LAYER], { artifactType: 'a/b' }), 'artifactType', true],
    ['annotations of a layer', oci([], { layers: [annotated] }), 'layers[0].annotations', true],
    [
      'inline data',
      oci([OCI_LAYER], { config: { ...describeLayer(MEDIA_TYPE_OCI_CONFIG), data: 'e30=' } }),
      'config.data',
      true,
    ],
    ['an artifact', manifestOf(MEDIA_TYPE_OCI_MANIFEST, 'a/b', []), 'config.mediaType', false],
    ['a layer of another type', oci(['application/vnd.in-toto+json']), 'layers[0].mediaType', false],
    ['a foreign layer in zstd', oci([OCI_LAYER, `${OCI_FOREIGN}+zstd`]), 'layers[1].mediaType', false],
  ]
  for (const [why, manifest, at, droppable] of rows) {
    t.throws(() => convertManifest(manifest, { to: 'docker' }), { code: UNSUPPORTED, at }, why)
    if (!droppable) {
      t.throws(() => convertManifest(manifest, { to: 'docker', lossy: true }), { code: UNSUPPORTED, at }, why)
      continue
    }
    const { value } = convertManifest(manifest, { to: 'docker', lossy: true })
    t.strictSame(Object.keys(value).toSorted(), ['config', 'layers', 'mediaType', 'schemaVersion'], why)
    const members = [value.config, ...value.layers].flatMap((each) => Object.keys(each))
    t.strictSame([...new Set(members)].toSorted(), ['digest', 'mediaType', 'size'])
  }
  const silent = convertManifest(oci([OCI_LAYER], { annotations: {}, subject: null }), { to: 'docker' })
  t.notMatch(text(silent.bytes), /annotations|subject/, 'what says nothing is not missed')
})

t.test('M8 there and back gives the same bytes', async (t) => {
  const layer = fc.constantFrom(...LAYERS.map(([name]) => name))
  const more = fc.dictionary(
    fc.stringMatching(/^x[a-z.]{0,8}$/),
    fc.oneof(fc.string(), fc.nat(), fc.boolean()),
  )
  fc.assert(
    fc.property(fc.array(layer, { maxLength: 6 }), more, (layers, members) => {
      const source = oci(layers, members)
      const back = convertManifest(convertManifest(source, { to: 'docker' }), { to: 'oci' })
      return Buffer.from(back.bytes).equals(source.bytes)
    }),
    { numRuns: 200 },
  )
  t.pass()
})

/** Two images, an attestation about the first, an artifact, and an index of an index of them. */
function makeIndex(content: MemoryContent) {
  const amd64 = makeImage(content, 'amd64', { platform: AMD64 }).manifest.descriptor
  const arm64 = makeImage(content, 'arm64', { platform: ARM64 }).manifest.descriptor
  const attestation = assembleAttestation({
    subject: amd64,
    statements: [{ predicateType: 'https://example.org/p', content: utf8('{"_type":"x"}') }],
  })
  putArtifact(content, attestation)
  const artifact = putArtifact(content, assembleArtifact({ artifactType: 'a/b' }))
  const inner = assembleIndex([{ ...amd64, platform: AMD64 }, arm64, artifact, attestation.entry], {
    annotations: { a: 'b' },
  })
  const outer = putDocument(content, assembleIndex([putDocument(content, inner)]))
  return { amd64, arm64, attestation, artifact, inner: inner.descriptor, outer }
}

t.test('M8 an index is converted as deep as it goes', async (t) => {
  const content = new MemoryContent()
  const { amd64, outer } = makeIndex(content)
  await t.rejects(convertContent(content, outer, { to: 'docker' }), { code: UNSUPPORTED })
  const converted = await convertContent(content, outer, { to: 'docker', lossy: true })
  t.strictSame(
    converted.documents.map(({ descriptor }) => descriptor.mediaType),
    [MEDIA_TYPE_DOCKER_MANIFEST, MEDIA_TYPE_DOCKER_MANIFEST, MEDIA_TYPE_DOCKER_LIST, MEDIA_TYPE_DOCKER_LIST],
    'children first',
  )
  t.equal(converted.dropped.length, 2, 'the attestation and the artifact')
  const to = new MemoryContent()
  await copyContent(converted.descriptor, withDocuments(content, converted.documents), to)
  t.same(await verifyImage(to, converted.descriptor), [])
  for (const platform of [AMD64, ARM64]) {
    const image = await readImage(to, converted.descriptor, { platform })
    const source = await readImage(content, outer, { platform })
    t.equal(image.manifest.descriptor.mediaType, MEDIA_TYPE_DOCKER_MANIFEST)
    t.strictSame(image.config.bytes, source.config.bytes)
  }
  const list = parseIndex(converted.documents[2]?.bytes ?? new Uint8Array())
  t.strictSame(
    list.value.manifests.map(({ platform }) => platform),
    [AMD64, ARM64],
    'every entry has a platform, if need be from its config',
  )
  const back = await convertContent(to, converted.descriptor, { to: 'oci' })
  t.equal(back.descriptor.mediaType, MEDIA_TYPE_OCI_INDEX)
  t.not(
    parseIndex(back.documents[2]?.bytes ?? new Uint8Array()).value.manifests[0]?.digest,
    amd64.digest,
    'without annotations',
  )
  const same = await convertContent(content, outer, { to: 'oci' })
  t.strictSame([same.descriptor, same.documents, same.dropped], [outer, [], []], 'what is OCI already stays')
})

t.test('an artifact by itself is refused, also if losses are allowed', async (t) => {
  const content = new MemoryContent()
  const { artifact } = makeIndex(content)
  await t.rejects(convertContent(content, artifact, { to: 'docker', lossy: true }), { code: UNSUPPORTED })
})

/** A Docker list of one image, with an attestation in each form, and an index that is about the image. */
function makeList(content: MemoryContent) {
  const { manifest } = makeImage(content, 'x')
  const image = putDocument(content, convertManifest(manifest, { to: 'docker', lossy: true }))
  const statements = [{ predicateType: 'https://example.org/p', content: utf8('{}') }]
  const entries = (['artifact', 'image'] as const).map((form) => {
    const attestation = assembleAttestation({ subject: image, statements, form })
    putArtifact(content, attestation)
    return attestation.entry
  })
  const signature = putArtifact(content, assembleArtifact({ artifactType: 'a/b', subject: image }))
  const list = putJson(content, MEDIA_TYPE_DOCKER_LIST, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_DOCKER_LIST,
    manifests: [{ ...plain(image), platform: { ...AMD64 } }],
  })
  const listed = { ...image, platform: AMD64 }
  const report = putDocument(content, assembleIndex([], { artifactType: 'a/b', subject: image }))
  const mixed = putDocument(content, assembleIndex([listed, signature, ...entries, report]))
  const attested = putDocument(content, assembleIndex([listed, ...entries]))
  return { image, list, mixed, attested }
}

t.test('attestations about what has changed are left out, or pointed at the new image', async (t) => {
  const content = new MemoryContent()
  const { image, list, mixed, attested } = makeList(content)
  await t.rejects(convertContent(content, attested, { to: 'docker' }), {
    code: UNSUPPORTED,
    at: 'manifests[1]',
  })
  t.equal((await convertContent(content, list, { to: 'oci' })).documents.length, 2)
  const dropping = await convertContent(content, mixed, { to: 'oci' })
  t.equal(dropping.dropped.length, 4)
  const entriesOf = (rewritten: typeof dropping) =>
    parseIndex(rewritten.documents.at(-1)?.bytes ?? new Uint8Array()).value.manifests
  t.equal(entriesOf(dropping).length, 1)

  const kept = await convertContent(content, mixed, { to: 'oci', attestations: 'repoint' })
  t.same(kept.dropped, [])
  const [converted, signature] = entriesOf(kept)
  const reader = withDocuments(content, kept.documents)
  const found: (Descriptor | undefined)[] = []
  const index = parseIndex(kept.documents.at(-1)?.bytes ?? new Uint8Array())
  for await (const { subject, manifest } of readAttestations(reader, index.value)) {
    t.equal(subject, converted?.digest)
    found.push(manifest.value.subject)
  }
  t.match(found, [{ digest: converted?.digest, mediaType: MEDIA_TYPE_OCI_MANIFEST }, undefined])
  t.not(converted?.digest, image.digest)
  if (signature === undefined) throw new Error('no signature')
  const { manifest } = await readImage(reader, index.descriptor, { platform: AMD64 })
  t.match(
    parseManifest(
      kept.documents.find(({ descriptor }) => descriptor.digest === signature.digest)?.bytes ??
        new Uint8Array(),
    ),
    { value: { subject: { digest: manifest.descriptor.digest } } },
    'also what is about it without Docker’s annotations',
  )
  const report = kept.documents.find(({ descriptor }) => descriptor.digest === entriesOf(kept).at(-1)?.digest)
  t.match(report, { value: { subject: { digest: manifest.descriptor.digest } } }, 'and an index that is')
  t.same(await verifyImage(reader, index.descriptor), [])
})

t.test('a digest keeps its algorithm in a conversion', async (t) => {
  const content = new MemoryContent()
  const { config, manifest } = makeImage(content, 'x')
  const as512 = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const descriptor = describe(mediaType, bytes, 'sha512')
    content.blobs.set(descriptor.digest, bytes)
    return descriptor
  }
  const image = as512(MEDIA_TYPE_OCI_MANIFEST, manifest.bytes)
  const root = as512(MEDIA_TYPE_OCI_INDEX, assembleIndex([{ ...image, platform: AMD64 }]).bytes)
  const { descriptor, documents } = await convertContent(content, root, { to: 'docker', lossy: true })
  t.match(descriptor.digest, /^sha512:/)
  t.ok(documents.every(({ descriptor: { digest } }) => digest.startsWith('sha512:')))
  const converted = await readImage(withDocuments(content, documents), descriptor, { platform: AMD64 })
  t.equal(converted.config.descriptor.digest, config.descriptor.digest)
})

t.test('M8 an image in memory is converted with its config', async (t) => {
  const image = makeImage(new MemoryContent(), 'x')
  const docker = convertImage(image, { to: 'docker', lossy: true })
  t.equal(docker.config.descriptor.mediaType, MEDIA_TYPE_DOCKER_CONFIG)
  t.equal(docker.config.descriptor.digest, image.config.descriptor.digest)
  t.equal(convertImage(docker, { to: 'oci' }).config.descriptor.mediaType, MEDIA_TYPE_OCI_CONFIG)
})

t.test('S10 conversion has its limits', async (t) => {
  const content = new MemoryContent()
  let deep = makeIndex(content).outer
  for (let level = 0; level < 9; level += 1) deep = putDocument(content, assembleIndex([deep]))
  await t.rejects(convertContent(content, deep, { to: 'oci' }), { code: 'ERR_OCI_MANIFEST_LIMIT' })
  const reason = new Error('enough')
  await t.rejects(convertContent(content, deep, { to: 'oci', signal: AbortSignal.abort(reason) }), reason)
  const gone = new MemoryContent()
  await t.rejects(convertContent(gone, deep, { to: 'oci' }), { code: 'ERR_OCI_MANIFEST_NOT_FOUND' })
})
