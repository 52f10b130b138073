/**
 * eStargz layers, read by everyone as gzip, and by offset as what they are.
 *
 * @module
 */
import { type ByteSource, bytesSource, digestOf, streamSource } from '@varve/digest'
import { execFileSync } from 'node:child_process'
import { gunzipSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { createEntry, type Entry, fromTar, type PackedLayer, Tree } from '../src/index.ts'
import { decompress } from '../src/compression/decompress.ts'
import { ESTARGZ_ANNOTATIONS, type EstargzOptions, packEstargz } from '../src/seekable/estargz.ts'
import { collect, directory, file, hardlink, marker, symlink } from './archive.ts'
import { needs } from './peers.ts'

interface Row {
  readonly name: string
  readonly type: string
  readonly size?: number
  readonly offset?: number
  readonly chunkOffset?: number
  readonly chunkSize?: number
  readonly chunkDigest?: string
  readonly digest?: string
  readonly [key: string]: unknown
}

async function packed(
  entries: Iterable<Entry>,
  options: EstargzOptions = {},
): Promise<PackedLayer & { readonly blob: Buffer }> {
  const chunks: Uint8Array[] = []
  const layer = await packEstargz(Tree.from(entries), { write: (chunk) => void chunks.push(chunk) }, options)
  return { ...layer, blob: Buffer.concat(chunks) }
}

/** Footer, then table, as a client does that has nothing but ranges. */
function readTable(blob: Buffer): {
  readonly json: Buffer
  readonly rows: readonly Row[]
  readonly offset: number
} {
  const footer = blob.subarray(-51)
  if (footer.toString('latin1', 12, 14) !== 'SG') throw new Error('not a footer')
  const text = footer.toString('latin1', 16, 38)
  if (!text.endsWith('STARGZ')) throw new Error('not a footer')
  const offset = Number.parseInt(text.slice(0, 16), 16)
  const archive = gunzipSync(blob.subarray(offset, -51))
  const name = archive.toString('latin1', 0, archive.indexOf(0))
  if (name !== 'stargz.index.json') throw new Error(`not a table: ${name}`)
  const json = archive.subarray(512, 512 + Number.parseInt(archive.toString('latin1', 124, 135), 8))
  const { version, entries } = JSON.parse(json.toString()) as { version: number; entries: Row[] }
  if (version !== 1) throw new Error('not version 1')
  return { json, rows: entries, offset }
}

/** One file by its chunks, each verified; the gzip members before and after are not read. */
function readFile(blob: Buffer, name: string): Buffer {
  const { rows, offset: end } = readTable(blob)
  const first = rows.findIndex((row) => row.name === name)
  const file = rows[first]!
  const offsets = [...rows.flatMap(({ offset }) => (offset === undefined ? [] : [offset])), end]
  const found: Buffer[] = []
  for (let at = first; at === first || rows[at]?.type === 'chunk'; at++) {
    const row = rows[at]!
    const start = row.chunkOffset ?? 0
    const length = row.chunkSize ?? file.size! - start
    const next = Math.min(...offsets.filter((each) => each > row.offset!))
    const bytes = gunzipSync(blob.subarray(row.offset, next)).subarray(0, length)
    if (digestOf(bytes) !== row.chunkDigest) throw new Error(`another chunk of ${name} at ${start}`)
    found.push(bytes)
  }
  const whole = Buffer.concat(found)
  if (digestOf(whole) !== file.digest) throw new Error(`another ${name}`)
  return whole
}

const ENTRIES: readonly Entry[] = [
  directory('', { mode: 0o755 }),
  directory('d', { mode: 0o2750, mtime: 1_600_000_000, uid: 1000, gid: 3_000_000 }),
  marker('d/.wh.gone'),
  file('d/plain', 'content', { mode: 0o4755, mtime: 1_700_000_000 }),
  file('d/empty', ''),
  file('d/large', 'large '.repeat(5000)),
  file('d/é', 'utf-8'),
  file(`d/${'long-'.repeat(40)}`, 'long', {
    xattrs: new Map([
      ['user.b', Uint8Array.of(0xff, 0)],
      ['user.a', Uint8Array.of()],
    ]),
  }),
  hardlink('d/same', 'd/plain'),
  symlink('d/symlink', '../target'),
  createEntry({ path: 'd/tty', type: 'char', devMajor: 5, devMinor: 1 }),
  createEntry({ path: 'd/pipe', type: 'fifo' }),
]

t.test('T1: an eStargz layer is a gzip file of a tar', async (t) => {
  const layer = await packed(ENTRIES)
  const archive = gunzipSync(layer.blob)
  t.equal(layer.descriptor.digest, digestOf(layer.blob))
  t.equal(layer.descriptor.size, layer.blob.length)
  t.equal(layer.descriptor.mediaType, 'application/vnd.oci.image.layer.v1.tar+gzip')
  t.equal(layer.diffID, digestOf(archive))
  t.equal(layer.size, archive.length)
  t.equal(layer.entries, ENTRIES.length + 2)
  t.match(layer.encoder, /^estargz chunk=4194304 gzip level=6 /)
  t.ok((await collect(decompress([layer.blob]))).equals(archive), 'our own reader takes it')
  const tree = await fromTar(bytesSource(archive))
  t.strictSame(
    [...tree].map(({ path }) => path).filter((path) => path.startsWith('d')),
    [...Tree.from(ENTRIES)].map(({ path }) => path).filter((path) => path !== ''),
  )
  t.equal((await collect(tree.get('d/large')!.content!.open())).toString(), 'large '.repeat(5000))
})

t.test('gzip and GNU tar read an eStargz layer', { skip: needs('GNU tar', 'gzip') }, async (t) => {
  const { blob } = await packed(ENTRIES)
  const names = execFileSync('sh', ['-c', 'gzip -dc | tar -t --quoting-style=literal'], {
    input: blob,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
  const found = names.trimEnd().split('\n')
  t.equal(found[0], '.no.prefetch.landmark')
  t.equal(found.at(-1), 'stargz.index.json', 'the table is the last file')
  t.equal(found.length, ENTRIES.length + 2)
  t.ok(found.includes('d/é'))
})

t.test('the table says what the archive says', async (t) => {
  const layer = await packed(ENTRIES)
  const { rows, json } = readTable(layer.blob)
  t.strictSame(layer.descriptor.annotations, {
    [ESTARGZ_ANNOTATIONS.tocDigest]: digestOf(json),
    [ESTARGZ_ANNOTATIONS.uncompressedSize]: String(layer.size),
  })
  const row = (name: string): Row | undefined => rows.find((each) => each.name === name)
  t.strictSame(row('d/'), {
    type: 'dir',
    name: 'd/',
    mode: 0o2750,
    uid: 1000,
    gid: 3_000_000,
    modtime: '2020-09-13T12:26:40Z',
  })
  t.match(row('./'), { type: 'dir', mode: 0o755 })
  t.match(row('d/plain'), { type: 'reg', mode: 0o4755, size: 7, digest: digestOf(Buffer.from('content')) })
  t.notOk('chunkSize' in row('d/plain')!, 'a file of one chunk states no chunk size')
  t.strictSame(row('d/empty'), {
    type: 'reg',
    name: 'd/empty',
    mode: 0o644,
    uid: 0,
    gid: 0,
    modtime: '1970-01-01T00:00:00Z',
  })
  t.match(row('d/.wh.gone'), { type: 'reg' })
  t.match(row('d/same'), { type: 'hardlink', linkName: 'd/plain' })
  t.match(row('d/symlink'), { type: 'symlink', linkName: '../target' })
  t.match(row('d/tty'), { type: 'char', devMajor: 5, devMinor: 1 })
  t.match(row('d/pipe'), { type: 'fifo' })
  t.strictSame(row(`d/${'long-'.repeat(40)}`)!['xattrs'], { 'user.a': '', 'user.b': '/wA=' })
  t.equal(rows.length, ENTRIES.length + 1, 'every member but the table itself')
})

t.test('one file is read by offset, chunk by chunk', async (t) => {
  const chunkSize = 1000
  const { blob } = await packed(ENTRIES, { chunkSize })
  const { rows } = readTable(blob)
  const first = rows.findIndex(({ name }) => name === 'd/large')
  const chunks = rows.slice(first, first + 30)
  t.strictSame(
    chunks.map(({ type, chunkOffset, chunkSize: size }) => [type, chunkOffset, size]),
    Array.from({ length: 30 }, (_, index) => [
      index === 0 ? 'reg' : 'chunk',
      index === 0 ? undefined : index * chunkSize,
      index === 29 ? undefined : chunkSize,
    ]),
  )
  t.equal(readFile(blob, 'd/large').toString(), 'large '.repeat(5000))
  for (const name of ['d/plain', 'd/é', '.no.prefetch.landmark'])
    t.equal(readFile(blob, name).length, rows.find((row) => row.name === name)!.size, name)
  t.strictSame(readFile(blob, '.no.prefetch.landmark'), Buffer.of(0xf))
})

t.test('gzip members begin where the format says, and nowhere else', async (t) => {
  const { blob } = await packed(ENTRIES, { chunkSize: 10_000 })
  const { rows, offset } = readTable(blob)
  const stated = [0, ...rows.flatMap((row) => (row.offset === undefined ? [] : [row.offset])), offset]
  const found: number[] = []
  for (let at = 0; at < blob.length - 51; at += memberLength(blob.subarray(at))) found.push(at)
  t.strictSame(found, stated)
})

/** Bytes of the first gzip member: our header, what a raw inflate takes, and the trailer. */
function memberLength(blob: Buffer): number {
  const { engine } = inflateRawSync(blob.subarray(10), { info: true }) as unknown as {
    readonly engine: { readonly bytesWritten: number }
  }
  return 10 + engine.bytesWritten + 8
}

t.test('prioritized files come first, with all they need, and then the landmark', async (t) => {
  const entries = [
    ...ENTRIES,
    marker('d/.wh.large'),
    directory('e'),
    marker('e/.wh..wh..opq'),
    file('e/x', 'x'),
  ]
  const { blob, entries: count } = await packed(entries, {
    prioritized: ['/d/same', 'e/x', 'not/here', './d/large', 'd/same', 'd/.wh.gone', 'stargz.index.json'],
  })
  const names = readTable(blob)
    .rows.filter(({ type }) => type !== 'chunk')
    .map(({ name }) => name)
  t.strictSame(names.slice(0, 12), [
    './',
    'd/',
    'd/plain',
    'd/same',
    'e/',
    'e/.wh..wh..opq',
    'e/x',
    'd/.wh.large',
    'd/large',
    'd/.wh.gone',
    '.prefetch.landmark',
    'd/empty',
  ])
  t.equal(new Set(names).size, names.length, 'none twice')
  t.equal(count, entries.length + 2)
  t.equal(readFile(blob, 'd/large').toString(), 'large '.repeat(5000))
  const none = await packed(entries, { prioritized: ['not/here'] })
  t.equal(readTable(none.blob).rows[0]!.name, '.no.prefetch.landmark', 'none of them is here')
})

t.test('hard links in a circle do not keep it from ending', async (t) => {
  const { blob } = await packed([hardlink('a', 'b'), hardlink('b', 'a')], { prioritized: ['a'] })
  t.strictSame(
    readTable(blob).rows.map(({ name }) => name),
    ['b', 'a', '.prefetch.landmark'],
  )
})

t.test('a layer that was an eStargz layer gets a new table and landmark', async (t) => {
  const once = await packed(ENTRIES, { prioritized: ['d/plain'] })
  const tree = await fromTar(bytesSource(gunzipSync(once.blob)))
  t.ok(tree.has('stargz.index.json'))
  const again = await packed(tree)
  t.equal(again.diffID, (await packed(ENTRIES)).diffID)
  t.equal(again.entries, ENTRIES.length + 2)
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
      [16, 4096],
    ] as const) {
      const entries = Array.from({ length: 20 }, (_, index) =>
        createEntry({ path: `f${index}`, type: 'file', content: cut(size + index) }),
      )
      digests.add((await packed(entries, { inFlight, chunkSize: 1000 })).descriptor.digest)
    }
    t.equal(digests.size, 1)
  },
)

t.test('the portable encoder gives a layer too', async (t) => {
  const portable = await packed(ENTRIES, { encoder: 'portable', level: 9 })
  t.equal(portable.diffID === (await packed(ENTRIES)).diffID, false, 'the table has other offsets')
  t.equal(readFile(portable.blob, 'd/large').toString(), 'large '.repeat(5000))
  t.match(portable.encoder, /fflate/)
})

t.test('many headers without a content do not pile up', async (t) => {
  const entries = Array.from({ length: 5000 }, (_, index) => directory(`d${index}`))
  const { blob } = await packed([...entries, file('z', 'last')], { chunkSize: 4096 })
  t.equal(readFile(blob, 'z').toString(), 'last')
  const starts: number[] = []
  for (let at = 0; at < blob.length - 51; at += memberLength(blob.subarray(at))) starts.push(at)
  t.equal(starts.length, 6, 'cut after a MiB: two pieces more than contents and table')
})

t.test('random trees: every file is found and verified', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.record({
          path: fc.stringMatching(/^[a-z\u00e9]{1,12}(\/[a-z]{1,120})?$/),
          body: fc.uint8Array({ maxLength: 3000 }),
        }),
        { selector: ({ path }) => path.split('/')[0], maxLength: 8 },
      ),
      fc.integer({ min: 1, max: 1500 }),
      async (files, chunkSize) => {
        const { blob, diffID } = await packed(
          files.map(({ path, body }) => createEntry({ path, type: 'file', content: bytesSource(body) })),
          { chunkSize, prioritized: files.slice(0, 2).map(({ path }) => path) },
        )
        t.equal(digestOf(gunzipSync(blob)), diffID)
        for (const { path, body } of files) {
          if (body.length > 0) t.ok(readFile(blob, path).equals(body), path)
        }
      },
    ),
    { numRuns: 25 },
  )
})

