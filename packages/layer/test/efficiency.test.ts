import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import { type Efficiency, efficiency, type EfficiencyOptions } from '../src/efficiency.ts'
import { createEntry, type Entry, fromLayers, pack, Tree } from '../src/index.ts'
import { collect, directory, file, hardlink, marker, symlink } from './archive.ts'
import { rawLayers, trees } from './random-trees.ts'

const tree = (...entries: Entry[]): Tree => Tree.from(entries)
const sized = (path: string, size: number, fields: Partial<Entry> = {}): Entry =>
  file(path, 'x'.repeat(size), fields)

async function digest({ content }: Entry): Promise<string | undefined> {
  if (content === undefined) return undefined
  return createHash('sha256')
    .update(await collect(content.open()))
    .digest('hex')
}

/** `path cause bytes`, in the order of the result. */
function wasted({ paths }: Efficiency): string[] {
  return paths.flatMap((each) =>
    (['overwritten', 'metadata', 'deleted', 'whiteouts'] as const)
      .filter((cause) => each[cause] > 0)
      .map((cause) => `${each.path} ${cause} ${each[cause]}`),
  )
}

interface EfficiencyCase {
  readonly id: string
  readonly layers: readonly Tree[]
  readonly options?: EfficiencyOptions
  readonly shipped: number
  readonly visible: number
  readonly wasted: readonly string[]
}

const CASES: readonly EfficiencyCase[] = [
  { id: 'nothing', layers: [], shipped: 0, visible: 0, wasted: [] },
  {
    id: 'no waste',
    layers: [tree(sized('a', 10)), tree(sized('b', 5))],
    shipped: 15,
    visible: 15,
    wasted: [],
  },
  {
    id: 'a file overwritten twice',
    layers: [tree(sized('a', 10)), tree(sized('a', 20)), tree(sized('a', 5))],
    shipped: 35,
    visible: 5,
    wasted: ['a overwritten 30'],
  },
  {
    id: 'a file deleted later',
    layers: [tree(sized('a', 10), sized('b', 1)), tree(marker('.wh.a'))],
    shipped: 11,
    visible: 1,
    wasted: ['a deleted 10'],
  },
  {
    id: 'a directory deleted by a whiteout, an opaque marker, a file in its place',
    layers: [
      tree(sized('a/x', 10), sized('a/s/y', 20), sized('b/x', 3), sized('c/x', 4)),
      tree(marker('.wh.a'), marker('b/.wh..wh..opq'), sized('b/new', 7), sized('c', 1)),
    ],
    shipped: 45,
    visible: 8,
    wasted: ['a/s/y deleted 20', 'a/x deleted 10', 'c/x deleted 4', 'b/x deleted 3'],
  },
  {
    id: 'a whiteout and the file again',
    layers: [tree(sized('a', 10)), tree(marker('.wh.a'), sized('a', 11))],
    shipped: 21,
    visible: 11,
    wasted: ['a overwritten 10'],
  },
  {
    id: 'only another mode or owner, known by a digest',
    layers: [
      tree(sized('a', 10), file('b', 'one!')),
      tree(sized('a', 10, { mode: 0o755 }), file('b', 'two!')),
    ],
    options: { digest },
    shipped: 28,
    visible: 14,
    wasted: ['a metadata 10', 'b overwritten 4'],
  },
  {
    id: 'without digests the same size is not the same content',
    layers: [tree(sized('a', 10)), tree(sized('a', 10, { mode: 0o755 }))],
    shipped: 20,
    visible: 10,
    wasted: ['a overwritten 10'],
  },
  {
    id: 'nor is it without contents',
    layers: [
      tree(createEntry({ path: 'a', type: 'file', size: 9 })),
      tree(createEntry({ path: 'a', type: 'file', size: 9 })),
    ],
    options: { digest },
    shipped: 18,
    visible: 9,
    wasted: ['a overwritten 9'],
  },
  {
    id: 'hard links count once, and keep what they share',
    layers: [
      tree(sized('a', 10), hardlink('b', 'a'), hardlink('c', 'a')),
      tree(marker('.wh.a'), sized('b', 1)),
      tree(hardlink('d', 'c')),
    ],
    shipped: 11,
    visible: 11,
    wasted: [],
  },
  {
    id: 'until the last of them is gone',
    layers: [tree(sized('a', 10), hardlink('b', 'a')), tree(marker('.wh.a')), tree(sized('b', 1))],
    shipped: 11,
    visible: 1,
    wasted: ['a deleted 10'],
  },
  {
    id: 'paths are those behind symlinks',
    layers: [tree(symlink('l', 'd'), sized('d/x', 10)), tree(sized('l/x', 3))],
    shipped: 13,
    visible: 3,
    wasted: ['d/x overwritten 10'],
  },
  {
    id: 'a member replaced within its own layer',
    layers: [tree(symlink('a', 'd')), tree(sized('a/x', 10), sized('d/x', 3))],
    shipped: 13,
    visible: 3,
    wasted: ['a/x overwritten 10'],
  },
  {
    id: 'archive: headers and padding count',
    layers: [
      tree(directory('d'), sized('d/x', 513), sized('d/y', 1)),
      tree(directory('d', { mode: 0o700 }), marker('d/.wh.y'), sized(`d/${'z'.repeat(200)}`, 1)),
    ],
    options: { count: 'archive' },
    shipped: 512 + 1536 + 1024 + 512 + 512 + 2048,
    visible: 1536 + 512 + 2048,
    wasted: ['d/y deleted 1024', 'd/y whiteouts 512', 'd metadata 512'],
  },
  {
    id: 'archive: symlinks, empty files and hard links',
    layers: [
      tree(symlink('s', 'one'), sized('e', 0), sized('f', 1), hardlink('h', 'f'), symlink('t', 'same')),
      tree(symlink('s', 'two'), sized('e', 0), symlink('t', 'same'), marker('.wh.f')),
    ],
    options: { count: 'archive' },
    shipped: 10 * 512,
    visible: 5 * 512,
    wasted: ['f deleted 512', 'f whiteouts 512', 'e metadata 512', 's overwritten 512', 't metadata 512'],
  },
]

