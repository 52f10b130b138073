/** Edits of one image: only what was asked for changes, history and layers stay in step. */
import { digestOf } from '@varve/digest'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  annotateManifest,
  appendLayers,
  assembleArtifact,
  assembleImage,
  type AssembledImage,
  configureImage,
  convertManifest,
  createdFromEpoch,
  flattenImage,
  type ImageLayer,
  MEDIA_TYPE_DOCKER_CONFIG,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_LAYER,
  MEDIA_TYPE_OCI_LAYER_ZSTD,
  MEDIA_TYPE_OCI_MANIFEST,
  parseConfig,
  parseManifest,
  removeLayers,
  replaceLayers,
  verifyImage,
  writeJson,
} from '../src/index.ts'
import { EPOCH, makeImage, makeLayer, MemoryContent, utf8 } from './fixtures/content.ts'
import { plain, putDocument, text } from './fixtures/documents.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const UNSUPPORTED = 'ERR_OCI_MANIFEST_UNSUPPORTED'
const LATER = '2022-02-02T02:02:02Z'

const content = new MemoryContent()
const LAYERS = ['one', 'two', 'three'].map((each) => makeLayer(content, each))
const layer = (index: number): ImageLayer => LAYERS[index] as ImageLayer

const makeTwo = (): AssembledImage =>
  makeImage(content, 'two layers', {
    layers: LAYERS.slice(0, 2),
    config: { Env: ['PATH=/bin', 'A=1', 'B=2'], Labels: { a: '1' }, Cmd: ['sh'] },
    history: [
      { created_by: 'FROM' },
      { created_by: 'ENV', empty_layer: true },
      { created_by: 'COPY' },
      { created_by: 'CMD', empty_layer: true },
    ],
  })

const stepsOf = ({ config }: AssembledImage): readonly unknown[] =>
  (config.value.history ?? []).map(({ created_by, empty_layer }) =>
    empty_layer === true ? `(${created_by})` : created_by,
  )
const diffIDsOf = ({ config }: AssembledImage): readonly string[] => config.value.rootfs.diff_ids
const layersOf = ({ manifest }: AssembledImage): readonly string[] =>
  manifest.value.layers.map(({ digest }) => digest)

async function assertWhole(t: Test, image: AssembledImage, why = 'it is whole'): Promise<void> {
  putDocument(content, image.config)
  t.same(await verifyImage(content, putDocument(content, image.manifest)), [], why)
  t.ok(
    (image.config.value.history ?? []).every(({ created }) => created !== undefined),
    'M1: and dated',
  )
}

t.test('M7 layers are appended, with their history', async (t) => {
  const edited = appendLayers(makeTwo(), {
    layers: [layer(2)],
    history: [{ created_by: 'RUN' }, { empty_layer: true, created_by: 'USER' }],
    created: LATER,
  })
  await assertWhole(t, edited)
  t.strictSame(stepsOf(edited), ['FROM', '(ENV)', 'COPY', '(CMD)', 'RUN', '(USER)'])
  t.strictSame(
    diffIDsOf(edited),
    LAYERS.map(({ diffID }) => diffID),
  )
  t.match(edited.config.value, { created: LATER, config: { Cmd: ['sh'] } })
  t.match(edited.manifest.value.annotations, { 'org.opencontainers.image.created': LATER })
  t.strictSame(
    edited.config.value.history?.map(({ created }) => created),
    [EPOCH, EPOCH, EPOCH, EPOCH, LATER, LATER],
  )
})

