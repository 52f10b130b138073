/**
 * Section 8.6 of the requirements: what holds for any trees, on disk and in memory.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import {
  apply,
  createEntry,
  diff,
  type Entry,
  fromDirectory,
  fromLayers,
  layerTree,
  merge,
  Tree,
} from '../src/index.ts'
import { inOrder, packed } from './archive.ts'
import { lines, rawLayers, STAND_IN, trees } from './random-trees.ts'

const scratch = mkdtempSync(join(tmpdir(), 'layer-'))
t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
let counter = 0

function freshRoot(): string {
  const root = join(scratch, String(counter++))
  mkdirSync(root)
  return root
}

const runs = { numRuns: 150 }

t.test('apply(A, diff(A, B)) is B, on disk and in memory', async () => {
  await fc.assert(
    fc.asyncProperty(trees, trees, async (lower, upper) => {
      const root = freshRoot()
      await apply(root, [await packed(lower)])
      const onDisk = await fromDirectory(root)
      same(await lines(onDisk), await lines(lower), 'A on disk')
      const layer = layerTree(await diff(lower, upper), upper)
      same(await lines(merge(lower, layer)), await lines(upper), 'in memory')
      // From what is on disk the same changes follow.
      same(
        await lines(layerTree(await diff(onDisk, upper), upper)),
        await lines(layer),
        'the layer from disk',
      )
      await apply(root, [await packed(layer)])
      same(await lines(await fromDirectory(root)), await lines(upper), 'on disk')
    }),
    runs,
  )
})

t.test('merging is what applying does, whatever the layers hold', async () => {
  const code = (error: unknown): string => (error as { code?: string }).code ?? String(error)
  await fc.assert(
    fc.asyncProperty(fc.array(rawLayers, { minLength: 1, maxLength: 3 }), async (layers) => {
      let merged: string
      try {
        merged = await lines(fromLayers(layers))
        let stacked = Tree.from([])
        for (const layer of layers) stacked = merge(stacked, layer)
        same(await lines(stacked), merged, 'one after the other')
      } catch (error) {
        merged = code(error)
      }
      const root = freshRoot()
      let applied: string
      try {
        for (const layer of layers) await apply(root, [await packed(layer)], { adapter: STAND_IN })
        applied = await lines(await fromDirectory(root))
      } catch (error) {
        applied = code(error)
      }
      same(merged, applied, 'merged')
    }),
    { numRuns: 300 },
  )
})

t.test('it does not matter where in a layer its whiteouts are', async () => {
  const position = fc.array(fc.nat({ max: 100 }), { minLength: 30, maxLength: 30 })
  const real = rawLayers.map((layer) =>
    // Where a symlink is a parent, order does matter: it may be written before or after it is followed.
    Tree.from([...layer].filter(({ type }) => type !== 'symlink' && type !== 'hardlink')),
  )
  await fc.assert(
    fc.asyncProperty(trees, real, position, async (lower, layer, positions) => {
      const base = Tree.from([...lower].filter(({ type }) => type !== 'symlink'))
      const isMarker = ({ path: each }: Entry): boolean => /(?:^|\/)\.wh\.[^/]*$/.test(each)
      const members = [...layer].filter((entry) => !isMarker(entry))
      const markers = [...layer].filter(isMarker)
      markers.forEach((each, index) => members.splice(positions[index]! % (members.length + 1), 0, each))
      const root = freshRoot()
      await apply(root, [await packed(base)])
      await apply(root, [await inOrder(members)], { adapter: STAND_IN })
      same(await lines(await fromDirectory(root)), await lines(merge(base, layer)), 'shuffled')
    }),
    runs,
  )
})

t.test('equal trees give equal bytes', async () => {
  await fc.assert(
    fc.asyncProperty(trees, fc.array(fc.nat(), { maxLength: 40 }), async (tree, keys) => {
      const shuffled = [...tree]
        .map((entry, index) => ({ entry: createEntry({ ...entry }), key: keys[index] ?? 0 }))
        .toSorted((a, b) => a.key - b.key)
        .map(({ entry }) => entry)
      same((await packed(shuffled)).toString('hex'), (await packed(tree)).toString('hex'), 'packed')
    }),
    runs,
  )
})

function same(is: string, should: string, what: string): void {
  if (is !== should) throw new Error(`${what}:\n${is}\n--- should be\n${should}`)
}
