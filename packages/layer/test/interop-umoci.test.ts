/**
 * umoci, an independent implementation of the same specification, applies our layers and all the cases of semantics.ts,
 * and writes layers that we apply.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  lstatSync,
  readdirSync,
} from 'node:fs'
import { join } from 'node:path'
import { bytesSource } from '@varve/digest'
import t from 'tap'
import {
  apply,
  createEntry,
  decompress,
  diff,
  type Entry,
  fromDirectory,
  fromLayers,
  fromTar,
  LAYER_MEDIA_TYPES,
  layerTree,
  packLayer,
  systemAdapter,
  Tree,
} from '../src/index.ts'
import { collect, directory, file, hardlink, inOrder, marker, symlink } from './archive.ts'
import { isRoot, names, snapshot, writeBytes } from './disk.ts'
import { ImageLayout } from './interop-layout.ts'
import { needs, place, run } from './peers.ts'
import { SEMANTICS } from './semantics.ts'

const skip = needs('umoci') || (isRoot ? false : 'needs root')
const exact = { times: true, owners: true }

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

function unpack(image: string, root: string): void {
  run('umoci', ['raw', 'unpack', '--image', image, root])
}

const owner = { uid: 1000, gid: 3_000_000 }
const MEMBERS: readonly Entry[] = [
  directory('', { mode: 0o711 }),
  directory('d', { mode: 0o2750, mtime: 1_600_000_000, ...owner }),
  file('d/plain', 'content', { mode: 0o4755, mtime: 1_700_000_000, ...owner }),
  file('d/empty', '', { mtime: 2_208_988_800, ...owner }),
  // Go counts nanoseconds in 64 bits: up to 2262.
  file('d/2200', '', { mtime: 7_258_118_400 }),
  file(`d/${'long-'.repeat(40)}`, 'long', owner),
  directory('deep'),
  file('d/é', 'utf-8', owner),
  file('d/new\nline', 'newline', owner),
  file('d/back\\slash', 'backslash', owner),
  file('d/xattr', 'x', { xattrs: new Map([['user.binary', Buffer.from([0, 10, 61, 255])]]) }),
  directory('closed', { mode: 0o555, mtime: 9 }),
  file('closed/file', 'x', { mode: 0o400 }),
  symlink('d/link', `../${'t'.repeat(150)}`, { mtime: 5, ...owner }),
  hardlink('e', 'd/plain', owner),
  createEntry({ path: 'fifo', type: 'fifo', mode: 0o600 }),
  createEntry({ path: 'null', type: 'char', devMajor: 1, devMinor: 3, mode: 0o666 }),
]

t.test('T4, T22, T26, T33: umoci unpacks our layers to what we make of them', { skip }, async (t) => {
  const base = place(t, 'layout', 'ours')
  const layout = new ImageLayout(join(base, 'layout'))
  const lower = Tree.from([
    ...MEMBERS,
    directory('gone'),
    file('gone/x'),
    file('old'),
    directory('emptied'),
    file('emptied/y'),
  ])
  const upper = fromLayers([
    Tree.from([
      ...MEMBERS,
      directory('emptied'),
      file('new', 'new'),
      file('d/more', 'more'),
      hardlink('f', 'e'),
    ]),
  ])
  const layers = [lower, layerTree(await diff(fromLayers([lower]), upper), upper)]
  t.ok(layers[1]!.has(marker('.wh.old').path))
  const [descriptors, diffIDs]: [ReturnType<ImageLayout['blob']>[], string[]] = [[], []]
  for (const tree of layers) {
    const chunks: Uint8Array[] = []
    const { diffID } = await packLayer(tree, { write: (chunk) => void chunks.push(chunk) })
    descriptors.push(layout.blob(Buffer.concat(chunks), LAYER_MEDIA_TYPES.gzip))
    diffIDs.push(diffID)
    await apply(join(base, 'ours'), chunks, { diffID, adapter: systemAdapter(), unsupported: 'error' })
  }
  unpack(layout.image('x', descriptors, diffIDs), join(base, 'theirs'))
  t.strictSame(snapshot(join(base, 'theirs'), exact), snapshot(join(base, 'ours'), exact))
  const attributes = (root: string): string =>
    run('getfattr', ['--absolute-names', '-d', '-m', 'user', '-e', 'hex', join(base, root, 'd/xattr')])
      .split('\n')
      .slice(1)
      .join('\n')
  if (needs('getfattr') === false) {
    t.match(attributes('ours'), /user\.binary=0x000a3dff/)
    t.equal(attributes('theirs'), attributes('ours'))
  }
})

/** Where umoci (0.4.7) refuses what we read; HEAD has mended the last. */
const REFUSED: readonly RegExp[] = [
  /a hard link before its target$/,
  /a hard link to itself$/,
  /an entry below a file replaces it by a directory$/,
]

