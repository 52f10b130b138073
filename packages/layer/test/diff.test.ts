import { bytesSource } from '@varve/digest'
import t from 'tap'
import {
  type Change,
  createEntry,
  diff,
  type DiffOptions,
  type Entry,
  layerTree,
  merge,
  Tree,
} from '../src/index.ts'
import type { OwnerMapping } from '../src/diff/compare.ts'
import { directory, file, hardlink, symlink } from './archive.ts'

const tree = (...entries: Entry[]): Tree => Tree.from(entries)
const listed = (changes: readonly Change[]): string[] => changes.map(({ kind, path }) => `${kind[0]} ${path}`)
const written = (layer: Iterable<Entry>): string[] =>
  [...layer].map(({ path, type, linkname }) => (type === 'hardlink' ? `${path} = ${linkname}` : path))

interface DiffCase {
  readonly id: string
  readonly lower: Tree
  readonly upper: Tree
  readonly changes: readonly string[]
  /** Members of the layer, sorted; by default the paths of the changes. */
  readonly members?: readonly string[]
}

const CASES: readonly DiffCase[] = [
  {
    id: 'T21, T22: the example of the specification',
    lower: tree(
      directory('', { mtime: 1 }),
      directory('etc', { mtime: 1 }),
      file('etc/my-app-config'),
      directory('bin', { mtime: 1 }),
      file('bin/my-app-binary'),
      file('bin/my-app-tools', 'old'),
    ),
    upper: tree(
      directory('', { mtime: 2 }),
      directory('etc', { mtime: 2 }),
      directory('etc/my-app.d'),
      file('etc/my-app.d/default.cfg'),
      directory('bin', { mtime: 2 }),
      file('bin/my-app-binary'),
      file('bin/my-app-tools', 'new!'),
    ),
    changes: ['m bin/my-app-tools', 'd etc/my-app-config', 'a etc/my-app.d', 'a etc/my-app.d/default.cfg'],
    members: [
      'bin',
      'bin/my-app-tools',
      'etc',
      'etc/.wh.my-app-config',
      'etc/my-app.d',
      'etc/my-app.d/default.cfg',
    ],
  },
  {
    id: 'nothing',
    lower: tree(directory('d'), file('d/f')),
    upper: tree(directory('d'), file('d/f')),
    changes: [],
  },
  {
    id: 'D5: a directory removed and made again is emptied explicitly',
    lower: tree(directory('d', { mtime: 1 }), file('d/x'), directory('d/s'), file('d/s/y')),
    upper: tree(directory('d', { mtime: 2 })),
    changes: ['d d/s', 'd d/x'],
    members: ['d', 'd/.wh.s', 'd/.wh.x'],
  },
  {
    id: 'D6: a removed directory is one whiteout, and its neighbours are not in it',
    lower: tree(
      directory('foo'),
      file('foo/x'),
      directory('foo/y'),
      file('foo/y/z'),
      file('foo-1'),
      file('foo.d'),
    ),
    upper: tree(file('foo-1'), file('foo.d')),
    changes: ['d foo'],
    members: ['.wh.foo'],
  },
  {
    id: 'a directory replaced by a file is just the file',
    lower: tree(directory('d'), file('d/x'), directory('d/e'), file('d/e/y'), file('d-x')),
    upper: tree(file('d'), file('d-x')),
    changes: ['m d'],
  },
  {
    id: 'a file replaced by a directory',
    lower: tree(file('d')),
    upper: tree(directory('d'), file('d/x')),
    changes: ['m d', 'a d/x'],
  },
  {
    id: 'D8: a time cut to seconds is equal',
    lower: tree(file('f', 'x', { mtime: 5 }), file('g', 'x', { mtime: 5, mtimeNs: 1 })),
    upper: tree(file('f', 'x', { mtime: 5, mtimeNs: 123 }), file('g', 'x', { mtime: 5, mtimeNs: 2 })),
    changes: ['m g'],
  },
  {
    id: 'D8: another second is another time, whatever its fraction',
    lower: tree(file('f', 'x', { mtime: 5 }), file('g', 'x', { mtime: 5, mtimeNs: 999_999_999 })),
    upper: tree(file('f', 'x', { mtime: 6 }), file('g', 'x', { mtime: 6 })),
    changes: ['m f', 'm g'],
  },
  {
    id: 'T21: neither the time nor the size of a directory is a change',
    lower: tree(directory('', { mtime: 1 }), directory('d', { mtime: 1, mtimeNs: 2, size: 4096 })),
    upper: tree(directory('', { mtime: 9 }), directory('d', { mtime: 3, mtimeNs: 4, size: 8192 })),
    changes: [],
  },
  {
    id: 'D13: links to links are links to the first name',
    lower: tree(),
    upper: tree(file('a', 'x'), hardlink('b', 'a'), hardlink('c', 'b'), hardlink('d', 'c')),
    changes: ['a a', 'a b', 'a c', 'a d'],
    members: ['a', 'b = a', 'c = a', 'd = a'],
  },
  {
    id: 'D9: a new name for an unchanged file takes the old one along',
    lower: tree(file('b', 'x')),
    upper: tree(file('a', 'x'), hardlink('b', 'a')),
    changes: ['a a', 'm b'],
    members: ['a', 'b = a'],
  },
  {
    id: 'D9: also when it sorts last',
    lower: tree(file('b', 'x')),
    upper: tree(file('b', 'x'), hardlink('c', 'b')),
    changes: ['m b', 'a c'],
    members: ['b', 'c = b'],
  },
  {
    id: 'D10: a link broken into two equal files',
    lower: tree(file('a', 'x'), hardlink('b', 'a'), hardlink('c', 'a')),
    upper: tree(file('a', 'x'), file('b', 'x'), hardlink('c', 'b')),
    changes: ['m b', 'm c'],
    members: ['b', 'c = b'],
  },
  {
    id: 'D10: where the first name is what changed, the rest may stay',
    lower: tree(file('a', 'x'), hardlink('b', 'a'), hardlink('c', 'a')),
    upper: tree(file('a', 'new'), file('b', 'x'), hardlink('c', 'b')),
    changes: ['m a'],
  },
  {
    id: 'two files that became one',
    lower: tree(file('a', 'x'), file('b', 'x')),
    upper: tree(file('a', 'x'), hardlink('b', 'a')),
    changes: ['m a', 'm b'],
    members: ['a', 'b = a'],
  },
  {
    id: 'a name less of a linked file is only a whiteout',
    lower: tree(file('a', 'x'), hardlink('b', 'a'), hardlink('c', 'a')),
    upper: tree(file('b', 'x'), hardlink('c', 'b')),
    changes: ['d a'],
    members: ['.wh.a'],
  },
  {
    id: 'a linked file that changed is written once',
    lower: tree(file('a', 'x'), hardlink('b', 'a')),
    upper: tree(file('a', 'y!'), hardlink('b', 'a')),
    changes: ['m a', 'm b'],
    members: ['a', 'b = a'],
  },
  {
    id: 'D11: an attribute alone',
    lower: tree(
      file('f', 'x', { xattrs: new Map([['user.a', Buffer.of(1)]]) }),
      file('g', '', { xattrs: new Map() }),
    ),
    upper: tree(
      file('f', 'x', { xattrs: new Map([['user.a', Buffer.of(2)]]) }),
      file('g', '', { xattrs: new Map([['user.b', Buffer.of()]]) }),
    ),
    changes: ['m f', 'm g'],
  },
  {
    id: 'attributes that are unknown make no difference',
    lower: tree(file('f', 'x', { xattrs: new Map([['user.a', Buffer.of(1)]]) })),
    upper: tree(file('f', 'x')),
    changes: [],
  },
  {
    id: 'D12: the mode of the root',
    lower: tree(directory('', { mode: 0o755 })),
    upper: tree(directory('', { mode: 0o700 })),
    changes: ['m '],
  },
  {
    id: 'a root that only one side knows',
    lower: tree(file('a')),
    upper: tree(directory(''), file('a')),
    changes: [],
  },
  {
    id: 'every kind of metadata',
    lower: tree(
      file('a'),
      file('b'),
      file('c'),
      symlink('d', 'x'),
      symlink('e', 'x', { mode: 0o755 }),
      directory('f'),
      createEntry({ path: 'g', type: 'char', devMajor: 1, devMinor: 3 }),
    ),
    upper: tree(
      file('a', 'a', { mode: 0o600 }),
      file('b', 'b', { uid: 1 }),
      file('c', 'c', { gid: 1 }),
      symlink('d', 'y'),
      symlink('e', 'x', { mode: 0o777 }),
      directory('f', { uid: 1, mtime: 9 }),
      createEntry({ path: 'g', type: 'char', devMajor: 1, devMinor: 5 }),
    ),
    changes: ['m a', 'm b', 'm c', 'm d', 'm f', 'm g'],
  },
  {
    id: 'parents are written once each, with what is new in them',
    lower: tree(directory('a'), directory('a/b'), file('a/b/x')),
    upper: tree(directory('a', { uid: 7 }), directory('a/b'), file('a/b/x'), file('a/b/y'), file('a/b/z')),
    changes: ['m a', 'a a/b/y', 'a a/b/z'],
    members: ['a', 'a/b', 'a/b/y', 'a/b/z'],
  },
  {
    id: 'trees without entries for directories',
    lower: tree(file('a/x'), file('b/y'), file('b/z')),
    upper: tree(file('b/y')),
    changes: ['d a/x', 'd b/z'],
    members: ['a/.wh.x', 'b/.wh.z'],
  },
]

