/**
 * Archives taken apart and made again, byte for byte.
 *
 * @module
 */
import { type ByteSource, bytesSource, digestOf } from '@varve/digest'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createEntry, type Entry, fromTar, pack, Tree } from '../src/index.ts'
import { Crc64 } from '../src/tar-split/crc64.ts'
import { formatTarSplit, parseTarSplit } from '../src/tar-split/format.ts'
import { joinTar } from '../src/tar-split/join.ts'
import { rewriteTar, type TarEdit } from '../src/tar-split/rewrite.ts'
import { splitTar, type TarContent, type TarPart } from '../src/tar-split/split.ts'
import {
  archive,
  base256,
  collect,
  directory,
  END,
  file,
  gnuLong,
  hardlink,
  member,
  pax,
  pieces,
} from './archive.ts'
import { needs, type Peer } from './peers.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

async function parts(chunks: AsyncIterable<TarPart> | Iterable<TarPart>): Promise<TarPart[]> {
  const found: TarPart[] = []
  for await (const part of chunks) found.push(part)
  return found
}

/** Contents by path, as a tree made of the archive knows them. */
async function contents(bytes: Uint8Array): Promise<(content: TarContent) => ByteSource | undefined> {
  const tree = await fromTar(bytesSource(bytes))
  return ({ path }) => tree.get(path)?.content
}

/** Through the stored form and back, in pieces of any size. */
async function rejoined(bytes: Uint8Array, size = 65_536): Promise<Buffer> {
  const stored = await collect(formatTarSplit(splitTar(pieces(bytes, size))))
  return collect(joinTar(parseTarSplit(pieces(stored, size)), await contents(bytes)))
}

async function same(t: Test, bytes: Uint8Array, name: string, size?: number): Promise<void> {
  t.equal(digestOf(await rejoined(bytes, size)), digestOf(bytes), name)
}

t.test('Crc64 is the checksum of ISO 3309', async (t) => {
  // The published check value, and what Go's hash/crc64 gives with its table ISO.
  const vectors = [
    ['', '0000000000000000'],
    ['a', '3420000000000000'],
    ['123456789', 'b90956c775a41001'],
  ] as const
  for (const [text, expected] of vectors) {
    const whole = new Crc64()
    whole.update(utf8(text))
    t.equal(whole.hex(), expected, JSON.stringify(text))
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.nat(64), async (bytes, at) => {
      const whole = new Crc64()
      whole.update(bytes)
      const cut = new Crc64()
      cut.update(bytes.subarray(0, at))
      cut.update(bytes.subarray(at))
      t.equal(cut.hex(), whole.hex())
      t.equal(whole.hex(), slowCrc64(bytes))
    }),
  )
})

/** Bit by bit, with integers of any size. */
function slowCrc64(bytes: Uint8Array): string {
  let register = 0xffff_ffff_ffff_ffffn
  for (const byte of bytes) {
    register ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) {
      register = (register & 1n) === 1n ? (register >> 1n) ^ 0xd800_0000_0000_0000n : register >> 1n
    }
  }
  return (register ^ 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, '0')
}

t.test('splitTar gives one literal before each content, and the end', async (t) => {
  const bytes = archive(
    member({ name: 'd/', type: '5' }),
    pax([['path', 'd/long']]),
    member({ name: 'd/f', body: 'content' }),
    member({ name: 'd/l', type: '1', linkname: 'd/long' }),
  )
  const found = await parts(splitTar([bytes]))
  t.strictSame(
    found.map((part) =>
      part.type === 'literal' ? part.bytes.byteLength : [part.path, part.size, part.crc64],
    ),
    [
      512,
      ['d', 0, undefined],
      1536,
      ['d/long', 7, slowCrc64(utf8('content'))],
      505 + 512,
      ['d/l', 0, undefined],
      1024,
    ],
  )
})

