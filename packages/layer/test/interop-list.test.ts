/**
 * What other people's tools list of our archives, by name, type, mode, owner, size, time, target, device, attributes and
 * content, is what we list. Where one of them is known to be wrong, that is said here and expected.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { closeSync, ftruncateSync, lstatSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createEntry, decodeTar, encodeMember, encodePath, type Entry, pack, Tree } from '../src/index.ts'
import { collect, directory, file, hardlink, symlink } from './archive.ts'
import { type Peer, needs, place, run } from './peers.ts'

const BINARY = Buffer.from([0, 10, 61, 255, 128, 0])
const ENTRIES: readonly Entry[] = [
  directory('', { mode: 0o711, mtime: 1_500_000_000 }),
  directory('d', { mode: 0o2750, uid: 1000, gid: 1000, mtime: 1_600_000_000 }),
  file('d/f', 'content', {
    mode: 0o4755,
    uid: 1000,
    gid: 3_000_000,
    mtime: 1_700_000_000,
    mtimeNs: 123_456_789,
  }),
  file('d/sticky', 'x', { mode: 0o1000 }),
  file('d/1969', 'x', { mtime: -5 }),
  file('d/2040', 'x', { mtime: 2_208_988_800, uid: 2 ** 32 - 2, gid: 2 ** 31 }),
  file('d/2286', 'x', { mtime: 10_000_000_000, mtimeNs: 5 }),
  file('d/ids', 'x', { uid: 2_097_151, gid: 2_097_152 }),
  file('d/empty', ''),
  file('d/large', 'large '.repeat(50_000)),
  file('d/é', 'utf-8'),
  file('d/\uDCFF\uDCFE', 'raw'),
  file('d/new\nline', 'newline'),
  file('d/back\\slash', 'backslash'),
  file('d/spaces  ', 'spaces'),
  file('d/attributes', 'x', {
    xattrs: new Map([
      ['user.binary', BINARY],
      ['user.text', Buffer.from('k=v=w')],
      ['security.capability', Buffer.from([1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ]),
  }),
  hardlink('e', 'd/f'),
  hardlink('f', `d/${'n'.repeat(120)}`),
  file(`d/${'n'.repeat(120)}`, 'linked'),
  symlink('l', 't'.repeat(150), { mtime: 5, uid: 7, gid: 8 }),
  symlink('m', '../\uDCFF'),
  symlink('o', '/absolute//and/../odd'),
  createEntry({ path: 'fifo', type: 'fifo', mode: 0o600 }),
  createEntry({ path: 'char', type: 'char', devMajor: 1, devMinor: 3, mode: 0o666 }),
  createEntry({ path: 'block', type: 'block', devMajor: 259, devMinor: 65_537, mode: 0o660 }),
  file('n'.repeat(100)),
  file('n'.repeat(101)),
  file('n'.repeat(255)),
  file(`${'p'.repeat(154)}/${'n'.repeat(100)}`, 'both fields full'),
  file(`${'p/'.repeat(700)}x`, 'deep'),
  file(`é${'p/'.repeat(90)}x`, 'long and not ASCII'),
]

/** What a lister can say of a member; names are a character a byte. */
interface Row {
  readonly path: string
  readonly type: string
  readonly mode: number
  readonly owner: string
  readonly size?: number | undefined
  readonly time: string
  readonly link?: string | undefined
  readonly device?: string | undefined
  readonly sha256?: string | undefined
  readonly xattrs?: readonly string[] | undefined
}

const latin1 = (path: string): string => Buffer.from(encodePath(path)).toString('latin1')
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** What we say of it ourselves. */
async function ours(archive: Uint8Array): Promise<Row[]> {
  const rows: Row[] = []
  for await (const { entry, body } of decodeTar([archive])) {
    const { type, path, mode, uid, gid, size, mtime, mtimeNs, linkname, devMajor, devMinor } = entry
    const linked = type === 'symlink' || type === 'hardlink'
    rows.push({
      path: latin1(path),
      type,
      mode,
      owner: `${uid}:${gid}`,
      size: type === 'file' ? size : undefined,
      time: decimal(mtime, mtimeNs),
      link: linked ? latin1(linkname) : undefined,
      device: type === 'char' || type === 'block' ? `${devMajor},${devMinor}` : undefined,
      sha256: type === 'file' ? sha256(await collect(body)) : undefined,
      xattrs: [...entry.xattrs!].map(([key, value]) => `${key}=${Buffer.from(value).toString('hex')}`),
    })
  }
  return rows
}

function decimal(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}

type Column = keyof Row

