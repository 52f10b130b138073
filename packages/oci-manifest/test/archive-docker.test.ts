/** What `docker save` writes, in its old form and its new one, and what `docker load` takes. */
import { bytesSource, type ByteSource, type Descriptor, DigestError, digestOf, readAll } from '@varve/digest'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import t from 'tap'
import {
  readArchive,
  type ReadArchiveOptions,
  writeArchive,
  writeArchiveFile,
  writeDockerArchive,
} from '../src/archive.ts'
import {
  assembleImage,
  assembleIndex,
  copyContent,
  MEDIA_TYPE_OCI_LAYER,
  MEDIA_TYPE_OCI_LAYER_GZIP,
  MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE,
  MEDIA_TYPE_OCI_LAYER_ZSTD,
  OciManifestError,
  parsePlatform,
  readImage,
  verifyImage,
} from '../src/index.ts'
import { EPOCH, makeImage, MemoryContent, utf8 } from './fixtures/content.ts'
import { makeTar, type TestEntry } from './fixtures/tar.ts'

const ARCHIVE = 'ERR_OCI_MANIFEST_ARCHIVE'
const UNSUPPORTED = 'ERR_OCI_MANIFEST_UNSUPPORTED'
const ONE = utf8('the first layer')
const TWO = utf8('the second layer')

/** A config of Docker, with members that OCI does not have. */
function makeConfig(...layers: readonly Uint8Array[]): Uint8Array {
  const diffIDs = layers.map((layer) => digestOf(layer))
  return utf8(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      docker_version: '1.13',
      container_config: { Cmd: ['x'] },
      rootfs: { type: 'layers', diff_ids: diffIDs },
    }),
  )
}

const CONFIG = makeConfig(ONE, TWO)
const ID = digestOf(CONFIG).slice(7)
const listOf = (...images: readonly object[]): Uint8Array => utf8(JSON.stringify(images))
const LIST = listOf({ Config: `${ID}.json`, RepoTags: ['app:1'], Layers: ['a/layer.tar', 'b/layer.tar'] })

async function open(entries: readonly TestEntry[], options: ReadArchiveOptions = {}) {
  return readArchive(bytesSource(await makeTar(entries)), options)
}

const OLD: readonly TestEntry[] = [
  ['a/', 'directory'],
  ['a/VERSION', utf8('1.0')],
  ['a/json', utf8('{}')],
  ['a/layer.tar', ONE],
  ['b/layer.tar', TWO],
  [`${ID}.json`, CONFIG],
  ['repositories', utf8('{"app":{"1":"b"}}')],
  ['manifest.json', LIST],
]

t.test('§6.3: the old form of docker save is read, wherever its files are', async (t) => {
  const forms: readonly (readonly [why: string, entries: readonly TestEntry[]])[] = [
    ['as Docker wrote it, manifest.json last', OLD],
    ['manifest.json first', OLD.toReversed()],
    ['names with ornaments', OLD.map(([name, content]) => [`./${name}`, content])],
    [
      'layers that are symbolic links, as Docker and Podman write them',
      [
        ['one.tar', ONE],
        ['a/layer.tar', { symlink: '../one.tar' }],
        ['c/layer.tar', TWO],
        ['b/layer.tar', { symlink: '../c/./layer.tar' }],
        [`${ID}.json`, CONFIG],
        ['manifest.json', LIST],
      ],
    ],
    [
      'links to links, hard ones among them, before what they name',
      [
        ['a/layer.tar', { link: 'x/layer.tar' }],
        ['x/layer.tar', { symlink: '../y' }],
        ['y', ONE],
        ['b/layer.tar', TWO],
        [`${ID}.json`, CONFIG],
        ['manifest.json', LIST],
      ],
    ],
  ]
  const digests = new Set<string>()
  for (const [why, entries] of forms) {
    const archive = await open(entries)
    t.equal(archive.format, 'docker')
    t.strictSame(archive.names, ['app:1'], why)
    const root = archive.resolve('app:1')
    digests.add(root.digest)
    t.same(await verifyImage(archive, root), [], `${why}: whole`)
    const { config, manifest } = await readImage(archive, root, { platform: parsePlatform('linux/amd64') })
    t.equal(config.descriptor.digest, digestOf(CONFIG), 'the image ID is the one that Docker has')
    t.strictSame(config.bytes, CONFIG)
    t.equal(manifest.value.layers[0]?.mediaType, MEDIA_TYPE_OCI_LAYER)
    t.same(root.platform, { os: 'linux', architecture: 'amd64' })
  }
  t.equal(digests.size, 1, 'always the same manifest')
  const archive = await open(OLD)
  t.equal(archive.resolve('docker.io/library/app:1').digest, archive.resolve().digest, 'by its whole name')
  const copy = new MemoryContent()
  await copyContent(archive.resolve(), archive, copy)
  t.same(await verifyImage(copy, archive.resolve()), [])
  t.equal(await archive.read({ ...archive.resolve(), digest: digestOf(utf8('absent')) }), undefined)
})

