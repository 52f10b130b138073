/** Moving images to a new base. */
import { type Descriptor, digestOf } from '@varve/digest'
import t from 'tap'
import {
  annotateManifest,
  appendLayers,
  assembleImage,
  type AssembledImage,
  type AssembleImageOptions,
  assembleIndex,
  baseAnnotations,
  editImages,
  parseConfig,
  parseManifest,
  parsePlatform,
  type Platform,
  readImage,
  rebaseByAnnotations,
  rebaseImage,
  type RuntimeConfig,
  verifyImage,
  withDocuments,
  writeJson,
} from '../src/index.ts'
import { EPOCH, makeImage, makeLayer, MemoryContent, utf8 } from './fixtures/content.ts'
import { plain, putDocument } from './fixtures/documents.ts'

const BASE = 'ERR_OCI_MANIFEST_BASE'
const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const LATER = '2022-02-02T02:02:02Z'
const NAME = 'registry.example/base:1'

const content = new MemoryContent()

function makeBase(version: string, options: Partial<AssembleImageOptions> = {}): AssembledImage {
  return makeImage(content, `base ${version}`, {
    layers: [makeLayer(content, `base ${version} a`), makeLayer(content, `base ${version} b`)],
    history: [
      { created_by: `FROM ${version}` },
      { created_by: 'ENV', empty_layer: true },
      { created_by: 'ADD' },
      { created_by: 'CMD', empty_layer: true },
    ],
    ...options,
  })
}

/** An image of one layer on a base, as a build makes it. */
function makeOn(base: AssembledImage, options: Partial<AssembleImageOptions> = {}): AssembledImage {
  const image = assembleImage({
    platform: { os: 'linux', architecture: 'amd64' },
    config: { User: 'app', Env: ['A=b'] },
    layers: [makeLayer(content, 'app')],
    history: [{ created_by: 'USER app', empty_layer: true }, { created_by: 'COPY app' }],
    created: EPOCH,
    base: {
      config: base.config,
      layers: base.manifest.value.layers,
      name: NAME,
      digest: base.manifest.descriptor.digest,
    },
    ...options,
  })
  putDocument(content, image.config)
  putDocument(content, image.manifest)
  return image
}

const stepsOf = ({ config }: AssembledImage): readonly unknown[] =>
  (config.value.history ?? []).map(({ created_by }) => created_by)

t.test('M6 the layers and the history above the old base are put on the new one', async (t) => {
  const [oldBase, newBase] = [makeBase('1'), makeBase('2')]
  const image = makeOn(oldBase)
  const rebased = rebaseImage(image, { oldBase, newBase, created: LATER })
  putDocument(content, rebased.config)
  t.same(await verifyImage(content, putDocument(content, rebased.manifest)), [])
  t.strictSame(stepsOf(rebased), ['FROM 2', 'ENV', 'ADD', 'CMD', 'USER app', 'COPY app'])
  t.strictSame(rebased.config.value.rootfs.diff_ids, [
    ...newBase.config.value.rootfs.diff_ids,
    digestOf(utf8('app')),
  ])
  t.same(rebased.config.value.config, { User: 'app', Env: ['A=b'] })
  t.equal(rebased.config.value.created, LATER)
  t.strictSame(
    rebased.config.bytes,
    makeOn(newBase, {
      created: LATER,
      history: [
        { created_by: 'USER app', empty_layer: true, created: EPOCH },
        { created_by: 'COPY app', created: EPOCH },
      ],
    }).config.bytes,
    'as if it had been built on it',
  )
})

