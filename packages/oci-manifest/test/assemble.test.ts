/** Assembling images: history in step, bases repaired, the same bytes each time. */
import { digestOf } from '@varve/digest'
import t from 'tap'
import {
  assembleImage,
  type AssembleImageOptions,
  chainID,
  chainIDs,
  type HistoryEntry,
  MEDIA_TYPE_DOCKER_CONFIG,
  parseConfig,
} from '../src/index.ts'
import { EPOCH, MemoryContent, utf8 } from './fixtures/content.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const content = new MemoryContent()
const LAYERS = ['one', 'two', 'three'].map((text) => ({
  diffID: digestOf(utf8(text)),
  // Not the real compressed bytes, which may differ between builds of zlib.
  descriptor: content.put('application/vnd.oci.image.layer.v1.tar+gzip', utf8(`compressed ${text}`)),
}))

const OPTIONS: AssembleImageOptions = {
  platform: { os: 'linux', architecture: 'arm' },
  config: {
    Labels: { b: '2', '10': 'x', '9': 'y' },
    Cmd: ['sh'],
    Env: ['A=b'],
    ExposedPorts: { '80/tcp': {}, '443': {} },
    Healthcheck: { Retries: 3, Test: ['NONE'] },
  },
  layers: LAYERS.slice(0, 2),
  history: [
    { created_by: 'COPY a', created: '2020-01-01T00:00:00Z' },
    { empty_layer: true, created_by: 'CMD' },
    { created_by: 'RUN b', comment: 'c', empty_layer: false },
  ],
  created: '2021-02-03T04:05:06Z',
  author: 'me',
  annotations: { z: '1', a: '2' },
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const historyOf = (options: AssembleImageOptions): readonly HistoryEntry[] =>
  assembleImage(options).config.value.history ?? []

t.test('M5 the same input gives the same bytes: golden', async (t) => {
  const { config, manifest } = assembleImage(OPTIONS)
  t.equal(
    text(config.bytes),
    '{"created":"2021-02-03T04:05:06Z","author":"me","architecture":"arm","os":"linux","variant":"v7","config":{' +
      '"ExposedPorts":{"443":{},"80/tcp":{}},"Env":["A=b"],"Cmd":["sh"],"Labels":{"10":"x","9":"y","b":"2"},' +
      '"Healthcheck":{"Test":["NONE"],"Retries":3}},' +
      `"rootfs":{"type":"layers","diff_ids":["${LAYERS[0]?.diffID}","${LAYERS[1]?.diffID}"]},"history":[` +
      '{"created":"2020-01-01T00:00:00Z","created_by":"COPY a"},' +
      '{"created":"2021-02-03T04:05:06Z","created_by":"CMD","empty_layer":true},' +
      '{"created":"2021-02-03T04:05:06Z","created_by":"RUN b","comment":"c"}]}',
  )
  t.match(
    text(manifest.bytes),
    /"annotations":\{"a":"2","org.opencontainers.image.created":"2021-02-03T04:05:06Z","z":"1"\}\}$/,
  )
  t.equal(
    config.descriptor.digest,
    'sha256:2077c0d2e4791720f76fd1f21e4a2d396b9a57506904ef79f7a44521d4550546',
    'the image ID',
  )
  t.equal(
    manifest.descriptor.digest,
    'sha256:70e55079a91390917531b7781b84361bf3730c87dea38721a4f5ec2aa047ebaf',
  )
  const again = assembleImage(structuredClone(OPTIONS))
  t.strictSame([again.config.bytes, again.manifest.bytes], [config.bytes, manifest.bytes])
  t.equal(manifest.value.config.digest, config.descriptor.digest)
  t.strictSame(
    manifest.value.layers.map(({ digest }) => digest),
    LAYERS.slice(0, 2).map(({ descriptor }) => descriptor.digest),
  )
})

t.test('M1 history and layers must be in step', async (t) => {
  for (const history of [[], [{}], [{}, {}, {}], [{}, { empty_layer: true }]]) {
    t.throws(
      () => assembleImage({ ...OPTIONS, history }),
      { code: INVALID, at: 'history' },
      JSON.stringify(history),
    )
  }
})

t.test('M1 every entry has a time', async (t) => {
  t.ok(historyOf(OPTIONS).every(({ created }) => created !== undefined))
})

t.test('times must be RFC 3339', async (t) => {
  t.throws(() => assembleImage({ ...OPTIONS, created: '1 May' }), { code: INVALID, at: 'created' })
  const history = [{ created: 'x' }, {}]
  t.throws(() => assembleImage({ ...OPTIONS, history }), { code: INVALID, at: 'history[0].created' })
})

t.test('layers must be layers, and have bytes', async (t) => {
  const [layer] = LAYERS
  const bad = (change: object): AssembleImageOptions =>
    ({
      ...OPTIONS,
      layers: [{ ...layer, descriptor: { ...layer?.descriptor, ...change } }],
      history: [{}],
    }) as AssembleImageOptions
  t.throws(() => assembleImage(bad({ mediaType: 'text/plain' })), {
    code: INVALID,
    at: 'layers[0].mediaType',
  })
  t.throws(() => assembleImage(bad({ size: 0 })), { code: INVALID, at: 'layers[0].size' })
})