function columns(rows: readonly Row[], ...wanted: readonly Column[]): object[] {
  return rows
    .map((row) => Object.fromEntries(wanted.map((column) => [column, row[column]])))
    .toSorted((a, b) => (String(a['path']) < String(b['path']) ? -1 : 1))
}

const LINE =
  /^(?<type>.)(?<mode>\S{9}) (?<uid>\d+)\/(?<gid>\d+) +(?<size>[\d,]+) (?<date>\S+) (?<clock>[\d:]+)(?:\.(?<ns>\d+))? +(?<name>.*)$/
const LETTERS: Readonly<Record<string, string>> = {
  '-': 'file',
  d: 'directory',
  l: 'symlink',
  h: 'hardlink',
  p: 'fifo',
  c: 'char',
  b: 'block',
}

/** `tar -tv`, in the lines of ls(1). */
function listGNU(archive: string): Row[] {
  const options = ['-tv', '--numeric-owner', '--full-time', '--quoting-style=escape', '-f', archive]
  return run('tar', options)
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const found = LINE.exec(line)?.groups
      if (found === undefined) throw new Error(`not a line of ls: ${line}`)
      const { mode, uid, gid, size, date, clock, ns = '' } = found as Record<string, string>
      const type = LETTERS[found['type']!]!
      const separator = { symlink: ' -> ', hardlink: ' link to ' }[type]
      const [name, link] = separator === undefined ? [found['name']!] : found['name']!.split(separator)
      const device = type === 'char' || type === 'block'
      return {
        path: unescape(name!).replace(/^\.\/|(?!^)\/$/g, ''),
        type,
        mode: modeOf(mode!),
        owner: `${uid}:${gid}`,
        size: type === 'file' ? Number(size) : undefined,
        time: decimal(Date.parse(`${date}T${clock}Z`) / 1000, Number(ns.padEnd(9, '0'))),
        link: link === undefined ? undefined : unescape(link),
        device: device ? size : undefined,
      }
    })
}

function modeOf(letters: string): number {
  let mode = 0
  for (const [at, letter] of letters.split('').entries()) {
    if (/[rwxst]/.test(letter)) mode |= 0o400 >> at
    if (/[sStT]/.test(letter)) mode |= 0o4000 >> Math.floor(at / 3)
  }
  return mode
}

/** Of C, and of mtree(5). */
function unescape(text: string): string {
  return text.replaceAll(/\\(\d{3}|.)/g, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : code === 'n' ? '\n' : code,
  )
}

/** The specification bsdtar makes of an archive; it has no word for hard links. */
function listBSD(archive: string): Row[] {
  const keys = '!all,type,mode,uid,gid,size,time,link,device,sha256'
  return run('bsdtar', ['-cf', '-', '--format=mtree', `--options=${keys}`, `@${archive}`])
    .split('\n')
    .slice(1, -1)
    .map((line) => {
      const [name = '', ...words] = line.split(' ')
      const {
        type,
        mode,
        uid,
        gid,
        time = '',
        ...rest
      } = Object.fromEntries(
        words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
      )
      const [seconds, nanoseconds] = time.split('.').map(Number)
      return {
        // The root is `/.`.
        path: unescape(name).replace(/^\.\/|^\/\.$/, ''),
        type: { dir: 'directory', link: 'symlink' }[type!] ?? type!,
        mode: Number.parseInt(mode!, 8),
        owner: `${uid}:${gid}`,
        size: rest['size'] === undefined ? undefined : Number(rest['size']),
        time: decimal(seconds!, nanoseconds!),
        link: rest['link'] === undefined ? undefined : unescape(rest['link']),
        device: rest['device']?.replace('native,', ''),
        sha256: rest['sha256digest'],
      }
    })
}

const SCRIPT = `
import hashlib, json, sys, tarfile
def text(name): return name.encode('utf-8', 'surrogateescape').decode('latin-1')
kinds = {b'0': 'file', b'1': 'hardlink', b'2': 'symlink', b'3': 'char', b'4': 'block', b'5': 'directory', b'6': 'fifo'}
rows = []
with tarfile.open(sys.argv[1], encoding='utf-8', errors='surrogateescape') as archive:
    for member in archive:
        kind = kinds[member.type]
        xattrs = [[key[13:], value] for key, value in member.pax_headers.items() if key.startswith('SCHILY.xattr.')]
        rows.append({
            'path': text(member.name), 'type': kind, 'mode': member.mode, 'owner': f'{member.uid}:{member.gid}',
            'size': member.size if kind == 'file' else None,
            'time': str(member.pax_headers.get('mtime', member.mtime)),
            'link': text(member.linkname) if 'link' in kind else None,
            'device': f'{member.devmajor},{member.devminor}' if kind in ('char', 'block') else None,
            'sha256': hashlib.sha256(archive.extractfile(member).read()).hexdigest()
                if kind == 'file' and member.size < 2**30 else None,
            'xattrs': [key + '=' + value.encode('utf-8', 'surrogateescape').hex() for key, value in xattrs],
        })
json.dump(rows, sys.stdout)
`

