/**
 * Rows of the requirements about what a layer holds: sections 2 and 4, as far as no disk is needed.
 *
 * @module
 */
import t from 'tap'
import { diff, type Entry, fromLayers, layerTree, merge, Tree } from '../src/index.ts'
import { writerOrder } from '../src/writer-order.ts'
import { directory, file, hardlink, marker, symlink } from './archive.ts'

const tree = (...entries: Entry[]): Tree => Tree.from(entries)
const paths = (of: Iterable<Entry>): string[] => [...of].map(({ path }) => path)
const links = (of: Iterable<Entry>): string[] =>
  [...of].map(({ path, type, linkname }) => (type === 'hardlink' ? `${path} = ${linkname}` : path))
const layerOf = async (lower: Tree, upper: Tree): Promise<Tree> => layerTree(await diff(lower, upper), upper)

t.test('T3: two entries for one path are refused', async (t) => {
  t.throws(() => tree(file('a'), directory('a')), { code: 'ERR_LAYER_DUPLICATE', path: 'a' }, 'T3: one path')
  for (const path of ['./a', 'a/', 'b/../a', '/a']) {
    t.throws(
      () => tree(file('a'), file(path)),
      { code: 'ERR_LAYER_PATH' },
      `T3: ${path} is not told apart from a`,
    )
  }
})

t.test('T4: additions and modifications are written alike, removals as whiteouts only', async (t) => {
  const upper = tree(directory('d'), file('d/x', 'new'))
  const added = await layerOf(tree(directory('d')), upper)
  const modified = await layerOf(tree(directory('d'), file('d/x', 'old')), upper)
  t.strictSame([...added], [...modified])
  t.strictSame(paths(await layerOf(upper, tree(directory('d')))), ['d', 'd/.wh.x'])
})

t.test('T11, T13, T14: names of one file are written as links to the first of them', async (t) => {
  const upper = tree(file('m', 'x', { mode: 0o600 }), hardlink('a', 'm'), hardlink('z', 'm'))
  const layer = await layerOf(tree(), upper)
  t.strictSame(links(layer), ['a', 'm = a', 'z = a'])
  t.has(layer.get('a'), { type: 'file', mode: 0o600, size: 1 })
})

t.test('T15: a directory is never a link, and never linked to', async (t) => {
  const upper = tree(directory('d'), hardlink('e', 'd'))
  await t.rejects(diff(tree(), upper), { code: 'ERR_LAYER_LINK' })
  t.throws(() => merge(tree(), upper), { code: 'ERR_LAYER_LINK' })
})

t.test('T16: a name outside of the layer is not linked to, the file is written whole', async (t) => {
  const upper = tree(file('a', 'x'), hardlink('b', 'a'))
  const layer = layerTree([{ kind: 'add', path: 'b', entry: upper.get('b') }], upper)
  t.strictSame(links(layer), ['b'])
  t.has(layer.get('b'), { type: 'file', size: 1 })
})

t.test(
  'T17: a link out of the layer works if the layers below have the file, or fails cleanly',
  async (t) => {
    const layer = tree(hardlink('b', 'a'))
    t.strictSame(links(merge(tree(file('a')), layer)), ['a', 'b = a'])
    t.throws(() => merge(tree(), layer), { code: 'ERR_LAYER_LINK', path: 'b' })
  },
)

t.test('T21: the example of the specification gives exactly its changes', async (t) => {
  const bin = [directory('bin'), file('bin/my-app-binary')]
  const lower = tree(directory('etc'), file('etc/my-app-config'), ...bin, file('bin/my-app-tools', 'old'))
  const upper = tree(
    directory('etc', { mtime: 9 }),
    directory('etc/my-app.d'),
    file('etc/my-app.d/default.cfg'),
    ...bin,
    file('bin/my-app-tools', 'new tools'),
  )
  t.strictSame(
    (await diff(lower, upper)).map(({ kind, path }) => `${kind} ${path}`),
    [
      'modify bin/my-app-tools',
      'delete etc/my-app-config',
      'add etc/my-app.d',
      'add etc/my-app.d/default.cfg',
    ],
  )
})

t.test('T22: a layer has what changed, whole, and the directories above, and nothing else', async (t) => {
  const lower = tree(directory('d'), file('d/same'), file('d/x', 'old'), directory('e'), file('e/y'))
  const upper = tree(directory('d'), file('d/same'), file('d/x', 'longer'), directory('e'), file('e/y'))
  const layer = await layerOf(lower, upper)
  t.strictSame(paths(layer), ['d', 'd/x'])
  t.equal(layer.get('d/x')!.size, 6)
})

t.test('T26, T27: a whiteout is an empty regular file, its name .wh. and the name', async (t) => {
  const layer = await layerOf(tree(directory('d'), file('d/x')), tree(directory('d')))
  t.has(layer.get('d/.wh.x'), { type: 'file', size: 0, content: undefined, linkname: '' })
})

t.test('T28: .wh. alone is refused, in any directory', async (t) => {
  for (const path of ['.wh.', 'd/.wh.', '.wh..', 'd/.wh...']) {
    t.throws(() => merge(tree(), tree(marker(path))), { code: 'ERR_LAYER_WHITEOUT', path }, `T28: ${path}`)
  }
})

