/** Artifacts of both styles. */
import { describe, digestOf } from '@varve/digest'
import t from 'tap'
import {
  assembleArtifact,
  type AssembleArtifactOptions,
  assembleIndex,
  EMPTY_DESCRIPTOR,
  inlineContent,
  isMediaTypeName,
  MEDIA_TYPE_OCI_EMPTY,
  MEDIA_TYPE_OCI_MANIFEST,
  verifyImage,
} from '../src/index.ts'
import { EPOCH, MemoryContent, utf8 } from './fixtures/content.ts'
import { putArtifact, text } from './fixtures/documents.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const EMPTY = `{"mediaType":"${MEDIA_TYPE_OCI_EMPTY}","digest":"${EMPTY_DESCRIPTOR.digest}","size":2,"data":"e30="}`
const HELLO = {
  mediaType: 'text/plain',
  bytes: utf8('hello'),
  annotations: { 'org.opencontainers.image.title': 'a' },
}

t.test(
  'M3 an artifact has its type as a field, an empty config, and an empty layer if it has none: golden',
  async (t) => {
    const content = new MemoryContent()
    const artifact = assembleArtifact({ artifactType: 'application/vnd.example+type' })
    t.equal(
      text(artifact.manifest.bytes),
      `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE_OCI_MANIFEST}","artifactType":"application/vnd.example+type",` +
        `"config":${EMPTY},"layers":[${EMPTY}]}`,
    )
    t.strictSame(
      artifact.blobs.map(({ descriptor, bytes }) => [descriptor.digest, text(bytes)]),
      [[EMPTY_DESCRIPTOR.digest, '{}']],
    )
    t.same(await verifyImage(content, putArtifact(content, artifact)), [])
    t.strictSame(
      assembleArtifact({ artifactType: 'application/vnd.example+type' }).manifest.bytes,
      artifact.manifest.bytes,
    )
  },
)

t.test('M3 or its type is that of its config, as before 1.1', async (t) => {
  const content = new MemoryContent()
  const artifact = assembleArtifact({
    artifactType: 'application/vnd.example+type',
    style: '1.0',
    layers: [HELLO],
  })
  const { value } = artifact.manifest
  t.notOk('artifactType' in value)
  t.match(value.config, {
    mediaType: 'application/vnd.example+type',
    digest: EMPTY_DESCRIPTOR.digest,
    size: 2,
  })
  t.match(value.layers, [{ mediaType: 'text/plain', size: 5 }])
  t.same(await verifyImage(content, putArtifact(content, artifact)), [])
  const config = { mediaType: 'x/y', bytes: utf8('{"a":1}') }
  const own = assembleArtifact({ artifactType: 'a/b', style: '1.0', config })
  t.match(own.manifest.value, { config: { mediaType: 'a/b', size: 7 }, layers: [] })
  t.match(assembleArtifact({ artifactType: 'a/b', config }).manifest.value, {
    artifactType: 'a/b',
    config: { mediaType: 'x/y' },
  })
})

t.test('M3 an artifact may be about something, have annotations and a time', async (t) => {
  const subject = { ...describe(MEDIA_TYPE_OCI_MANIFEST, utf8('image')), annotations: { private: 'x' } }
  const { manifest } = assembleArtifact({
    artifactType: 'a/b',
    subject,
    created: EPOCH,
    annotations: { '2': 'x', '10': 'y' },
    layers: [HELLO, describe('c/d', utf8('stored'))],
  })
  const { annotations: _, ...described } = subject
  t.same(manifest.value.subject, described)
  t.match(
    text(manifest.bytes),
    /"annotations":\{"10":"y","2":"x","org.opencontainers.image.created":"1970-01-01T00:00:00Z"\}\}$/,
  )
  t.match(manifest.value.layers, [
    { annotations: HELLO.annotations },
    { mediaType: 'c/d', digest: digestOf(utf8('stored')) },
  ])
})

