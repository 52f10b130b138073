/** Layouts that others wrote, and that are odd. */
import { type Descriptor, describe, digestOf } from '@varve/digest'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isRoot } from '@varve/testing/peers'
import t, { type Test } from 'tap'
import {
  assembleIndex,
  copyContent,
  type IndexEntry,
  MEDIA_TYPE_OCI_INDEX,
  parsePlatform,
  readImage,
  verifyImage,
} from '../src/index.ts'
import { collectLayout, openLayout } from '../src/layout.ts'
import { makeImage, MemoryContent, utf8 } from './fixtures/content.ts'

const REF = 'org.opencontainers.image.ref.name'
const NAME = 'io.containerd.image.name'
const AMD64 = parsePlatform('linux/amd64')
const ARM64 = parsePlatform('linux/arm64')

const content = new MemoryContent()
const amd64 = makeImage(content, 'amd64').manifest.descriptor
const arm64 = makeImage(content, 'arm64', { platform: ARM64 }).manifest.descriptor
const absent: Descriptor = { ...arm64, digest: digestOf(utf8('absent')) }
const image = putIndex([
  { ...amd64, platform: AMD64 },
  { ...arm64, platform: ARM64 },
])
const nested = putIndex([image])
const sparse = putIndex([
  { ...amd64, platform: AMD64 },
  { ...absent, platform: ARM64 },
])

function putIndex(entries: readonly IndexEntry[]): Descriptor {
  const { descriptor, bytes } = assembleIndex(entries)
  content.put(descriptor.mediaType, bytes)
  return descriptor
}

/** A new directory that everybody may enter. */
function scratch(t: Test): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'varve-foreign-')))
  chmodSync(directory, 0o755)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A layout as another tool might have left it. */
function makeForeign(t: Test, entries: readonly object[], more: object = {}): string {
  const directory = join(scratch(t), 'layout')
  mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true })
  for (const [digest, bytes] of content.blobs)
    writeFileSync(join(directory, 'blobs', ...digest.split(':')), bytes)
  const index = { schemaVersion: 2, ...more, manifests: entries }
  writeFileSync(join(directory, 'index.json'), `\n${JSON.stringify(index, undefined, 3)}\n`)
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion": "1.0.0", "madeBy": "hand"}\n')
  return directory
}

t.test('§6.1: roots are found by whatever names there are', async (t) => {
  const annotated = (descriptor: Descriptor, annotations: object): object => ({ ...descriptor, annotations })
  const containers = annotated(amd64, { [REF]: 'docker.io/library/alpine:3.20' })
  const buildkit = annotated(amd64, { [REF]: '3.20', [NAME]: 'docker.io/library/alpine:3.20' })
  const other = annotated(arm64, { [REF]: '3.20', [NAME]: 'ghcr.io/a/b:3.20' })
  const found: readonly (readonly [why: string, entries: readonly object[], wanted: string | undefined])[] = [
    ['no name at all', [amd64], undefined],
    ['by digest', [amd64, arm64], amd64.digest],
    ['a mere tag', [annotated(amd64, { [REF]: '3.20' }), arm64], '3.20'],
    ['a whole name', [containers, arm64], 'docker.io/library/alpine:3.20'],
    ['a short name for a whole one', [containers, arm64], 'alpine:3.20'],
    ['the same under the old host', [containers, arm64], 'index.docker.io/library/alpine:3.20'],
    ['beside a tag', [buildkit, other], 'docker.io/library/alpine:3.20'],
    ['short, beside a tag', [other, buildkit], 'alpine:3.20'],
    [
      'latest, where nothing is said',
      [annotated(amd64, { [NAME]: 'docker.io/library/x:latest' }), arm64],
      'x',
    ],
    ['the same entry twice', [containers, containers], 'alpine:3.20'],
    ['names that are none', [annotated(amd64, { [REF]: 'no such/Name of !' }), arm64], 'no such/Name of !'],
    [
      'a name with a digest',
      [annotated(amd64, { [REF]: `alpine@${amd64.digest}` }), arm64],
      `alpine@${amd64.digest}`,
    ],
  ]
  for (const [why, entries, wanted] of found) {
    const layout = await openLayout(makeForeign(t, entries))
    t.equal((await layout.resolve(wanted)).digest, amd64.digest, why)
  }
  const layout = await openLayout(makeForeign(t, [buildkit, other]))
  await t.rejects(layout.resolve('3.20'), {
    code: 'ERR_OCI_MANIFEST_REFERENCE',
    available: ['docker.io/library/alpine:3.20', 'ghcr.io/a/b:3.20'],
  })
  for (const wanted of ['alpine', 'alpine:3.21', 'b:3.20', 'ghcr.io/a/b', 'Alpine:3.20', '']) {
    await t.rejects(
      layout.resolve(wanted),
      {
        code: 'ERR_OCI_MANIFEST_NOT_FOUND',
        available: ['3.20', 'docker.io/library/alpine:3.20', 'ghcr.io/a/b:3.20'],
      },
      wanted,
    )
  }
  const tagged = await openLayout(makeForeign(t, [annotated(amd64, { [REF]: 'alpine' })]))
  await t.rejects(
    tagged.resolve('alpine:latest'),
    { code: 'ERR_OCI_MANIFEST_NOT_FOUND' },
    'a tag is no image',
  )
})