const WRITERS: readonly (readonly [name: string, command: readonly string[]])[] = [
  ...['gnu', 'posix', 'oldgnu', 'ustar', 'v7'].map(
    (format) => [`GNU tar, ${format}`, ['tar', `--format=${format}`, '-cf']] as const,
  ),
  ['GNU tar, sparse in the old format', ['tar', '--format=gnu', '--sparse', '-cf']],
  ...['0.0', '0.1', '1.0'].map(
    (version) =>
      [
        `GNU tar, sparse ${version}`,
        ['tar', '--format=posix', '--sparse', `--sparse-version=${version}`, '-cf'],
      ] as const,
  ),
  [
    'GNU tar, a label and a large record',
    ['tar', '--format=posix', '--pax-option=globexthdr.name=g,comment=x', '-b', '64', '-cf'],
  ],
  ['bsdtar, pax', ['bsdtar', '--format=pax', '-cf']],
  ['bsdtar, gnutar', ['bsdtar', '--format=gnutar', '-cf']],
  ['bsdtar, ustar', ['bsdtar', '--format=ustar', '-cf']],
  ...['PAX', 'GNU', 'USTAR'].map(
    (format) =>
      [
        `Python, ${format}`,
        [
          'python3',
          '-c',
          `import sys, tarfile; t = tarfile.open(sys.argv[1], 'w', format=tarfile.${format}_FORMAT); t.add(sys.argv[3], '.'); t.close()`,
        ],
      ] as const,
  ),
]

const PEERS = new Map<string, Peer>([
  ['tar', 'GNU tar'],
  ['bsdtar', 'bsdtar'],
  ['python3', 'Python'],
])

for (const [name, [tool, ...args]] of WRITERS) {
  t.test(`an archive of ${name} survives`, { skip: needs(PEERS.get(tool!)!) }, async (t) => {
    const base = t.testdir({ in: {} })
    fill(join(base, 'in'), !/ustar|v7|USTAR/.test(name))
    const tar = join(base, 'x.tar')
    const env = { ...process.env, LC_ALL: 'C.UTF-8' }
    execFileSync(tool!, [...args, tar, '-C', join(base, 'in'), '.'], {
      env,
      stdio: 'ignore',
      cwd: join(base, 'in'),
    })
    const bytes = readFileSync(tar)
    await same(t, bytes, 'through JSON')
    await same(t, bytes, 'in odd pieces', 777)
    t.equal(
      digestOf(await collect(rewriteTar(pieces(bytes, 999), {}))),
      digestOf(bytes),
      'and a rewrite that changes nothing',
    )
  })
}

function fill(root: string, long: boolean): void {
  mkdirSync(join(root, 'd'))
  writeFileSync(join(root, 'd/file'), 'content'.repeat(1000), { mode: 0o640 })
  writeFileSync(join(root, 'd/empty'), '')
  if (long) writeFileSync(join(root, `d/${'n'.repeat(150)}`), 'long')
  if (long) writeFileSync(join(root, 'd/é'), 'utf-8')
  symlinkSync('target', join(root, 'd/link'))
  linkSync(join(root, 'd/file'), join(root, 'd/same'))
  writeFileSync(join(root, 'd/sparse'), 'start')
  truncateSync(join(root, 'd/sparse'), 200_000)
  writeFileSync(join(root, 'd/sparse'), 'middle', { flag: 'a' })
  truncateSync(join(root, 'd/sparse'), 400_000)
}

/** What node-tar writes: PAX with times to the millisecond, names and device numbers in every header. */
const NODE_TAR = archive(
  pax(
    [
      ['ctime', '1700000000.123'],
      ['atime', '1700000000.123'],
      ['SCHILY.dev', '64768'],
      ['SCHILY.ino', '1234'],
      ['SCHILY.nlink', '1'],
    ],
    { name: 'PaxHeader/package.json', mode: '000644 \0', uid: '001750 \0', gid: '001750 \0' },
  ),
  member({
    name: 'package/package.json',
    mode: '000644 \0',
    uid: '001750 \0',
    mtime: '14500000000 ',
    body: '{"name":"x"}',
  }),
)

