import * as fc from 'fast-check'
import t from 'tap'
import { createEntry, decodeTar, encodeMember, type Entry, type EntryType } from '../src/index.ts'
import { file } from './archive.ts'

/** Every byte, so also `=`, a newline, NUL, and what is not UTF-8. */
const ANY_BYTES = Buffer.from(Array.from({ length: 256 }, (_, index) => index))

/** What a decoder has to give for an entry that was encoded: no content, attributes known. */
function decoded(entry: Entry): Entry {
  return createEntry({ ...entry, content: undefined, xattrs: entry.xattrs ?? new Map() })
}

async function roundTrip(entry: Entry, nanoseconds: boolean = true): Promise<Entry> {
  // The body is never asked for, so it need not be there.
  for await (const member of decodeTar([encodeMember(entry, { nanoseconds })])) return member.entry
  throw new Error('No member')
}

t.test('a simple entry is one ustar block', async (t) => {
  const block = Buffer.from(
    encodeMember(
      file('usr/bin/tool', 'x'.repeat(10), { mode: 0o4755, uid: 1000, gid: 2_097_151, mtime: 1_700_000_000 }),
    ),
  )
  t.equal(block.length, 512)
  const fields = (at: number, length: number): string => block.toString('latin1', at, at + length)
  t.equal(fields(0, 13), 'usr/bin/tool\0')
  t.equal(fields(100, 8), '0004755\0')
  t.equal(fields(108, 8), '0001750\0')
  t.equal(fields(116, 8), '7777777\0')
  t.equal(fields(124, 12), '00000000012\0')
  t.equal(fields(136, 12), '14524770400\0')
  t.equal(fields(156, 1), '0')
  t.equal(fields(257, 8), 'ustar\x0000')
  t.equal(fields(265, 64), '\0'.repeat(64), 'no user or group name')
  t.equal(fields(329, 16), '0000000\x000000000\0')
  t.match(fields(148, 8), /^[0-7]{6}\0 $/, 'the checksum ends with NUL and space')
})

t.test('T19: names are relative, without ./, and directories end with a slash', async (t) => {
  const name = (entry: Entry): string =>
    Buffer.from(encodeMember(entry)).toString('latin1', 0, 100).split('\0')[0]!
  t.equal(name(createEntry({ path: 'a/b', type: 'directory' })), 'a/b/')
  t.equal(name(createEntry({ path: '', type: 'directory' })), './')
  t.equal(name(file('a/b')), 'a/b')
})

t.test('ustar is used up to its limits, PAX beyond them', async (t) => {
  const cases: readonly (readonly [why: string, fields: Partial<Entry>, blocks: number])[] = [
    ['100 bytes of name', { path: 'a'.repeat(100) }, 1],
    ['101 bytes that cannot be split', { path: 'a'.repeat(101) }, 3],
    ['101 bytes that can', { path: `a/${'b'.repeat(99)}` }, 1],
    ['155 and 100', { path: `${'a'.repeat(155)}/${'b'.repeat(100)}` }, 1],
    ['156 and 100', { path: `${'a'.repeat(156)}/${'b'.repeat(100)}` }, 3],
    ['a directory of 99 bytes and a slash', { path: 'a'.repeat(99), type: 'directory' }, 1],
    ['a directory of 100 bytes and a slash', { path: 'a'.repeat(100), type: 'directory' }, 3],
    ['no ASCII', { path: 'é' }, 3],
    ['raw bytes', { path: '\uDCFF' }, 3],
    ['uid 2097151', { uid: 2_097_151 }, 1],
    ['uid 2097152', { uid: 2_097_152 }, 3],
    ['gid 4294967294', { gid: 4_294_967_294 }, 3],
    ['8 GiB less one', { size: 8 * 1024 ** 3 - 1 }, 1],
    ['8 GiB', { size: 8 * 1024 ** 3 }, 3],
    ['year 2242', { mtime: 8_589_934_591 }, 1],
    ['a second later', { mtime: 8_589_934_592 }, 3],
    ['before 1970', { mtime: -1 }, 3],
    ['a fraction that is cut', { mtimeNs: 5 }, 1],
    ['100 bytes of target', { type: 'symlink', linkname: 'x'.repeat(100) }, 1],
    ['101 bytes of target', { type: 'symlink', linkname: 'x'.repeat(101) }, 3],
    ['an attribute', { xattrs: new Map([['user.a', Buffer.of(0)]]) }, 3],
    ['no attribute', { xattrs: new Map() }, 1],
    ['a device', { type: 'char', devMajor: 2_097_151, devMinor: 3 }, 1],
  ]
  for (const [why, fields, blocks] of cases) {
    const entry = createEntry({ path: 'name', type: 'file', ...fields })
    t.equal(encodeMember(entry).byteLength / 512, blocks, why)
    t.strictSame(await roundTrip(entry, false), decoded(createEntry({ ...entry, mtimeNs: 0 })), why)
  }
})