for (const { id, lower, upper, changes, members } of CASES) {
  t.test(id, async (t) => {
    const found = await diff(lower, upper)
    t.strictSame(listed(found), changes)
    for (const { kind, path, entry, previous } of found) {
      t.equal(entry, kind === 'delete' ? undefined : upper.get(path))
      t.equal(previous, kind === 'add' ? undefined : lower.get(path))
    }
    const layer = layerTree(found, upper)
    t.strictSame(written(layer), members ?? changes.map((line) => line.slice(2)))
    if (lower.has('a/x')) return
    const merged = merge(lower, layer)
    t.strictSame(
      listed(await diff(merge(upper, tree()), merged, { content: 'always' })),
      [],
      'the layer makes the upper tree',
    )
  })
}

t.test('contents are compared as far as the caller pays for (D7)', async (t) => {
  let opened = 0
  const content = (text: string): Partial<Entry> => {
    const source = bytesSource(Buffer.from(text))
    return {
      content: {
        size: source.size,
        open: (options) => {
          opened++
          return source.open(options)
        },
      },
    }
  }
  const lower = tree(
    file('racy', 'aaaa', { mtime: 5, ...content('aaaa') }),
    file('safe', 'aaaa', { mtime: 5, mtimeNs: 9, ...content('aaaa') }),
  )
  const upper = tree(
    file('racy', 'bbbb', { mtime: 5, ...content('aaba') }),
    file('safe', 'bbbb', { mtime: 5, mtimeNs: 9, ...content('aaba') }),
  )
  const cases: readonly (readonly [options: DiffOptions, changes: readonly string[], opened: number])[] = [
    [{ content: 'stat' }, [], 0],
    [{}, ['m racy'], 2],
    [{ content: 'racy' }, ['m racy'], 2],
    [{ content: 'always' }, ['m racy', 'm safe'], 4],
  ]
  for (const [options, changes, expected] of cases) {
    opened = 0
    t.strictSame(listed(await diff(lower, upper, options)), changes, JSON.stringify(options))
    t.equal(opened, expected)
  }
  t.strictSame(listed(await diff(lower, lower, { content: 'always' })), [], 'the same content is not read')
})