t.test('§6.3: layers may be compressed, told by how they begin', async (t) => {
  const packed = new Uint8Array(gzipSync(ONE))
  const zstd = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3)
  const entries: readonly TestEntry[] = [
    ['a/layer.tar', packed],
    ['b/layer.tar', zstd],
    [`${ID}.json`, CONFIG],
    ['manifest.json', LIST],
  ]
  await t.rejects(open(entries), { code: UNSUPPORTED, message: /compressed with zstd/ })
  const decompress = async function* () {
    yield TWO
  }
  const archive = await open(entries, { decompress })
  const { manifest } = await readImage(archive, archive.resolve())
  t.match(manifest.value.layers, [
    { mediaType: MEDIA_TYPE_OCI_LAYER_GZIP, digest: digestOf(packed), size: packed.byteLength },
    { mediaType: MEDIA_TYPE_OCI_LAYER_ZSTD, digest: digestOf(zstd), size: zstd.byteLength },
  ])
  t.same(await verifyImage(archive, archive.resolve(), { decompress }), [])
})

t.test('§6.3: of several images one is named by a tag', async (t) => {
  const other = makeConfig(ONE)
  const untagged = makeConfig()
  const archive = await open([
    ...OLD.filter(([name]) => name !== 'manifest.json'),
    ['other.json', other],
    ['untagged.json', untagged],
    [
      'manifest.json',
      listOf(
        { Config: `${ID}.json`, RepoTags: ['app:1', 'app:latest'], Layers: ['a/layer.tar', 'b/layer.tar'] },
        { Config: 'other.json', RepoTags: ['example.com/other:1'], Layers: ['a/layer.tar'] },
        { Config: 'untagged.json', RepoTags: null, Layers: null },
      ),
    ],
  ])
  t.strictSame(archive.names, ['app:1', 'app:latest', 'example.com/other:1'])
  t.equal(archive.index.value.manifests.length, 4)
  t.equal(archive.resolve('app').digest, archive.resolve('app:1').digest, 'latest is the default')
  t.throws(() => archive.resolve(), { code: 'ERR_OCI_MANIFEST_REFERENCE' })
  t.throws(() => archive.resolve('absent:1'), { code: 'ERR_OCI_MANIFEST_NOT_FOUND' })
  for (const entry of archive.index.value.manifests) t.same(await verifyImage(archive, entry), [])
})