t.test('archives made by hand survive', async (t) => {
  const body = 'x'.repeat(1000)
  const cases: readonly (readonly [name: string, bytes: Uint8Array])[] = [
    ['no byte at all', new Uint8Array()],
    ['nothing but an end', END],
    ['node-tar style', NODE_TAR],
    ['B19: no end marker', member({ body })],
    ['no padding after the last content', member({ body }).subarray(0, 1512)],
    ['half an end marker', Buffer.concat([member({ body }), Buffer.alloc(512)])],
    ['B16: junk after the end', Buffer.concat([archive(member({ body })), Buffer.from('junk'.repeat(999))])],
    ['B16: megabytes after the end', Buffer.concat([archive(member({ body })), Buffer.alloc(2_500_000, 1)])],
    ['an archive after the end', Buffer.concat([archive(member({ body })), archive(member({ body }))])],
    [
      'padding that is not zero',
      archive(Buffer.concat([member({ body }).subarray(0, 1512), Buffer.alloc(24, 7)])),
    ],
    ['GNU long names', archive(gnuLong('L', 'l'.repeat(300)), member({ body }))],
    ['a global header', archive(pax([['comment', 'c']], { type: 'g' }), member({ body }))],
    ['an extended header without a member', archive(member({ body }), pax([['path', 'nothing']]))],
    ['a size in base 256', archive(member({ size: base256(1000n, 12), body }))],
    ['names that are not UTF-8', archive(member({ name: Buffer.from('a\xffb', 'latin1'), body }))],
    [
      'a hard link that states a size',
      archive(member({ body }), member({ name: 'h', type: '1', linkname: 'name', size: 512 })),
    ],
    [
      'a long extended header',
      archive(
        pax([['comment', 'c'.repeat(1_000_000)]]),
        pax([['comment', 'c'.repeat(999_999)]]),
        member({ body }),
      ),
    ],
  ]
  for (const [name, bytes] of cases) {
    for (const size of [65_536, bytes.length > 9999 ? 5000 : 100]) await same(t, bytes, name, size)
    t.equal(
      digestOf(await collect(rewriteTar(pieces(bytes, 1000), {}))),
      digestOf(bytes),
      `${name}, rewritten`,
    )
  }
})

t.test('of two members with one path each asks for its own content', async (t) => {
  const bytes = archive(member({ name: 'x', body: 'first' }), member({ name: './x', body: 'second' }))
  const found: string[] = ['first', 'second']
  const joined = joinTar(splitTar([bytes]), ({ path }) => {
    t.equal(path, 'x')
    return bytesSource(utf8(found.shift()!))
  })
  t.ok((await collect(joined)).equals(bytes))
})

t.test('archives that we pack survive', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.record({
          path: fc.stringMatching(/^[a-z\u00e9\udcff]{1,120}$/),
          body: fc.uint8Array({ maxLength: 1500 }),
          uid: fc.nat(2 ** 32 - 2),
        }),
        { selector: ({ path }) => path, maxLength: 8 },
      ),
      fc.uint8Array({ maxLength: 600 }),
      fc.integer({ min: 1, max: 2000 }),
      async (files, junk, size) => {
        const entries = files.map(({ path, body, uid }) =>
          createEntry({ path, type: 'file', uid, size: body.length, content: bytesSource(body) }),
        )
        const bytes = Buffer.concat([await collect(pack(Tree.from(entries))), junk])
        await same(t, bytes, 'a random archive', size)
      },
    ),
    { numRuns: 30 },
  )
})

