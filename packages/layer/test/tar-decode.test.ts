import * as fc from 'fast-check'
import t from 'tap'
import { decodeTar, encodeMember, type LayerErrorCode, type Limits } from '../src/index.ts'
import {
  archive,
  base256,
  collect,
  directory,
  END,
  file,
  gnuLong,
  inOrder,
  member,
  pax,
  pieces,
  type RawMember,
  readMembers,
  symlink,
} from './archive.ts'

/** `path:type:size:body` of each member. */
async function list(source: Uint8Array, options?: Parameters<typeof readMembers>[1]): Promise<string[]> {
  const found = await readMembers(source, options)
  return found.map(({ entry, body }) => `${entry.path}:${entry.type}:${entry.size}:${body.slice(0, 20)}`)
}

const hidden = member({ name: 'hidden', body: 'gotcha' })
const block = (text: string): string => text.padEnd(512, '.')

interface Accepted {
  readonly id: string
  readonly source: Uint8Array
  readonly members: readonly string[]
  /** What `strict` says to it; by default the same. */
  readonly strict?: LayerErrorCode
}

// Table B of the requirements: what other archivers disagree about, or were hurt by.
const ACCEPTED: readonly Accepted[] = [
  {
    id: 'B1 CVE-2025-62518: the PAX size wins over a header size of 0, so the body is a body',
    source: archive(
      pax([['size', '512']]),
      member({ name: 'a', size: 0, body: '' }),
      hidden.subarray(0, 512),
      member({ name: 'b' }),
    ),
    members: ['a:file:512:hidden\0\0\0\0\0\0\0\0\0\0\0\0\0\0', 'b:file:0:'],
  },
  {
    id: 'B2 CVE-2026-33055: the PAX size wins even if it is 0',
    source: archive(pax([['size', '0']]), member({ name: 'a', size: 512, body: '' }), member({ name: 'b' })),
    members: ['a:file:0:', 'b:file:0:'],
  },
  {
    id: 'B3 CVE-2026-53655: a PAX size does not apply to the long name that follows it',
    source: archive(
      pax([['size', '1024']]),
      gnuLong('L', 'long'),
      member({ name: 'a', size: 3, body: block('x').repeat(2) }),
    ),
    members: [`long:file:1024:${block('x').slice(0, 20)}`],
  },
  ...['1', '2', '5', '3', '6'].map((type, index) => ({
    id: `B4, B5, B6: type ${type} has no body, whatever its size says`,
    source: archive(member({ name: 'l', type, size: 512, linkname: 'to' }), member({ name: 'b', body: 'B' })),
    members: [`l:${['hardlink', 'symlink', 'directory', 'char', 'fifo'][index]}:0:`, 'b:file:1:B'],
  })),
  {
    id: 'B10: a PAX path with a newline',
    source: archive(pax([['path', 'a\nb']]), member({})),
    members: ['a\nb:file:0:'],
  },
  {
    id: 'B11: of two path records in one header the last wins',
    source: archive(
      pax([
        ['path', 'one'],
        ['path', 'two'],
      ]),
      member({}),
    ),
    members: ['two:file:0:'],
  },
  {
    id: 'B12: a second extended header replaces the first',
    source: archive(pax([['path', 'pax']]), pax([['uid', '7']]), member({ name: 'ustar' })),
    members: ['ustar:file:0:'],
    strict: 'ERR_LAYER_TAR',
  },
  {
    id: 'B13: a GNU long name wins over the PAX path',
    source: archive(gnuLong('L', 'gnu'), pax([['path', 'pax']]), member({})),
    members: ['gnu:file:0:'],
    strict: 'ERR_LAYER_TAR',
  },
  {
    id: 'B13: in either order',
    source: archive(pax([['path', 'pax']]), gnuLong('L', 'gnu'), member({})),
    members: ['gnu:file:0:'],
    strict: 'ERR_LAYER_TAR',
  },
  {
    id: 'B14: a global header gives no path, target or size',
    source: archive(
      pax(
        [
          ['path', 'all'],
          ['size', '99'],
          ['linkpath', 'all'],
        ],
        { type: 'g' },
      ),
      member({ name: 'a', body: 'A' }),
      member({ name: 's', type: '2', linkname: 'to' }),
    ),
    members: ['a:file:1:A', 's:symlink:0:'],
  },
  {
    id: 'B15: one zero block ends the archive',
    source: archive(member({ name: 'a' }), Buffer.alloc(512), hidden),
    members: ['a:file:0:'],
    strict: 'ERR_LAYER_TAR',
  },
  {
    id: 'B16: what follows the end marker is no member',
    source: Buffer.concat([archive(member({ name: 'a' })), hidden, Buffer.from('odd bytes')]),
    members: ['a:file:0:'],
  },
  {
    id: 'B17: type 7 is a file',
    source: archive(member({ name: 'a', type: '7', body: 'A' })),
    members: ['a:file:1:A'],
  },
  {
    id: 'B17: type NUL is a file, or a directory if its name says so',
    source: archive(member({ name: 'a', type: '\0', body: 'A' }), member({ name: 'd/', type: '\0' })),
    members: ['a:file:1:A', 'd:directory:0:'],
  },
  { id: 'B19: no end blocks', source: member({ name: 'a', body: 'A' }), members: ['a:file:1:A'] },
  {
    id: 'B19: no padding after the last body',
    source: member({ name: 'a', body: 'A' }).subarray(0, 513),
    members: ['a:file:1:A'],
  },
  {
    id: 'B19: half an end marker',
    source: Buffer.concat([member({ name: 'a' }), Buffer.alloc(512)]),
    members: ['a:file:0:'],
  },
  {
    id: 'B24 GHSA-w8wr-v893-vjvp: a path of digits is a string',
    source: archive(pax([['path', '12345']]), member({})),
    members: ['12345:file:0:'],
  },
  { id: 'nothing at all', source: Buffer.alloc(0), members: [] },
  {
    id: 'T19: with and without ./',
    source: archive(member({ name: './etc/', type: '5' }), member({ name: 'etc/x' })),
    members: ['etc:directory:0:', 'etc/x:file:0:'],
  },
  {
    id: 'A2 CVE-2021-32804: absolute names are inside',
    source: archive(member({ name: '////etc/x' }), member({ name: '/etc/y' })),
    members: ['etc/x:file:0:', 'etc/y:file:0:'],
  },
  { id: 'the root', source: archive(member({ name: './', type: '5' })), members: [':directory:0:'] },
  {
    id: 'a prefix in a ustar header, and none in a GNU one',
    source: archive(
      member({ name: 'n', prefix: 'p/q' }),
      member({ name: 'm', prefix: 'p', magic: 'ustar  \0' }),
    ),
    members: ['p/q/n:file:0:', 'm:file:0:'],
  },
  {
    id: 'a prefix of star, which is shorter',
    source: archive(member({ name: 'n', prefix: `${'p'.repeat(131)}00000000000 `, patch: [[508, 'tar\0']] })),
    members: [`${'p'.repeat(131)}/n:file:0:`],
  },
  {
    id: 'long link',
    source: archive(gnuLong('K', 'far'), member({ name: 's', type: '2', linkname: 'near' })),
    members: ['s:symlink:0:'],
  },
  {
    id: 'a full name field without NUL',
    source: archive(member({ name: 'n'.repeat(100) })),
    members: [`${'n'.repeat(100)}:file:0:`],
  },
  {
    id: 'an empty record takes a PAX value back',
    source: archive(
      pax([
        ['path', ''],
        ['size', ''],
        ['mtime', ''],
      ]),
      member({ name: 'a', body: 'A' }),
    ),
    members: ['a:file:1:A'],
  },
  {
    id: 'an extended header that nothing follows',
    source: archive(member({ name: 'a' }), pax([['path', 'b']])),
    members: ['a:file:0:'],
    strict: 'ERR_LAYER_TAR',
  },
  {
    id: 'an extended header without records',
    source: archive(pax([]), member({ name: 'a' })),
    members: ['a:file:0:'],
  },
  {
    id: 'a checksum of signed bytes',
    source: archive(signed(member({ name: 'é' }))),
    members: ['é:file:0:'],
  },
  {
    id: 'a number ended by a space',
    source: archive(member({ name: 'a', size: '          1 ', body: 'A' })),
    members: ['a:file:1:A'],
  },
]

