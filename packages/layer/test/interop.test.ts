/**
 * Other people's tools read what we write, and we read what they write. A tool that is not installed is skipped by
 * name.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  apply,
  diff,
  type Entry,
  fromDirectory,
  fromLayers,
  fromTar,
  LAYER_MEDIA_TYPES,
  layerTree,
  pack,
  packLayer,
  Tree,
} from '../src/index.ts'
import { bytesSource } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { collect, directory, file, hardlink, marker, symlink } from './archive.ts'
import { isRoot, names, snapshot, writeBytes } from './disk.ts'

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

function place(t: Test, ...directories: string[]): string {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  for (const each of directories) mkdirSync(join(base, each))
  return base
}

function has(tool: string, ...args: string[]): boolean {
  try {
    execFileSync(tool, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const missing = (tool: string, ...args: string[]): false | string =>
  !has(tool, ...args) && `${tool} is not installed`
const GNU = missing('tar', '--version')
const BSD = missing('bsdtar', '--version')
const PYTHON = missing('python3', '--version')
const UMOCI = missing('umoci', '--version')

async function expected(t: Test): Promise<string[]> {
  const base = place(t, 'ours')
  await apply(join(base, 'ours'), pack(TREE), { owner: 'keep' })
  return snapshot(join(base, 'ours'), { times: true, owners: true }).slice(1)
}

const READERS: readonly (readonly [
  name: string,
  skip: false | string,
  command: (tar: string, to: string) => string[],
])[] = [
  ['GNU tar', GNU, (tar, to) => ['tar', '-x', '-p', '--numeric-owner', '-f', tar, '-C', to]],
  ['bsdtar', BSD, (tar, to) => ['bsdtar', '-x', '-p', '--numeric-owner', '-f', tar, '-C', to]],
  [
    'Python',
    PYTHON,
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

for (const [name, skip, command] of READERS) {
  t.test(`${name} extracts what we pack`, { skip }, async (t) => {
    const base = place(t, 'out')
    writeFileSync(join(base, 'x.tar'), await collect(pack(TREE)))
    const [tool, ...args] = command(join(base, 'x.tar'), join(base, 'out'))
    execFileSync(tool!, args, {
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ours = await expected(t)
    // Python sets neither the owner nor the time of a link; the others agree on everything.
    const comparable = (lines: readonly string[]): string[] =>
      name === 'Python' ? lines.map(withoutLinkTime) : [...lines]
    t.strictSame(
      comparable(snapshot(join(base, 'out'), { times: true, owners: true }).slice(1)),
      comparable(ours),
    )
  })
}

function withoutLinkTime(line: string): string {
  return line.includes(' -> ') ? line.replace(/ @\d+$/, '') : line
}

t.test('GNU tar and bsdtar find nothing to complain about', { skip: GNU || BSD }, async (t) => {
  const base = place(t)
  writeFileSync(join(base, 'x.tar'), await collect(pack(TREE)))
  for (const tool of ['tar', 'bsdtar']) {
    const script = `LC_ALL=C.UTF-8 ${tool} -tvf ${join(base, 'x.tar')} 2>&1 >/dev/null`
    const complaints = execFileSync('sh', ['-c', script], { encoding: 'utf8' })
    // GNU tar does not know the record that POSIX has for names that are not UTF-8, and bsdtar insists on.
    t.match(
      complaints,
      tool === 'tar' ? /^(?:|tar: Ignoring unknown .* keyword 'hdrcharset'\n)$/ : /^$/,
      tool,
    )
  }
})

function fill(root: string): void {
  mkdirSync(join(root, 'd'))
  writeFileSync(join(root, 'd/file'), 'content', { mode: 0o640 })
  writeFileSync(join(root, `d/${'n'.repeat(150)}`), 'long')
  writeBytes(`${root}/d/\xFF`, 'raw')
  writeFileSync(join(root, 'd/é'), 'utf-8')
  symlinkSync('t'.repeat(150), join(root, 'd/link'))
  linkSync(join(root, 'd/file'), join(root, 'd/same'))
  writeFileSync(join(root, 'd/sparse'), 'start')
  truncateSync(join(root, 'd/sparse'), 3_000_000)
  utimesSync(join(root, 'd/file'), 1_700_000_000, 1_700_000_000)
}

const WRITERS: readonly (readonly [name: string, skip: false | string, command: readonly string[]])[] = [
  ...['gnu', 'posix', 'oldgnu'].map(
    (format) => [`GNU tar, ${format}`, GNU, ['tar', `--format=${format}`, '-cf']] as const,
  ),
  ['GNU tar, sparse in the old format', GNU, ['tar', '--format=gnu', '--sparse', '-cf']],
  ...['0.0', '0.1', '1.0'].map(
    (version) =>
      [
        `GNU tar, sparse ${version}`,
        GNU,
        ['tar', '--format=posix', '--sparse', `--sparse-version=${version}`, '-cf'],
      ] as const,
  ),
  ['bsdtar, pax', BSD, ['bsdtar', '--format=pax', '-cf']],
  ['bsdtar, gnutar', BSD, ['bsdtar', '--format=gnutar', '-cf']],
]

for (const [name, skip, [tool, ...args]] of WRITERS) {
  t.test(`we read what ${name} packs`, { skip }, async (t) => {
    const base = place(t, 'in', 'out')
    fill(join(base, 'in'))
    const env = { ...process.env, LC_ALL: 'C.UTF-8' }
    execFileSync(tool!, [...args, join(base, 'x.tar'), '-C', join(base, 'in'), '.'], { env, stdio: 'ignore' })
    const source = fileSource(join(base, 'x.tar'))
    await apply(join(base, 'out'), source.open())
    const times = { times: true, owners: true }
    t.strictSame(snapshot(join(base, 'out'), times), snapshot(join(base, 'in'), times))
    const tree = await fromTar(source)
    const changes = await diff(
      await fromDirectory(join(base, 'in'), { nanoseconds: true }),
      fromLayers([tree]),
      {
        content: 'always',
      },
    )
    t.strictSame(
      changes.map(({ path }) => path),
      [],
    )
  })
}

t.test(
  'umoci unpacks our layers to what we make of them',
  { skip: UMOCI || (isRoot ? false : 'needs root') },
  async (t) => {
    const base = place(t, 'layout', 'ours')
    const lower = Tree.from([
      ...MEMBERS,
      directory('gone'),
      file('gone/x'),
      file('old'),
      directory('emptied'),
      file('emptied/y'),
    ])
    const upper = fromLayers([
      Tree.from([...MEMBERS, directory('emptied'), file('new', 'new'), file('d/more', 'more')]),
    ])
    const layers = [lower, layerTree(await diff(fromLayers([lower]), upper), upper)]
    t.ok(layers[1]!.has(marker('.wh.old').path))
    const blobs = join(base, 'layout/blobs/sha256')
    mkdirSync(blobs, { recursive: true })
    const put = (bytes: Uint8Array): { digest: string; size: number } => {
      const hex = createHash('sha256').update(bytes).digest('hex')
      writeFileSync(join(blobs, hex), bytes)
      return { digest: `sha256:${hex}`, size: bytes.byteLength }
    }
    const descriptors: unknown[] = []
    const diffIDs: string[] = []
    for (const tree of layers) {
      const chunks: Uint8Array[] = []
      const made = await packLayer(tree, { write: (chunk) => void chunks.push(chunk) })
      descriptors.push({ mediaType: LAYER_MEDIA_TYPES.gzip, ...put(Buffer.concat(chunks)) })
      diffIDs.push(made.diffID)
      await apply(join(base, 'ours'), chunks, { diffID: made.diffID })
    }
    const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
    const config = put(
      json({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: diffIDs },
        history: [{}, {}],
      }),
    )
    const manifest = put(
      json({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
        layers: descriptors,
      }),
    )
    const named = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      ...manifest,
      annotations: { 'org.opencontainers.image.ref.name': 'x' },
    }
    writeFileSync(join(base, 'layout/index.json'), json({ schemaVersion: 2, manifests: [named] }))
    writeFileSync(join(base, 'layout/oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
    execFileSync('umoci', ['raw', 'unpack', '--image', `${join(base, 'layout')}:x`, join(base, 'theirs')], {
      stdio: 'pipe',
    })
    const times = { times: true, owners: true }
    // umoci gives parents that nobody has, and the root, the time of its run.
    const comparable = (root: string): string[] =>
      snapshot(root, times)
        .slice(1)
        .map((line) => (/ dir /.test(line) && line.includes('/p') ? line.replace(/ \d+ .*$/, '') : line))
    t.strictSame(comparable(join(base, 'theirs')), comparable(join(base, 'ours')))
    t.strictSame(
      names(join(base, 'ours')).filter((line) => /gone|old/.test(line)),
      [],
    )
    t.equal((await fromTar(bytesSource(await collect(pack(TREE))))).size, TREE.size)
  },
)