t.test('M1 an edit out of step, or without a time, is refused', async (t) => {
  const rows: readonly (readonly [why: string, edit: () => unknown, at: string])[] = [
    [
      'no history',
      () => appendLayers(makeTwo(), { layers: [layer(2)], history: [], created: LATER }),
      'history',
    ],
    [
      'too much history',
      () => appendLayers(makeTwo(), { layers: [], history: [{}], created: LATER }),
      'history',
    ],
    ['a step with a layer', () => configureImage(makeTwo(), { history: [{}], created: LATER }), 'history'],
    ['no time', () => configureImage(makeTwo(), { created: 'now' }), 'created'],
    [
      'a step without a time',
      () => configureImage(makeTwo(), { created: LATER, history: [{ empty_layer: true, created: 'x' }] }),
      'history[4].created',
    ],
    [
      'not a layer',
      () =>
        appendLayers(makeTwo(), {
          layers: [{ ...layer(2), descriptor: content.put('a/b', utf8('x')) }],
          history: [{}],
          created: LATER,
        }),
      'layers[0].mediaType',
    ],
    [
      'a name that is none',
      () => configureImage(makeTwo(), { created: LATER, env: { 'a=b': 'c' } }),
      'config.Env',
    ],
    ['a diffID of other content', () => replaceLayers(makeTwo(), [layer(0), layer(2)]), 'layers[1]'],
    ['too few blobs', () => replaceLayers(makeTwo(), [layer(0)]), 'layers'],
  ]
  for (const [why, edit, at] of rows) t.throws(edit, { code: INVALID, at }, why)
  const { config, manifest } = makeTwo()
  const fewer = parseManifest(writeJson({ ...headOf(config), layers: [] }))
  t.throws(() => configureImage({ config, manifest: fewer }, { created: LATER }), {
    code: INVALID,
    at: 'rootfs.diff_ids',
  })
  t.ok(manifest)
})

const headOf = ({ descriptor }: AssembledImage['config']) => ({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE_OCI_MANIFEST,
  config: plain(descriptor),
})

t.test('M7 layers are removed, with their history', async (t) => {
  const image = appendLayers(makeTwo(), {
    layers: [layer(0)],
    history: [{ created_by: 'AGAIN' }],
    created: LATER,
  })
  const edited = removeLayers(image, { layers: [1, 0, 1], created: LATER })
  await assertWhole(t, edited)
  t.strictSame(stepsOf(edited), ['(ENV)', '(CMD)', 'AGAIN'], 'the one that is meant, not its equal')
  t.strictSame(layersOf(edited), [layer(0).descriptor.digest])
  await assertWhole(t, removeLayers(edited, { layers: [0], created: LATER }), 'none may be left')
  for (const wrong of [3, -1, 0.5]) {
    t.throws(() => removeLayers(image, { layers: [wrong], created: LATER }), TypeError, String(wrong))
  }
})

t.test('M7 blobs are exchanged for others of the same content; the image ID stays', async (t) => {
  const image = makeTwo()
  const recompressed = ['one', 'two'].map((each, index): ImageLayer => ({
    diffID: layer(index).diffID,
    descriptor: content.put(MEDIA_TYPE_OCI_LAYER, utf8(each)),
  }))
  const edited = replaceLayers(image, recompressed)
  await assertWhole(t, edited)
  t.strictSame(edited.config.descriptor, image.config.descriptor)
  t.strictSame(edited.manifest.value.annotations, image.manifest.value.annotations)
  t.strictSame(
    layersOf(edited),
    recompressed.map(({ descriptor }) => descriptor.digest),
  )
  t.strictSame(replaceLayers(edited, LAYERS.slice(0, 2)).manifest.bytes, image.manifest.bytes, 'and back')
})

t.test('M7 an image is flattened, and then is on no base', async (t) => {
  const image = makeTwo()
  const based = {
    ...image,
    manifest: annotateManifest(image.manifest, {
      document: {
        'org.opencontainers.image.base.name': 'a',
        'org.opencontainers.image.base.digest': digestOf(utf8('a')),
        kept: 'x',
      },
    }),
  }
  const edited = flattenImage(based, { layer: layer(2), created: LATER })
  await assertWhole(t, edited)
  t.same(edited.config.value.history, [{ created: LATER, comment: '2 layers in one' }])
  t.same(edited.manifest.value.annotations, { 'org.opencontainers.image.created': LATER, kept: 'x' })
  t.strictSame(edited.config.value.config, image.config.value.config)
  const named = flattenImage(image, { layer: layer(2), created: LATER, history: { created_by: 'squash' } })
  t.strictSame(stepsOf(named), ['squash'])
})

