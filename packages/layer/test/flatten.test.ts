import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { flatten, type FlattenOptions } from '../src/flatten.ts'
import {
  apply,
  type Entry,
  fromDirectory,
  fromLayers,
  isWhiteout,
  merge,
  parentOf,
  Tree,
} from '../src/index.ts'
import { collect, directory, file, hardlink, marker, packed, symlink } from './archive.ts'
import { lines, rawLayers, STAND_IN, trees } from './random-trees.ts'

const tree = (...entries: Entry[]): Tree => Tree.from(entries)

/** Members with what they hold, whiteouts with nothing. */
async function members(layer: Tree): Promise<string[]> {
  const found: string[] = []
  for (const { path, type, linkname, content } of layer) {
    const body = content === undefined ? '' : (await collect(content.open())).toString('latin1')
    const what = {
      file: ` "${body}"`,
      directory: '/',
      symlink: ` -> ${linkname}`,
      hardlink: ` = ${linkname}`,
    }
    found.push(isWhiteout(path) && type === 'file' ? path : path + what[type as 'file'])
  }
  return found
}

interface FlattenCase {
  readonly id: string
  /** One layer each, base first. */
  readonly layers: readonly (readonly Entry[])[]
  /** What comes of all layers but the first. */
  readonly members: readonly string[]
  /** The same, of a base that nobody knows; by default no different. */
  readonly unknown?: readonly string[]
}

const CASES: readonly FlattenCase[] = [
  { id: 'nothing', layers: [[file('a')]], members: [] },
  {
    id: 'D14: a hard link whose target is deleted later (go-containerregistry#977)',
    layers: [[file('base')], [file('a', '1'), hardlink('b', 'a')], [marker('.wh.a')]],
    members: ['b "1"'],
    unknown: ['.wh.a', 'b "1"'],
  },
  {
    id: 'D14: a hard link whose target is overwritten later (go-containerregistry#2002)',
    layers: [[file('base')], [file('a', '1'), hardlink('b', 'a'), hardlink('c', 'a')], [file('a', 'new')]],
    members: ['a "new"', 'b "1"', 'c = b'],
  },
  {
    id: 'D14: a hard link overwritten later, its target kept (go-containerregistry PR 2323)',
    layers: [[file('base')], [file('a', '1'), hardlink('b', 'a')], [file('b', 'new')]],
    members: ['a "1"', 'b "new"'],
  },
  {
    id: 'D14: a hard link before its target (go-containerregistry#2029)',
    layers: [[file('base')], [hardlink('a', 'z'), file('z', '1')], [hardlink('b', 'z')]],
    members: ['a "1"', 'b = a', 'z = a'],
  },
  {
    id: 'D14: a whiteout and the file again in one layer: the file stays',
    layers: [[file('x', 'old')], [marker('.wh.x'), file('x', 'new')], [file('y')]],
    members: ['x "new"', 'y "y"'],
  },
  {
    id: 'D14: a whiteout, and the file again in a later layer',
    layers: [[directory('d'), file('d/x', 'old')], [marker('d/.wh.x')], [file('d/x', 'new')]],
    members: ['d/', 'd/x "new"'],
    unknown: ['d/x "new"'],
  },
  {
    id: 'D14: one layer with an opaque marker becomes explicit (go-containerregistry#1623)',
    layers: [
      [directory('d'), file('d/x'), directory('d/s'), file('d/s/y'), file('d/z')],
      [directory('d'), marker('d/.wh..wh..opq'), file('d/z', 'new')],
    ],
    members: ['d/', 'd/.wh.s', 'd/.wh.x', 'd/z "new"'],
    unknown: ['d/', 'd/.wh..wh..opq', 'd/z "new"'],
  },
  {
    id: 'D14: a directory hidden, and made again by a file in it',
    layers: [[directory('d', { mode: 0o700 }), file('d/x')], [marker('.wh.d')], [file('d/new')]],
    members: ['d/', 'd/.wh.x', 'd/new "d/new"'],
    unknown: ['.wh.d', 'd/new "d/new"'],
  },
  {
    id: 'whiteouts of what the base does not have are dropped',
    layers: [[file('a')], [file('b'), marker('.wh.never'), marker('no/.wh.x')], [marker('.wh.b')]],
    members: [],
    unknown: ['.wh.b', '.wh.never', 'no/.wh.x'],
  },
  {
    id: 'a file that becomes a directory and a file again',
    layers: [[file('p', '0')], [directory('p'), file('p/x')], [file('p', '2')]],
    members: ['p "2"'],
  },
  {
    id: 'a directory that becomes a file and a directory again',
    layers: [
      [directory('p'), file('p/x'), file('p/y')],
      [file('p', '1')],
      [directory('p'), file('p/y', '2')],
    ],
    members: ['p/', 'p/.wh.x', 'p/y "2"'],
    unknown: ['.wh.p', 'p/', 'p/y "2"'],
  },
  {
    id: 'a directory that becomes a file by a member below it',
    layers: [[directory('p'), file('p/x')], [file('p', '1')], [file('p/z', '2')]],
    members: ['p/', 'p/.wh.x', 'p/z "2"'],
    unknown: ['.wh.p', 'p/z "2"'],
  },
  {
    id: 'a removed directory is one whiteout',
    layers: [
      [directory('d'), directory('d/e'), file('d/e/f'), file('d-x')],
      [marker('d/.wh.e')],
      [marker('.wh.d')],
    ],
    members: ['.wh.d'],
  },
  {
    id: 'a directory replaced by a file needs none',
    layers: [[directory('d'), file('d/x')], [file('d', '1')]],
    members: ['d "1"'],
  },
  {
    id: 'D9: a new name for a file of the base takes the file along, with all its names',
    layers: [[file('b', 'x'), hardlink('c', 'b')], [hardlink('a', 'c')]],
    members: ['a "x"', 'b = a', 'c = a'],
    unknown: ['a = c'],
  },
  {
    id: 'a name less of a file of the base is only a whiteout',
    layers: [[file('a', 'x'), hardlink('b', 'a')], [marker('.wh.a')]],
    members: ['.wh.a'],
  },
  {
    id: 'a directory described again just as it was is nothing',
    layers: [
      [directory('d', { uid: 1, mtime: 5, xattrs: new Map([['user.a', Buffer.of(1)]]) }), file('f')],
      [directory('d', { uid: 1, mtime: 5, xattrs: new Map([['user.a', Buffer.of(1)]]) })],
    ],
    members: [],
    unknown: ['d/'],
  },
  {
    id: 'D12: the root, if it changed',
    layers: [[directory('')], [directory('', { mode: 0o700 })], [file('x')]],
    members: ['/', 'x "x"'],
  },
  {
    id: 'A15: a symlinked parent of the layers themselves',
    layers: [[file('base')], [symlink('var/run', '/run')], [file('var/run/x', '1')], [file('run/y', '2')]],
    members: ['run/', 'run/x "1"', 'run/y "2"', 'var/', 'var/run -> /run'],
    unknown: ['run/x "1"', 'run/y "2"', 'var/run -> /run'],
  },
  {
    id: 'names like whiteouts in a component that is not the last',
    layers: [[file('x')], [file('.wh.x/a'), marker('.wh.y')], [marker('.wh.x')]],
    members: ['.wh.x', '.wh.x/a ".wh.x/a"'],
    unknown: ['.wh.x', '.wh.x/a ".wh.x/a"', '.wh.y'],
  },
]

