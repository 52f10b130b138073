/**
 * zstd:chunked layers, read by everyone as zstd, and by offset as what they are.
 *
 * @module
 */
import { type ByteSource, bytesSource, digestOf, streamSource } from '@varve/digest'
import { equal } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { createEntry, type Entry, fromTar, pack, type PackedLayer, Tree } from '../src/index.ts'
import { decompress } from '../src/compression/decompress.ts'
import {
  packZstdChunked,
  ZSTD_CHUNKED_ANNOTATIONS,
  type ZstdChunkedOptions,
} from '../src/seekable/zstd-chunked.ts'
import { formatTarSplit, parseTarSplit } from '../src/tar-split/format.ts'
import { joinTar } from '../src/tar-split/join.ts'
import { splitTar } from '../src/tar-split/split.ts'
import { collect, directory, file, hardlink, marker, symlink } from './archive.ts'
import { needs } from './peers.ts'

interface Row {
  readonly name: string
  readonly type: string
  readonly size?: number
  readonly offset?: number
  readonly endOffset?: number
  readonly chunkOffset?: number
  readonly chunkSize?: number
  readonly chunkType?: string
  readonly chunkDigest?: string
  readonly digest?: string
  readonly [key: string]: unknown
}

interface Packed extends PackedLayer {
  readonly blob: Buffer
}

async function packed(entries: Iterable<Entry>, options: ZstdChunkedOptions = {}): Promise<Packed> {
  const chunks: Uint8Array[] = []
  const sink = { write: (chunk: Uint8Array) => void chunks.push(chunk) }
  const layer = await packZstdChunked(Tree.from(entries), sink, options)
  return { ...layer, blob: Buffer.concat(chunks) }
}

const unzstd = (bytes: Uint8Array): Promise<Buffer> => collect(decompress([bytes], { algorithm: 'zstd' }))

/** Table and skeleton, as a client finds them that has the annotations and nothing but ranges. */
async function readTables({ blob, descriptor }: Packed): Promise<{
  readonly rows: readonly Row[]
  readonly tarSplit: Buffer
}> {
  const annotations = descriptor.annotations!
  const numbers = (name: keyof typeof ZSTD_CHUNKED_ANNOTATIONS): number[] =>
    annotations[ZSTD_CHUNKED_ANNOTATIONS[name]]!.split(':').map(Number)
  const [at = 0, length = 0, size = 0, type = 0] = numbers('manifestPosition')
  const manifest = blob.subarray(at, at + length)
  equal(digestOf(manifest), annotations[ZSTD_CHUNKED_ANNOTATIONS.manifestChecksum])
  equal(type, 1)
  const json = await unzstd(manifest)
  equal(json.length, size)
  const { version, entries, tarSplitDigest } = JSON.parse(json.toString()) as {
    version: number
    entries: Row[]
    tarSplitDigest: string
  }
  equal(version, 1)
  const [splitAt = 0, splitLength = 0, splitSize = 0] = numbers('tarSplitPosition')
  const compressed = blob.subarray(splitAt, splitAt + splitLength)
  equal(digestOf(compressed), tarSplitDigest)
  const tarSplit = await unzstd(compressed)
  equal(tarSplit.length, splitSize)
  return { rows: entries, tarSplit }
}

/** One file by its frames, each verified; holes are not read. */
async function readFile(blob: Buffer, rows: readonly Row[], name: string): Promise<Buffer> {
  const first = rows.findIndex((row) => row.name === name)
  const file = rows[first]!
  let count = 1
  while (rows[first + count]?.type === 'chunk') count++
  const found: Buffer[] = []
  for (let at = first; at < first + count; at++) {
    const row = rows[at]!
    const end = at === first + count - 1 ? file.endOffset! : rows[at + 1]!.offset!
    const length = row.chunkSize ?? file.size!
    const bytes =
      row.chunkType === 'zeros' ? Buffer.alloc(length) : await unzstd(blob.subarray(row.offset, end))
    equal(bytes.length, length)
    equal(digestOf(bytes), row.chunkDigest)
    found.push(bytes)
  }
  const whole = Buffer.concat(found)
  equal(digestOf(whole), file.digest)
  return whole
}

const ENTRIES: readonly Entry[] = [
  directory('', { mode: 0o755 }),
  directory('d', { mode: 0o2750, mtime: 1_600_000_000, uid: 1000, gid: 3_000_000 }),
  marker('d/.wh.gone'),
  file('d/plain', 'content', { mode: 0o4755, mtime: 1_700_000_000 }),
  file('d/empty', ''),
  file('d/large', 'large '.repeat(5000)),
  file('d/holes', `begin${'\0'.repeat(20_000)}end`),
  file('d/blocks', 'x'.repeat(1024)),
  file('d/é', 'utf-8'),
  file(`d/${'long-'.repeat(40)}`, 'long', { xattrs: new Map([['user.a', Uint8Array.of(0xff, 0)]]) }),
  hardlink('d/same', 'd/plain'),
  symlink('d/symlink', '../target'),
  createEntry({ path: 'd/tty', type: 'char', devMajor: 5, devMinor: 1 }),
  createEntry({ path: 'd/pipe', type: 'fifo' }),
]