const [base1, base2, own] = LAYERS
const baseOf = (more: object): AssembleImageOptions['base'] => {
  const config = {
    created: '2019-01-01T00:00:00Z',
    author: 'them',
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [base1?.diffID, base2?.diffID] },
    history: [
      { created_by: 'one' },
      { created_by: 'env', empty_layer: true },
      { created: EPOCH, created_by: 'two' },
    ],
    ...more,
  }
  return {
    config: parseConfig(utf8(JSON.stringify(config)), { mediaType: MEDIA_TYPE_DOCKER_CONFIG }),
    layers: LAYERS.slice(0, 2).map(({ descriptor }) => ({
      ...descriptor,
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    })),
    name: 'docker.io/library/base:1',
    digest: digestOf(utf8('base')),
  }
}
const onBase = (more: object = {}): AssembleImageOptions => {
  const base = baseOf(more)
  return {
    platform: { os: 'linux', architecture: 'amd64' },
    layers: own === undefined ? [] : [own],
    history: [{ created_by: 'three' }],
    created: '2022-01-01T00:00:00Z',
    ...(base === undefined ? {} : { base }),
  }
}

t.test('M1 M4 a base comes first, with its history, its facts and OCI types', async (t) => {
  const { config, manifest } = assembleImage(onBase())
  t.strictSame(
    config.value.rootfs.diff_ids,
    LAYERS.map(({ diffID }) => diffID),
  )
  t.equal(config.value.author, 'them')
  t.same(config.value.history, [
    { created: '2019-01-01T00:00:00Z', created_by: 'one' },
    { created: '2019-01-01T00:00:00Z', created_by: 'env', empty_layer: true },
    { created: EPOCH, created_by: 'two' },
    { created: '2022-01-01T00:00:00Z', created_by: 'three' },
  ])
  t.same(manifest.value.annotations, {
    'org.opencontainers.image.created': '2022-01-01T00:00:00Z',
    'org.opencontainers.image.base.name': 'docker.io/library/base:1',
    'org.opencontainers.image.base.digest': digestOf(utf8('base')),
  })
  t.ok(
    manifest.value.layers.every(
      ({ mediaType }) => mediaType === 'application/vnd.oci.image.layer.v1.tar+gzip',
    ),
  )
})

t.test('M1 the history of a bad base is repaired', async (t) => {
  const rows: readonly (readonly [
    why: string,
    history: unknown,
    expected: readonly (readonly [string?, boolean?])[],
  ])[] = [
    ['none at all', undefined, [[], []]],
    ['null', null, [[], []]],
    ['only empty entries', [{ created_by: 'a', empty_layer: true }], [[], [], ['a', true]]],
    ['one too few', [{ created_by: 'a' }], [[], ['a']]],
    [
      'one too many',
      [{ created_by: 'a' }, { created_by: 'b' }, { created_by: 'c' }],
      [['a'], ['b'], ['c', true]],
    ],
  ]
  for (const [why, history, expected] of rows) {
    const repaired = historyOf(onBase({ history }))
    t.same(
      repaired.map(({ created_by, empty_layer }) => [created_by, empty_layer]),
      [...expected, ['three']].map(([by, empty]) => [by, empty]),
      why,
    )
    t.ok(
      repaired.every(({ created }) => created !== undefined),
      'and has times',
    )
  }
  const undated = historyOf(onBase({ created: undefined }))
  t.equal(undated[0]?.created, '2022-01-01T00:00:00Z', 'ours, where the base has none')
})

t.test('a base whose layers do not fit its diffIDs cannot be repaired', async (t) => {
  const { base, ...rest } = onBase()
  if (base === undefined) throw new Error('no base')
  t.throws(() => assembleImage({ ...rest, base: { ...base, layers: [] } }), { code: INVALID, at: 'base' })
})

t.test('S14 unknown fields of a base are kept as they were written, its making is not', async (t) => {
  const { base, ...rest } = onBase()
  if (base === undefined) throw new Error('no base')
  const source = text(base.config.bytes).replace(
    '{',
    '{"z.ext":{"n":1.50e3,"2":0,"1":12345678901234567890},"container":"x","container_config":{"Cmd":[]},"docker_version":"1","id":"x",' +
      '"config":{"Env":["GONE=1"],"MemorySwap":-0,"Image":"sha256:x","Hostname":""},',
  )
  const config = parseConfig(utf8(source), { mediaType: MEDIA_TYPE_DOCKER_CONFIG })
  const made = text(
    assembleImage({ ...rest, config: { Env: ['NEW=1'] }, base: { ...base, config } }).config.bytes,
  )
  t.match(made, '"config":{"Env":["NEW=1"],"Hostname":"","MemorySwap":-0}')
  t.match(made, /\],"z.ext":\{"n":1.50e3,"2":0,"1":12345678901234567890\}\}$/)
  t.notMatch(made, /container|docker_version|"id"|"Image"|GONE/)
})

t.test('M2 chain IDs', async (t) => {
  // Computed with printf and sha256sum from the definition in image-spec v1.1.1, config.md.
  const [a, b] = [digestOf(utf8('a')), digestOf(utf8('b'))]
  t.equal(chainID([]), undefined)
  t.equal(chainID([a]), a)
  t.equal(chainID([a, b]), 'sha256:51c0c8ace48498d6f5fee6b0592cc06f2da0f3cbe09c5a34a97dce85c3889676')
  t.strictSame(chainIDs([a, b, a]), [a, chainID([a, b]), chainID([a, b, a])])
  t.not(chainID([a, b]), chainID([b, a]))
})

t.test('an image needs no layers', async (t) => {
  const { config, manifest } = assembleImage({ ...OPTIONS, layers: [], history: [{ empty_layer: true }] })
  t.strictSame([manifest.value.layers, config.value.rootfs.diff_ids], [[], []])
})