for (const { id, layers, members: expected, unknown } of CASES) {
  t.test(id, async (t) => {
    const all = layers.map((entries) => Tree.from(entries))
    const [base, ...upper] = all
    const squashed = flatten(all, { from: 1 })
    t.strictSame(await members(squashed), expected, 'above a base')
    t.strictSame(
      [...flatten(upper, { base: fromLayers([base!]) })],
      [...squashed],
      'above the tree of a base',
    )
    t.strictSame([...fromLayers([base!, squashed])], [...fromLayers(all)], 'makes the same')
    t.strictSame([...flatten(all)], [...fromLayers(all)], 'from the ground')
    const blind = flatten(upper, { base: 'unknown' })
    t.strictSame(await members(blind), unknown ?? expected, 'above a base that is unknown')
    t.strictSame([...fromLayers([base!, blind])], [...fromLayers(all)], 'makes the same too')
  })
}

t.test('a range of layers', async (t) => {
  const layers = [
    tree(file('a', '0')),
    tree(file('a', '1')),
    tree(file('b', '2'), marker('.wh.a')),
    tree(file('a', '3')),
  ]
  t.strictSame(await members(flatten(layers, { from: 1, to: 3 })), ['.wh.a', 'b "2"'])
  t.strictSame(await members(flatten(layers, { from: 1, to: 2 })), ['a "1"'])
  t.strictSame(await members(flatten(layers, { to: 2 })), ['a "1"'])
  t.equal(flatten(layers, { from: 2, to: 2 }).size, 0)
  t.equal(flatten([]).size, 0)
  for (const options of [{ from: -1 }, { to: 5 }, { from: 3, to: 2 }, { from: 0.5 }, { to: Number.NaN }]) {
    t.throws(() => flatten(layers, options), TypeError, JSON.stringify(options))
  }
})