t.test('M4 a rebased image says what it is on now', async (t) => {
  const [oldBase, newBase] = [makeBase('1'), makeBase('2')]
  const image = makeOn(oldBase)
  const annotationsOf = (more: object) =>
    baseAnnotations(rebaseImage(image, { oldBase, newBase, created: LATER, ...more }).manifest.value)
  t.same(annotationsOf({}), { name: NAME, digest: newBase.manifest.descriptor.digest })
  const digest = digestOf(utf8('an index'))
  t.same(annotationsOf({ name: 'registry.example/base:2', digest }), {
    name: 'registry.example/base:2',
    digest,
  })
  t.same(baseAnnotations(makeBase('1').manifest.value), {})
  const wrong = {
    ...image.manifest.value,
    annotations: { 'org.opencontainers.image.base.digest': 'sha256:x' },
  }
  t.throws(() => baseAnnotations(wrong), {
    code: INVALID,
    at: 'annotations.org.opencontainers.image.base.digest',
  })
})

t.test('M6 a base may have fewer layers, more, or the same ones', async (t) => {
  const oldBase = makeBase('1')
  const image = makeOn(oldBase)
  const scratch = makeImage(content, 'none', {
    layers: [],
    history: [{ created_by: 'ENV', empty_layer: true }],
  })
  t.strictSame(stepsOf(rebaseImage(image, { oldBase, newBase: scratch, created: LATER })), [
    'ENV',
    'USER app',
    'COPY app',
  ])
  const more = appendLayers(oldBase, {
    layers: [makeLayer(content, 'c')],
    history: [{ created_by: 'C' }],
    created: LATER,
  })
  t.equal(rebaseImage(image, { oldBase, newBase: more, created: LATER }).manifest.value.layers.length, 4)
  const same = rebaseImage(image, { oldBase, newBase: oldBase, created: EPOCH })
  t.strictSame(same.manifest.bytes, image.manifest.bytes)
  t.strictSame(
    stepsOf(rebaseImage(oldBase, { oldBase, newBase: more, created: LATER })),
    stepsOf(more),
    'nothing above',
  )
})

t.test('M6 an image that is not on the old base is refused', async (t) => {
  const [oldBase, newBase] = [makeBase('1'), makeBase('2')]
  const image = makeOn(oldBase)
  const withHistory = (history: unknown): AssembledImage => {
    const config = parseConfig(utf8(JSON.stringify({ ...image.config.value, history })))
    return { config, manifest: image.manifest }
  }
  const own = image.config.value.history ?? []
  const scratch = makeImage(content, 'none', { layers: [], history: [] })
  const longer = appendLayers(image, { layers: [makeLayer(content, 'z')], history: [{}], created: EPOCH })
  const rows: readonly (readonly [why: string, image: AssembledImage, oldBase: AssembledImage])[] = [
    ['another base', makeOn(newBase), oldBase],
    ['a base of more layers', image, longer],
    ['a base of no layers', image, scratch],
    [
      'another step',
      withHistory(own.map((step, index) => (index === 0 ? { created_by: 'X' } : step))),
      oldBase,
    ],
    ['a step less', withHistory(own.filter((_, index) => index !== 1)), oldBase],
    ['no history at all', withHistory(undefined), oldBase],
  ]
  for (const [why, each, base] of rows) {
    t.throws(() => rebaseImage(each, { oldBase: base, newBase, created: LATER }), { code: BASE }, why)
  }
  const arm = makeBase('2', { platform: parsePlatform('linux/arm64') })
  t.throws(
    () => rebaseImage(image, { oldBase, newBase: arm, created: LATER }),
    { code: BASE, message: /linux\/arm64/ },
    'another platform',
  )
})

t.test('M6 bases without history are repaired on both sides', async (t) => {
  const whole = makeBase('1')
  const bare: AssembledImage = {
    ...whole,
    config: parseConfig(utf8(JSON.stringify({ ...whole.config.value, history: undefined }))),
  }
  const rebased = rebaseImage(makeOn(bare), { oldBase: bare, newBase: makeBase('2'), created: LATER })
  t.strictSame(stepsOf(rebased), ['FROM 2', 'ENV', 'ADD', 'CMD', 'USER app', 'COPY app'])
})