for (const { id, layers, options, shipped, visible, wasted: expected } of CASES) {
  t.test(id, async (t) => {
    const result = await efficiency(layers, options)
    t.strictSame(wasted(result), expected)
    t.has(result, { shipped, visible, wasted: shipped - visible })
    t.equal(result.ratio, shipped === 0 ? 1 : visible / shipped)
    t.equal(result.layers.length, layers.length)
  })
}

t.test('by layer: what is left of it, and what it hides', async (t) => {
  const layers = [
    tree(sized('a', 10), sized('b', 20), sized('c', 5)),
    tree(sized('a', 7), marker('.wh.b'), marker('.wh.never'), marker('no/.wh..wh..opq')),
    tree(directory('d'), marker('d/.wh..wh..opq'), marker('.wh.a')),
  ]
  t.strictSame((await efficiency(layers)).layers, [
    { shipped: 35, visible: 5, wasted: 30, hides: 0, whiteouts: 0, idleWhiteouts: 0 },
    { shipped: 7, visible: 0, wasted: 7, hides: 30, whiteouts: 3, idleWhiteouts: 2 },
    { shipped: 0, visible: 0, wasted: 0, hides: 7, whiteouts: 2, idleWhiteouts: 1 },
  ])
  const [waste] = (await efficiency(layers)).paths
  t.strictSame(waste, {
    path: 'b',
    wasted: 20,
    count: 1,
    overwritten: 0,
    metadata: 0,
    deleted: 20,
    whiteouts: 0,
  })
})

t.test('the same content shipped again elsewhere is counted as duplicated, if digests say so', async (t) => {
  const asked: string[] = []
  const layers = [
    tree(
      file('a', 'same'),
      file('b', 'same'),
      file('gone', 'same'),
      file('other', 'else'),
      file('long', 'longer'),
    ),
    tree(
      file('c', 'same'),
      hardlink('d', 'c'),
      marker('.wh.gone'),
      file('e', 'pair of'),
      file('f', 'pair of'),
    ),
  ]
  const result = await efficiency(layers, {
    digest: (entry) => {
      asked.push(entry.path)
      return digest(entry)
    },
  })
  t.has(result, { shipped: 40, visible: 36, wasted: 4, duplicated: 15 })
  t.strictSame(
    result.duplicates.map(({ size, files }) => [size, files]),
    [
      [
        4,
        [
          { layer: 0, path: 'a' },
          { layer: 0, path: 'b' },
          { layer: 1, path: 'c' },
        ],
      ],
      [
        7,
        [
          { layer: 1, path: 'e' },
          { layer: 1, path: 'f' },
        ],
      ],
    ],
  )
  t.strictSame(asked.toSorted(), ['a', 'b', 'c', 'e', 'f', 'other'], 'each once, and only where sizes agree')
  t.equal((await efficiency(layers)).duplicated, 0)
})

t.test('a signal, and a digest that fails', async (t) => {
  const reason = new Error('enough')
  const layers = [tree(sized('a', 5)), tree(sized('a', 5), sized('b', 5))]
  await t.rejects(efficiency(layers, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const options = {
    signal: controller.signal,
    digest: (): undefined => controller.abort(reason) as undefined,
  }
  await t.rejects(efficiency(layers, options), reason)
  await t.rejects(efficiency(layers, { digest: () => Promise.reject(reason) }), reason)
  await t.rejects(efficiency([tree(hardlink('a', 'b'))]), { code: 'ERR_LAYER_LINK' })
})

t.test('every byte is accounted for, whatever the layers hold', async () => {
  const counts = fc.constantFrom('content' as const, 'archive' as const)
  await fc.assert(
    fc.asyncProperty(trees, fc.array(rawLayers, { maxLength: 3 }), counts, async (base, raw, count) => {
      const layers = [base, ...raw]
      let final: Tree
      try {
        final = fromLayers(layers)
      } catch {
        return
      }
      const result = await efficiency(layers, { count, digest })
      let archived = 0
      for (const layer of layers) archived += (await collect(pack(layer))).length - 1024
      const files = [...final].filter(({ type }) => type === 'file')
      const contents = layers.flatMap((layer) => [...layer]).reduce((sum, { size }) => sum + size, 0)
      equal(result.shipped, count === 'archive' ? archived : contents)
      if (count === 'content')
        equal(
          result.visible,
          files.reduce((sum, { size }) => sum + size, 0),
        )
      equal(result.wasted, result.shipped - result.visible)
      equal(
        result.paths.reduce((sum, each) => sum + each.wasted, 0),
        result.wasted,
      )
      for (const key of ['shipped', 'visible', 'wasted'] as const) {
        equal(
          result.layers.reduce((sum, each) => sum + each[key], 0),
          result[key],
        )
      }
      for (const { wasted: all, overwritten, metadata, deleted, whiteouts } of result.paths) {
        equal(overwritten + metadata + deleted + whiteouts, all)
      }
    }),
    { numRuns: 200 },
  )
})

function equal(is: number, should: number): void {
  if (is !== should) throw new Error(`${is} should be ${should}`)
}