for (const { id, source, members, strict } of ACCEPTED) {
  t.test(id, async (t) => {
    t.strictSame(await list(source), members)
    if (strict === undefined) t.strictSame(await list(source, { strict: true }), members, 'strict')
    else await t.rejects(list(source, { strict: true }), { name: 'LayerError', code: strict }, 'strict')
    for (const size of [1, 7, 511, 513]) {
      const read = await readMembers(pieces(source, size))
      t.strictSame(
        read.map(({ entry, body }) => `${entry.path}:${entry.type}:${entry.size}:${body.slice(0, 20)}`),
        members,
        `in pieces of ${size}`,
      )
    }
  })
}

const REFUSED: readonly (readonly [id: string, source: Uint8Array, code: LayerErrorCode])[] = [
  ['B7: size -1', archive(member({ size: base256(-1n, 12) })), 'ERR_LAYER_TAR'],
  ['B8: PAX size -512', archive(pax([['size', '-512']]), member({})), 'ERR_LAYER_TAR'],
  ['B8: PAX size 1e3', archive(pax([['size', '1e3']]), member({})), 'ERR_LAYER_TAR'],
  ['B8: PAX size 2^60', archive(pax([['size', String(2n ** 60n)]]), member({})), 'ERR_LAYER_TAR'],
  [
    'B9 GHSA-gvwx-54wh-qm9j: a PAX path with NUL',
    archive(pax([['path', 'a\0b']]), member({})),
    'ERR_LAYER_TAR',
  ],
  ['B9: a PAX key with NUL', archive(pax([['a\0', 'b']]), member({})), 'ERR_LAYER_TAR'],
  ['B17: an unknown type', archive(member({ type: 'Z' })), 'ERR_LAYER_TAR'],
  ['B18: an empty name', archive(member({ name: '' })), 'ERR_LAYER_TAR'],
  ['B19: a truncated body', member({ body: 'x'.repeat(600) }).subarray(0, 600), 'ERR_LAYER_TAR'],
  ['B19: a truncated header', member({}).subarray(0, 300), 'ERR_LAYER_TAR'],
  ['B19: a truncated extended header', pax([['path', 'x'.repeat(600)]]).subarray(0, 700), 'ERR_LAYER_TAR'],
  [
    'B20 CVE-2022-2879: an extended header over 1 MiB',
    archive(pax([['k', 'v'.repeat(1024 * 1024)]]), member({})),
    'ERR_LAYER_LIMIT',
  ],
  ['B20: one that only says so', archive(member({ type: 'x', size: 2 ** 32, body: '' })), 'ERR_LAYER_LIMIT'],
  ['B20: a long name over 1 MiB', archive(gnuLong('L', 'n'.repeat(1024 * 1024))), 'ERR_LAYER_LIMIT'],
  ['B21: uid 2^63', archive(pax([['uid', String(2n ** 63n)]]), member({})), 'ERR_LAYER_TAR'],
  [
    'B21: uid 2^32-1, "no change" to chown',
    archive(pax([['uid', String(2 ** 32 - 1)]]), member({})),
    'ERR_LAYER_TAR',
  ],
  ['B21: uid 2^62 in base 256', archive(member({ uid: base256(2n ** 62n - 1n, 8) })), 'ERR_LAYER_TAR'],
  ['B21: uid -1', archive(member({ uid: base256(-1n, 8) })), 'ERR_LAYER_TAR'],
  ['B21: devmajor 2^33', archive(member({ type: '3', devMajor: base256(2n ** 33n, 8) })), 'ERR_LAYER_TAR'],
  ['B21: mtime 2^70', archive(member({ mtime: base256(2n ** 70n, 12) })), 'ERR_LAYER_TAR'],
  ['B22: a time that is none', archive(pax([['mtime', '1.5s']]), member({})), 'ERR_LAYER_TAR'],
  ['B22: a lone point', archive(pax([['mtime', '.']]), member({})), 'ERR_LAYER_TAR'],
  ['A1 CVE-2026-28406: ../V/x', archive(member({ name: '../V/x' })), 'ERR_LAYER_UNSAFE'],
  ['A1: /../V/x', archive(member({ name: '/../V/x' })), 'ERR_LAYER_UNSAFE'],
  ['A1: ..', archive(member({ name: '..', type: '5' })), 'ERR_LAYER_UNSAFE'],
  ['A1: a/../../V/x', archive(member({ name: 'a/../../V/x' })), 'ERR_LAYER_UNSAFE'],
  [
    'A9 CVE-2021-29136: a symlink named /.',
    archive(member({ name: '/.', type: '2', linkname: '/V' })),
    'ERR_LAYER_UNSAFE',
  ],
  ['A9: a symlink named ./', archive(member({ name: './', type: '2', linkname: '/V' })), 'ERR_LAYER_UNSAFE'],
  ['A9: a file named .', archive(member({ name: '.' })), 'ERR_LAYER_UNSAFE'],
  ['A17: a link named ../l', archive(member({ name: '../l', type: '2', linkname: 'x' })), 'ERR_LAYER_UNSAFE'],
  [
    'A6: a hard link to ../V/secret',
    archive(member({ name: 'sub/h', type: '1', linkname: '../V/secret' })),
    'ERR_LAYER_UNSAFE',
  ],
  ['C6 CVE-2021-20291: not a tar', Buffer.alloc(2048, 'not a tar '), 'ERR_LAYER_TAR'],
  ['C3: 10^5 deep', archive(gnuLong('L', 'd/'.repeat(100_000)), member({})), 'ERR_LAYER_LIMIT'],
  ['a wrong checksum', archive(Buffer.from(member({})).fill('8', 148, 149)), 'ERR_LAYER_TAR'],
  ['a symlink without a target', archive(member({ type: '2' })), 'ERR_LAYER_TAR'],
  ['a number that is none', archive(member({ size: '0000000x0000' })), 'ERR_LAYER_TAR'],
  [
    'a PAX record that is too long',
    archive(member({ type: 'x', body: '99 a=b\n' }), member({})),
    'ERR_LAYER_TAR',
  ],
  [
    'a PAX record without a newline',
    archive(member({ type: 'x', body: '6 a=bc' }), member({})),
    'ERR_LAYER_TAR',
  ],
  ['a PAX record without a key', archive(member({ type: 'x', body: '5 =b\n' }), member({})), 'ERR_LAYER_TAR'],
  ['a PAX record of length 0', archive(member({ type: 'x', body: '0 a=b\n' }), member({})), 'ERR_LAYER_TAR'],
  ['PAX without any structure', archive(member({ type: 'x', body: 'hello' }), member({})), 'ERR_LAYER_TAR'],
  [
    'a negative size of an extended header',
    archive(member({ type: 'x', size: base256(-1n, 12) })),
    'ERR_LAYER_TAR',
  ],
]

