/** Edits of indexes, and of all images of one. */
import t from 'tap'
import {
  annotateIndex,
  assembleArtifact,
  assembleAttestation,
  type AssembledImage,
  assembleIndex,
  configureImage,
  copyContent,
  editImages,
  editIndex,
  type IndexEntry,
  MEDIA_TYPE_DOCKER_LIST,
  type Parsed,
  parseIndex,
  type ImageIndex,
  parsePlatform,
  readAttestations,
  readImage,
  rebaseImage,
  replaceLayers,
  verifyImage,
  withDocuments,
  writeJson,
} from '../src/index.ts'
import { makeImage, makeLayer, MemoryContent, utf8 } from './fixtures/content.ts'
import { about, plain, putArtifact, putDocument, text } from './fixtures/documents.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const LATER = '2022-02-02T02:02:02Z'
const AMD64 = parsePlatform('linux/amd64')
const ARM64 = parsePlatform('linux/arm64')

/** Two images with an attestation each, and an artifact. */
function makeIndex(content: MemoryContent) {
  const images = [AMD64, ARM64].map((platform): IndexEntry => {
    const { manifest } = makeImage(content, platform.architecture, { platform })
    return { ...manifest.descriptor, platform }
  })
  const attestations = images.map((image) => {
    const statements = [{ predicateType: 'https://example.org/p', content: utf8('{}') }]
    const attestation = assembleAttestation({ subject: image, statements })
    putArtifact(content, attestation)
    return attestation.entry
  })
  const artifact = putArtifact(content, assembleArtifact({ artifactType: 'a/b' }))
  const index = assembleIndex([...images, ...attestations, artifact])
  const [amd64, arm64] = images as [IndexEntry, IndexEntry]
  return { amd64, arm64, attestations, artifact, index, descriptor: putDocument(content, index) }
}

const digestsOf = ({ value }: Parsed<ImageIndex>): readonly string[] =>
  value.manifests.map(({ digest }) => digest)

t.test('an image that leaves an index takes its attestations along', async (t) => {
  const { index, amd64, arm64, attestations, artifact } = makeIndex(new MemoryContent())
  const edited = editIndex(index, { keep: ({ digest }) => digest !== amd64.digest })
  t.strictSame(digestsOf(edited), [arm64.digest, artifact.digest, attestations[1]?.digest])
  const none = editIndex(index, { keep: ({ digest }) => digest !== attestations[0]?.digest })
  t.ok(digestsOf(none).includes(amd64.digest), 'not the other way round')
})

t.test('new images come before attestations, and the same edit gives the same bytes', async (t) => {
  const content = new MemoryContent()
  const { index, attestations } = makeIndex(content)
  const added = makeImage(content, 'added').manifest.descriptor
  const attested = about(makeImage(content, 'x').manifest.descriptor, added)
  const edited = editIndex(index, { append: [attested, added] })
  const digests = digestsOf(edited)
  t.ok(digests.indexOf(added.digest) < digests.indexOf(attestations[0]?.digest ?? ''))
  t.equal(digests.at(-1), attested.digest)
  t.strictSame(editIndex(index, { append: [attested, added] }).bytes, edited.bytes)
})

t.test('S14 what is not known here stays in an index', async (t) => {
  const content = new MemoryContent()
  const { manifest } = makeImage(content, 'x')
  const entry = new Map([...Object.entries(plain(manifest.descriptor)), ['x.entry', true] as const])
  const source = writeJson({ schemaVersion: 2, 'x.index': 'y', manifests: [entry] })
  t.equal(text(editIndex(parseIndex(source), {}).bytes), text(source))
  const docker = writeJson({ schemaVersion: 2, mediaType: MEDIA_TYPE_DOCKER_LIST, manifests: [entry] })
  t.equal(editIndex(parseIndex(docker), {}).descriptor.mediaType, MEDIA_TYPE_DOCKER_LIST)
  const annotated = annotateIndex(parseIndex(source), {
    document: { b: '1' },
    each: ({ digest }) => ({ d: digest }),
  })
  t.match(text(annotated.bytes), /"x.entry":true.*"annotations":\{"b":"1"\}/)
  t.match(annotated.value.manifests[0]?.annotations, { d: manifest.descriptor.digest })
  t.throws(() => annotateIndex(parseIndex(source), { each: () => ({ '': 'x' }) }), {
    code: INVALID,
    at: 'manifests[0].annotations[""]',
  })
  t.throws(() => annotateIndex(parseIndex(docker), {}), { code: 'ERR_OCI_MANIFEST_UNSUPPORTED' })
})