t.test('Windows goes by the version of the base', async (t) => {
  const windows = (version: string) => ({ os: 'windows', architecture: 'amd64', 'os.version': version })
  const [oldBase, newBase] = [
    makeBase('1', { platform: windows('10.0.20348.1') }),
    makeBase('2', { platform: windows('10.0.20348.2') }),
  ]
  const rebased = rebaseImage(makeOn(oldBase, { platform: windows('10.0.20348.1') }), {
    oldBase,
    newBase,
    created: LATER,
  })
  t.equal(rebased.config.value['os.version'], '10.0.20348.2')
})

t.test('M6 a merged config has from the new base what the image had from the old one', async (t) => {
  const withConfig = (version: string, config: RuntimeConfig): AssembledImage => makeBase(version, { config })
  const oldBase = withConfig('1', {
    Env: ['PATH=/bin', 'VERSION=1', 'GONE=1', 'KEPT=1'],
    Labels: { a: '1', b: '1' },
    Cmd: ['sh'],
    WorkingDir: '/old',
    Volumes: { '/old': {} },
    Shell: ['/bin/sh'],
  })
  const newBase = withConfig('2', {
    Env: ['PATH=/bin', 'VERSION=2', 'KEPT=2', 'ADDED=2'],
    Labels: { '2': 'x', a: '2', b: '2' },
    Cmd: ['bash'],
    WorkingDir: '/new',
    ExposedPorts: { '80': {} },
    Volumes: { '/new': {} },
    Entrypoint: ['/init'],
  })
  const image = makeOn(oldBase, {
    config: {
      Env: ['PATH=/bin', 'VERSION=1', 'GONE=1', 'KEPT=own', 'OWN=1'],
      Labels: { a: '1', b: 'own', own: '1' },
      Cmd: ['sh'],
      WorkingDir: '/own',
      Volumes: { '/old': {} },
      Shell: ['/bin/sh'],
      User: 'app',
    },
  })
  const configOf = (config: 'image' | 'merged') =>
    rebaseImage(image, { oldBase, newBase, created: LATER, config }).config.value.config
  t.same(configOf('merged'), {
    Env: ['PATH=/bin', 'VERSION=2', 'KEPT=own', 'OWN=1', 'ADDED=2'],
    Labels: { '2': 'x', a: '2', b: 'own', own: '1' },
    Cmd: ['bash'],
    WorkingDir: '/own',
    ExposedPorts: { '80': {} },
    Volumes: { '/new': {} },
    Entrypoint: ['/init'],
    User: 'app',
  })
  t.strictSame(Object.keys(configOf('merged')?.Labels ?? {}), ['2', 'a', 'b', 'own'])
  t.same(configOf('image'), image.config.value.config)

  const bare = makeBase('1')
  const untouched = rebaseImage(makeOn(bare), {
    oldBase: bare,
    newBase: bare,
    created: LATER,
    config: 'merged',
  })
  t.same(untouched.config.value.config, { User: 'app', Env: ['A=b'] })
  const full: RuntimeConfig = { Env: ['B=1'], Labels: { x: '1' } }
  const before = withConfig('3', full)
  const emptied = rebaseImage(makeOn(before, { config: full }), {
    oldBase: before,
    newBase: withConfig('4', {}),
    created: LATER,
    config: 'merged',
  })
  t.same(emptied.config.value.config, {}, 'what came from the old base goes with it')
})