t.test('§6.3: the form of docker save since version 25 is read as the layout it is', async (t) => {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'x').manifest
  const absent: Descriptor = { ...descriptor, digest: digestOf(utf8('arm64')) }
  const index = assembleIndex([
    { ...descriptor, platform: parsePlatform('linux/amd64') },
    { ...absent, platform: parsePlatform('linux/arm64') },
  ])
  content.put(index.descriptor.mediaType, index.bytes)
  const names = (name: string, tag: string): object => ({
    'io.containerd.image.name': `docker.io/library/${name}:${tag}`,
    'org.opencontainers.image.ref.name': tag,
  })
  const roots = utf8(
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        { ...index.descriptor, annotations: names('many', 'latest') },
        { ...descriptor, annotations: names('one', 'latest') },
      ],
    }),
  )
  const archive = await open([
    ...[...content.blobs].map(([digest, bytes]): TestEntry => [`blobs/sha256/${digest.slice(7)}`, bytes]),
    ['index.json', roots],
    ['manifest.json', listOf({ Config: 'blobs/sha256/x', RepoTags: ['one:latest'], Layers: [] })],
    ['oci-layout', utf8('{"imageLayoutVersion":"1.0.0"}')],
  ])
  t.equal(archive.format, 'oci')
  t.equal(archive.resolve('many').digest, index.descriptor.digest)
  t.equal(archive.resolve('one:latest').digest, descriptor.digest)
  t.throws(() => archive.resolve('latest'), { code: 'ERR_OCI_MANIFEST_REFERENCE' }, 'a tag that two have')
  const amd64 = { platform: parsePlatform('linux/amd64') }
  t.equal((await readImage(archive, archive.resolve('many'), amd64)).descriptor.digest, descriptor.digest)
  await t.rejects(readImage(archive, archive.resolve('many'), { platform: parsePlatform('linux/arm64') }), {
    code: 'ERR_OCI_MANIFEST_NOT_FOUND',
  })
})

t.test('S8, S10, S11: docker-archives that are unsafe or contradictory are refused', async (t) => {
  const without = (name: string): readonly TestEntry[] => OLD.filter(([each]) => each !== name)
  const withList = (list: Uint8Array): readonly TestEntry[] => [
    ...without('manifest.json'),
    ['manifest.json', list],
  ]
  const image = { Config: `${ID}.json`, RepoTags: [], Layers: ['a/layer.tar', 'b/layer.tar'] }
  const nested = new Uint8Array(gzipSync(utf8('something else')))
  const invalid = 'ERR_OCI_MANIFEST_INVALID'
  const rejected: readonly (readonly [why: string, entries: readonly TestEntry[], code: string])[] = [
    ['null', withList(utf8('null')), ARCHIVE],
    ['no list', withList(utf8('{}')), ARCHIVE],
    ['no JSON', withList(utf8('[')), invalid],
    ['no image', withList(utf8('[1]')), invalid],
    ['no config', withList(listOf({ Layers: [] })), invalid],
    ['a config twice, by case', withList(listOf({ ...image, config: 'x' })), invalid],
    ['a config that is not there', without(`${ID}.json`), ARCHIVE],
    ['a layer that is not there', without('a/layer.tar'), ARCHIVE],
    ['a layer too few', withList(listOf({ ...image, Layers: ['a/layer.tar'] })), invalid],
    ['a config outside', withList(listOf({ ...image, Config: '../../etc/passwd' })), ARCHIVE],
    ['a config elsewhere', withList(listOf({ ...image, Config: '/etc/passwd' })), ARCHIVE],
    ['a layer outside', withList(listOf({ ...image, Layers: ['../a', 'b/layer.tar'] })), ARCHIVE],
    ['a link out', [...without('a/layer.tar'), ['a/layer.tar', { symlink: '../../x' }]], ARCHIVE],
    ['a link elsewhere', [...without('a/layer.tar'), ['a/layer.tar', { symlink: '/etc/passwd' }]], ARCHIVE],
    ['a link to nothing', [...without('a/layer.tar'), ['a/layer.tar', { symlink: 'x' }]], ARCHIVE],
    [
      'a circle of links',
      [...without('a/layer.tar'), ['a/layer.tar', { symlink: '../x' }], ['x', { link: 'a/layer.tar' }]],
      ARCHIVE,
    ],
    ['a layer twice', [...OLD, ['a/layer.tar', TWO]], ARCHIVE],
    ['a list twice', [...OLD, ['manifest.json', LIST]], ARCHIVE],
    ['a list that is a link', [...without('manifest.json'), ['manifest.json', { symlink: 'x' }]], ARCHIVE],
    [
      'a compressed layer that is another one',
      [...without('a/layer.tar'), ['a/layer.tar', nested]],
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'a compressed layer that is damaged',
      [...without('a/layer.tar'), ['a/layer.tar', nested.subarray(0, 15)]],
      invalid,
    ],
    [
      'a huge config',
      [...without(`${ID}.json`), [`${ID}.json`, new Uint8Array(8_400_000)]],
      'ERR_OCI_MANIFEST_LIMIT',
    ],
    ['a Docker before 1.10', [['repositories', utf8('{}')]], UNSUPPORTED],
  ]
  for (const [why, entries, code] of rejected) await t.rejects(open(entries), { code }, why)
  const bomb = new Uint8Array(gzipSync(new Uint8Array(5_000_000)))
  await t.rejects(
    open([...without('a/layer.tar'), ['a/layer.tar', bomb]], { maxLayerBytes: 1_000_000 }),
    { code: 'ERR_OCI_MANIFEST_LIMIT' },
    'S10: a layer that grows without end',
  )
  const wrong = await open([...without('a/layer.tar'), ['a/layer.tar', utf8('the wrong layer')]])
  const [layer] = (await readImage(wrong, wrong.resolve())).manifest.value.layers
  const source = (await wrong.read(layer as Descriptor)) as ByteSource
  await t.rejects(
    readAll(source.open(), 100),
    { code: 'ERR_DIGEST_MISMATCH' },
    'a plain layer, when it is read',
  )
})