t.test('umoci makes of every case what we make of it', { skip }, async (t) => {
  const base = place(t, 'layout')
  const layout = new ImageLayout(join(base, 'layout'))
  for (const [at, { id, layers, files }] of SEMANTICS.entries()) {
    const root = join(base, String(at))
    const bytes = await Promise.all(layers.map((members) => inOrder(members)))
    const image = layout.image(
      `case-${at}`,
      bytes.map((each) => layout.blob(each, LAYER_MEDIA_TYPES.none)),
      bytes.map(sha256),
    )
    let theirs: readonly string[] | string
    try {
      unpack(image, root)
      theirs = names(root).slice(1)
    } catch (error) {
      theirs = `refused: ${(error as { stderr: string }).stderr}`
    }
    if (typeof theirs === 'string' && REFUSED.some((each) => each.test(id)))
      t.match(theirs, /unpack entry/, `refused: ${id}`)
    else t.strictSame(theirs, files, id)
    rmSync(root, { recursive: true, force: true })
  }
})

t.test('layers that umoci writes are applied to what umoci packed', { skip }, async (t) => {
  const base = place(t, 'layout', 'ours')
  const layout = new ImageLayout(join(base, 'layout'))
  const lower = await inOrder([
    directory('d'),
    file('d/kept', 'kept', { mtime: 5 }),
    file('d/gone'),
    directory('tree'),
    directory('tree/sub'),
    file('tree/sub/x'),
    directory('emptied'),
    file('emptied/x'),
    file('becomes-directory'),
    directory('becomes-file'),
    file('becomes-file/x'),
    file('one', 'linked'),
    hardlink('two', 'one'),
  ])
  const image = layout.image('x', [layout.blob(lower, LAYER_MEDIA_TYPES.none)], [sha256(lower)])
  const bundle = join(base, 'bundle')
  run('umoci', ['unpack', '--image', image, bundle])
  const rootfs = join(bundle, 'rootfs')
  change(rootfs)
  cutTimes(rootfs)
  run('umoci', ['repack', '--image', `${layout.path}:y`, bundle])
  const layers = layout.layers('y')
  t.equal(layers.length, 2)
  const trees: Tree[] = []
  for (const { bytes, diffID } of layers) {
    await apply(join(base, 'ours'), [bytes], { diffID, adapter: systemAdapter(), unsupported: 'error' })
    trees.push(await fromTar(bytesSource(await collect(decompress([bytes])))))
  }
  // umoci writes no parents that did not change, so their times are not in the layer.
  const withoutDirectoryTimes = (root: string): string[] =>
    snapshot(root, exact)
      .slice(1)
      .map((line) => (/ dir \d/.test(line) ? line.replace(/ @-?\d+$/, '') : line))
  t.strictSame(withoutDirectoryTimes(join(base, 'ours')), withoutDirectoryTimes(rootfs))
  const differences = await diff(fromLayers(trees), await fromDirectory(rootfs), { content: 'always' })
  t.strictSame(
    differences.map(({ path }) => path),
    [],
    'and what is made of them in memory is that too',
  )
  t.ok(trees[1]!.has('.wh.tree'), 'a whiteout')
})

/** umoci rounds times to the nearest second, up too: so there is to be nothing to round. */
function cutTimes(root: string): void {
  for (const name of readdirSync(root, { recursive: true, encoding: 'latin1' })) {
    const location = Buffer.from(`${root}/${name}`, 'latin1')
    const seconds = Math.floor(lstatSync(location).mtimeMs / 1000)
    lutimesSync(location, seconds, seconds)
  }
}

function change(rootfs: string): void {
  const at = (path: string): string => join(rootfs, path)
  rmSync(at('d/gone'))
  rmSync(at('tree'), { recursive: true })
  rmSync(at('emptied/x'))
  rmSync(at('becomes-directory'))
  mkdirSync(at('becomes-directory'))
  writeFileSync(at('becomes-directory/new'), 'new')
  rmSync(at('becomes-file'), { recursive: true })
  writeFileSync(at('becomes-file'), 'file')
  writeFileSync(at('d/new'), 'new')
  chmodSync(at('d/new'), 0o4711)
  chownSync(at('d/new'), 70_000, 3_000_000)
  chmodSync(at('d/new'), 0o4711)
  utimesSync(at('d/new'), 1_700_000_000, 1_700_000_000)
  writeFileSync(at(`d/${'n'.repeat(200)}`), 'long')
  writeBytes(`${rootfs}/d/\xFF`, 'raw')
  symlinkSync('t'.repeat(150), at('link'))
  lutimesSync(at('link'), 9, 9)
  linkSync(at('one'), at('three'))
  run('mkfifo', [at('fifo')])
}