t.test('records are sorted and raw, and the header is the same every time', async (t) => {
  const entry = createEntry({
    path: 'dir/é',
    type: 'file',
    mtime: -2,
    mtimeNs: 500_000_000,
    xattrs: new Map([
      ['user.z', Buffer.from('a=b\nc')],
      ['user.a', Buffer.of()],
    ]),
    pax: new Map([['MSWINDOWS.fileattr', Buffer.from('32')]]),
  })
  const all = Buffer.from(encodeMember(entry, { nanoseconds: true }))
  t.equal(all.toString('latin1', 0, 12), 'PaxHeaders/\0')
  t.equal(all.toString('latin1', 136, 147), '00000000000', 'without a time of its own')
  const body = all.toString('utf8', 512, 512 + Number.parseInt(all.toString('latin1', 124, 135), 8))
  t.equal(
    body,
    '25 MSWINDOWS.fileattr=32\n24 SCHILY.xattr.user.a=\n29 SCHILY.xattr.user.z=a=b\nc\n14 mtime=-1.5\n15 path=dir/é\n',
  )
  const reversed = createEntry({ ...entry, xattrs: new Map([...entry.xattrs!].toReversed()) })
  t.same(encodeMember(reversed, { nanoseconds: true }), all)
  t.strictSame(await roundTrip(entry), decoded(entry))
})

t.test('a record that grows by counting itself', async (t) => {
  for (let length = 80; length < 110; length++) {
    const entry = createEntry({ path: 'x', type: 'file', pax: new Map([['k', Buffer.alloc(length, 'v')]]) })
    t.strictSame(await roundTrip(entry), decoded(entry), `${length}`)
  }
})

t.test('every type and every attribute comes back as it was', async (t) => {
  const cases: readonly (readonly [why: string, flag: string, fields: Partial<Entry>])[] = [
    ['T5: a regular file', '0', { type: 'file', size: 3 }],
    ['T5: a directory', '5', { type: 'directory' }],
    ['T5: a symlink', '2', { type: 'symlink', linkname: '../x' }],
    ['T5: a block device', '4', { type: 'block', devMajor: 259, devMinor: 1_048_575 }],
    ['T5: a character device', '3', { type: 'char', devMajor: 1, devMinor: 3 }],
    ['T5: a FIFO', '6', { type: 'fifo' }],
    ['T6: a time before 1970', '0', { type: 'file', mtime: -86_400 * 365 * 100, mtimeNs: 1 }],
    ['T6: a time after 2038', '0', { type: 'file', mtime: 2 ** 31, mtimeNs: 999_999_999 }],
    ['T6: a time after 2242', '0', { type: 'file', mtime: 2 ** 40 }],
    ['T7: owners of 2^31 and beyond', '0', { type: 'file', uid: 2 ** 31, gid: 2 ** 32 - 2 }],
    ['T8: setuid, setgid and sticky', '0', { type: 'file', mode: 0o7777 }],
    ['T8: no permission at all', '0', { type: 'file', mode: 0 }],
    ['T9: attributes of any bytes', '0', { type: 'file', xattrs: new Map([['user.x', ANY_BYTES]]) }],
    ['T9: an empty attribute', '0', { type: 'file', xattrs: new Map([['user.x', Buffer.of()]]) }],
    ['T10: a target that is not UTF-8', '2', { type: 'symlink', linkname: 'a\uDCFF\n/../\\ ' }],
    ['T10: an absolute target', '2', { type: 'symlink', linkname: '/usr/bin/mawk' }],
    ['T11, T13: a hard link', '1', { type: 'hardlink', linkname: 'other/file' }],
    [
      'T18: records that mean nothing here',
      '0',
      { type: 'file', pax: new Map([['MSWINDOWS.rawsd', ANY_BYTES]]) },
    ],
    ['D23: a name that is not UTF-8', '0', { type: 'file', path: 'a\uDC80/\uDCFF' }],
    ['a size over 8 GiB', '0', { type: 'file', size: 2 ** 37 }],
  ]
  for (const [why, flag, fields] of cases) {
    const entry = createEntry({ path: 'name', type: 'file', ...fields })
    const bytes = Buffer.from(encodeMember(entry, { nanoseconds: true }))
    t.strictSame(await roundTrip(entry), decoded(entry), why)
    t.equal(bytes.toString('latin1', bytes.length - 512 + 156, bytes.length - 512 + 157), flag, why)
    t.notOk(bytes.includes('GNU.sparse') || bytes.includes('././@LongLink'), `T12: ${why}: no form of GNU`)
  }
})

