/**
 * Other people's tools read what we write, and we read what they write. A tool that is not installed is skipped by
 * name.
 *
 * @module
 */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { bytesSource } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import t, { type Test } from 'tap'
import { apply, diff, type Entry, fromDirectory, fromLayers, fromTar, pack, Tree } from '../src/index.ts'
import { collect, directory, file, hardlink, readMembers, symlink } from './archive.ts'
import { isRoot, snapshot, writeBytes } from './disk.ts'
import { needs, type Peer, place, run } from './peers.ts'

const OWNER = isRoot ? { uid: 1000, gid: 3_000_000 } : { uid: process.getuid!(), gid: process.getgid!() }
const MEMBERS: readonly Entry[] = [
  directory('d', { mode: 0o2750, mtime: 1_600_000_000, ...OWNER }),
  file('d/plain', 'content', { mode: 0o4755, mtime: 1_700_000_000, ...OWNER }),
  file('d/empty', '', { mtime: 2_208_988_800, ...OWNER }),
  file(`d/${'long-'.repeat(40)}`, 'long', OWNER),
  file(`d/${'p/'.repeat(60)}x`, 'prefix', OWNER),
  file('d/é', 'utf-8', OWNER),
  file('d/\uDCFF', 'raw', OWNER),
  file('d/new\nline', 'newline', OWNER),
  symlink('d/link', `../${'t'.repeat(150)}`, { mtime: 5, ...OWNER }),
  hardlink('e', 'd/plain', OWNER),
]
const TREE = fromLayers([Tree.from(MEMBERS)])

async function expected(t: Test): Promise<string[]> {
  const base = place(t, 'ours')
  await apply(join(base, 'ours'), pack(TREE), { owner: 'keep' })
  return snapshot(join(base, 'ours'), { times: true, owners: true }).slice(1)
}

const READERS: readonly (readonly [peer: Peer, command: (tar: string, to: string) => string[]])[] = [
  ['GNU tar', (tar, to) => ['tar', '-x', '-p', '--numeric-owner', '-f', tar, '-C', to]],
  ['bsdtar', (tar, to) => ['bsdtar', '-x', '-p', '--numeric-owner', '-f', tar, '-C', to]],
  [
    'Python',
    (tar, to) => [
      'python3',
      '-c',
      "import sys, tarfile; t = tarfile.open(sys.argv[1], errors='surrogateescape'); " +
        "t.extractall(sys.argv[2], numeric_owner=True, **({'filter': 'fully_trusted'} if hasattr(tarfile, 'data_filter') else {}))",
      tar,
      to,
    ],
  ],
]

for (const [peer, command] of READERS) {
  t.test(`T2: ${peer} extracts what we pack`, { skip: needs(peer) }, async (t) => {
    const base = place(t, 'out')
    writeFileSync(join(base, 'x.tar'), await collect(pack(TREE)))
    const [tool, ...args] = command(join(base, 'x.tar'), join(base, 'out'))
    run(tool!, args)
    const ours = await expected(t)
    // Python sets neither the owner nor the time of a link; the others agree on everything.
    const comparable = (lines: readonly string[]): string[] =>
      peer === 'Python' ? lines.map(withoutLinkTime) : [...lines]
    t.strictSame(
      comparable(snapshot(join(base, 'out'), { times: true, owners: true }).slice(1)),
      comparable(ours),
    )
  })
}

function withoutLinkTime(line: string): string {
  return line.includes(' -> ') ? line.replace(/ @\d+$/, '') : line
}

t.test(
  'GNU tar and bsdtar find nothing to complain about',
  { skip: needs('GNU tar', 'bsdtar') },
  async (t) => {
    const base = place(t)
    writeFileSync(join(base, 'x.tar'), await collect(pack(TREE)))
    for (const tool of ['tar', 'bsdtar']) {
      const complaints = run('sh', ['-c', `${tool} -tvf ${join(base, 'x.tar')} 2>&1 >/dev/null`])
      // GNU tar does not know the record that POSIX has for names that are not UTF-8, and bsdtar insists on.
      t.match(
        complaints,
        tool === 'tar' ? /^(?:|tar: Ignoring unknown .* keyword 'hdrcharset'\n)$/ : /^$/,
        tool,
      )
    }
  },
)

