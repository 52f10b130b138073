import { type ByteSource, bytesSource, type Descriptor, digestOf, readAll, streamSource } from '@varve/digest'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { readArchive, writeArchive } from '../src/archive.ts'
import { assembleIndex, copyContent, parsePlatform, readImage, verifyImage } from '../src/index.ts'
import { openLayout } from '../src/layout.ts'
import { makeImage, MemoryContent, utf8 } from './fixtures/content.ts'
import { makeTar, type TestEntry } from './fixtures/tar.ts'

const ARCHIVE = 'ERR_OCI_MANIFEST_ARCHIVE'
const AMD64 = parsePlatform('linux/amd64')
const VERSION = utf8('{"imageLayoutVersion":"1.0.0"}')
const INDEX = utf8('{"schemaVersion":2,"manifests":[]}')

function makeContent() {
  const content = new MemoryContent()
  const amd64 = makeImage(content, 'amd64').manifest.descriptor
  const arm64 = makeImage(content, 'arm64', { platform: parsePlatform('linux/arm64') }).manifest.descriptor
  const index = assembleIndex([
    { ...amd64, platform: AMD64 },
    { ...arm64, platform: parsePlatform('linux/arm64') },
  ])
  content.put(index.descriptor.mediaType, index.bytes)
  return { content, amd64, arm64, index: index.descriptor }
}

t.test('an archive is written the same each time, and read back whole', async (t) => {
  const { content, index, amd64 } = makeContent()
  const roots = [
    { descriptor: index, name: 'all:1' },
    { descriptor: amd64, name: 'one' },
    { descriptor: amd64, name: 'also' },
  ]
  const tar = await readAll(writeArchive(roots, content), 1e7)
  const again = await readAll(writeArchive(roots.toReversed(), content), 1e7)
  t.ok(Buffer.from(tar).equals(again))
  const archive = await readArchive(bytesSource(tar))
  t.strictSame(archive.names, ['all:1', 'also', 'one'])
  t.equal(archive.resolve('one').digest, amd64.digest)
  t.same(await verifyImage(archive, archive.resolve('all:1')), [])
  t.equal(
    (await readImage(archive, archive.resolve('all:1'), { platform: AMD64 })).descriptor.digest,
    amd64.digest,
  )
  t.equal(await archive.read({ ...amd64, digest: digestOf(utf8('absent')) }), undefined)
  t.throws(() => archive.resolve('absent'), { code: 'ERR_OCI_MANIFEST_NOT_FOUND' })
  const layout = await openLayout(join(t.testdir(), 'layout'), { create: true })
  await copyContent(index, archive, layout)
  t.same(await verifyImage(layout, index), [])
})

t.test('golden: headers have no time, no owner, no surprise', async (t) => {
  const content = new MemoryContent()
  const blob = content.put('text/plain', utf8('hello'))
  const tar = await readAll(writeArchive([{ descriptor: blob, name: 'x' }], content), 1e6)
  t.equal(digestOf(tar), 'sha256:df1571e4eb791e2654f9af7e2479aa0ef0a5c075919555cbbc7361cb8cbeb7b1')
})

t.test('a file is read like any other source', async (t) => {
  const { content, amd64 } = makeContent()
  const path = join(t.testdir(), 'image.tar')
  writeFileSync(path, await readAll(writeArchive([{ descriptor: amd64 }], content), 1e7))
  const archive = await readArchive(path)
  t.equal(archive.resolve().digest, amd64.digest)
  t.same(await verifyImage(archive, amd64), [])
  await t.rejects(readArchive(`${path}.absent`), { code: ARCHIVE, cause: { code: 'ENOENT' } })
})

t.test('sha512 blobs have long names', async (t) => {
  const content = new MemoryContent()
  const bytes = utf8('hello')
  const descriptor: Descriptor = { mediaType: 'text/plain', digest: digestOf(bytes, 'sha512'), size: 5 }
  content.blobs.set(descriptor.digest, bytes)
  const archive = await readArchive(bytesSource(await readAll(writeArchive([{ descriptor }], content), 1e6)))
  t.strictSame(await readAll(((await archive.read(descriptor)) as ByteSource).open(), 10), bytes)
})

t.test('only one platform may be written', async (t) => {
  const { content, index, arm64, amd64 } = makeContent()
  const tar = await readAll(
    writeArchive([{ descriptor: index, name: 'x' }], content, { platform: AMD64 }),
    1e7,
  )
  const archive = await readArchive(bytesSource(tar))
  t.ok(await archive.read(amd64))
  t.equal(await archive.read(arm64), undefined)
})