t.test('T29, D24: real names that begin with .wh. are refused, with the name', async (t) => {
  const unpacked = tree(directory('d'), file('d/.wh.x', 'real'))
  const changes = await diff(tree(), unpacked)
  t.throws(() => layerTree(changes, unpacked), { code: 'ERR_LAYER_WHITEOUT', path: 'd/.wh.x' })
})

t.test('T30: whiteouts are not in what layers make', async (t) => {
  const layers = [
    tree(file('a'), file('d/b')),
    tree(marker('.wh.a'), marker('d/.wh..wh..opq'), marker('.wh.no')),
  ]
  t.strictSame(paths(fromLayers(layers)), ['d'])
})

t.test('T31, T32: a whiteout is about lower layers only, whatever the order of the members', async (t) => {
  const layer = tree(file('x', 'new'), marker('.wh.x'), symlink('y', 'x'))
  t.equal(merge(tree(file('x', 'older')), layer).get('x')!.size, 3)
  t.ok(fromLayers([layer]).has('x'), 'T31: nothing below')
  t.notOk(fromLayers([layer, tree(marker('.wh.x'))]).has('x'), 'T31: a layer below')
})

t.test('T34, D6: the whiteout of a directory is one regular file, and its neighbours stay', async (t) => {
  const lower = tree(directory('foo'), file('foo/x'), directory('foo/y'), file('foo-1'), file('foo.d'))
  const layer = await layerOf(lower, tree(file('foo-1'), file('foo.d')))
  t.strictSame(paths(layer), ['.wh.foo'])
  t.equal(layer.get('.wh.foo')!.type, 'file')
  t.strictSame(paths(merge(lower, layer)), ['foo-1', 'foo.d'])
})

t.test('T35: whiteouts go before everything else in their directory', async (t) => {
  const lower = tree(directory('d'), file('d/!'), file('d/x'), file('z'))
  const layer = await layerOf(lower, tree(directory('d'), file('d/!', 'new'), file('!')))
  t.strictSame(paths(writerOrder(layer)), ['.wh.z', '!', 'd', 'd/.wh.x', 'd/!'])
})

t.test(
  'T36, T37, T38: opaque and explicit forms mean the same, and the explicit one is written',
  async (t) => {
    const lower = tree(directory('bin'), file('bin/a'), directory('bin/s'), file('bin/s/b'))
    const upper = tree(directory('bin'), file('bin/new'))
    const explicit = await layerOf(lower, upper)
    t.strictSame(paths(explicit), ['bin', 'bin/.wh.a', 'bin/.wh.s', 'bin/new'])
    const opaque = tree(directory('bin'), marker('bin/.wh..wh..opq'), upper.get('bin/new')!)
    t.strictSame([...merge(lower, opaque)], [...merge(lower, explicit)])
  },
)

t.test(
  'T39, D2: an opaque directory keeps what the layer itself has below, with parents and without',
  async (t) => {
    const lower = tree(directory('a'), directory('a/b'), directory('a/b/c'), file('a/b/c/bar'))
    for (const above of [[], [directory('a'), directory('a/b'), directory('a/b/c')]]) {
      const merged = merge(lower, tree(...above, file('a/b/c/foo'), marker('a/.wh..wh..opq')))
      t.strictSame(paths(merged), ['a', 'a/b', 'a/b/c', 'a/b/c/foo'])
    }
  },
)

t.test('D5: a directory removed and made again is there, and empty', async (t) => {
  const lower = tree(directory('d', { mtime: 1 }), file('d/x'), file('d/y'))
  const layer = await layerOf(lower, tree(directory('d', { mtime: 2 })))
  t.strictSame(paths(layer), ['d', 'd/.wh.x', 'd/.wh.y'])
  t.strictSame(paths(merge(lower, layer)), ['d'])
})

t.test('D9: a new name before an unchanged one is the file, and the old name a link', async (t) => {
  const lower = tree(file('b', 'x'))
  const layer = await layerOf(lower, tree(file('a', 'x'), hardlink('b', 'a')))
  t.strictSame(links(layer), ['a', 'b = a'])
  t.strictSame(links(merge(lower, layer)), ['a', 'b = a'])
})

t.test('D10: a hard link broken into two equal files is reported, and broken', async (t) => {
  const lower = tree(file('a', 'x'), hardlink('b', 'a'))
  const layer = await layerOf(lower, tree(file('a', 'x'), file('b', 'x')))
  t.strictSame(links(layer), ['b'])
  t.strictSame(links(merge(lower, layer)), ['a', 'b'])
})

t.test('D12: the mode of the root is written and takes effect', async (t) => {
  const lower = tree(directory('', { mode: 0o755 }))
  const layer = await layerOf(lower, tree(directory('', { mode: 0o700 })))
  t.strictSame(paths(layer), [''])
  t.equal(merge(lower, layer).get('')!.mode, 0o700)
})

t.test('D13: links of links all name the first', async (t) => {
  const upper = tree(hardlink('a', 'b'), hardlink('b', 'c'), file('c'), hardlink('d', 'b'))
  t.strictSame(links(await layerOf(tree(), upper)), ['a', 'b = a', 'c = a', 'd = a'])
  t.strictSame(links(fromLayers([upper])), ['a', 'b = a', 'c = a', 'd = a'])
})