t.test('a content that is not what it was is an error', async (t) => {
  const bytes = archive(member({ name: 'f', body: 'content' }))
  const join = (source: ByteSource | undefined): Promise<Buffer> =>
    collect(joinTar(splitTar([bytes]), async () => source))
  const cases = [
    ['missing', undefined, 'ERR_LAYER_ENTRY'],
    ['shorter', 'conten', 'ERR_LAYER_CHANGED'],
    ['longer', 'contents', 'ERR_LAYER_CHANGED'],
    ['empty', '', 'ERR_LAYER_CHANGED'],
    ['other', 'Content', 'ERR_LAYER_CHANGED'],
  ] as const
  for (const [why, body, code] of cases) {
    await t.rejects(join(body === undefined ? undefined : bytesSource(utf8(body))), { code, path: 'f' }, why)
  }
  t.ok((await join(bytesSource(utf8('content')))).equals(bytes))
})

t.test('the holes of a sparse file are not read', async (t) => {
  const bytes = archive(
    pax([
      ['GNU.sparse.size', '1000'],
      ['GNU.sparse.map', '10,5,500,7,1000,0'],
    ]),
    member({ name: 's', body: 'startmiddle1' }),
  )
  const skeleton = await parts(splitTar([bytes]))
  const content = skeleton.find((part) => part.type === 'content') as TarContent
  t.strictSame(content.sparse, [10, 5, 500, 7, 1000, 0])
  const whole = new Uint8Array(1000)
  whole.set(utf8('start'), 10)
  whole.set(utf8('middle1'), 500)
  const reads: unknown[] = []
  const source: ByteSource = {
    size: 1000,
    open: (options = {}) => {
      reads.push([options.start, options.end])
      return bytesSource(whole).open(options)
    },
  }
  t.ok((await collect(joinTar(skeleton, () => source))).equals(bytes))
  t.strictSame(reads, [
    [10, 15],
    [500, 507],
  ])
  await t.rejects(collect(joinTar(skeleton, () => bytesSource(whole.subarray(0, 506)))), {
    code: 'ERR_LAYER_CHANGED',
  })
})

t.test('the stored form is that of tar-split', async (t) => {
  const bytes = archive(
    member({ name: 'd/', type: '5' }),
    member({ name: 'f', body: 'content' }),
    member({ name: Buffer.from('\xff', 'latin1'), body: 'raw' }),
  )
  const lines = (await collect(formatTarSplit(splitTar([bytes])))).toString().trimEnd().split('\n')
  const found = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.strictSame(
    found.map(({ position }) => position),
    found.map((_, index) => index),
    'positions count the lines',
  )
  t.strictSame(
    found.filter(({ type }) => type === 1),
    [
      { type: 1, name: 'd', payload: null, position: 1 },
      {
        type: 1,
        name: 'f',
        size: 7,
        payload: Buffer.from(slowCrc64(utf8('content')), 'hex').toString('base64'),
        position: 3,
      },
      {
        type: 1,
        name_raw: '/w==',
        size: 3,
        payload: Buffer.from(slowCrc64(utf8('raw')), 'hex').toString('base64'),
        position: 5,
      },
    ],
  )
  t.equal(Buffer.from(found[0]!['payload'] as string, 'base64').length, 512)
})