function listPython(archive: string): Row[] {
  const rows = JSON.parse(run('python3', ['-c', SCRIPT, archive])) as Row[]
  return rows.map((row) => {
    const [, seconds, fraction = ''] = /^(-?\d+)(?:\.(\d+))?$/.exec(row.time)!
    return {
      ...Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)),
      path: row.path === '.' ? '' : row.path,
      time: decimal(Number(seconds), Number(fraction.padEnd(9, '0'))),
    } as Row
  })
}

const COLUMNS = ['path', 'type', 'mode', 'owner', 'size', 'time', 'link', 'device'] as const
const LISTERS: readonly (readonly [Peer, (archive: string) => Row[], readonly Column[]])[] = [
  ['GNU tar', listGNU, COLUMNS],
  ['bsdtar', listBSD, [...COLUMNS, 'sha256']],
  ['Python', listPython, [...COLUMNS, 'sha256', 'xattrs']],
]

for (const [peer, list, wanted] of LISTERS) {
  t.test(
    `T2, T6, T7, T8, T9, T10, T11, T13, D23: ${peer} lists what we pack as we do`,
    { skip: needs(peer) },
    async (t) => {
      const { archive, path } = await written(t, pack(Tree.from(ENTRIES), { nanoseconds: true }))
      const rows = await ours(archive)
      t.equal(rows.length, ENTRIES.length)
      // mtree(5) knows files by their names only: a further name is a file without a content.
      const known =
        peer !== 'bsdtar' ? rows : rows.map((row) => (row.type === 'hardlink' ? asEmptyFile(row) : row))
      t.strictSame(columns(list(path), ...wanted), columns(known, ...wanted))
    },
  )
}

function asEmptyFile(row: Row): Row {
  return { ...row, type: 'file', size: 0, link: undefined }
}

async function written(
  t: Test,
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly archive: Buffer; readonly path: string }> {
  const archive = await collect(chunks)
  const path = join(place(t), 'x.tar')
  writeFileSync(path, archive)
  return { archive, path }
}

t.test(
  'a time before 1970 with a fraction is that second and a part of the next',
  { skip: needs('GNU tar', 'Python', 'bsdtar') },
  async (t) => {
    const { archive, path } = await written(
      t,
      pack(Tree.from([file('x', 'x', { mtime: -5, mtimeNs: 250_000_000 })]), { nanoseconds: true }),
    )
    t.equal((await ours(archive))[0]!.time, '-5.250000000')
    const base = place(t)
    const extracted = (tool: string, ...args: readonly string[]): number => {
      run(tool, args)
      return Number(lstatSync(join(base, 'x'), { bigint: true }).mtimeNs) / 1e9
    }
    t.equal(extracted('tar', '-xf', path, '-C', base), -4.75, 'GNU tar')
    const script = 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])'
    t.equal(extracted('python3', '-W', 'ignore', '-c', script, path, base), -4.75, 'Python')
    // libarchive (3.6) negates the seconds only.
    t.ok([-4.75, -3.25].includes(extracted('bsdtar', '-xf', path, '-C', base)), 'bsdtar')
  },
)

t.test('sizes over 8 GiB', { skip: needs('GNU tar', 'bsdtar', 'Python') }, async (t) => {
  const path = join(place(t), 'x.tar')
  const entries = [2 ** 33 - 1, 2 ** 33, 2 ** 40 + 3].map((size, index) =>
    createEntry({ path: `${index}`, type: 'file', size }),
  )
  const fd = openSync(path, 'w')
  let at = 0
  for (const entry of entries) {
    const header = encodeMember(entry)
    writeSync(fd, header, 0, header.length, at)
    at += header.length + Math.ceil(entry.size / 512) * 512
  }
  ftruncateSync(fd, at + 1024)
  closeSync(fd)
  const expected = entries.map(({ path: name, size }) => ({ path: name, size }))
  t.strictSame(columns(listGNU(path), 'path', 'size'), expected, 'GNU tar')
  t.strictSame(columns(listPython(path), 'path', 'size'), expected, 'Python')
  const bsd = run('bsdtar', ['-tvf', path]).trim().split('\n')
  t.strictSame(
    bsd.map((line) => ({ path: line.split(' ').at(-1), size: Number(line.trim().split(/ +/)[4]) })),
    expected,
    'bsdtar',
  )
})