t.test('what is malformed or hostile is refused', async (t) => {
  for (const [id, source, code] of REFUSED) {
    await t.rejects(list(source), { name: 'LayerError', code }, id)
    await t.rejects(readMembers(pieces(source, 100)), { name: 'LayerError', code }, `${id}, in pieces`)
  }
})

t.test('numbers are exact up to where they are refused', async (t) => {
  const one = async (raw: RawMember, ...records: [string, string][]): Promise<object> => {
    const [read] = await readMembers(archive(...(records.length > 0 ? [pax(records)] : []), member(raw)))
    const { uid, gid, mtime, mtimeNs, devMajor, devMinor, mode } = read!.entry
    return { uid, gid, mtime, mtimeNs, devMajor, devMinor, mode }
  }
  t.has(await one({ uid: base256(2n ** 31n, 8), gid: base256(2n ** 32n - 2n, 8) }), {
    uid: 2 ** 31,
    gid: 2 ** 32 - 2,
  })
  t.has(await one({}, ['uid', '1000000'], ['gid', '4294967294']), { uid: 1_000_000, gid: 4_294_967_294 })
  t.has(await one({ mtime: base256(2n ** 40n, 12) }), { mtime: 2 ** 40 }, 'B21')
  t.has(await one({ mtime: base256(-5n, 12) }), { mtime: -5 })
  t.has(await one({ type: '4', devMajor: 259, devMinor: base256(2n ** 20n, 8) }), {
    devMajor: 259,
    devMinor: 2 ** 20,
  })
  t.has(
    await one({ devMajor: base256(2n ** 33n, 8) }),
    { devMajor: 0 },
    'device numbers of a file mean nothing',
  )
  t.has(await one({ mode: 0o104755 }), { mode: 0o4755 })
  const times: readonly (readonly [text: string, mtime: number, mtimeNs: number])[] = [
    ['1.5', 1, 500_000_000],
    ['-1.5', -2, 500_000_000],
    ['1.000000005', 1, 5],
    ['.5', 0, 500_000_000],
    ['-.25', -1, 750_000_000],
    ['-0.0', 0, 0],
    ['7', 7, 0],
    ['7.', 7, 0],
    ['-7', -7, 0],
    ['1.1234567899', 1, 123_456_789],
    ['-1.0000000001', -2, 999_999_999],
  ]
  for (const [text, mtime, mtimeNs] of times)
    t.has(await one({}, ['mtime', text]), { mtime, mtimeNs }, `B22: ${text}`)
})

