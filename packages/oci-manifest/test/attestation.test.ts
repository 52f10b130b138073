/** Attestations as BuildKit writes and lists them. */
import { type Descriptor, describe, digestOf } from '@varve/digest'
import t from 'tap'
import {
  ARTIFACT_TYPE_ATTESTATION,
  assembleAttestation,
  type AssembleAttestationOptions,
  assembleIndex,
  type Attestation,
  EMPTY_DESCRIPTOR,
  type IndexEntry,
  MEDIA_TYPE_IN_TOTO,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_MANIFEST,
  parseJson,
  parsePlatform,
  readAttestations,
  type ReadAttestationsOptions,
  readImage,
  verifyImage,
  writeStatement,
} from '../src/index.ts'
import { makeImage, MemoryContent, utf8 } from './fixtures/content.ts'
import { about, plain, putArtifact, putDocument, putJson, text } from './fixtures/documents.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const AMD64 = parsePlatform('linux/amd64')
const SPDX = 'https://spdx.dev/Document'
const PROVENANCE = 'https://slsa.dev/provenance/v1'

const statementsFor = (subject: Descriptor): AssembleAttestationOptions['statements'] =>
  [SPDX, PROVENANCE].map((predicateType) => ({
    predicateType,
    content: writeStatement({
      subject: [{ name: 'x', digest: subject.digest }],
      predicateType,
      predicate: { a: 1 },
    }),
  }))

async function read(
  content: MemoryContent,
  entries: readonly IndexEntry[],
  options: ReadAttestationsOptions = {},
): Promise<readonly Attestation[]> {
  const found: Attestation[] = []
  for await (const each of readAttestations(content, assembleIndex(entries).value, options)) found.push(each)
  return found
}

t.test('an attestation is an artifact about its image, listed as BuildKit lists it', async (t) => {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'x').manifest
  const attestation = assembleAttestation({ subject: descriptor, statements: statementsFor(descriptor) })
  const { manifest, entry } = attestation
  t.match(manifest.value, {
    artifactType: ARTIFACT_TYPE_ATTESTATION,
    config: EMPTY_DESCRIPTOR,
    subject: descriptor,
    layers: [SPDX, PROVENANCE].map((type) => ({
      mediaType: MEDIA_TYPE_IN_TOTO,
      annotations: { 'in-toto.io/predicate-type': type },
    })),
  })
  t.same(entry, about(manifest.descriptor, descriptor))
  putArtifact(content, attestation)
  const index = putDocument(content, assembleIndex([{ ...descriptor, platform: AMD64 }, entry]))
  t.same(await verifyImage(content, index), [])
  t.equal(
    (await readImage(content, index, { platform: AMD64 })).descriptor.digest,
    descriptor.digest,
    'it is no image',
  )
})

t.test('the older form has an image config of no platform', async (t) => {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'x').manifest
  const stored = content.put(MEDIA_TYPE_IN_TOTO, utf8('{"stored":true}'))
  const statements = [
    ...statementsFor(descriptor),
    { predicateType: 'https://example.org/p', content: stored },
  ]
  const attestation = assembleAttestation({ subject: descriptor, statements, form: 'image' })
  const { manifest, blobs } = attestation
  t.equal(manifest.value.config.mediaType, MEDIA_TYPE_OCI_CONFIG)
  t.notOk(manifest.value.artifactType ?? manifest.value.subject)
  const config = blobs.find(({ descriptor: { digest } }) => digest === manifest.value.config.digest)
  t.equal(
    text(config?.bytes ?? new Uint8Array()),
    `{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":${JSON.stringify(manifest.value.layers.map(({ digest }) => digest))}}}`,
  )
  t.equal(blobs.length, 3, 'what is stored is not given again')
  const root = putArtifact(content, attestation)
  t.same(await verifyImage(content, root), [])
  t.match(await read(content, [attestation.entry]), [{ subject: descriptor.digest }])
})

t.test('attestations are read with what they are about and what they claim', async (t) => {
  const content = new MemoryContent()
  const images = ['a', 'b'].map((each) => makeImage(content, each).manifest.descriptor)
  const entries = images.map((subject) => {
    const attestation = assembleAttestation({ subject, statements: statementsFor(subject) })
    putArtifact(content, attestation)
    return attestation.entry
  })
  const other = { ...entries[0], annotations: { 'vnd.docker.reference.type': 'other' } } as IndexEntry
  const blob = { ...about(describe('a/b', utf8('x')), images[0] as Descriptor) }
  const found = await read(content, [...images, other, blob, ...entries])
  t.match(
    found.map(({ subject, statements }) => [subject, statements.map(({ predicateType }) => predicateType)]),
    images.map(({ digest }) => [digest, [SPDX, PROVENANCE]]),
  )
  const [statement] = found[0]?.statements ?? []
  t.ok(statement && content.blobs.has(statement.descriptor.digest))
  const [, second] = images
  const only = await read(
    content,
    [...images, ...entries],
    second === undefined ? {} : { subject: second.digest },
  )
  t.strictSame(
    only.map(({ subject }) => subject),
    [second?.digest],
  )
})

t.test('layers that are no statements, or do not say what they claim, do no harm', async (t) => {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'x').manifest
  const layer = { ...plain(describe(MEDIA_TYPE_IN_TOTO, utf8('{}'))) }
  const manifest = putJson(content, MEDIA_TYPE_OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_MANIFEST,
    config: plain(EMPTY_DESCRIPTOR),
    layers: [plain(describe('a/b', utf8('{}'))), layer],
  })
  const [found] = await read(content, [about(manifest, descriptor)])
  t.strictSame(
    found?.statements.map(({ predicateType }) => predicateType),
    [undefined],
  )
})

t.test('an attestation that names two images, or none, is refused', async (t) => {
  const content = new MemoryContent()
  const [a, b] = ['a', 'b'].map((each) => makeImage(content, each).manifest.descriptor) as [
    Descriptor,
    Descriptor,
  ]
  const attestation = assembleAttestation({ subject: a, statements: statementsFor(a) })
  const root = putArtifact(content, attestation)
  const at = 'manifests[0].annotations.vnd.docker.reference.digest'
  await t.rejects(read(content, [about(root, b)]), { code: INVALID, at }, 'another subject')
  const none = { ...root, annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }
  await t.rejects(read(content, [none]), { code: INVALID, at }, 'no digest')
  const bad = { ...root, annotations: { ...none.annotations, 'vnd.docker.reference.digest': 'sha256:../x' } }
  await t.rejects(read(content, [bad]), { code: INVALID, at }, 'S8 a digest that is none')
  content.blobs.delete(root.digest)
  await t.rejects(read(content, [attestation.entry]), {
    code: 'ERR_OCI_MANIFEST_NOT_FOUND',
    digest: root.digest,
  })
  t.throws(() => assembleAttestation({ subject: a, statements: [] }), { code: INVALID, at: 'layers' })
  const reason = new Error('enough')
  await t.rejects(read(content, [attestation.entry], { signal: AbortSignal.abort(reason) }), reason)
})

t.test('a statement is in-toto’s: golden', async (t) => {
  const digest = digestOf(utf8('x'))
  const bytes = writeStatement({
    subject: [{ name: 'pkg:docker/x', digest }],
    predicateType: PROVENANCE,
    predicate: { buildDefinition: {} },
  })
  t.equal(
    text(bytes),
    `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"pkg:docker/x","digest":{"sha256":"${digest.slice(7)}"}}],` +
      `"predicateType":"${PROVENANCE}","predicate":{"buildDefinition":{}}}`,
  )
  t.ok(parseJson(bytes))
})