t.test('a docker-archive is written the same each time, each layer once', async (t) => {
  const content = new MemoryContent()
  const one = makeImage(content, 'shared')
  const layer = one.manifest.value.layers[0] as Descriptor
  const diffID = one.config.value.rootfs.diff_ids[0] as Descriptor['digest']
  const two = assembleImage({
    platform: parsePlatform('linux/arm64'),
    layers: [
      { descriptor: layer, diffID },
      { descriptor: layer, diffID },
    ],
    history: [{ created_by: 'a' }, { created_by: 'b' }],
    created: EPOCH,
  })
  for (const { descriptor, bytes } of [two.config, two.manifest]) content.put(descriptor.mediaType, bytes)
  const roots = [
    { descriptor: one.manifest.descriptor, name: 'app:1' },
    { descriptor: two.manifest.descriptor, name: 'example.com/two:2' },
    { descriptor: one.manifest.descriptor, name: 'docker.io/library/app' },
    { descriptor: one.manifest.descriptor, name: 'app:1' },
  ]
  const tar = await readAll(writeDockerArchive(roots, content), 1e7)
  const again = await readAll(writeDockerArchive(roots.toReversed(), content), 1e7)
  t.ok(Buffer.from(tar).equals(again))
  const archive = await readArchive(bytesSource(tar))
  t.strictSame(archive.names, [
    'app:1',
    'app:latest',
    'docker.io/library/app:1',
    'docker.io/library/app:latest',
    'example.com/two:2',
  ])
  t.same(await verifyImage(archive, archive.resolve('app')), [])
  t.same(await verifyImage(archive, archive.resolve('example.com/two:2')), [])
  t.equal(
    Buffer.from(tar)
      .toString('latin1')
      .split(`blobs/sha256/${layer.digest.slice(7)}\0`).length,
    2,
    'once',
  )

  // What a Docker before version 25 looks at: the list, and the paths in it.
  const list = /\[\{"Config":.*?\}\]/.exec(Buffer.from(tar).toString('latin1'))?.[0] ?? ''
  const parsed = JSON.parse(list) as { Config: string; RepoTags: string[]; Layers: string[] }[]
  t.strictSame(
    parsed.map(({ RepoTags }) => RepoTags).toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    [['app:1', 'app:latest'], ['example.com/two:2']],
  )
  const path = `blobs/sha256/${layer.digest.slice(7)}`
  t.strictSame(parsed.find(({ RepoTags }) => RepoTags.length === 1)?.Layers, [path, path])
  t.equal(
    parsed.find(({ RepoTags }) => RepoTags.length === 2)?.Config,
    `blobs/sha256/${one.config.descriptor.digest.slice(7)}`,
  )

  const unnamed = await readAll(writeDockerArchive([{ descriptor: one.manifest.descriptor }], content), 1e7)
  t.ok(Buffer.from(unnamed).includes('"RepoTags":null'), 'as Docker writes an image without a name')
})

