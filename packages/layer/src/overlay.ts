/**
 * Upper directories of overlayfs as changes.
 *
 * The kernel has done the comparison already: what a process changed, and nothing else, is in the upper directory, in
 * the notation of filesystems/overlayfs in the kernel's documentation. Here it becomes what `diff` gives: deletions by
 * name, no opaque directories, renamed directories with all that is in them, and the content of files of which only
 * metadata were copied up.
 *
 * @module
 */
import { type Dirent, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Change, diff, type DiffOptions } from './diff.ts'
import { type DirectoryOptions, fromDirectory } from './directory.ts'
import { attempt } from './directory/attempt.ts'
import { createEntry, type Entry } from './entry.ts'
import { toLocation, withLocation } from './location.ts'
import { MarkReader, markPrefix, unsupported } from './overlay/marks.ts'
import { MergedTree, type VisibleNames } from './overlay/merged-tree.ts'
import { decodePath, parentOf } from './path.ts'
import { Tree } from './tree.ts'
import { type FileXattrs, readXattrs, xattrsOf } from './xattrs.ts'
import { isImageXattr } from './xattrs/image-xattrs.ts'

/** Options of {@link overlayChanges}. */
export interface OverlayOptions {
  /**
   * Attributes of the upper directory, unfiltered: `read` (default) by `getfattr`; or those that are known. `none` says
   * that the overlay was mounted with `redirect_dir=off,metacopy=off` and has nothing in attributes but opaque
   * directories, which are found in `merged`.
   */
  readonly xattrs?: 'read' | 'none' | FileXattrs
  /** Whether the overlay was mounted with `userxattr`. Default: not, and `user.overlay.` marks are refused. */
  readonly userXattr?: boolean
  /** The mounted overlay. Needed with `xattrs: 'none'` only; only names are read. */
  readonly merged?: string
  /** How both directories are read, see {@link DirectoryOptions}. A lower `Tree` must have been made alike. */
  readonly directory?: Pick<DirectoryOptions, 'mtime' | 'owner' | 'nanoseconds' | 'onSkip'>
  /** How files are compared. Contents always are by default: few files are in an upper directory. */
  readonly diff?: Omit<DiffOptions, 'signal'>
  readonly signal?: AbortSignal
}

/** What {@link overlayChanges} found. */
export interface OverlayChanges {
  readonly changes: readonly Change[]
  /** The tree seen through the overlay, as far as it was looked at; what `layerTree` wants beside the changes. */
  readonly tree: Tree
}

/**
 * What the upper directory of an overlay changes about the lower tree: `diff` of the two views, without a walk of the
 * merged one.
 *
 * Of a lower directory given by its path only what the upper one touches is read; hard links to names outside of that
 * are not known then. With a `Tree` the result is exact. Contents of the result are read from the upper directory and,
 * for renamed directories and files whose metadata alone changed, from the lower tree: keep both.
 *
 * @throws {LayerError} `ERR_LAYER_UNSUPPORTED` if attributes are needed and cannot be read, or are not understood; else
 *   as {@link fromDirectory} and {@link diff}.
 */
export async function overlayChanges(
  upper: string,
  lower: Tree | string,
  options: OverlayOptions = {},
): Promise<OverlayChanges> {
  const { merged, signal } = options
  signal?.throwIfAborted()
  const xattrs = await marksOf(upper, options)
  const prefix = xattrs === undefined ? 'trusted.overlay.' : markPrefix(xattrs, options.userXattr)
  const written = withImageXattrs(
    await fromDirectory(upper, { ...options.directory, ...(signal && { signal }) }),
    xattrs,
  )
  const reader = new MarkReader(written, xattrs, prefix)
  const before = typeof lower === 'string' ? await readLower(lower, written, reader, options) : lower
  const visible: VisibleNames =
    merged === undefined || xattrs !== undefined ? () => undefined : (path) => namesIn(merged, path)
  const tree = new MergedTree(before, written, reader, visible).build()
  const rules: DiffOptions = { content: 'always', ...options.diff, ...(signal && { signal }) }
  return { changes: await diff(before, tree, rules), tree }
}

async function marksOf(upper: string, options: OverlayOptions): Promise<FileXattrs | undefined> {
  const { xattrs = 'read', merged, signal } = options
  if (xattrs === 'none') {
    if (merged === undefined) throw new TypeError('Without attributes the merged directory is needed')
    return undefined
  }
  if (xattrs !== 'read') return xattrs
  const found = await readXattrs(upper, { filter: () => true, signal })
  if (found === undefined)
    throw unsupported('', 'cannot be understood: there is no getfattr to read its attributes')
  return found
}

/** The notes of overlayfs, and what else is the host's, are no part of the files. */
function withImageXattrs(tree: Tree, xattrs: FileXattrs | undefined): Tree {
  if (xattrs === undefined) return tree
  const entries: Entry[] = []
  for (const entry of tree) {
    const values = entry.type === 'hardlink' ? undefined : xattrsOf(xattrs, entry.path)
    if (values === undefined) entries.push(entry)
    else {
      const wanted = new Map([...values].filter(([name]) => isImageXattr(name)))
      entries.push(createEntry({ ...entry, xattrs: wanted }))
    }
  }
  return Tree.from(entries)
}

/** The part of a lower directory that an upper one is about. */
async function readLower(
  lower: string,
  written: Tree,
  reader: MarkReader,
  { directory = {}, xattrs: known, signal }: OverlayOptions,
): Promise<Tree> {
  // What is skipped here is nothing that changed.
  const { onSkip: _, ...rules } = directory
  let redirected = false
  for (const entry of written) redirected ||= reader.read(entry).redirect !== undefined
  const options: DirectoryOptions = { ...rules, ...(signal && { signal }) }
  // A renamed directory can have been anywhere.
  if (redirected) return fromDirectory(lower, { ...options, xattrs: 'read' })
  const wanted = (path: string): boolean =>
    written.has(path) || written.get(parentOf(path))?.type === 'directory'
  const before = await fromDirectory(lower, { ...options, filter: wanted })
  if (known === 'none') return before
  // Attributes are compared where both sides have a file, and need not be read elsewhere.
  const paths = [...before].map(({ path }) => path).filter((path) => written.has(path))
  const xattrs = await readXattrs(lower, { paths, signal })
  if (xattrs === undefined) return before
  const compared = new Set(paths)
  return Tree.from(
    [...before].map((entry) =>
      compared.has(entry.path) && entry.type !== 'hardlink'
        ? createEntry({ ...entry, xattrs: xattrsOf(xattrs, entry.path) })
        : entry,
    ),
  )
}

/** Names byte for byte, whatever their encoding; without sockets, which no tree holds. */
function namesIn(root: string, directory: string): ReadonlySet<string> {
  const list = (): Dirent<Buffer>[] =>
    withLocation(toLocation(resolve(root)), directory, (location) =>
      readdirSync(location, { encoding: 'buffer', withFileTypes: true }),
    )
  const found = attempt(directory, list, 'ERR_LAYER_CHANGED').filter((name) => !name.isSocket())
  return new Set(found.map(({ name }) => decodePath(name)))
}