t.test('M6 the annotations tell where the bases are', async (t) => {
  const [oldBase, newBase] = [makeBase('1'), makeBase('2')]
  const platform = parsePlatform('linux/amd64')
  const index = putDocument(content, assembleIndex([{ ...newBase.manifest.descriptor, platform }]))
  const image = makeOn(oldBase)
  const asked: string[] = []
  const locate = async (reference: string): Promise<{ reader: MemoryContent; descriptor: Descriptor }> => {
    asked.push(reference)
    return { reader: content, descriptor: reference.includes('@') ? oldBase.manifest.descriptor : index }
  }
  const rebased = await rebaseByAnnotations(image, { locate, created: LATER })
  t.strictSame(asked, [NAME, `${NAME}@${oldBase.manifest.descriptor.digest}`])
  t.same(baseAnnotations(rebased.manifest.value), { name: NAME, digest: index.digest })
  t.strictSame(stepsOf(rebased)[0], 'FROM 2')
  const current = async () => ({ reader: content, descriptor: oldBase.manifest.descriptor })
  t.equal(
    await rebaseByAnnotations(image, { locate: current, created: LATER }),
    image,
    'the very same, if it is on it',
  )

  const silent = {
    ...image,
    manifest: annotateManifest(image.manifest, { document: { 'org.opencontainers.image.base.name': null } }),
  }
  await t.rejects(rebaseByAnnotations(silent, { locate, created: LATER }), { code: BASE })
  const odd = {
    ...image,
    manifest: annotateManifest(image.manifest, {
      document: { 'org.opencontainers.image.base.name': '../x' },
    }),
  }
  await t.rejects(rebaseByAnnotations(odd, { locate, created: LATER }), {
    code: 'ERR_OCI_MANIFEST_REFERENCE',
  })
  const reason = new Error('enough')
  await t.rejects(
    rebaseByAnnotations(image, { locate, created: LATER, signal: AbortSignal.abort(reason) }),
    reason,
  )
})

t.test('M6 all images of an index are rebased at once, each on the base of its platform', async (t) => {
  const platforms = ['linux/amd64', 'linux/arm64'].map((platform) => parsePlatform(platform))
  const indexOf = (images: readonly AssembledImage[]): Descriptor =>
    putDocument(
      content,
      assembleIndex(
        images.map(({ manifest }, index) => ({
          ...manifest.descriptor,
          platform: platforms[index] as Platform,
        })),
      ),
    )
  const basesOf = (version: string): readonly AssembledImage[] =>
    platforms.map((platform) => makeBase(`${version} ${platform.architecture}`, { platform }))
  const [older, newer] = [basesOf('1'), basesOf('2')]
  const [oldIndex, newIndex] = [indexOf(older), indexOf(newer)]
  const images = older.map((base, index) =>
    makeOn(base, {
      platform: platforms[index] as Platform,
      annotations: { 'org.opencontainers.image.base.digest': oldIndex.digest },
    }),
  )
  const locate = async (reference: string) => ({
    reader: content,
    descriptor: reference.includes('@') ? oldIndex : newIndex,
  })
  const rebased = await editImages(content, indexOf(images), (image) =>
    rebaseByAnnotations(image, { locate, created: LATER }),
  )
  const reader = withDocuments(content, rebased.documents)
  t.same(await verifyImage(reader, rebased.descriptor), [])
  for (const [index, platform] of platforms.entries()) {
    const image = await readImage(reader, rebased.descriptor, { platform })
    t.strictSame(
      image.config.value.rootfs.diff_ids.slice(0, -1),
      newer[index]?.config.value.rootfs.diff_ids,
      platform.architecture,
    )
  }
})

t.test('a rebase keeps the manifest members of the layers of both', async (t) => {
  const [oldBase, newBase] = [makeBase('1'), makeBase('2')]
  const foreign = parseManifest(
    writeJson({
      schemaVersion: 2,
      config: plain(newBase.config.descriptor),
      layers: newBase.manifest.value.layers.map((each) => ({ ...plain(each), 'x.layer': 'base' })),
    }),
  )
  const rebased = rebaseImage(makeOn(oldBase), {
    oldBase,
    newBase: { ...newBase, manifest: foreign },
    created: LATER,
  })
  t.match(new TextDecoder().decode(rebased.manifest.bytes), /"x.layer":"base"/)
})
