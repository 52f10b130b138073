import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { bytesSource } from '@varve/digest'
import t from 'tap'
import { apply, type Entry, fromLayers, fromTar, merge, Tree } from '../src/index.ts'
import { collect, directory, file, hardlink, inOrder, marker, symlink } from './archive.ts'
import { SEMANTICS } from './semantics.ts'

async function treeOf(members: readonly Entry[]): Promise<Tree> {
  return fromTar(bytesSource(await inOrder(members)))
}

/** As `names` in disk.ts has it, without the root. */
async function lines(tree: Tree): Promise<string[]> {
  const found: string[] = []
  for (const { path, type, linkname, content } of tree) {
    const body = content === undefined ? '' : (await collect(content.open())).toString('latin1')
    const what = { file: `"${body}"`, directory: 'dir', symlink: `-> ${linkname}`, hardlink: `=/${linkname}` }
    if (path !== '') found.push(Buffer.from(`/${path} `).toString('latin1') + what[type as 'file'])
  }
  return found
}

for (const { id, layers, files, streamOnly } of SEMANTICS) {
  if (streamOnly === true) continue
  t.test(id, async (t) => {
    const trees: Tree[] = []
    for (const members of layers) trees.push(await treeOf(members))
    t.strictSame(await lines(fromLayers(trees)), files, 'all at once')
    let merged = Tree.from([])
    for (const tree of trees) merged = merge(merged, tree)
    t.strictSame(await lines(merged), files, 'one after the other')
  })
}

t.test('an empty merge', async (t) => {
  const tree = Tree.from([directory('', { mode: 0o700 }), directory('d'), file('d/f')])
  t.strictSame([...merge(tree, Tree.from([]))], [...tree])
  t.strictSame([...merge(Tree.from([]), tree)], [...tree])
  t.equal(fromLayers([]).size, 0)
})

t.test('metadata: the root, what is replaced, and parents nobody has', async (t) => {
  const lower = Tree.from([
    directory('', { mode: 0o711 }),
    directory('d', { mode: 0o700, uid: 5, mtime: 9 }),
    file('d/f'),
  ])
  const touched = merge(lower, Tree.from([file('d/g'), file('n/x')]))
  t.has(touched.get('d'), { mode: 0o700, uid: 5, mtime: 9 })
  t.has(touched.get('n'), { type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: 0 })
  t.has(touched.get(''), { mode: 0o711 })
  const replaced = merge(lower, Tree.from([directory('', { mode: 0o750 }), directory('d', { mode: 0o555 })]))
  t.has(replaced.get(''), { mode: 0o750 })
  t.has(replaced.get('d'), { mode: 0o555, uid: 0, mtime: 0 })
  t.ok(replaced.has('d/f'))
  const hidden = merge(lower, Tree.from([marker('.wh.d'), file('d/new')]))
  t.has(
    hidden.get('d'),
    { mode: 0o755, uid: 0, mtime: 0 },
    'a directory that was hidden has no metadata left',
  )
})

t.test('hard links carry the metadata of their file, and link to its first name', async (t) => {
  const lower = Tree.from([file('b', 'x', { mode: 0o600, uid: 7 }), hardlink('c', 'b')])
  const merged = merge(lower, Tree.from([hardlink('a', 'b', { mode: 0o777 })]))
  t.has(merged.get('a'), { type: 'file', mode: 0o600, uid: 7, size: 1 })
  t.has(merged.get('b'), { type: 'hardlink', linkname: 'a', mode: 0o600, uid: 7, size: 0 })
  t.has(merged.get('c'), { type: 'hardlink', linkname: 'a' })
})

t.test('names like whiteouts in the lower tree are names', async (t) => {
  const lower = Tree.from([file('.wh.x', 'real'), file('x')])
  t.strictSame(await lines(merge(lower, Tree.from([]))), ['/.wh.x "real"', '/x "x"'])
})

t.test('what cannot be merged is refused', async (t) => {
  const lower = Tree.from([directory('d'), symlink('a', 'b'), symlink('b', 'a')])
  const cases: readonly (readonly [why: string, layer: Entry, code: string])[] = [
    ['T17: a link to nowhere', hardlink('h', 'nowhere'), 'ERR_LAYER_LINK'],
    ['a link to a directory', hardlink('h', 'd'), 'ERR_LAYER_LINK'],
    ['a link to the root', hardlink('h', ''), 'ERR_LAYER_LINK'],
    ['T28: an invalid whiteout', marker('d/.wh..'), 'ERR_LAYER_WHITEOUT'],
    ['A18: a loop of symlinks', file('a/x'), 'ERR_LAYER_UNSAFE'],
  ]
  for (const [why, member, code] of cases) {
    t.throws(() => merge(lower, Tree.from([member])), { name: 'LayerError', code }, why)
  }
})

t.test('a hard link over the directory that its target is in finds nothing there', async (t) => {
  const inside = Tree.from([hardlink('d', 'd/f')])
  t.throws(() => merge(Tree.from([file('d/f')]), inside), { code: 'ERR_LAYER_LINK' })
  const through = Tree.from([file('b/f'), hardlink('b', 'z/f'), symlink('z', 'b')])
  t.throws(() => fromLayers([through]), { code: 'ERR_LAYER_LINK' }, 'through a symlink of its own layer')
  const again = Tree.from([hardlink('d', 'l/f'), file('e/f', 'new')])
  const lower = Tree.from([file('d/f', 'old'), symlink('l', 'd')])
  t.throws(() => merge(lower, again), { code: 'ERR_LAYER_LINK' })
  const waits = Tree.from([hardlink('d', 'l/f'), file('e/f', 'new'), symlink('l', 'e')])
  t.strictSame(
    await lines(merge(lower, waits)),
    ['/d "new"', '/e dir', '/e/f =/d', '/l -> e'],
    'unless somebody writes it anew',
  )
})

t.test('D4: a directory made on the way through a symlink is of the layer that made it', async (t) => {
  const layer = Tree.from([symlink('a', 'd/c/..'), file('a/x'), marker('d/.wh.c')])
  t.strictSame(await lines(fromLayers([layer])), ['/a -> d/c/..', '/d dir', '/d/c dir', '/d/x "a/x"'])
})

t.test('C5: many opaque markers over one large tree cost one walk', async (t) => {
  const count = 3000
  const many = Array.from({ length: count }, (_, index) => index)
  const lower = Tree.from(many.map((index) => file(`d/${index}/f`, '')))
  const markers = Tree.from([
    marker('d/.wh..wh..opq'),
    ...many.map((index) => marker(`d/${index}/.wh..wh..opq`)),
  ])
  const started = process.cpuUsage()
  t.equal(merge(lower, markers).size, 1)
  t.ok(process.cpuUsage(started).user < 5_000_000)
})

t.test('a chain of hard links in the wrong order is followed so far and no further', async (t) => {
  const chain = (length: number): Entry[] => [
    ...Array.from({ length }, (_, index) => hardlink(`link-${100 + index}`, `link-${101 + index}`)),
    file(`link-${100 + length}`),
  ]
  const onDisk = async (length: number): Promise<void> => {
    await apply(mkdtempSync(join(t.testdir({}), 'root-')), [await inOrder(chain(length))])
  }
  t.equal(merge(Tree.from([]), Tree.from(chain(41))).size, 42)
  await onDisk(41)
  t.throws(() => merge(Tree.from([]), Tree.from(chain(60))), { code: 'ERR_LAYER_LINK' })
  await t.rejects(onDisk(60), { code: 'ERR_LAYER_LINK' })
})