t.test('§6.1: one name for several platforms is resolved by platform', async (t) => {
  const annotations = { [REF]: 'app' }
  const entries = [
    { ...amd64, platform: AMD64, annotations },
    { ...arm64, platform: ARM64, annotations },
    { ...amd64, platform: { os: 'unknown', architecture: 'unknown' }, annotations },
  ]
  const layout = await openLayout(makeForeign(t, entries))
  t.equal((await layout.resolve('app', { platform: ARM64 })).digest, arm64.digest)
  t.equal((await layout.resolve('app', { platform: parsePlatform('linux/amd64/v3') })).digest, amd64.digest)
  const strict = { platform: parsePlatform('linux/amd64/v3'), strict: true }
  const expected = {
    code: 'ERR_OCI_MANIFEST_PLATFORM',
    available: ['app (linux/amd64)', 'app (linux/arm64)', 'app (unknown/unknown)'],
  }
  await t.rejects(layout.resolve('app', strict), expected)
  await t.rejects(layout.resolve('app'), { code: 'ERR_OCI_MANIFEST_REFERENCE' })
  const single = await openLayout(makeForeign(t, [{ ...image, annotations }]))
  t.equal((await single.resolve('app', strict)).digest, image.digest, 'one alone is left to its own entries')
})

t.test('§6.1: indexes may be nested, and name what is not here', async (t) => {
  const layout = await openLayout(makeForeign(t, [nested, sparse]))
  const inner = await readImage(layout, await layout.resolve(nested.digest), { platform: ARM64 })
  t.equal(inner.descriptor.digest, arm64.digest)
  const root = await layout.resolve(sparse.digest)
  t.equal((await readImage(layout, root, { platform: AMD64 })).descriptor.digest, amd64.digest)
  await t.rejects(readImage(layout, root, { platform: ARM64 }), { code: 'ERR_OCI_MANIFEST_NOT_FOUND' })
  t.match(
    await verifyImage(layout, root),
    [{ code: 'ERR_OCI_MANIFEST_NOT_FOUND' }],
    'which is all that is wrong',
  )
})

t.test('§6.1: unknown files, fields, types and algorithms are no error', async (t) => {
  const odd = describe('application/vnd.unheard.of+json', utf8('{}'))
  const entries = [
    { ...odd, artifactType: 'x/y', future: [1.5] },
    { ...image, annotations: { [REF]: 'app', k: 'v' } },
  ]
  const directory = makeForeign(t, entries, {
    mediaType: MEDIA_TYPE_OCI_INDEX,
    future: { a: null },
  })
  writeFileSync(join(directory, 'oci-put-blob1'), 'left by another tool')
  for (const algorithm of ['md5', 'blake3', 'sha512']) mkdirSync(join(directory, 'blobs', algorithm))
  writeFileSync(join(directory, 'blobs', 'md5', 'd41d8cd98f00b204e9800998ecf8427e'), '')
  const layout = await openLayout(directory)
  t.same(await verifyImage(layout, await layout.resolve('app')), [])
  t.strictSame([...(await layout.tags()).keys()], ['app'])
  t.strictSame(await layout.referrers(image.digest), [])
  const { removed } = await collectLayout(layout, { graceMs: 0, dryRun: true })
  t.strictSame(removed.toSorted(), [nested.digest, sparse.digest].toSorted())
  await layout.tag('more', image)
  t.ok(await layout.untag('more'), 'and it can be written to')
  const [first] = (await layout.index()).value.manifests
  t.equal(first?.digest, odd.digest)
})