t.test('the runtime section changes by field, variable and label', async (t) => {
  const edited = configureImage(makeTwo(), {
    created: LATER,
    config: {
      User: 'me',
      Cmd: null,
      Entrypoint: ['/app'],
      Volumes: { '/v': {} },
      Healthcheck: { Test: ['NONE'] },
    },
    env: { B: null, A: '9', C: '=3' },
    labels: { a: null, '2': 'y', __proto__x: 'z' },
    author: 'us',
    history: [{ created_by: 'USER me', empty_layer: true }],
  })
  await assertWhole(t, edited)
  t.same(edited.config.value.config, {
    User: 'me',
    Env: ['PATH=/bin', 'A=9', 'C==3'],
    Entrypoint: ['/app'],
    Volumes: { '/v': {} },
    Labels: { '2': 'y', __proto__x: 'z' },
    Healthcheck: { Test: ['NONE'] },
  })
  t.equal(edited.config.value.author, 'us')
  t.strictSame(stepsOf(edited).at(-1), '(USER me)')
  const again = configureImage(edited, {
    created: LATER,
    author: null,
    config: { Env: null, Labels: { b: '2' } },
    env: { X: '1' },
    labels: { c: '3' },
  })
  t.match(
    again.config.value.config,
    { Env: ['X=1'], Labels: { b: '2', c: '3' } },
    'on top of what is set at once',
  )
  t.notOk('author' in again.config.value)
  const bare = configureImage(makeImage(content, 'bare'), { created: LATER, env: { A: 'b' } })
  t.match(bare.config.value, { config: { Env: ['A=b'] } })
  const twice = configureImage(makeTwo(), {
    created: LATER,
    config: { Env: ['A=1', 'N', 'A=2'] },
    env: { A: '3', N: '4' },
  })
  t.strictSame(twice.config.value.config?.Env, ['A=3', 'N=4'], 'of several with one name none is left')
})