t.test('parseTarSplit refuses what is no skeleton', async (t) => {
  const parse = (text: string, options = {}): Promise<TarPart[]> =>
    parts(parseTarSplit([utf8(text)], options))
  const literal = '{"type":2,"payload":"","position":0}'
  t.strictSame(await parse(''), [])
  t.equal((await parse(literal)).length, 1, 'the last line needs no end')
  t.equal((await parse('{"type":2,"payload":null,"position":0}\n')).length, 1, 'Go writes null for nothing')
  t.strictSame(
    await parse('{"type":1,"name":"./a//b/","payload":"AAAAAAAAAAA=","position":0,"unknown":1}\n'),
    [{ type: 'content', path: 'a/b', size: 0, crc64: undefined }],
    'names are cleaned, unknown fields ignored',
  )
  const refused = [
    ['no JSON', '{', 'ERR_LAYER_TAR'],
    ['an empty line', `\n${literal}`, 'ERR_LAYER_TAR'],
    ['no object', '7', 'ERR_LAYER_TAR'],
    ['null', 'null', 'ERR_LAYER_TAR'],
    ['a position left out', `${literal}\n${literal}`, 'ERR_LAYER_TAR'],
    ['an unknown type', '{"type":3,"payload":"","position":0}', 'ERR_LAYER_TAR'],
    ['a payload that is no string', '{"type":2,"payload":7,"position":0}', 'ERR_LAYER_TAR'],
    ['a payload that is not base64', '{"type":2,"payload":"_w","position":0}', 'ERR_LAYER_TAR'],
    [
      'a negative size',
      '{"type":1,"name":"x","size":-1,"payload":"AAAAAAAAAAA=","position":0}',
      'ERR_LAYER_TAR',
    ],
    [
      'a size that is text',
      '{"type":1,"name":"x","size":"1","payload":"AAAAAAAAAAA=","position":0}',
      'ERR_LAYER_TAR',
    ],
    ['no checksum', '{"type":1,"name":"x","size":1,"payload":"","position":0}', 'ERR_LAYER_TAR'],
    ['a short checksum', '{"type":1,"name":"x","size":0,"payload":"AAAA","position":0}', 'ERR_LAYER_TAR'],
    [
      'a long checksum',
      '{"type":1,"name":"x","size":0,"payload":"AAAAAAAAAAAAAAAAAAAAAA==","position":0}',
      'ERR_LAYER_TAR',
    ],
    ['a name that is a number', '{"type":1,"name":1,"payload":null,"position":0}', 'ERR_LAYER_TAR'],
    ['two names', '{"type":1,"name":"x","name_raw":"/w==","payload":null,"position":0}', 'ERR_LAYER_TAR'],
    ['half a character', '{"type":1,"name":"\\udcff","payload":null,"position":0}', 'ERR_LAYER_TAR'],
    [
      'a name that leaves the root',
      '{"type":1,"name":"../x","payload":null,"position":0}',
      'ERR_LAYER_UNSAFE',
    ],
    ['a name with a NUL', '{"type":1,"name":"a\\u0000","payload":null,"position":0}', 'ERR_LAYER_PATH'],
    [
      'a sparse map that is none',
      '{"type":1,"size":1,"payload":"AAAAAAAAAAA=","position":0,"sparse":[1]}',
      'ERR_LAYER_TAR',
    ],
    [
      'a sparse map of other bytes',
      '{"type":1,"size":1,"payload":"AAAAAAAAAAA=","position":0,"sparse":[0,2]}',
      'ERR_LAYER_TAR',
    ],
  ] as const
  for (const [why, text, code] of refused) await t.rejects(parse(text), { name: 'LayerError', code }, why)
  const limited = [
    ['lineBytes', `${' '.repeat(99)}${literal}`, { lineBytes: 99 }],
    ['entries', '{"type":1,"name":"x","payload":null,"position":0}', { limits: { entries: 0 } }],
    [
      'bytes',
      '{"type":1,"name":"x","size":9,"payload":"AAAAAAAAAAA=","position":0}',
      { limits: { bytes: 8 } },
    ],
    [
      'paxBytes',
      '{"type":1,"size":1,"payload":"AAAAAAAAAAA=","position":0,"sparse":[0,1]}',
      { limits: { paxBytes: 8 } },
    ],
  ] as const
  for (const [limit, text, options] of limited) {
    await t.rejects(parse(text, options), { code: 'ERR_LAYER_LIMIT', limit }, limit)
  }
})

t.test('parseTarSplit never fails with anything but a LayerError', async (t) => {
  const good = (await collect(formatTarSplit(splitTar([NODE_TAR])))).toString()
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length), fc.nat(20), fc.string(), async (at, cut, text) => {
      const bad = good.slice(0, at) + text + good.slice(at + cut)
      try {
        await parts(parseTarSplit([utf8(bad)]))
      } catch (error) {
        t.equal((error as Error).name, 'LayerError', (error as Error).message)
      }
    }),
  )
})