t.test('every image of an index is edited, nested ones too, and nothing else', async (t) => {
  const content = new MemoryContent()
  const { descriptor, artifact } = makeIndex(content)
  const outer = putDocument(content, assembleIndex([descriptor, descriptor]))
  const seen: string[] = []
  const edited = await editImages(content, outer, (image, { platform }) => {
    seen.push(platform?.architecture ?? '')
    return configureImage(image, { created: LATER, env: { A: 'b' } })
  })
  t.strictSame(seen, ['amd64', 'arm64'])
  t.equal(edited.dropped.length, 2, 'the attestations, which are about other images')
  const to = new MemoryContent()
  await copyContent(edited.descriptor, withDocuments(content, edited.documents), to)
  t.same(await verifyImage(to, edited.descriptor), [])
  for (const platform of [AMD64, ARM64]) {
    const { config } = await readImage(to, edited.descriptor, { platform })
    t.match(config.value, { created: LATER, config: { Env: ['A=b'] } })
  }
  t.ok(to.blobs.has(artifact.digest))
})

t.test('attestations are pointed at the new image if that is asked for', async (t) => {
  const content = new MemoryContent()
  const { descriptor, arm64 } = makeIndex(content)
  const edited = await editImages(
    content,
    descriptor,
    (image, { digest }) => (digest === arm64.digest ? image : configureImage(image, { created: LATER })),
    { attestations: 'repoint' },
  )
  t.same(edited.dropped, [])
  const reader = withDocuments(content, edited.documents)
  const index = parseIndex(edited.documents.at(-1)?.bytes ?? new Uint8Array())
  const images = index.value.manifests.slice(0, 2).map(({ digest }) => digest)
  t.equal(images[1], arm64.digest)
  const subjects: string[] = []
  for await (const { subject, manifest } of readAttestations(reader, index.value)) {
    t.equal(manifest.value.subject?.digest, subject)
    subjects.push(subject)
  }
  t.strictSame(subjects, images)
  t.same(await verifyImage(reader, index.descriptor), [])
})

t.test('an entry follows the version of Windows that its image is moved to', async (t) => {
  const content = new MemoryContent()
  const windows = (version: string) => ({ os: 'windows', architecture: 'amd64', 'os.version': version })
  const [oldBase, newBase] = ['1', '2'].map((version) =>
    makeImage(content, `base ${version}`, { platform: windows(`10.0.20348.${version}`) }),
  ) as [AssembledImage, AssembledImage]
  const platform = windows('10.0.20348.1')
  const root = putDocument(content, assembleIndex([{ ...oldBase.manifest.descriptor, platform }]))
  const edited = await editImages(content, root, (image) =>
    rebaseImage(image, { oldBase, newBase, created: LATER }),
  )
  const { value } = parseIndex(edited.documents.at(-1)?.bytes ?? new Uint8Array())
  t.same(value.manifests[0]?.platform, windows('10.0.20348.2'))
})

t.test('an entry that does not say what it is about is still no image', async (t) => {
  const content = new MemoryContent()
  const { index, amd64, arm64 } = makeIndex(content)
  const silent = { ...amd64, annotations: { 'vnd.docker.reference.type': 'other' } }
  t.equal(
    editIndex(index, { append: [silent] }).value.manifests.at(-1)?.annotations?.['vnd.docker.reference.type'],
    'other',
  )
  const root = putDocument(content, assembleIndex([silent, arm64]))
  const seen: string[] = []
  await editImages(content, root, (image, { digest }) => {
    seen.push(digest)
    return image
  })
  t.strictSame(seen, [arm64.digest])
})

t.test('a lone image is edited too; no change gives the old root', async (t) => {
  const content = new MemoryContent()
  const image = makeImage(content, 'x')
  const { descriptor } = image.manifest
  const same = await editImages(content, descriptor, (each) => each)
  t.strictSame([same.descriptor, same.documents], [descriptor, []])
  const layer = makeLayer(content, 'x')
  const plainLayer = {
    ...layer,
    descriptor: content.put('application/vnd.oci.image.layer.v1.tar', utf8('x')),
  }
  const edited = await editImages(content, descriptor, (each) => replaceLayers(each, [plainLayer]))
  t.equal(edited.documents.length, 1, 'only the manifest is new')
  t.same(await verifyImage(withDocuments(content, edited.documents), edited.descriptor), [])
  const artifact = putArtifact(content, assembleArtifact({ artifactType: 'a/b' }))
  const kept = await editImages(content, artifact, () => t.fail('an artifact is not an image') as never)
  t.equal(kept.descriptor, artifact)
})

t.test('S10 the new documents of one edit are limited', async (t) => {
  const content = new MemoryContent()
  const entries = Array.from({ length: 9 }, (_, index) => makeImage(content, `${index}`).manifest.descriptor)
  const descriptor = putDocument(content, assembleIndex(entries))
  const large = 'x'.repeat(7.5e6)
  await t.rejects(
    editImages(content, descriptor, (image) => configureImage(image, { created: LATER, labels: { large } })),
    { code: 'ERR_OCI_MANIFEST_LIMIT' },
  )
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  await t.rejects(
    editImages(content, descriptor, (image) => image, { signal }),
    reason,
  )
})