t.test('records: attributes are exact, what is unknown is kept, the rest is left out', async (t) => {
  const values: readonly Buffer[] = [
    ...['\0', '\n', 'a=b', '', 'x'.repeat(65_536)].map((text) => Buffer.from(text)),
    Buffer.of(0xff, 0xfe, 0),
  ]
  const records = values.map((value, index) => [`SCHILY.xattr.user.${index}`, value] as const)
  const [read] = await readMembers(
    archive(
      pax([
        ...records,
        ['MSWINDOWS.fileattr', '32'],
        ['uname', 'root'],
        ['atime', '1'],
        ['RHT.security.selinux', 'x'],
      ]),
      member({}),
    ),
  )
  const { xattrs, pax: unknown } = read!.entry
  t.strictSame(
    [...xattrs!.keys()],
    values.map((_, index) => `user.${index}`),
  )
  values.forEach((value, index) =>
    t.ok(Buffer.compare(xattrs!.get(`user.${index}`)!, value) === 0, `B23: ${index}`),
  )
  t.strictSame([...unknown!.keys()], ['MSWINDOWS.fileattr', 'RHT.security.selinux'], 'T18')
  const [plain] = await readMembers(
    archive(
      pax(
        [
          ['mtime', '9'],
          ['comment', 'x'],
          ['SCHILY.xattr.user.a', '1'],
        ],
        { type: 'g' },
      ),
      member({}),
    ),
  )
  t.equal(plain!.entry.mtime, 9, 'a global time holds')
  t.strictSame([...plain!.entry.xattrs!.keys()], ['user.a'])
  t.equal(plain!.entry.pax, undefined, 'a global comment is not about a member')
})

