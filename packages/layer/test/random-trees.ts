/**
 * Random trees and layers, small enough in their names that everything meets everything.
 *
 * @module
 */
import { chmodSync, writeFileSync } from 'node:fs'
import * as fc from 'fast-check'
import {
  createEntry,
  type Entry,
  type FileSystemAdapter,
  fromLayers,
  joinPath,
  parentOf,
  Tree,
} from '../src/index.ts'
import { collect, directory, file, hardlink, marker, symlink } from './archive.ts'
import { isRoot } from './disk.ts'

/** Everything about a tree but the times of directories and its root. */
export async function lines(tree: Iterable<Entry>): Promise<string> {
  const found: string[] = []
  for (const entry of tree) {
    const { path, type, mode, uid, gid, mtime, linkname, content } = entry
    if (path === '') continue
    const body = content === undefined ? '' : (await collect(content.open())).toString()
    const owner = isRoot ? `${uid}:${gid}` : ''
    const time = type === 'directory' ? '' : `@${mtime}`
    const permissions = type === 'symlink' ? '' : mode.toString(8)
    // Which a disk has only for root; see STAND_IN.
    if (type === 'fifo') {
      found.push([JSON.stringify(path), 'file', permissions, owner, time, linkname, FIFO].join(' '))
      continue
    }
    found.push([JSON.stringify(path), type, permissions, owner, time, linkname, body].join(' '))
  }
  return found.join('\n')
}

const FIFO = 'a pipe'

/** Makes files in the place of pipes, which not everyone may make, and which nothing could read. */
export const STAND_IN: FileSystemAdapter = {
  setXattrs: () => 'done',
  makeDevice: (location, _type, _major, _minor, mode) => {
    const name = typeof location === 'string' ? location : Buffer.from(location)
    writeFileSync(name, FIFO, { flag: 'wx' })
    chmodSync(name, mode)
    return 'done'
  },
}

const name = fc.constantFrom('a', 'b', 'c', 'a-', 'é', '\uDCFF')
const path: fc.Arbitrary<string> = fc
  .array(name, { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'))
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
export const trees: fc.Arbitrary<Tree> = fc.array(item, { maxLength: 14 }).map((items) => {
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

/** What symlinks really hold: absolute, upwards, through each other, to nowhere, to themselves. */
const targets: fc.Arbitrary<string> = fc.oneof(
  path,
  path.map((each) => `/${each}`),
  path.map((each) => `../${each}`),
  fc.tuple(path, path).map(([down, up]) => `${down}/../${up}/`),
  fc.constantFrom('.', '..', '/', '../..', './/a', 'a/.', '/b/..'),
)

/** Any members at all: parents that are symlinks or files, links to nowhere, pipes, markers. */
export const rawLayers: fc.Arbitrary<Tree> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: item.map(entryOf) },
      {
        weight: 2,
        arbitrary: fc.tuple(path, targets).map(([each, target]) => symlink(each, target)),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(path, metadata)
          .map(([each, { mode, uid }]) =>
            createEntry({ path: each, type: 'fifo', mode: mode & 0o777, uid, mtime: 5 }),
          ),
      },
      {
        weight: 1,
        arbitrary: path.map((each) =>
          marker(joinPath(parentOf(each), `.wh.${each.slice(each.lastIndexOf('/') + 1)}`)),
        ),
      },
      { weight: 1, arbitrary: path.map((each) => marker(joinPath(parentOf(each), '.wh..wh..opq'))) },
    ),
    { maxLength: 12 },
  )
  .map((entries) => Tree.from(new Map(entries.map((entry) => [entry.path, entry])).values()))