t.test('S13 keys that mean something to JavaScript are only keys', async (t) => {
  const labels = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>
  const image = makeTwo()
  const edited = configureImage(image, { created: LATER, labels, env: labels })
  t.strictSame(Object.entries(edited.config.value.config?.Labels ?? {}), [
    ['__proto__', 'a'],
    ['a', '1'],
    ['constructor', 'b'],
  ])
  t.match(edited.config.value.config?.Env, ['PATH=/bin', 'A=1', 'B=2', '__proto__=a', 'constructor=b'])
  const annotated = annotateManifest(edited.manifest, { document: labels })
  t.match(text(annotated.bytes), /"annotations":\{"__proto__":"a","constructor":"b","org/)
  t.equal(({} as Record<string, unknown>)['a'], undefined)
})

t.test('S14 all that is not asked for is kept as it was written', async (t) => {
  const image = makeTwo()
  const source = text(image.config.bytes)
    .replace(
      '{',
      '{"z.ext":{"n":1.50e3,"2":0,"1":12345678901234567890},"container":"x","docker_version":"1",',
    )
    .replace('"config":{', '"config":{"MemorySwap":-0,"Image":"sha256:x",')
    .replace('{"created":"1970-01-01T00:00:00Z","created_by":"COPY"', '{"x":1e1,"created_by":"COPY"')
    .replace('"rootfs":{', '"rootfs":{"y":2.0,')
  const config = parseConfig(utf8(source))
  const manifest = parseManifest(
    writeJson({
      ...headOf(config),
      layers: image.manifest.value.layers.map((each, index) => ({ ...plain(each), 'x.layer': index })),
      subject: plain(image.manifest.descriptor),
      'x.manifest': true,
    }),
  )
  const edited = configureImage({ config, manifest }, { created: LATER, config: { User: 'u' } })
  const written = text(edited.config.bytes)
  t.match(written, '{"z.ext":{"n":1.50e3,"2":0,"1":12345678901234567890},')
  t.match(written, '"config":{"MemorySwap":-0,"Env":')
  t.match(written, '{"x":1e1,"created":"1970-01-01T00:00:00Z","created_by":"COPY"}')
  t.match(written, '"rootfs":{"y":2.0,')
  t.notMatch(written, /container"|docker_version|"Image"/, 'but for how Docker made it')
  t.match(text(edited.manifest.bytes), /"x.layer":1.*"subject":\{.*"x.manifest":true/)
  t.equal(edited.manifest.value.subject?.digest, image.manifest.descriptor.digest)
})

t.test('M1 the history of a bad image is repaired by an edit', async (t) => {
  const rows: readonly (readonly [why: string, history: unknown, steps: readonly unknown[]])[] = [
    ['none', undefined, [undefined, undefined]],
    ['null', null, [undefined, undefined]],
    ['too little', [{ created_by: 'a' }], [undefined, 'a']],
    ['too much', [{ created_by: 'a' }, { created_by: 'b' }, { created_by: 'c' }], ['a', 'b', '(c)']],
  ]
  for (const [why, history, steps] of rows) {
    const { config, manifest } = makeTwo()
    const bad = parseConfig(utf8(JSON.stringify({ ...config.value, history })))
    const edited = configureImage({ config: bad, manifest }, { created: LATER })
    await assertWhole(t, edited, why)
    t.strictSame(stepsOf(edited), steps, why)
  }
})

t.test('members that are null, as Go writes them, are no obstacle', async (t) => {
  const config = parseConfig(
    utf8(
      '{"architecture":"amd64","os":"linux","created":null,"config":null,"rootfs":{"type":"layers","diff_ids":null},"history":null}',
    ),
  )
  const manifest = parseManifest(
    writeJson({ ...headOf(config), layers: [], annotations: null, subject: null, artifactType: null }),
  )
  const image = { config, manifest }
  await assertWhole(t, configureImage(image, { created: LATER, env: { A: 'b' }, labels: { a: 'b' } }))
  await assertWhole(t, appendLayers(image, { created: LATER, layers: [layer(0)], history: [{}] }))
  await assertWhole(t, flattenImage(image, { created: LATER, layer: layer(0) }))
  t.strictSame(replaceLayers(image, []).manifest.bytes, manifest.bytes)
  t.match(annotateManifest(manifest, { document: { a: 'b' } }).value.annotations, { a: 'b' })
  const { value } = convertManifest(manifest, { to: 'docker' })
  t.strictSame(
    Object.keys(value),
    ['schemaVersion', 'mediaType', 'config', 'layers'],
    'what is null is not missed',
  )
  const steps = parseConfig(
    utf8(
      JSON.stringify({
        ...makeTwo().config.value,
        history: [{ created: null, empty_layer: null }, { author: null }],
      }),
    ),
  )
  const dated = configureImage({ ...makeTwo(), config: steps }, { created: LATER })
  await assertWhole(t, dated)
  t.match(
    text(dated.config.bytes),
    /"history":\[\{"created":"1970-01-01T00:00:00Z"\},\{"created":"1970-01-01T00:00:00Z"\}\]/,
  )
})

t.test('an image of Docker becomes one of OCI', async (t) => {
  const { config, manifest } = makeTwo()
  const docker = {
    config: parseConfig(config.bytes, { mediaType: MEDIA_TYPE_DOCKER_CONFIG }),
    manifest: convertManifest(manifest, { to: 'docker', lossy: true }),
  }
  const edited = appendLayers(docker, { layers: [layer(2)], history: [{}], created: LATER })
  await assertWhole(t, edited)
  t.match(edited, {
    config: { descriptor: { mediaType: MEDIA_TYPE_OCI_CONFIG } },
    manifest: { value: { mediaType: MEDIA_TYPE_OCI_MANIFEST, config: { mediaType: MEDIA_TYPE_OCI_CONFIG } } },
  })
  const replaced = replaceLayers(docker, LAYERS.slice(0, 2))
  await assertWhole(t, replaced)
  t.equal(replaced.config.descriptor.digest, config.descriptor.digest)
  const zstd = { ...layer(0), descriptor: { ...layer(0).descriptor, mediaType: MEDIA_TYPE_OCI_LAYER_ZSTD } }
  t.equal(
    replaceLayers(docker, [zstd, layer(1)]).manifest.value.layers[0]?.mediaType,
    MEDIA_TYPE_OCI_LAYER_ZSTD,
  )
})

t.test('annotations are set and removed; the image ID stays', async (t) => {
  const image = makeTwo()
  const { manifest } = image
  const annotated = annotateManifest(manifest, {
    document: { z: '1', 'org.opencontainers.image.created': null, '10': 'x' },
    each: (_, index) => (index === 1 ? { 'org.opencontainers.image.title': 't' } : undefined),
  })
  await assertWhole(t, { ...image, manifest: annotated })
  t.match(text(annotated.bytes), /"annotations":\{"10":"x","z":"1"\}\}$/)
  t.strictSame(
    annotated.value.layers.map(({ annotations }) => annotations && { ...annotations }),
    [undefined, { 'org.opencontainers.image.title': 't' }],
  )
  const removed = annotateManifest(annotated, {
    document: { z: null, '10': null, never: null },
    each: () => ({ 'org.opencontainers.image.title': null }),
  })
  t.notMatch(text(removed.bytes), 'annotations', 'an empty map is not written')
  t.strictSame(annotateManifest(manifest, {}).bytes, manifest.bytes, 'no change, the same bytes')
})

t.test('annotations that image-spec does not allow are refused', async (t) => {
  const { manifest } = makeTwo()
  const rows: readonly (readonly [why: string, key: string, value: string, at: string])[] = [
    ['a key of nothing', '', 'x', 'annotations[""]'],
    [
      'a time that is none',
      'org.opencontainers.image.created',
      'today',
      'annotations.org.opencontainers.image.created',
    ],
    [
      'a digest that is none',
      'org.opencontainers.image.base.digest',
      'sha256:x',
      'annotations.org.opencontainers.image.base.digest',
    ],
  ]
  for (const [why, key, value, at] of rows) {
    t.throws(() => annotateManifest(manifest, { document: { [key]: value } }), { code: INVALID, at }, why)
    t.throws(
      () => annotateManifest(manifest, { each: () => ({ [key]: value }) }),
      { code: INVALID, at: `layers[0].${at}` },
      why,
    )
    t.throws(
      () =>
        assembleImage({
          platform: { os: 'linux', architecture: 'arm' },
          layers: [],
          history: [],
          created: EPOCH,
          annotations: { [key]: value },
        }),
      { code: INVALID, at },
      why,
    )
    t.throws(
      () => assembleArtifact({ artifactType: 'a/b', annotations: { [key]: value } }),
      { code: INVALID, at },
      why,
    )
  }
  const docker = convertManifest(manifest, { to: 'docker', lossy: true })
  t.throws(() => annotateManifest(docker, { document: { a: 'b' } }), { code: UNSUPPORTED })
})

t.test('M5 the time is that of SOURCE_DATE_EPOCH', async (t) => {
  const rows = [
    ['0', '1970-01-01T00:00:00Z'],
    ['1700000000', '2023-11-14T22:13:20Z'],
    ['253402300799', '9999-12-31T23:59:59Z'],
    ['', undefined],
    [undefined, undefined],
  ] as const
  for (const [value, expected] of rows) t.equal(createdFromEpoch(value), expected, JSON.stringify(value))
  for (const value of ['-1', '1.5', '1e3', ' 1', '01', '0x10', 'now', '253402300800', '9'.repeat(40)]) {
    t.throws(() => createdFromEpoch(value), { code: INVALID, at: 'SOURCE_DATE_EPOCH' }, value)
  }
})

t.test('M5 any row of edits gives an image that is whole, and the same bytes each time', async (t) => {
  type Edit = (image: AssembledImage) => AssembledImage
  const text = fc.string({ maxLength: 8 })
  const name = fc.stringMatching(/^[A-Z_]{1,3}$/)
  const created = fc
    .integer({ min: 0, max: 2_000_000_000 })
    .map((seconds) => createdFromEpoch(String(seconds)) as string)
  const added = fc.tuple(fc.constantFrom(...LAYERS), text, created).map(
    ([each, by, time]): Edit =>
      (image) =>
        appendLayers(image, { layers: [each], history: [{ created_by: by }], created: time }),
  )
  const removed = fc.tuple(fc.nat(), created).map(
    ([index, time]): Edit =>
      (image) =>
        layersOf(image).length === 0
          ? image
          : removeLayers(image, { layers: [index % layersOf(image).length], created: time }),
  )
  const configured = fc
    .tuple(fc.dictionary(name, fc.option(text)), fc.dictionary(text, fc.option(text)), created)
    .map(
      ([env, labels, time]): Edit =>
        (image) =>
          configureImage(image, { env, labels, created: time }),
    )
  const annotated = fc
    .dictionary(
      text.filter((key) => key !== ''),
      fc.option(text),
    )
    .map((document): Edit => (image) => ({
      ...image,
      manifest: annotateManifest(image.manifest, { document }),
    }))
  const edits = fc.array(fc.oneof(added, removed, configured, annotated), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(edits, async (row) => {
      const apply = (): AssembledImage => row.reduce((image, edit) => edit(image), makeTwo())
      const image = apply()
      putDocument(content, image.config)
      const findings = await verifyImage(content, putDocument(content, image.manifest))
      if (findings.length > 0) throw new Error(findings[0]?.message)
      const again = apply()
      return Buffer.from(again.manifest.bytes).equals(image.manifest.bytes)
    }),
    { numRuns: 60 },
  )
  t.pass()
})