t.test('a docker-archive has one image of an index, and only what Docker loads', async (t) => {
  const content = new MemoryContent()
  const amd64 = makeImage(content, 'amd64').manifest.descriptor
  const arm64 = makeImage(content, 'arm64', { platform: parsePlatform('linux/arm64') }).manifest.descriptor
  const index = assembleIndex([
    { ...amd64, platform: parsePlatform('linux/amd64') },
    { ...arm64, platform: parsePlatform('linux/arm64') },
  ])
  content.put(index.descriptor.mediaType, index.bytes)
  const write = async (descriptor: Descriptor, name?: string): Promise<Uint8Array> =>
    readAll(
      writeDockerArchive([{ descriptor, ...(name === undefined ? {} : { name }) }], content, {
        platform: parsePlatform('linux/arm64'),
      }),
      1e7,
    )
  const archive = await readArchive(bytesSource(await write(index.descriptor, 'app')))
  t.equal(archive.resolve('app').digest, arm64.digest)
  t.equal(await archive.read(amd64), undefined)
  t.equal(await archive.read(index.descriptor), undefined, 'no index that names what is not there')

  const reference = 'ERR_OCI_MANIFEST_REFERENCE'
  await t.rejects(write(index.descriptor, 'App'), { code: reference })
  await t.rejects(write(index.descriptor, `app@${arm64.digest}`), { code: reference })
  for (const mediaType of [MEDIA_TYPE_OCI_LAYER_ZSTD, MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE]) {
    const layer = content.put(mediaType, utf8(mediaType))
    const image = makeImage(content, 'x', { layers: [{ descriptor: layer, diffID: digestOf(utf8('y')) }] })
    await t.rejects(write(image.manifest.descriptor, 'app'), { code: UNSUPPORTED, digest: layer.digest })
  }
})

t.test('writeArchiveFile puts a whole file in place, or leaves what was there', async (t) => {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'x').manifest
  const roots = [{ descriptor, name: 'app:1' }]
  const directory = t.testdir()
  const path = join(directory, 'image.tar')
  for (const write of [writeArchive, writeDockerArchive]) {
    await writeArchiveFile(path, write(roots, content))
    t.ok(readFileSync(path).equals(await readAll(write(roots, content), 1e7)), write.name)
  }
  writeFileSync(path, 'before')
  const { manifest } = await readImage(content, descriptor)
  const layer = manifest.value.layers[0] as Descriptor
  const bytes = content.blobs.get(layer.digest) as Uint8Array
  content.blobs.set(layer.digest, new Uint8Array(layer.size))
  await t.rejects(writeArchiveFile(path, writeArchive(roots, content)), { code: 'ERR_DIGEST_MISMATCH' })
  content.blobs.set(layer.digest, bytes)
  const reason = new Error('enough')
  const aborted = writeArchive(roots, content, { signal: AbortSignal.abort(reason) })
  await t.rejects(writeArchiveFile(path, aborted), reason)
  t.equal(readFileSync(path, 'utf8'), 'before')
  t.strictSame(readdirSync(directory), ['image.tar'], 'nothing else is left')
  const nowhere = join(directory, 'nowhere', 'image.tar')
  await t.rejects(writeArchiveFile(nowhere, []), { code: ARCHIVE, cause: { code: 'ENOENT' } })
  t.notOk(existsSync(nowhere))
})

t.test('whatever is in an archive, it is read, or refused by one of our errors', async (t) => {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, 'x').manifest
  const whole = [
    await makeTar(OLD),
    await readAll(writeDockerArchive([{ descriptor, name: 'app' }], content), 1e7),
  ] as const
  const mutations = fc.array(
    fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...whole), mutations, fc.boolean(), async (tar, changes, isCut) => {
      const bytes = tar.slice(0, isCut ? Math.floor((changes[0]?.[0] ?? 0) * tar.byteLength) : undefined)
      for (const [place, value] of changes) bytes[Math.floor(place * bytes.byteLength)] = value
      try {
        const archive = await readArchive(bytesSource(bytes))
        for (const entry of archive.index.value.manifests) await verifyImage(archive, entry)
      } catch (error) {
        if (!(error instanceof OciManifestError || error instanceof DigestError)) throw error
      }
    }),
    { numRuns: 300 },
  )
  t.pass()
})