t.test('contents are compared however they are cut', async (t) => {
  const cut = (...parts: string[]): Partial<Entry> => ({
    mtime: 5,
    content: {
      size: 6,
      async *open() {
        for (const part of parts) yield Buffer.from(part)
      },
    },
  })
  const lower = tree(
    file('a', 'abcdef', cut('abc', '', 'def')),
    file('b', 'abcdef', cut('abcde', 'f')),
    file('c', 'abcdef', cut('abc')),
  )
  const upper = tree(
    file('a', 'abcdef', cut('a', 'bcde', 'f')),
    file('b', 'abcdef', cut('abcde', 'g')),
    file('c', 'abcdef', cut('abcd')),
  )
  t.strictSame(listed(await diff(lower, upper)), ['m b', 'm c'])
})

t.test('a new time alone can be ignored, if the content is the same', async (t) => {
  const lower = tree(
    file('a', 'x', { mtime: 1 }),
    file('b', 'x', { mtime: 1 }),
    symlink('l', 't', { mtime: 1 }),
    file('m', 'x'),
  )
  const upper = tree(
    file('a', 'x', { mtime: 2 }),
    file('b', 'y', { mtime: 2 }),
    symlink('l', 't', { mtime: 2 }),
    file('m', 'x', { mtime: 3, mode: 0 }),
  )
  t.strictSame(listed(await diff(lower, upper)), ['m a', 'm b', 'm l', 'm m'])
  t.strictSame(listed(await diff(lower, upper, { ignoreMtimeOnly: true })), ['m b', 'm m'])
})

t.test('a new owner alone can be ignored, or expected', async (t) => {
  const lower = tree(file('a', 'x'), file('b', 'x', { uid: 5, gid: 6 }), directory('d'), file('m', 'x'))
  const upper = tree(
    file('a', 'x', { uid: 1000, gid: 1000 }),
    file('b', 'x', { uid: 1005, gid: 1006 }),
    directory('d', { uid: 1000, gid: 1000 }),
    file('m', 'x', { mode: 0 }),
  )
  t.strictSame(listed(await diff(lower, upper)), ['m a', 'm b', 'm d', 'm m'])
  t.strictSame(listed(await diff(lower, upper, { owner: 'compare' })), ['m a', 'm b', 'm d', 'm m'])
  t.strictSame(listed(await diff(lower, upper, { owner: 'ignore' })), ['m m'])
  const owner: OwnerMapping = (uid, gid) => ({ uid: uid + 1000, gid: gid + 1000 })
  t.strictSame(listed(await diff(lower, upper, { owner })), ['m m'])
  t.strictSame(listed(await diff(upper, lower, { owner })), ['m a', 'm b', 'm d', 'm m'])
})