t.test('D23, T10: names and targets are bytes, as long as the system allows', async (t) => {
  const component = `${'n'.repeat(250)}\uDCFF\\\n  `
  const long = Array.from({ length: 16 }, () => component).join('/')
  const deep = Array.from({ length: 2048 }, () => 'd').join('/')
  const raw = '\uDC80'.repeat(4096)
  for (const path of [long, deep, raw]) {
    const [read] = await readMembers(archive(encodeMember(file(path, ''))))
    t.ok(read!.entry.path === path)
  }
  for (const path of [`${long}/xx`, `${raw}\uDC80`]) {
    await t.rejects(readMembers(archive(encodeMember(file(path, '')))), {
      code: 'ERR_LAYER_LIMIT',
      limit: 'pathBytes',
    })
  }
  await t.rejects(readMembers(archive(encodeMember(symlink('s', 'x'.repeat(4097))))), {
    code: 'ERR_LAYER_LIMIT',
    limit: 'pathBytes',
  })
  await t.rejects(
    readMembers(archive(encodeMember(file(`${deep}/d`, ''))), { limits: { pathBytes: 9999 } }),
    { code: 'ERR_LAYER_LIMIT', limit: 'pathDepth' },
  )
})

/** The row of table C that asks for each budget. */
const ROWS: Readonly<Record<keyof Limits, string>> = {
  entries: 'C2',
  bytes: 'C1',
  pathDepth: 'C3',
  pathBytes: 'C3',
  paxBytes: 'C7',
  ratio: 'C1',
}

t.test('C2, C3, C7: budgets are enforced', async (t) => {
  const cases: readonly (readonly [limits: Partial<Limits>, source: Uint8Array, limit: keyof Limits])[] = [
    [{ entries: 2 }, archive(member({ name: 'a' }), member({ name: 'b' }), member({ name: 'c' })), 'entries'],
    [{ entries: 1 }, archive(pax([['uid', '1']]), member({ name: 'a' })), 'entries'],
    [{ bytes: 2047 }, archive(member({ name: 'a' }), member({ name: 'b' })), 'bytes'],
    [{ bytes: 10_000 }, archive(oldSparse(20_000, [[0, 1]], 'x')), 'bytes'],
    [{ pathDepth: 2 }, archive(member({ name: 'a/b/c' })), 'pathDepth'],
    [{ pathBytes: 5 }, archive(member({ name: 'abcdef' })), 'pathBytes'],
    [{ paxBytes: 10 }, archive(pax([['path', 'abcdef']]), member({})), 'paxBytes'],
  ]
  for (const [limits, source, limit] of cases) {
    await t.rejects(list(source, { limits }), { code: 'ERR_LAYER_LIMIT', limit }, `${ROWS[limit]}: ${limit}`)
  }
})