const MEMBERS = [
  member({ name: 'd/', type: '5' }),
  Buffer.concat([gnuLong('L', 'd/first'), member({ name: 'd/f', mtime: 7, body: 'first' })]),
  member({ name: 'd/second', body: 'second', patch: [[265, 'someone']] }),
  Buffer.concat([pax([['mtime', '5.5']]), member({ name: 'd/third', body: 'third' })]),
] as const

t.test('rewriteTar changes what is edited, and no other byte', async (t) => {
  const bytes = Buffer.concat([archive(...MEMBERS), Buffer.from('junk')])
  const tail = Buffer.concat([END, Buffer.from('junk')])
  const rewrite = (edit: TarEdit, size = 100): Promise<Buffer> =>
    collect(rewriteTar(pieces(bytes, size), edit))
  const only =
    (path: string, change: (entry: Entry) => Entry | undefined) =>
    (entry: Entry): Entry | undefined =>
      entry.path === path ? change(entry) : entry
  for (const size of [100, 65_536]) {
    t.ok(
      (await rewrite({ member: only('d/second', () => undefined) }, size)).equals(
        Buffer.concat([MEMBERS[0], MEMBERS[1], MEMBERS[3], tail]),
      ),
      'a member removed',
    )
    const other = file('d/second', 'another content', { mode: 0o600 })
    t.ok(
      (await rewrite({ member: only('d/second', () => other) }, size)).equals(
        Buffer.concat([MEMBERS[0], MEMBERS[1], await ours(other), MEMBERS[3], tail]),
      ),
      'a member replaced',
    )
    t.ok(
      (await rewrite({ member: only('d/first', (entry) => createEntry({ ...entry, uid: 5 })) }, size)).equals(
        Buffer.concat([
          MEMBERS[0],
          await ours(file('d/first', 'first', { uid: 5, mtime: 7 })),
          MEMBERS[2],
          MEMBERS[3],
          tail,
        ]),
      ),
      'a header replaced, its content kept',
    )
    t.ok(
      (await rewrite({ append: [directory('e'), file('e/new', 'new')] }, size)).equals(
        Buffer.concat([...MEMBERS, await ours(directory('e')), await ours(file('e/new', 'new')), tail]),
      ),
      'members added before the end',
    )
  }
  t.ok((await rewrite({ member: () => undefined })).equals(tail), 'all removed')
})

/** A member as we write it. */
async function ours(entry: Entry): Promise<Buffer> {
  const packed = await collect(pack(Tree.from([entry])))
  return packed.subarray(0, packed.length - 1024)
}

t.test('T18: rewriteTar keeps records without a meaning where it changes a member', async (t) => {
  const records = [
    ['MSWINDOWS.fileattr', '32'],
    ['SCHILY.xattr.user.x', Buffer.of(0xff, 0, 0x0a)],
  ] as const
  const bytes = archive(pax(records), member({ name: 'f', body: 'content' }))
  const changed = await collect(rewriteTar([bytes], { member: (entry) => createEntry({ ...entry, uid: 7 }) }))
  const entry = (await fromTar(bytesSource(changed))).get('f')!
  t.equal(entry.uid, 7)
  t.strictSame(
    [...entry.pax!].map(([key, value]) => [key, Buffer.from(value).toString()]),
    [['MSWINDOWS.fileattr', '32']],
  )
  t.ok(Buffer.from(entry.xattrs!.get('user.x')!).equals(Buffer.of(0xff, 0, 0x0a)))
})

t.test('rewriteTar pads a last content before it adds to an archive without an end', async (t) => {
  const bytes = member({ name: 'f', body: 'content' }).subarray(0, 519)
  const added = await collect(rewriteTar([bytes], { append: [file('g', 'more')] }))
  t.strictSame(
    [...(await fromTar(bytesSource(added)))].map(({ path }) => path),
    ['f', 'g'],
  )
})