t.test('writing streams, and stops when nobody reads', async (t) => {
  const bytes = new Uint8Array(40_000_000)
  const digest = digestOf(bytes)
  const blob: Descriptor = { mediaType: 'x', digest, size: bytes.byteLength }
  let given = 0
  let closed = false
  const source = streamSource(async function* () {
    try {
      for (let at = 0; at < bytes.byteLength; at += 100_000) {
        given += 100_000
        yield bytes.subarray(at, at + 100_000)
      }
    } finally {
      closed = true
    }
  })
  let seen = 0
  let ahead = 0
  for await (const chunk of writeArchive([{ descriptor: blob }], { read: async () => source })) {
    seen += chunk.byteLength
    ahead = Math.max(ahead, given - seen)
    if (seen > 5_000_000) break
  }
  t.ok(ahead < 2_000_000, `the source was at most ${ahead} bytes ahead`)
  t.ok(closed, 'and is closed')
})

t.test('errors and aborts end the stream', async (t) => {
  const { content, amd64, index } = makeContent()
  const { manifest } = await readImage(content, amd64)
  const [layer] = manifest.value.layers
  if (layer === undefined) throw new Error('no layer')
  const archive = (more: object = {}): Promise<Uint8Array> =>
    readAll(writeArchive([{ descriptor: index }], content, more), 1e7)
  const good = content.blobs.get(layer.digest) ?? new Uint8Array()
  content.blobs.set(layer.digest, new Uint8Array(layer.size))
  await t.rejects(archive(), { name: 'DigestError', code: 'ERR_DIGEST_MISMATCH' })
  content.blobs.delete(layer.digest)
  await t.rejects(archive(), { code: 'ERR_OCI_MANIFEST_NOT_FOUND', digest: layer.digest })
  content.blobs.set(layer.digest, good)
  await t.rejects(readAll(writeArchive([{ descriptor: index, name: 'no good' }], content), 1e7), {
    code: 'ERR_OCI_MANIFEST_REFERENCE',
  })
  const reason = new Error('enough')
  await t.rejects(archive({ signal: AbortSignal.abort(reason) }), reason)
  const tar = await archive()
  await t.rejects(readArchive(bytesSource(tar), { signal: AbortSignal.abort(reason) }), reason)
  const later = new AbortController()
  const aborting = streamSource(async function* () {
    yield tar.subarray(0, 700)
    later.abort(reason)
    yield tar.subarray(700)
  })
  await t.rejects(readArchive(aborting, { signal: later.signal }), reason)
})

t.test('§6.3: entries may be in any order, and blobs hard links', async (t) => {
  const content = utf8('hello')
  const hex = digestOf(content).slice(7)
  const descriptor: Descriptor = { mediaType: 'x', digest: digestOf(content), size: 5 }
  const blob = `blobs/sha256/${hex}`
  const orders: readonly (readonly TestEntry[])[] = [
    [
      [blob, content],
      ['index.json', INDEX],
      ['oci-layout', VERSION],
    ],
    [
      ['./', 'directory'],
      ['./oci-layout', VERSION],
      ['./blobs/', 'directory'],
      [`./${blob}`, content],
      ['./index.json', INDEX],
    ],
    [
      [blob, { link: 'blobs/sha256/b' }],
      ['blobs/sha256/b', { link: './blobs/c' }],
      ['blobs/c', content],
      ['index.json', INDEX],
      ['oci-layout', VERSION],
    ],
    [
      ['unknown/file', utf8('x')],
      ['other', { symlink: '/etc/passwd' }],
      [blob, content],
      [blob, content],
      ['index.json', INDEX],
      ['oci-layout', VERSION],
    ],
  ]
  for (const entries of orders) {
    const archive = await readArchive(bytesSource(await makeTar(entries)))
    const source = (await archive.read(descriptor)) as ByteSource
    t.strictSame(await readAll(source.open(), 10), content)
  }
})