/** An old GNU sparse file; pieces beyond the fourth go to extension blocks. */
function oldSparse(realSize: number, map: readonly (readonly [number, number])[], body: string): Buffer {
  const pair = ([at, length]: readonly [number, number]): Buffer =>
    Buffer.from(`${at.toString(8).padStart(11, '0')}\0${length.toString(8).padStart(11, '0')}\0`)
  const rest = map.slice(4)
  const header = member({
    name: 'sparse',
    type: 'S',
    size: body.length,
    magic: 'ustar  \0',
    patch: [
      [386, Buffer.concat(map.slice(0, 4).map(pair))],
      [482, Buffer.of(rest.length > 0 ? 1 : 0)],
      [483, `${realSize.toString(8).padStart(11, '0')}\0`],
    ],
  })
  const extensions: Buffer[] = []
  for (let at = 0; at < rest.length; at += 21) {
    const extension = Buffer.alloc(512)
    Buffer.concat(rest.slice(at, at + 21).map(pair)).copy(extension)
    extension[504] = at + 21 < rest.length ? 1 : 0
    extensions.push(extension)
  }
  return Buffer.concat([
    header,
    ...extensions,
    Buffer.from(body),
    Buffer.alloc((512 - (body.length % 512)) % 512),
  ])
}

function sparse10(realSize: number, lines: string, body: string): Buffer {
  const map = Buffer.alloc(Math.ceil(lines.length / 512) * 512)
  map.write(lines)
  return Buffer.concat([
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'sparse'],
      ['GNU.sparse.realsize', String(realSize)],
    ]),
    member({ name: 'GNUSparseFile.0/sparse', body: Buffer.concat([map, Buffer.from(body)]) }),
  ])
}

t.test('T12: sparse files of every format are read', async (t) => {
  const many = Array.from({ length: 30 }, (_, index) => [index * 10, 1] as const)
  const manyLines = `30\n${many.map(([at, length]) => `${at}\n${length}\n`).join('')}`
  const spread = many.map(() => 'x'.padEnd(10, '\0')).join('')
  const cases: readonly (readonly [id: string, source: Buffer, body: string])[] = [
    [
      'old GNU',
      oldSparse(
        10,
        [
          [2, 3],
          [7, 1],
        ],
        'abcd',
      ),
      '\0\0abc\0\0d\0\0',
    ],
    ['old GNU with extensions', oldSparse(300, many, 'x'.repeat(30)), spread],
    ['old GNU, all hole', oldSparse(5, [], ''), '\0'.repeat(5)],
    [
      'old GNU, an empty last piece',
      oldSparse(
        5,
        [
          [0, 2],
          [5, 0],
        ],
        'ab',
      ),
      'ab\0\0\0',
    ],
    [
      'PAX 0.0',
      Buffer.concat([
        pax([
          ['GNU.sparse.size', '10'],
          ['GNU.sparse.numblocks', '2'],
          ['GNU.sparse.offset', '2'],
          ['GNU.sparse.numbytes', '3'],
          ['GNU.sparse.offset', '7'],
          ['GNU.sparse.numbytes', '1'],
        ]),
        member({ name: 'sparse', body: 'abcd' }),
      ]),
      '\0\0abc\0\0d\0\0',
    ],
    [
      'PAX 0.1',
      Buffer.concat([
        pax([
          ['GNU.sparse.size', '10'],
          ['GNU.sparse.name', 'sparse'],
          ['GNU.sparse.map', '2,3,7,1'],
        ]),
        member({ name: 'x', body: 'abcd' }),
      ]),
      '\0\0abc\0\0d\0\0',
    ],
    ['PAX 1.0', sparse10(10, '2\n2\n3\n7\n1\n', 'abcd'), '\0\0abc\0\0d\0\0'],
    ['PAX 1.0, a map of several blocks', sparse10(300, manyLines, 'x'.repeat(30)), spread],
    [
      'PAX 1.0, a map of exactly one block',
      sparse10(10, '1\n0\n4\n'.padEnd(512, '\0'), 'abcd'),
      'abcd\0\0\0\0\0\0',
    ],
    ['PAX 1.0, all hole', sparse10(3, '0\n', ''), '\0\0\0'],
    ['a hole of many chunks', oldSparse(200_000, [[199_999, 1]], 'x'), `${'\0'.repeat(199_999)}x`],
  ]
  for (const [id, source, body] of cases) {
    const all = archive(source, member({ name: 'next', body: 'N' }))
    for (const size of [all.length, 513, 11]) {
      const [read, next] = await readMembers(pieces(all, size))
      t.equal(read!.entry.path, 'sparse', id)
      t.equal(read!.entry.size, body.length, `${id}: size`)
      t.ok(read!.body === body, `${id}: body in pieces of ${size}`)
      t.equal(read!.entry.pax, undefined, `${id}: its records are not unknown`)
      t.equal(next!.body, 'N', `${id}: what follows`)
    }
  }
})