t.test('what cannot be written is refused', async (t) => {
  const refused = [
    ['a name that is not UTF-8', file('\udcff', 'x'), 'ERR_LAYER_UNSUPPORTED'],
    ['a target that is not UTF-8', symlink('s', '\udcff'), 'ERR_LAYER_UNSUPPORTED'],
    [
      'an attribute that is not UTF-8',
      file('f', 'x', { xattrs: new Map([['user.\udcff', Uint8Array.of()]]) }),
      'ERR_LAYER_UNSUPPORTED',
    ],
    ['the year 10000', file('f', 'x', { mtime: 253_402_300_800 }), 'ERR_LAYER_UNSUPPORTED'],
    ['a file without content', createEntry({ path: 'f', type: 'file', size: 1 }), 'ERR_LAYER_ENTRY'],
    ['T29, D24: a real file named like a whiteout', file('.wh.f', 'x'), 'ERR_LAYER_WHITEOUT'],
    ['T28: no valid whiteout', marker('.wh..'), 'ERR_LAYER_WHITEOUT'],
    ['a content that is too short', file('f', 'short', { size: 6 }), 'ERR_LAYER_CHANGED'],
    ['a content that is too long', file('f', 'long', { size: 3 }), 'ERR_LAYER_CHANGED'],
  ] as const
  for (const [why, entry, code] of refused)
    await t.rejects(packed([entry]), { name: 'LayerError', code }, why)
  for (const options of [{ chunkSize: 0 }, { chunkSize: 1.5 }, { chunkSize: 2 ** 24 }, { level: 10 }])
    await t.rejects(packed([], options), TypeError, JSON.stringify(options))
})

t.test('nanoseconds stand in the table as in the archive', async (t) => {
  const { blob } = await packed([file('f', 'x', { mtime: -1, mtimeNs: 5_000_000 })], { nanoseconds: true })
  t.equal(readTable(blob).rows[1]!['modtime'], '1969-12-31T23:59:59.005000000Z')
})

t.test('an abort ends it with the reason, and closes what is open', async (t) => {
  const reason = new Error('enough')
  await t.rejects(packed(ENTRIES, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  let closed = false
  const endless: ByteSource = {
    size: 1e9,
    async *open() {
      try {
        for (;;) {
          yield new Uint8Array(1000)
          controller.abort(reason)
        }
      } finally {
        closed = true
      }
    },
  }
  const entry = createEntry({ path: 'f', type: 'file', content: endless })
  await t.rejects(packed([entry], { signal: controller.signal }), reason)
  t.ok(closed)
  const full = new Error('the disk is full')
  const sink = {
    write: () => {
      throw full
    },
  }
  await t.rejects(packEstargz(Tree.from(ENTRIES), sink), full, 'a sink that fails')
})