t.test('what cannot be stored is refused', async (t) => {
  const refused: readonly (readonly [why: string, fields: Partial<Entry>, code: string])[] = [
    ['uid -1', { uid: -1 }, 'ERR_LAYER_ENTRY'],
    ['uid 2^32-1, which means "no change"', { uid: 2 ** 32 - 1 }, 'ERR_LAYER_ENTRY'],
    ['half a gid', { gid: 0.5 }, 'ERR_LAYER_ENTRY'],
    ['a mode with a file type', { mode: 0o100644 }, 'ERR_LAYER_ENTRY'],
    ['negative size', { size: -1 }, 'ERR_LAYER_ENTRY'],
    ['time NaN', { mtime: Number.NaN }, 'ERR_LAYER_ENTRY'],
    ['a whole second of nanoseconds', { mtimeNs: 1e9, uid: 3_000_000 }, 'ERR_LAYER_ENTRY'],
    ['devmajor 2^33', { type: 'char', devMajor: 2 ** 33 }, 'ERR_LAYER_ENTRY'],
    ['a symlink to nothing', { type: 'symlink' }, 'ERR_LAYER_ENTRY'],
    ['a NUL in a target', { type: 'symlink', linkname: 'a\0' }, 'ERR_LAYER_ENTRY'],
    ['a hard link out of the tree', { type: 'hardlink', linkname: '../x' }, 'ERR_LAYER_ENTRY'],
    ['a root that is a file', { path: '' }, 'ERR_LAYER_ENTRY'],
    ['a dot component', { path: 'a/../b' }, 'ERR_LAYER_PATH'],
    ['an absolute path', { path: '/a' }, 'ERR_LAYER_PATH'],
    ['a NUL in a path', { path: 'a\0b' }, 'ERR_LAYER_PATH'],
    ['a stray surrogate', { path: 'a\uD800' }, 'ERR_LAYER_PATH'],
    ['an attribute with =', { xattrs: new Map([['user.a=b', Buffer.of()]]) }, 'ERR_LAYER_ENTRY'],
    ['a record that is a field', { pax: new Map([['path', Buffer.from('x')]]) }, 'ERR_LAYER_ENTRY'],
    ['a record without a key', { pax: new Map([['', Buffer.from('x')]]) }, 'ERR_LAYER_ENTRY'],
  ]
  for (const [why, fields, code] of refused) {
    const entry = createEntry({ path: 'name', type: 'file', ...fields })
    t.throws(() => encodeMember(entry), { name: 'LayerError', code }, why)
  }
})

const component = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }),
    fc.string({
      minLength: 1,
      maxLength: 120,
      unit: fc.constantFrom('a', '.', '-', ' ', '\n', '\\', '\uDC80', '\uDCFF'),
    }),
  )
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..')
const path = fc.array(component, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
const value = fc.uint8Array({ maxLength: 40 })
const key = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }).filter((each) => !/[=\0]/.test(each))
const entries: fc.Arbitrary<Entry> = fc
  .record({
    path,
    type: fc.constantFrom<EntryType>('file', 'directory', 'symlink', 'hardlink', 'char', 'block', 'fifo'),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    gid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    size: fc.integer({ min: 0, max: 3000 }),
    mtime: fc.oneof(fc.integer(), fc.maxSafeInteger()),
    mtimeNs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
    linkname: path,
    devMajor: fc.integer({ min: 0, max: 2_097_151 }),
    devMinor: fc.integer({ min: 0, max: 2_097_151 }),
    xattrs: fc.array(fc.tuple(key, value), { maxLength: 3 }).map((all) => new Map(all)),
    pax: fc
      .array(fc.tuple(key, value), { maxLength: 2 })
      .map((all) => new Map(all.map(([k, v]) => [`X.${k}`, v]))),
  })
  .map((fields) => {
    const linked = fields.type === 'symlink' || fields.type === 'hardlink'
    const device = fields.type === 'char' || fields.type === 'block'
    return createEntry({
      ...fields,
      size: fields.type === 'file' ? fields.size : 0,
      linkname: linked ? fields.linkname : '',
      devMajor: device ? fields.devMajor : 0,
      devMinor: device ? fields.devMinor : 0,
      pax: fields.pax.size === 0 ? undefined : fields.pax,
    })
  })

t.test('what is decoded is what was encoded', async () => {
  await fc.assert(
    fc.asyncProperty(entries, async (entry) => {
      const read = await roundTrip(entry)
      const wanted = decoded(entry)
      for (const field of Object.keys(wanted) as (keyof Entry)[]) {
        const plainly = field === 'xattrs' || field === 'pax'
        const [is, should] = plainly
          ? [plain(read[field]), plain(wanted[field])]
          : [read[field], wanted[field]]
        if (is !== should) throw new Error(`${field}: ${JSON.stringify(is)}`)
      }
    }),
    { numRuns: 500 },
  )
})

function plain(records: ReadonlyMap<string, Uint8Array> | undefined): string {
  return [...(records ?? [])]
    .map(([k, v]) => `${k}=${Buffer.from(v).toString('hex')}`)
    .toSorted()
    .join()
}