t.test('sparse files that lie are refused', async (t) => {
  const realSize = (records: readonly (readonly [string, string])[]): Buffer =>
    Buffer.concat([pax(records), member({ body: 'abcd' })])
  const cases: readonly (readonly [id: string, source: Buffer, code: LayerErrorCode])[] = [
    [
      'overlapping pieces',
      oldSparse(
        10,
        [
          [0, 3],
          [2, 1],
        ],
        'abcd',
      ),
      'ERR_LAYER_TAR',
    ],
    ['a piece beyond the end', oldSparse(3, [[0, 4]], 'abcd'), 'ERR_LAYER_TAR'],
    ['more stored than in the map', oldSparse(10, [[0, 3]], 'abcd'), 'ERR_LAYER_TAR'],
    ['less stored than in the map', oldSparse(10, [[0, 5]], 'abcd'), 'ERR_LAYER_TAR'],
    [
      'a map of odd length',
      realSize([
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', '0,4,5'],
      ]),
      'ERR_LAYER_TAR',
    ],
    [
      'a map of words',
      realSize([
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', 'a,b'],
      ]),
      'ERR_LAYER_TAR',
    ],
    ['a map without a size', realSize([['GNU.sparse.map', '0,4']]), 'ERR_LAYER_TAR'],
    [
      'offset twice',
      realSize([
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.offset', '0'],
        ['GNU.sparse.offset', '0'],
      ]),
      'ERR_LAYER_TAR',
    ],
    [
      'version 2.0',
      realSize([
        ['GNU.sparse.major', '2'],
        ['GNU.sparse.minor', '0'],
      ]),
      'ERR_LAYER_TAR',
    ],
    [
      'version 1.0 without a size',
      realSize([
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
      ]),
      'ERR_LAYER_TAR',
    ],
    ['a map that does not end', sparse10(10, '9\n1\n', ''), 'ERR_LAYER_TAR'],
    ['a map of letters', sparse10(10, 'x\n', ''), 'ERR_LAYER_TAR'],
    ['a map of one endless number', sparse10(10, '1'.repeat(400), ''), 'ERR_LAYER_TAR'],
    [
      'version 1.0 without a body',
      Buffer.concat([
        pax([
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
          ['GNU.sparse.realsize', '4'],
        ]),
        member({}),
      ]),
      'ERR_LAYER_TAR',
    ],
    [
      'B20 CVE-2025-58183: millions of pieces',
      sparse10(1, `9000000\n${'0\n0\n'.repeat(400_000)}`, ''),
      'ERR_LAYER_LIMIT',
    ],
    [
      'B20: in the old format',
      oldSparse(
        1e9,
        Array.from({ length: 50_000 }, () => [0, 0] as const),
        '',
      ),
      'ERR_LAYER_LIMIT',
    ],
  ]
  for (const [id, source, code] of cases) await t.rejects(list(archive(source)), { code }, id)
})

t.test('members are pulled one by one', async (t) => {
  const source = archive(
    member({ name: 'a', body: 'A'.repeat(2000) }),
    member({ name: 'b', body: 'B'.repeat(2000) }),
    member({ name: 'c' }),
  )
  t.test('a body that is not read, or not to its end, is skipped', async (t) => {
    const seen: string[] = []
    for await (const { entry, body, offset, storedSize } of decodeTar(pieces(source, 300))) {
      seen.push(`${entry.path}@${offset}+${storedSize}`)
      if (entry.path === 'b') for await (const chunk of body) if (chunk.byteLength > 0) break
    }
    t.strictSame(seen, ['a@512+2000', 'b@3072+2000', 'c@5632+0'])
  })
  t.test('a body is over when the next member has been asked for', async (t) => {
    const members = decodeTar(pieces(source, 300))
    const first = await members.next()
    await members.next()
    t.equal((await collect(first.value!.body)).length, 0)
    await members.return()
  })
  t.test('the source is closed when the reader leaves, and drained when it does not', async (t) => {
    const events: string[] = []
    const spied = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(Buffer.concat([source, Buffer.alloc(3000), Buffer.from('junk')]), 1000)
        events.push('drained')
      } finally {
        events.push('closed')
      }
    }
    for await (const _ of decodeTar(spied())) break
    t.strictSame(events.splice(0), ['closed'])
    for await (const _ of decodeTar(spied()));
    t.strictSame(events, ['drained', 'closed'])
  })
  t.test('a signal ends it', async (t) => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const members = decodeTar(pieces(source, 300), { signal: controller.signal })
    await members.next()
    controller.abort(reason)
    await t.rejects(members.next(), reason)
    await t.rejects(decodeTar([], { signal: controller.signal }).next(), reason)
  })
})

