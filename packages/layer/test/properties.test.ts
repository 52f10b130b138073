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
  joinPath,
  layerTree,
  merge,
  parentOf,
  Tree,
} from '../src/index.ts'
import { collect, directory, file, hardlink, inOrder, marker, packed, symlink } from './archive.ts'
import { isRoot } from './disk.ts'

const scratch = mkdtempSync(join(tmpdir(), 'layer-'))
t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
let counter = 0

function freshRoot(): string {
  const root = join(scratch, String(counter++))
  mkdirSync(root)
  return root
}

/** Everything about a tree but the times of directories and its root. */
async function lines(tree: Iterable<Entry>): Promise<string> {
  const found: string[] = []
  for (const entry of tree) {
    const { path, type, mode, uid, gid, mtime, linkname, content } = entry
    if (path === '') continue
    const body = content === undefined ? '' : (await collect(content.open())).toString()
    const owner = isRoot ? `${uid}:${gid}` : ''
    const time = type === 'directory' ? '' : `@${mtime}`
    const permissions = type === 'symlink' ? '' : mode.toString(8)
    found.push([JSON.stringify(path), type, permissions, owner, time, linkname, body].join(' '))
  }
  return found.join('\n')
}

const name = fc.constantFrom('a', 'b', 'c', 'a-', 'é', '\uDCFF')
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const metadata = fc.record({
  mode: fc.constantFrom(0o644, 0o600, 0o4755, 0o555),
  uid: fc.constantFrom(0, 1000),
  gid: fc.constantFrom(0, 1000),
  mtime: fc.constantFrom(0, 5, 9),
})
type Kind = 'file' | 'directory' | 'symlink' | 'hardlink'
const item = fc.record({
  path,
  kind: fc.constantFrom<Kind>('file', 'file', 'directory', 'symlink', 'hardlink'),
  content: fc.constantFrom('', 'one', 'two', 'longer'),
  target: path,
  metadata,
})
type Item = typeof item extends fc.Arbitrary<infer T> ? T : never

/** A valid tree: every parent is a directory, every hard link leads to a file before it. */
const trees: fc.Arbitrary<Tree> = fc.array(item, { maxLength: 14 }).map((items) => {
  const entries = new Map<string, Entry>()
  for (const each of items) {
    const parents: string[] = []
    for (let above = parentOf(each.path); above !== ''; above = parentOf(above)) parents.push(above)
    const blocked =
      entries.has(each.path) ||
      parents.some((parent) => (entries.get(parent)?.type ?? 'directory') !== 'directory')
    if (blocked) continue
    for (const parent of parents)
      if (!entries.has(parent)) entries.set(parent, directory(parent, each.metadata))
    entries.set(each.path, entryOf(each))
  }
  const tree = Tree.from(entries.values())
  // Links are drawn between any names; of each group the first name becomes the file.
  const files = [...tree].filter(({ type }) => type === 'file')
  const linked = [...tree].map((entry) => {
    if (entry.type !== 'hardlink') return entry
    const target = files[entry.linkname.length % Math.max(1, files.length)]
    return target === undefined ? file(entry.path, 'alone') : hardlink(entry.path, target.path)
  })
  return fromLayers([Tree.from(linked)])
})

function entryOf({ path: here, kind, content, target, metadata: fields }: Item): Entry {
  if (kind === 'directory') return directory(here, fields)
  if (kind === 'symlink') return symlink(here, target, { ...fields, mode: 0o777 })
  return kind === 'hardlink' ? hardlink(here, target) : file(here, content, fields)
}

/** Any members at all: parents that are symlinks or files, links to nowhere, markers. */
const rawLayers: fc.Arbitrary<Tree> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: item.map(entryOf) },
      {
        weight: 1,
        arbitrary: path.map((each) =>
          marker(joinPath(parentOf(each), `.wh.${each.slice(each.lastIndexOf('/') + 1)}`)),
        ),
      },
      { weight: 1, arbitrary: path.map((each) => marker(joinPath(parentOf(each), '.wh..wh..opq'))) },
    ),
    { maxLength: 10 },
  )
  .map((entries) => Tree.from(new Map(entries.map((entry) => [entry.path, entry])).values()))

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
      // A tree has no order of writing, which decides what a hard link through a symlink of its own layer finds.
      fc.pre(!layers.some((layer) => [...layer].some((entry) => linksThroughSymlink(entry, layer))))
      let merged: string
      try {
        merged = await lines(fromLayers(layers))
      } catch (error) {
        merged = code(error)
      }
      const root = freshRoot()
      let applied: string
      try {
        for (const layer of layers) await apply(root, [await packed(layer)])
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
      await apply(root, [await inOrder(members)])
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

function linksThroughSymlink({ type, linkname }: Entry, layer: Tree): boolean {
  const parts = linkname.split('/')
  return (
    type === 'hardlink' &&
    parts.some((_, end) => layer.get(parts.slice(0, end).join('/'))?.type === 'symlink')
  )
}