/** With `long`, also what the formats before POSIX cannot hold. */
function fill(root: string, long: boolean): void {
  mkdirSync(join(root, 'd'))
  writeFileSync(join(root, 'd/file'), 'content', { mode: 0o640 })
  writeFileSync(join(root, 'd/set'), 'x', { mode: 0o4755 })
  writeFileSync(join(root, 'd/empty'), '')
  writeBytes(`${root}/d/\xFF`, 'raw')
  writeFileSync(join(root, 'd/é'), 'utf-8')
  writeFileSync(join(root, 'd/new\nline'), 'newline')
  writeFileSync(join(root, 'd/back\\slash'), 'backslash')
  symlinkSync('../odd//target', join(root, 'd/link'))
  linkSync(join(root, 'd/file'), join(root, 'd/same'))
  writeFileSync(join(root, 'd/sparse'), 'start')
  truncateSync(join(root, 'd/sparse'), 3_000_000)
  run('mkfifo', [join(root, 'fifo')])
  utimesSync(join(root, 'd/file'), 1_700_000_000, 1_700_000_000)
  if (!long) return
  writeFileSync(join(root, `d/${'n'.repeat(150)}`), 'long')
  mkdirSync(join(root, 'd/p/'.repeat(30)), { recursive: true })
  writeFileSync(join(root, 'd/p/'.repeat(30), 'é'.repeat(60)), 'long and not ASCII')
  symlinkSync('t'.repeat(150), join(root, 'd/long'))
}

const PYTHON = `
import sys, tarfile
with tarfile.open(sys.argv[2], 'w', format=getattr(tarfile, sys.argv[1]), errors='surrogateescape') as archive:
    archive.add(sys.argv[4], '.')
`
const FORMATS_WITHOUT_LONG = /v7|ustar/i

const WRITERS: readonly (readonly [name: string, peer: Peer, command: readonly string[]])[] = [
  ...['v7', 'oldgnu', 'gnu', 'ustar', 'posix'].map(
    (format) => [`GNU tar, ${format}`, 'GNU tar', ['tar', `--format=${format}`, '-cf']] as const,
  ),
  ['GNU tar, sparse in the oldgnu format', 'GNU tar', ['tar', '--format=oldgnu', '--sparse', '-cf']],
  ['GNU tar, sparse in the gnu format', 'GNU tar', ['tar', '--format=gnu', '--sparse', '-cf']],
  ...['0.0', '0.1', '1.0'].map(
    (version) =>
      [
        `GNU tar, sparse ${version}`,
        'GNU tar',
        ['tar', '--format=posix', '--sparse', `--sparse-version=${version}`, '-cf'],
      ] as const,
  ),
  ...['v7', 'ustar', 'pax', 'gnutar'].map(
    (format) => [`bsdtar, ${format}`, 'bsdtar', ['bsdtar', `--format=${format}`, '-cf']] as const,
  ),
  ...['USTAR', 'GNU', 'PAX'].map(
    (format) => [`Python, ${format}`, 'Python', ['python3', '-c', PYTHON, `${format}_FORMAT`]] as const,
  ),
]

for (const [name, peer, [tool, ...args]] of WRITERS) {
  t.test(`we read what ${name} packs`, { skip: needs(peer) }, async (t) => {
    const base = place(t, 'in', 'out')
    fill(join(base, 'in'), !FORMATS_WITHOUT_LONG.test(name))
    // Python counts time in floating point.
    if (peer === 'Python')
      run('find', [join(base, 'in'), '-exec', 'touch', '-h', '-d', '@1700000000', '{}', '+'])
    // A FIFO needs the header of POSIX.
    if (name.endsWith('v7')) rmSync(join(base, 'in/fifo'))
    run(tool!, [...args, join(base, 'x.tar'), '-C', join(base, 'in'), ...(peer === 'Python' ? [] : ['.'])])
    const source = fileSource(join(base, 'x.tar'))
    const { unsupported } = await apply(join(base, 'out'), source.open(), {
      owner: isRoot ? 'keep' : 'ignore',
    })
    const times = { times: true, owners: true }
    const without = (line: string): boolean => !unsupported.some(({ path }) => line.startsWith(`/${path} `))
    t.strictSame(snapshot(join(base, 'out'), times), snapshot(join(base, 'in'), times).filter(without))
    const tree = await fromTar(source)
    const changes = await diff(
      await fromDirectory(join(base, 'in'), { nanoseconds: true }),
      fromLayers([tree]),
      { content: 'always' },
    )
    t.strictSame(
      changes.map(({ path }) => path),
      [],
    )
    // Each format ends in its own way, and in blocks of its own.
    const members = await readMembers(readFileSync(join(base, 'x.tar')), { strict: true })
    t.equal(members.length, tree.size, 'strictly too')
  })
}