t.test('what no layer can hold is refused', async (t) => {
  const cases: readonly (readonly [why: string, layers: readonly Tree[], code: string, base?: Tree])[] = [
    [
      'T29: an empty directory named like a whiteout',
      [tree(file('x')), tree(file('.wh.d/f')), tree(marker('.wh.d/.wh.f'))],
      'ERR_LAYER_WHITEOUT',
    ],
    ['T17: a link to nowhere', [tree(), tree(hardlink('a', 'b'))], 'ERR_LAYER_LINK'],
    [
      'T29: a file of the base named like a whiteout, linked to',
      [tree(hardlink('a', '.wh.b'))],
      'ERR_LAYER_WHITEOUT',
      tree(file('.wh.b')),
    ],
  ]
  for (const [why, layers, code, base] of cases) {
    const options: FlattenOptions = base === undefined ? { from: 1 } : { base }
    t.throws(() => flatten(layers, options), { name: 'LayerError', code }, why)
  }
})

t.test('D14: squashing any range gives what the layers give, in memory and on disk', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'flatten-'))
  t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
  let counter = 0
  const onDisk = async (layers: readonly Tree[]): Promise<string> => {
    const root = join(scratch, String(counter++))
    mkdirSync(root)
    for (const layer of layers) await apply(root, [await packed(layer)], { adapter: STAND_IN })
    return lines(await fromDirectory(root))
  }
  const stacks = fc.tuple(trees, fc.array(rawLayers, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat())
  await fc.assert(
    fc.asyncProperty(stacks, async ([base, raw, one, two]) => {
      const layers = [base, ...raw]
      const [from, to] = [one % (layers.length + 1), two % (layers.length + 1)].toSorted((a, b) => a - b)
      let all: Tree
      try {
        all = fromLayers(layers)
      } catch {
        return
      }
      const squashed = flatten(layers, { from: from!, to: to! })
      const stack = [...layers.slice(0, from), squashed, ...layers.slice(to)]
      same(strict(fromLayers(stack)), strict(all))
      const below = fromLayers(layers.slice(0, from))
      for (const { path } of squashed) if (isWhiteout(path)) needed(path, below, squashed)
      same(await onDisk(stack), await onDisk(layers))
    }),
    { numRuns: 150 },
  )
})

t.test('D14: layers above a base that nobody knows do there what they do one after the other', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(trees, fc.array(rawLayers, { minLength: 1, maxLength: 4 }), async (tree, raw) => {
      const base = Tree.from([...tree].filter(({ type }) => type !== 'symlink'))
      const layers = raw.map(plain)
      let all: string
      try {
        all = strict(fromLayers([base, ...layers]))
      } catch {
        return
      }
      let squashed: Tree
      try {
        squashed = flatten(layers, { base: 'unknown' })
      } catch (error) {
        // A link to a file of the base that is replaced later has no place in one layer.
        if ((error as { code?: string }).code === 'ERR_LAYER_LINK') return
        throw error
      }
      compared++
      same(strict(fromLayers([base, squashed])), all)
    }),
    { numRuns: 300 },
  )
  if (compared < 100) throw new Error(`Only ${compared} were compared`)
})

/** A layer as writers make them: with all directories, and with links to what comes before them. */
function plain(layer: Tree): Tree {
  const entries = new Map<string, Entry>()
  for (const entry of layer) {
    const { path, type, linkname } = entry
    if (type === 'symlink' || (type === 'hardlink' && layer.has(linkname) && !entries.has(linkname))) continue
    const above: string[] = []
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) above.push(parent)
    if (above.some((parent) => (entries.get(parent)?.type ?? 'directory') !== 'directory')) continue
    if (!isWhiteout(path))
      for (const parent of above) if (!entries.has(parent)) entries.set(parent, directory(parent))
    entries.set(path, entry)
  }
  return Tree.from(entries.values())
}

/** Everything in a tree, contents by identity. */
function strict(of: Tree): string {
  return [...of]
    .map(({ content, ...rest }) => JSON.stringify(rest) + (content === undefined ? '' : identity(content)))
    .join('\n')
}

const identities = new Map<unknown, number>()
function identity(of: object): number {
  if (!identities.has(of)) identities.set(of, identities.size)
  return identities.get(of)!
}

function same(is: string, should: string): void {
  if (is !== should) throw new Error(`${is}\n--- should be\n${should}`)
}

/** Without it, something would be there. */
function needed(path: string, base: Tree, layer: Tree): void {
  const without = Tree.from([...layer].filter((entry) => entry.path !== path))
  if (strict(merge(base, without)) === strict(merge(base, layer))) throw new Error(`${path} is needless`)
}