t.test('rewriteTar keeps global headers of members it removes', async (t) => {
  const global = pax([['comment', 'commit']], { type: 'g' })
  const bytes = archive(
    global,
    pax([['mtime', '1']]),
    member({ name: 'f', body: 'x' }),
    member({ name: 'g' }),
  )
  t.ok(
    (
      await collect(rewriteTar([bytes], { member: (entry) => (entry.path === 'f' ? undefined : entry) }))
    ).equals(archive(global, member({ name: 'g' }))),
  )
})

t.test('rewriteTar refuses what it cannot do', async (t) => {
  const rewrite = (bytes: Uint8Array, edit: TarEdit, options = {}): Promise<Buffer> =>
    collect(rewriteTar(pieces(bytes, 500), edit, options))
  const plain = archive(member({ name: 'f', body: 'content' }))
  const change = (fields: Partial<Entry>): TarEdit => ({
    member: (entry) => createEntry({ ...entry, ...fields }),
  })
  const sparse = archive(
    pax([
      ['GNU.sparse.size', '9'],
      ['GNU.sparse.map', '0,7'],
    ]),
    member({ name: 's', body: 'content' }),
  )
  const owned = archive(pax([['uid', '5']], { type: 'g' }), member({ name: 'f', body: 'content' }))
  await t.rejects(
    rewrite(plain, change({ size: 6 })),
    { code: 'ERR_LAYER_CHANGED' },
    'another size for a kept content',
  )
  await t.rejects(
    rewrite(plain, change({ content: bytesSource(utf8('other')) })),
    { code: 'ERR_LAYER_CHANGED' },
    'a content that is too short',
  )
  await t.rejects(
    rewrite(plain, change({ content: bytesSource(utf8('much longer')) })),
    { code: 'ERR_LAYER_CHANGED' },
    'a content that is too long',
  )
  await t.rejects(
    rewrite(plain, { append: [createEntry({ path: 'n', type: 'file', size: 1 })] }),
    { code: 'ERR_LAYER_ENTRY' },
    'a new file without content',
  )
  await t.rejects(
    rewrite(plain, { append: [hardlink('h', '')] }),
    { code: 'ERR_LAYER_ENTRY' },
    'an entry no archive holds',
  )
  await t.rejects(
    rewrite(sparse, change({ uid: 1 })),
    { code: 'ERR_LAYER_UNSUPPORTED' },
    'a sparse content kept',
  )
  await t.rejects(
    rewrite(owned, change({ uid: 1 })),
    { code: 'ERR_LAYER_UNSUPPORTED' },
    'an owner for all members',
  )
  await t.rejects(rewrite(plain.subarray(0, 515), {}), { code: 'ERR_LAYER_TAR' }, 'a truncated archive')
  await t.rejects(
    rewrite(
      archive(...Array.from({ length: 30 }, () => pax([['comment', 'c']])), member({})),
      {},
      { limits: { paxBytes: 1024 } },
    ),
    { code: 'ERR_LAYER_LIMIT', limit: 'paxBytes' },
    'headers without end',
  )
})

t.test('an abort ends it with the reason', async (t) => {
  const reason = new Error('enough')
  const bytes = archive(member({ name: 'f', body: 'x' }))
  const signal = AbortSignal.abort(reason)
  await t.rejects(parts(splitTar([bytes], { signal })), reason)
  await t.rejects(collect(joinTar([], () => undefined, { signal })), reason)
  await t.rejects(collect(rewriteTar([bytes], {}, { signal })), reason)
  const controller = new AbortController()
  const late = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield bytes
    controller.abort(reason)
    yield bytes
  }
  await t.rejects(parts(splitTar(late(), { signal: controller.signal })), reason)
})