t.test('C7 CVE-2023-25153: metadata is not collected beyond its budget, however it comes', async (t) => {
  let sent = 0
  const endless = function* (): Generator<Uint8Array> {
    yield member({ type: 'x', size: 1024 * 1024, body: '' })
    for (;;) {
      sent += 512
      yield Buffer.alloc(512, '9')
    }
  }
  await t.rejects(list(Buffer.concat([...take(endless(), 4)])), { code: 'ERR_LAYER_TAR' }, 'an end too soon')
  sent = 0
  await t.rejects(readMembers(endless()), { code: 'ERR_LAYER_TAR' })
  t.ok(sent <= 1024 * 1024 + 512, `${sent} bytes`)
})

function* take<T>(all: Iterable<T>, count: number): Generator<T, void, void> {
  let left = count
  for (const each of all) {
    if (left-- === 0) return
    yield each
  }
}

t.test('a body streams: no more of it is asked for than is read', async (t) => {
  const size = 32 * 1024 * 1024
  let sent = 0
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield member({ name: 'large', size, body: '' })
    for (; sent < size; sent += 65_536) yield new Uint8Array(65_536)
    yield member({ name: 'after' })
  }
  let read = 0
  let ahead = 0
  const names: string[] = []
  for await (const { entry, body } of decodeTar(source())) {
    names.push(entry.path)
    for await (const chunk of body) {
      read += chunk.byteLength
      ahead = Math.max(ahead, sent + 65_536 - read)
    }
  }
  t.equal(read, size)
  t.ok(ahead <= 65_536, `never more than a chunk ahead: ${ahead}`)
  t.strictSame(names, ['large', 'after'])
})

t.test('a body of more than memory is passed over without being kept', async (t) => {
  const size = 2 ** 31
  const chunk = new Uint8Array(1024 * 1024)
  const source = function* (): Generator<Uint8Array> {
    yield member({ name: 'large', size, body: '' })
    for (let sent = 0; sent < size; sent += chunk.byteLength) yield chunk
    yield END
  }
  const before = process.memoryUsage.rss()
  for await (const { entry } of decodeTar(source())) t.equal(entry.size, size)
  t.ok(process.memoryUsage.rss() - before < 100 * 1024 * 1024)
})

t.test('how the input is cut makes no difference', async () => {
  const source = await inOrder([
    directory('d'),
    file('d/x', 'x'.repeat(700)),
    file('é'.repeat(60), 'long'),
    symlink('s', 't'.repeat(120)),
    file('d/empty', ''),
  ])
  const whole = JSON.stringify(await readMembers(source))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: source.length }), { maxLength: 12 }),
      async (cuts) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), source.length]
        const chunks = bounds.slice(1).map((end, index) => source.subarray(bounds[index], end))
        if (JSON.stringify(await readMembers(chunks)) !== whole) throw new Error(`cut at ${bounds.join()}`)
      },
    ),
  )
})

t.test('damage is an error of ours, or goes unnoticed; never anything else', async () => {
  const source = archive(
    pax([
      ['path', 'é'],
      ['mtime', '1.5'],
      ['SCHILY.xattr.user.a', 'b'],
    ]),
    member({ name: 'a', body: 'A'.repeat(600) }),
    gnuLong('L', 'n'.repeat(120)),
    member({ name: 'b' }),
    oldSparse(
      300,
      Array.from({ length: 30 }, (_, index) => [index * 10, 1] as const),
      'x'.repeat(30),
    ),
    sparse10(10, '2\n2\n3\n7\n1\n', 'abcd'),
  )
  const change = fc.tuple(fc.integer({ min: 0, max: source.length - 1 }), fc.integer({ min: 0, max: 255 }))
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (changes, repair) => {
        const damaged = Buffer.from(source)
        for (const [at, value] of changes) {
          damaged[at] = value
          // With the checksum made right again, the damage gets further.
          if (repair) fixChecksum(damaged, at - (at % 512))
        }
        try {
          await readMembers(damaged)
        } catch (error) {
          if ((error as Error).name !== 'LayerError') throw error
        }
      },
    ),
    { numRuns: 1000 },
  )
})

function fixChecksum(all: Buffer, at: number): void {
  if (all.toString('latin1', at + 257, at + 262) !== 'ustar') return
  all.fill(0x20, at + 148, at + 156)
  let sum = 0
  for (const byte of all.subarray(at, at + 512)) sum += byte
  all.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148)
}

function signed(block: Buffer): Buffer {
  const all = Buffer.from(block)
  all.fill(0x20, 148, 156)
  let sum = 0
  for (const byte of all.subarray(0, 512)) sum += byte < 128 ? byte : byte - 256
  all.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return all
}
