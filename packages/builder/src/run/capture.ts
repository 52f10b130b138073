/**
 * Reading back what a process changed.
 *
 * @module
 */
import { readdirSync } from 'node:fs'
import {
  type Change,
  comparePaths,
  decodePath,
  diff,
  encodePath,
  type Entry,
  fromDirectory,
  layerTree,
  Tree,
} from '@varve/layer'

/** Where the three views of one run are. */
export interface OverlayViews {
  /** What overlay wrote: new and changed files, whiteouts. */
  readonly upper: string
  /** The file system before. */
  readonly lower: string
  /** The file system after. */
  readonly merged: string
  /** Later modification times become this. */
  readonly epoch: number
}

/**
 * The members of the layer, read from an overlay's upper directory.
 *
 * Deletions are found by comparing the names in `lower` and `merged` for every directory that overlay touched. That
 * sees opaque directories without reading extended attributes, and always gives explicit whiteouts.
 */
export async function captureOverlay({ upper, lower, merged, epoch }: OverlayViews): Promise<Tree> {
  const mtime = { clamp: epoch }
  const written = await fromDirectory(upper, { mtime })
  const after = withoutWhiteouts(written)
  const before = await fromDirectory(lower, {
    mtime,
    filter: (path) => after.has(path),
  })
  const changes = await diff(before, after, { content: 'always' })
  const touched = [...after].filter(
    ({ path, type }) => path !== '' && type === 'directory' && before.get(path)?.type === 'directory',
  )
  const deletions = ['', ...touched.map(({ path }) => path)].flatMap((path) =>
    deletedNames(path, lower, merged),
  )
  return membersOf([...changes, ...deletions], after)
}

/** The members of the layer, from two whole trees: what is left where there is no overlay. */
export async function captureCopy(lower: string, merged: string, epoch: number): Promise<Tree> {
  const mtime = { clamp: epoch }
  const [before, after] = [await fromDirectory(lower, { mtime }), await fromDirectory(merged, { mtime })]
  return membersOf(await diff(before, after, { content: 'always' }), after)
}

function membersOf(changes: readonly Change[], after: Tree): Tree {
  return layerTree(
    changes.toSorted((a, b) => comparePaths(a.path, b.path)),
    after,
  )
}

function deletedNames(directory: string, lower: string, merged: string): Change[] {
  const left = new Set(readNames(merged, directory))
  return readNames(lower, directory)
    .filter((name) => !left.has(name))
    .map((name) => ({ kind: 'delete', path: directory === '' ? name : `${directory}/${name}` }))
}

/** Names byte for byte, whatever their encoding. */
function readNames(root: string, directory: string): string[] {
  const path = Buffer.concat([Buffer.from(`${root}/`), encodePath(directory)])
  return readdirSync(path, { encoding: 'buffer' }).map((name) => decodePath(name))
}

/** The kernel makes all whiteouts of a mount one inode, so most of them look like hard links to the first. */
function withoutWhiteouts(written: Tree): Tree {
  const whiteouts = new Set([...written].filter((entry) => isWhiteout(entry)).map(({ path }) => path))
  return Tree.from(
    [...written].filter(
      ({ path, type, linkname }) => !whiteouts.has(path) && !(type === 'hardlink' && whiteouts.has(linkname)),
    ),
  )
}

/** Overlay marks a deletion by a character device 0/0 (kernel: filesystems/overlayfs, "whiteouts and opaque directories"). */
function isWhiteout(entry: Entry): boolean {
  return entry.type === 'char' && entry.devMajor === 0 && entry.devMinor === 0
}