t.test('§6.1: directories of algorithms may be missing, and are made when needed', async (t) => {
  const directory = join(scratch(t), 'empty')
  mkdirSync(join(directory, 'blobs'), { recursive: true })
  writeFileSync(join(directory, 'index.json'), '{"schemaVersion":2,"manifests":[]}')
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const layout = await openLayout(directory)
  t.equal(await layout.read(amd64), undefined)
  t.strictSame(await layout.referrers(amd64.digest), [])
  t.strictSame(await collectLayout(layout, { graceMs: 0 }), { kept: 0, removed: [], bytes: 0 })
  await copyContent(image, content, layout)
  t.same(await verifyImage(layout, image), [])
})

t.test('S8: a digest in index.json that is none is refused before it is a path', async (t) => {
  const hex = 'a'.repeat(64)
  const digests: readonly (readonly [digest: string, code: string])[] = [
    ['sha256:../../../etc/passwd', 'ERR_OCI_MANIFEST_INVALID'],
    [`sha256:%2e%2e%2f${hex.slice(9)}`, 'ERR_OCI_MANIFEST_INVALID'],
    [`sha256:${hex.slice(1)}`, 'ERR_OCI_MANIFEST_INVALID'],
    [`sha256:${hex}a`, 'ERR_OCI_MANIFEST_INVALID'],
    [`sha256:${hex.toUpperCase()}`, 'ERR_OCI_MANIFEST_INVALID'],
    [`sha256/${hex}`, 'ERR_OCI_MANIFEST_INVALID'],
    [`../sha256:${hex}`, 'ERR_OCI_MANIFEST_INVALID'],
    [`md5:${hex}`, 'ERR_OCI_MANIFEST_UNSUPPORTED'],
  ]
  for (const [digest, code] of digests) {
    const directory = makeForeign(t, [{ ...amd64, digest }])
    await t.rejects(openLayout(directory), { code, at: 'manifests[0].digest' }, digest)
  }
})

t.test('S11: a link may lead to the layout, not within it', async (t) => {
  const directory = makeForeign(t, [image])
  const parent = join(scratch(t), 'parent')
  symlinkSync(dirname(directory), parent)
  const layout = await openLayout(join(parent, 'layout'))
  t.equal(layout.directory, directory)
  t.same(await verifyImage(layout, await layout.resolve()), [])
  symlinkSync(join(directory, 'oci-layout'), join(directory, 'blobs', 'sha512'))
  await t.rejects(collectLayout(layout, { graceMs: 0 }), { code: 'ERR_OCI_MANIFEST_LAYOUT' })
})

t.test('a layout that may not be written to can be read', async (t) => {
  const directory = makeForeign(t, [image])
  const then = new Date(0)
  for (const name of readdirSync(join(directory, 'blobs', 'sha256')))
    utimesSync(join(directory, 'blobs', 'sha256', name), then, then)
  for (const each of ['blobs/sha256', 'blobs', '.']) chmodSync(join(directory, each), 0o555)
  t.teardown(() => {
    for (const each of ['.', 'blobs', 'blobs/sha256']) chmodSync(join(directory, each), 0o755)
  })
  if (isRoot()) {
    // Root may write anywhere.
    process.seteuid?.(65_534)
    t.teardown(() => process.seteuid?.(0))
  }
  const layout = await openLayout(directory)
  t.same(await verifyImage(layout, await layout.resolve()), [])
  t.ok(await layout.has(image), 'though it cannot be touched')
  await copyContent(image, content, layout)
  t.strictSame(await layout.referrers(image.digest), [])
  await t.rejects(layout.tag('x', image), { code: 'ERR_OCI_MANIFEST_LAYOUT', cause: { code: 'EACCES' } })
  await t.rejects(layout.write({ ...absent, size: 6 }, { size: 6, open: () => [] as never }), {
    code: 'ERR_OCI_MANIFEST_LAYOUT',
  })
})