t.test('D3 small blobs are carried in the manifest if that is asked for', async (t) => {
  const content = new MemoryContent()
  const layers = [
    HELLO,
    { mediaType: 'text/plain', bytes: utf8('longer') },
    { mediaType: 'text/plain', bytes: new Uint8Array() },
  ]
  const artifact = assembleArtifact({ artifactType: 'a/b', layers, inlineBytes: 5 })
  const [first, second, third] = artifact.manifest.value.layers
  t.strictSame(first && inlineContent(first), HELLO.bytes)
  t.notOk(second?.data ?? third?.data)
  t.equal(artifact.blobs.length, 4, 'and are stored as well')
  t.same(await verifyImage(content, putArtifact(content, artifact)), [])
  t.notOk(assembleArtifact({ artifactType: 'a/b', layers }).manifest.value.layers[0]?.data)
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  const [all] = assembleArtifact({
    artifactType: 'a/b',
    layers: [{ mediaType: 'a/b', bytes }],
    inlineBytes: 256,
  }).manifest.value.layers
  t.strictSame(all && inlineContent(all), bytes)
})

t.test('M3 artifacts that the specification does not allow are refused', async (t) => {
  const long = 'x'.repeat(128)
  const rows: readonly (readonly [why: string, options: AssembleArtifactOptions, at: string])[] = [
    ['no slash', { artifactType: 'example' }, 'artifactType'],
    ['nothing', { artifactType: '' }, 'artifactType'],
    ['a parameter', { artifactType: 'a/b; c=d' }, 'artifactType'],
    ['too long', { artifactType: `a/${long}` }, 'artifactType'],
    [
      'a type of a layer',
      { artifactType: 'a/b', layers: [{ ...HELLO, mediaType: 'x' }] },
      'layers[0].mediaType',
    ],
    [
      'a type of the config',
      { artifactType: 'a/b', config: { ...HELLO, mediaType: '/x' } },
      'config.mediaType',
    ],
    ['a time', { artifactType: 'a/b', created: 'x' }, 'annotations.org.opencontainers.image.created'],
    [
      'an annotation',
      { artifactType: 'a/b', layers: [{ ...HELLO, annotations: { '': 'x' } }] },
      'layers[0].annotations[""]',
    ],
    ['a subject in 1.0', { artifactType: 'a/b', style: '1.0', subject: EMPTY_DESCRIPTOR }, 'subject'],
  ]
  for (const [why, options, at] of rows) t.throws(() => assembleArtifact(options), { code: INVALID, at }, why)
  t.throws(() => assembleIndex([], { artifactType: 'x' }), { code: INVALID, at: 'artifactType' })
  t.throws(() => assembleIndex([], { annotations: { '': 'x' } }), { code: INVALID, at: 'annotations[""]' })
})

t.test('M3 media types are named as in RFC 6838', async (t) => {
  const valid = ['a/b', 'application/vnd.oci.image.index.v1+json', 'A1!#$&-^_.+/0', `${'x'.repeat(127)}/y`]
  const wrong = [
    '',
    'a',
    '/',
    'a/',
    '/b',
    'a/b/c',
    '.a/b',
    'a/+b',
    'a/b ',
    'a b/c',
    'a/ü',
    'a/b\n',
    `${'x'.repeat(128)}/y`,
  ]
  for (const each of valid) t.ok(isMediaTypeName(each), each)
  for (const each of wrong) t.notOk(isMediaTypeName(each), JSON.stringify(each))
})

t.test('an index may be an artifact too', async (t) => {
  const subject = describe(MEDIA_TYPE_OCI_MANIFEST, utf8('image'))
  const { value } = assembleIndex([], { artifactType: 'a/b', subject, annotations: { a: 'b' } })
  t.same(value, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    artifactType: 'a/b',
    manifests: [],
    subject,
    annotations: { a: 'b' },
  })
})