const NUMBERS_SCRIPT = `
import sys, tarfile
with tarfile.open(sys.argv[2], 'w', format=getattr(tarfile, sys.argv[1])) as archive:
    member = tarfile.TarInfo('x')
    member.uid, member.gid, member.mtime = 3000000, 4294967294, int(sys.argv[3])
    archive.addfile(member)
`
const NUMBERS: readonly (readonly [
  name: string,
  peer: Peer,
  command: (tar: string, mtime: number) => string[],
])[] = [
  ...['gnu', 'oldgnu', 'posix'].map(
    (format) =>
      [
        `GNU tar, ${format}`,
        'GNU tar',
        (tar: string, mtime: number) => [
          'tar',
          `--format=${format}`,
          '--owner=o:3000000',
          '--group=g:4294967294',
          `--mtime=@${mtime}`,
          '-cf',
          tar,
          'x',
        ],
      ] as const,
  ),
  ...['GNU', 'PAX'].map(
    (format) =>
      [
        `Python, ${format}`,
        'Python',
        (tar: string, mtime: number) => [
          'python3',
          '-c',
          NUMBERS_SCRIPT,
          `${format}_FORMAT`,
          tar,
          String(mtime),
        ],
      ] as const,
  ),
]

for (const [name, peer, command] of NUMBERS) {
  t.test(`B21: numbers beyond octal, as ${name} writes them`, { skip: needs(peer) }, async (t) => {
    const base = place(t)
    writeFileSync(join(base, 'x'), '')
    for (const mtime of [-5, 8_589_934_591, 8_589_934_592]) {
      const [tool, ...args] = command(join(base, 'x.tar'), mtime)
      run('sh', ['-c', 'cd "$0" && exec "$@"', base, tool!, ...args])
      const [found] = await readMembers(readFileSync(join(base, 'x.tar')))
      t.match(
        found!.entry,
        { path: 'x', uid: 3_000_000, gid: 4_294_967_294, mtime, mtimeNs: 0 },
        String(mtime),
      )
    }
  })
}

t.test(
  'T9, B23: attributes, as GNU tar and bsdtar write them',
  { skip: needs('GNU tar', 'bsdtar', 'getfattr') },
  async (t) => {
    const base = place(t)
    const path = join(base, 'x')
    writeFileSync(path, 'x')
    const value = Buffer.from([0, 10, 61, 255, 128])
    try {
      run('setfattr', ['-n', 'user.binary', '-v', `0x${value.toString('hex')}`, path])
      run('setfattr', ['-n', 'user.text', '-v', 'k=v=w', path])
    } catch {
      t.comment('no attributes on this file system')
      return
    }
    for (const tool of [
      ['tar', '--format=posix', '--xattrs'],
      ['bsdtar', '--format=pax', '--xattrs'],
    ]) {
      run(tool[0]!, [...tool.slice(1), '-cf', join(base, 'x.tar'), '-C', base, 'x'])
      const [found] = [...(await fromTar(bytesSource(readFileSync(join(base, 'x.tar')))))]
      const attributes = [...found!.xattrs!].map(([key, bytes]) => [
        key,
        Buffer.from(bytes).toString('latin1'),
      ])
      t.strictSame(
        attributes.toSorted(([a], [b]) => (a! < b! ? -1 : 1)),
        [
          ['user.binary', value.toString('latin1')],
          ['user.text', 'k=v=w'],
        ],
        tool[0]!,
      )
    }
  },
)