t.test('a link entry that both trees share is still compared as its file', async (t) => {
  const link = hardlink('b', 'a')
  const changes = await diff(tree(file('a', 'old'), link), tree(file('a', 'newer'), link))
  t.strictSame(listed(changes), ['m a', 'm b'])
})

t.test('links that lead nowhere are refused', async (t) => {
  for (const [why, bad] of [
    ['nowhere', tree(hardlink('a', 'b'))],
    ['to each other', tree(hardlink('a', 'b'), hardlink('b', 'a'))],
    ['to a directory', tree(hardlink('a', 'd'), directory('d'))],
  ] as const) {
    await t.rejects(diff(tree(), bad), { code: 'ERR_LAYER_LINK' }, why)
    await t.rejects(diff(bad, tree()), { code: 'ERR_LAYER_LINK' }, why)
  }
  const chained = tree(hardlink('a', 'b'), hardlink('b', 'c'), file('c'))
  t.strictSame(
    written(layerTree(await diff(tree(), chained), chained)),
    ['a', 'b = a', 'c = a'],
    'a chain is cut short',
  )
  const names = Array.from({ length: 50_000 }, (_, index) => `f${String(index).padStart(5, '0')}`)
  const long = names.slice(1).map((name, index) => hardlink(names[index]!, name))
  const chain = tree(...long, file(names.at(-1)!, 'x'))
  // Following each link to its end would take minutes.
  t.equal((await diff(tree(), chain)).length, names.length, 'a long chain is followed once')
})

t.test('T16: a name outside the changes is not linked to', async (t) => {
  const upper = tree(file('a', 'x'), hardlink('b', 'a'), hardlink('c', 'a'))
  const some = (await diff(tree(), upper)).filter(({ path }) => path !== 'a')
  t.strictSame(written(layerTree(some, upper)), ['b', 'c = b'])
  t.equal(layerTree(some, upper).get('b')!.size, 1, 'but written whole')
})

t.test('T29, D24: names that would read as whiteouts are refused', async (t) => {
  for (const bad of [
    tree(file('.wh.x', 'real')),
    tree(directory('d'), file('d/.wh.x')),
    tree(directory('.wh.d'), file('.wh.d/x')),
  ]) {
    const changes = await diff(tree(), bad)
    t.throws(() => layerTree(changes, bad), { name: 'LayerError', code: 'ERR_LAYER_WHITEOUT' })
  }
  for (const path of ['.wh.x', 'd/.wh.x']) {
    t.throws(
      () => layerTree([{ kind: 'delete', path }], tree(directory('d'))),
      { code: 'ERR_LAYER_WHITEOUT' },
      path,
    )
  }
})

t.test('changes may come in any order, and name too much', async (t) => {
  const upper = tree(directory('a'), file('a/x'), file('b'))
  const changes: Change[] = [
    { kind: 'delete', path: 'b/gone' },
    { kind: 'delete', path: 'gone/below' },
    { kind: 'delete', path: 'gone' },
    { kind: 'add', path: 'a/x', entry: upper.get('a/x') },
  ]
  t.strictSame(written(layerTree(changes, upper)), ['.wh.gone', 'a', 'a/x'])
  t.throws(() => layerTree([{ kind: 'add', path: 'missing' }], upper), TypeError)
  t.throws(() => layerTree([{ kind: 'delete', path: '' }], upper), TypeError)
})

t.test('whiteouts have nothing of their own', async (t) => {
  const lower = tree(file('x', 'x', { mtime: 99, uid: 5 }))
  const layer = layerTree(await diff(lower, tree()), tree())
  t.has(layer.get('.wh.x'), { type: 'file', size: 0, mode: 0, uid: 0, gid: 0, mtime: 0, mtimeNs: 0 })
})

t.test('a signal ends a diff', async (t) => {
  const reason = new Error('enough')
  await t.rejects(diff(tree(), tree(), { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const aborting = (): Partial<Entry> => ({
    content: {
      size: 1,
      async *open() {
        controller.abort(reason)
        yield Buffer.of(0x78)
      },
    },
  })
  const one = tree(file('a', 'x', aborting()), file('b', 'x', aborting()))
  const two = tree(file('a', 'x', aborting()), file('b', 'x', aborting()))
  await t.rejects(diff(one, two, { signal: controller.signal }), reason)
})