t.test('T1: a zstd:chunked layer is a zstd file of the archive that pack makes', async (t) => {
  const archive = await collect(pack(Tree.from(ENTRIES)))
  const layer = await packed(ENTRIES)
  t.equal(layer.descriptor.digest, digestOf(layer.blob))
  t.equal(layer.descriptor.size, layer.blob.length)
  t.equal(layer.descriptor.mediaType, 'application/vnd.oci.image.layer.v1.tar+zstd')
  t.equal(layer.diffID, digestOf(archive), 'the diffID is not another')
  t.equal(layer.size, archive.length)
  t.equal(layer.entries, ENTRIES.length)
  t.match(layer.encoder, /^zstd:chunked chunk=4194304 zstd level=3 /)
  t.ok((await unzstd(layer.blob)).equals(archive))
  t.equal((await fromTar(bytesSource(await unzstd(layer.blob)))).size, ENTRIES.length)
  const empty = await packed([])
  t.equal(empty.diffID, digestOf(await collect(pack(Tree.from([])))), 'an empty one too')
})

t.test('zstd and GNU tar read it', { skip: needs('GNU tar', 'zstd') }, async (t) => {
  const { blob } = await packed(ENTRIES, { chunkSize: 1000 })
  const names = execFileSync('sh', ['-c', 'zstd -dc | tar -t --quoting-style=literal'], {
    input: blob,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
  t.equal(names.trimEnd().split('\n').length, ENTRIES.length)
})

t.test('three skippable frames end it: table, skeleton, footer', async (t) => {
  const layer = await packed(ENTRIES)
  const { blob } = layer
  const numbers = Object.values(ZSTD_CHUNKED_ANNOTATIONS)
    .slice(1)
    .flatMap((name) => layer.descriptor.annotations![name]!.split(':').map(BigInt))
  const footer = blob.subarray(-64)
  t.equal(footer.toString('latin1', 56), 'GNUlInUx')
  t.strictSame(
    Array.from({ length: 7 }, (_, index) => footer.readBigUInt64LE(index * 8)),
    numbers,
    'the footer says what the annotations say',
  )
  const [manifestAt = 0, manifestLength = 0, , , tarSplitAt = 0, tarSplitLength = 0] = numbers.map(Number)
  for (const [at, length] of [
    [manifestAt, manifestLength],
    [tarSplitAt, tarSplitLength],
    [blob.length - 64, 64],
  ] as const) {
    t.equal(blob.readUInt32LE(at - 8), 0x184d2a50)
    t.equal(blob.readUInt32LE(at - 4), length)
  }
  t.equal(manifestAt + manifestLength + 8, tarSplitAt)
  t.equal(tarSplitAt + tarSplitLength + 8, blob.length - 64)
})

t.test('the table says what the archive says', async (t) => {
  const { rows } = await readTables(await packed(ENTRIES))
  const row = (name: string): Row | undefined => rows.find((each) => each.name === name)
  t.equal(rows.length, ENTRIES.length)
  t.match(row('./'), { type: 'dir' })
  t.match(row('d/'), {
    type: 'dir',
    mode: 0o2750,
    uid: 1000,
    gid: 3_000_000,
    modtime: '2020-09-13T12:26:40Z',
  })
  t.match(row('d/plain'), { type: 'reg', mode: 0o4755, size: 7, digest: digestOf(Buffer.from('content')) })
  t.notOk('digest' in row('d/empty')!, 'an empty file has no digest')
  t.notOk('chunkType' in row('d/holes')!, 'nor a file of one chunk a type')
  t.match(row('d/same'), { type: 'hardlink', linkName: 'd/plain' })
  t.match(row('d/symlink'), { type: 'symlink', linkName: '../target' })
  t.match(row('d/tty'), { type: 'char', devMajor: 5, devMinor: 1 })
  t.strictSame(row(`d/${'long-'.repeat(40)}`)!['xattrs'], { 'user.a': '/wA=' })
})

t.test('one file is read by offset, chunk by chunk, and zeros are not fetched', async (t) => {
  const layer = await packed(ENTRIES, { chunkSize: 1000 })
  const { rows } = await readTables(layer)
  t.equal((await readFile(layer.blob, rows, 'd/large')).toString(), 'large '.repeat(5000))
  t.equal((await readFile(layer.blob, rows, 'd/plain')).toString(), 'content')
  const holes = await readFile(layer.blob, rows, 'd/holes')
  t.equal(holes.toString(), `begin${'\0'.repeat(20_000)}end`)
  const first = rows.findIndex(({ name }) => name === 'd/holes')
  t.strictSame(
    rows.slice(first, first + 21).map(({ type, chunkType, chunkSize }) => [type, chunkType, chunkSize]),
    Array.from({ length: 21 }, (_, index) => [
      index === 0 ? 'reg' : 'chunk',
      index === 0 || index === 20 ? undefined : 'zeros',
      index === 20 ? 8 : 1000,
    ]),
  )
})

t.test('the skeleton is that of the archive, and makes it again', async (t) => {
  const archive = await collect(pack(Tree.from(ENTRIES)))
  const layer = await packed(ENTRIES, { chunkSize: 1000 })
  const { rows, tarSplit } = await readTables(layer)
  t.equal(tarSplit.toString(), (await collect(formatTarSplit(splitTar([archive])))).toString())
  const joined = joinTar(parseTarSplit([tarSplit]), ({ path }) =>
    streamSource(async function* () {
      yield await readFile(layer.blob, rows, path)
    }),
  )
  t.ok((await collect(joined)).equals(archive))
})

t.test(
  'the bytes do not depend on how many parts are compressed at a time, or how contents are cut',
  async (t) => {
    const body = Buffer.from('0123456789'.repeat(3000))
    const cut = (size: number): ByteSource =>
      streamSource(function* () {
        for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
      }, body.length)
    const digests = new Set<string>()
    for (const [inFlight, size] of [
      [1, 100_000],
      [2, 777],
      [7, 1000],
      [64, 9999],
    ] as const) {
      const entries = Array.from({ length: 5 }, (_, index) =>
        createEntry({ path: `f${index}`, type: 'file', content: cut(size + index) }),
      )
      digests.add((await packed(entries, { inFlight, chunkSize: 5000 })).descriptor.digest)
    }
    t.equal(digests.size, 1)
  },
)

t.test('the portable encoder gives a layer too', async (t) => {
  const layer = await packed(ENTRIES, { encoder: 'portable', level: 1 })
  const { rows } = await readTables(layer)
  t.equal((await readFile(layer.blob, rows, 'd/large')).toString(), 'large '.repeat(5000))
  t.equal(layer.diffID, (await packed(ENTRIES)).diffID)
  t.match(layer.encoder, /zstd-codec/)
})

t.test('many headers do not pile up, nor a long table', async (t) => {
  const entries = Array.from({ length: 8000 }, (_, index) => directory(`d${index}-${'x'.repeat(90)}`))
  const layer = await packed([...entries, file('z', 'last')])
  const { rows, tarSplit } = await readTables(layer)
  t.ok(tarSplit.length > 4 * 1024 * 1024, 'more than one frame takes')
  t.equal((await readFile(layer.blob, rows, 'z')).toString(), 'last')
  t.equal(digestOf(await unzstd(layer.blob)), layer.diffID)
})

t.test('random trees: every file is found and verified', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.record({
          path: fc.stringMatching(/^[a-z\u00e9]{1,12}(\/[a-z]{1,120})?$/),
          body: fc.uint8Array({ maxLength: 3000, max: 3 }),
        }),
        { selector: ({ path }) => path.split('/')[0], maxLength: 4 },
      ),
      fc.integer({ min: 300, max: 1500 }),
      async (files, chunkSize) => {
        const entries = files.map(({ path, body }) =>
          createEntry({ path, type: 'file', content: bytesSource(body) }),
        )
        const layer = await packed(entries, { chunkSize })
        const archive = await collect(pack(Tree.from(entries)))
        t.equal(layer.diffID, digestOf(archive))
        const { rows, tarSplit } = await readTables(layer)
        t.equal(tarSplit.toString(), (await collect(formatTarSplit(splitTar([archive])))).toString())
        for (const { path, body } of files) {
          if (body.length > 0) t.ok((await readFile(layer.blob, rows, path)).equals(body), path)
        }
      },
    ),
    { numRuns: 15 },
  )
})