t.test('archives that are unsafe or none are refused', async (t) => {
  const whole: readonly TestEntry[] = [
    ['oci-layout', VERSION],
    ['index.json', INDEX],
  ]
  const blob = `blobs/sha256/${'a'.repeat(64)}`
  const rejected: readonly (readonly [why: string, entries: readonly TestEntry[], code: string])[] = [
    ['nothing', [], ARCHIVE],
    ['no index', [['oci-layout', VERSION]], ARCHIVE],
    ['no version', [['index.json', INDEX]], ARCHIVE],
    ['no version, but a manifest.json', [['manifest.json', utf8('null')]], ARCHIVE],
    [
      'another version',
      [
        ['oci-layout', utf8('{"imageLayoutVersion":"9"}')],
        ['index.json', INDEX],
      ],
      'ERR_OCI_MANIFEST_UNSUPPORTED',
    ],
    [
      'a bad index',
      [
        ['oci-layout', VERSION],
        ['index.json', utf8('{}')],
      ],
      'ERR_OCI_MANIFEST_INVALID',
    ],
    [
      'a large version',
      [
        ['oci-layout', new Uint8Array(100_000)],
        ['index.json', INDEX],
      ],
      'ERR_OCI_MANIFEST_LIMIT',
    ],
    ['S11 a way out', [...whole, ['../x', utf8('x')]], ARCHIVE],
    ['S11 a way out within', [...whole, ['blobs/sha256/../../../x', utf8('x')]], ARCHIVE],
    ['S11 an absolute name', [...whole, ['/etc/passwd', utf8('x')]], ARCHIVE],
    ['S11 a symbolic link', [...whole, [blob, { symlink: '/etc/passwd' }]], ARCHIVE],
    ['S11 a linked directory', [...whole, ['blobs/sha256', { symlink: '/etc' }]], ARCHIVE],
    [
      'S11 a linked index',
      [
        ['oci-layout', VERSION],
        ['index.json', { symlink: 'x' }],
      ],
      ARCHIVE,
    ],
    ['S11 a hard link out', [...whole, [blob, { link: '../../etc/passwd' }]], ARCHIVE],
    ['a hard link to nothing', [...whole, [blob, { link: 'blobs/x' }]], ARCHIVE],
    ['a hard link to itself', [...whole, [blob, { link: blob }]], ARCHIVE],
    ['a circle of links', [...whole, [blob, { link: 'blobs/b' }], ['blobs/b', { link: blob }]], ARCHIVE],
    ['two indexes', [...whole, ['index.json', INDEX]], ARCHIVE],
    ['S10 an endless name', [...whole, ['x'.repeat(5000), utf8('')]], 'ERR_OCI_MANIFEST_LIMIT'],
    ['S10 an endless link', [...whole, ['x', { symlink: 'x'.repeat(5000) }]], 'ERR_OCI_MANIFEST_LIMIT'],
    [
      'S10 too many entries',
      Array.from({ length: 12 }, (_, number): TestEntry => [`f${number}`, utf8('')]),
      'ERR_OCI_MANIFEST_LIMIT',
    ],
  ]
  for (const [why, entries, code] of rejected) {
    const tar = await makeTar(entries)
    await t.rejects(
      readArchive(bytesSource(tar), { maxEntries: 10 }),
      { name: 'OciManifestError', code },
      why,
    )
  }
  const good = await makeTar(whole)
  for (const [name, head] of [
    ['gzip', gzipSync(good)],
    ['zstd', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0)],
    ['bzip2', Buffer.from('BZh91AY&SY more')],
    ['xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)],
  ] as const) {
    const expected = { code: 'ERR_OCI_MANIFEST_UNSUPPORTED', message: new RegExp(`compressed with ${name}`) }
    await t.rejects(readArchive(bytesSource(head)), expected, `S10 ${name}, which would have to be unpacked`)
  }
  await t.rejects(readArchive(bytesSource(good.subarray(0, 700))), { code: ARCHIVE }, 'cut off')
  await t.rejects(
    readArchive(bytesSource(utf8('not a tar file at all'.repeat(100)))),
    { code: ARCHIVE },
    'something else',
  )
  const failure = new Error('disk')
  const failing = streamSource(async function* () {
    yield good.subarray(0, 512)
    throw failure
  })
  await t.rejects(readArchive(failing), failure, 'an error of the source is its own')
})

t.test('S8: blobs are found by digest only, and verified', async (t) => {
  const content = utf8('hello')
  const { digest } = { digest: digestOf(utf8('other')) }
  const upper = `blobs/sha256/${'A'.repeat(64)}`
  const tar = await makeTar([
    ['oci-layout', VERSION],
    ['index.json', INDEX],
    [`blobs/sha256/${digest.slice(7)}`, content],
    [upper, content],
  ])
  const archive = await readArchive(bytesSource(tar))
  const source = (await archive.read({ mediaType: 'x', digest, size: 5 })) as ByteSource
  await t.rejects(readAll(source.open(), 10), { code: 'ERR_DIGEST_MISMATCH' })
  for (const bad of [`sha256:${'A'.repeat(64)}`, 'sha256:../../oci-layout', 'oci-layout']) {
    await t.rejects(archive.read({ mediaType: 'x', digest: bad as Descriptor['digest'], size: 5 }), {
      code: 'ERR_DIGEST_INVALID',
    })
  }
})