t.test('what cannot be written is refused', async (t) => {
  const refused = [
    ['a name that is not UTF-8', file('\udcff', 'x'), 'ERR_LAYER_UNSUPPORTED'],
    ['the year -1', file('f', 'x', { mtime: -62_167_219_201 }), 'ERR_LAYER_UNSUPPORTED'],
    ['a file without content', createEntry({ path: 'f', type: 'file', size: 1 }), 'ERR_LAYER_ENTRY'],
    ['T29, D24: a real file named like a whiteout', file('.wh.f', 'x'), 'ERR_LAYER_WHITEOUT'],
    ['a content that is too short', file('f', 'short', { size: 6 }), 'ERR_LAYER_CHANGED'],
    ['a content that is too long', file('f', 'long', { size: 3 }), 'ERR_LAYER_CHANGED'],
  ] as const
  for (const [why, entry, code] of refused)
    await t.rejects(packed([entry]), { name: 'LayerError', code }, why)
  for (const options of [{ chunkSize: 0 }, { chunkSize: 2 ** 23 + 1 }, { level: 0 }])
    await t.rejects(packed([], options), TypeError, JSON.stringify(options))
})

t.test('an abort ends it with the reason', async (t) => {
  const reason = new Error('enough')
  await t.rejects(packed(ENTRIES, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const entry = createEntry({
    path: 'f',
    type: 'file',
    size: 1e9,
    content: streamSource(function* () {
      for (;;) {
        yield new Uint8Array(1000)
        controller.abort(reason)
      }
    }),
  })
  await t.rejects(packed([entry], { signal: controller.signal }), reason)
})
