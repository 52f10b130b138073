/**
 * COPY as a function of trees: where each source entry goes, and as what.
 *
 * @module
 */
import { type Change, createEntry, type Entry, layerTree, Tree } from '@varve/layer'
import { BuilderError, type SourceLocation } from '../errors.ts'
import type { PatternMatcher } from '../ignore/pattern.ts'
import type { Owner } from './identity.ts'
import { resolveInRoot } from './in-root.ts'
import type { ModeChange } from './mode.ts'
import { isDirectory, type Match } from './sources.ts'

/** What to place where. */
export interface Placement {
  /** The root file system copied into; empty for `--link`, which then follows nothing. */
  readonly base: Tree
  readonly items: readonly PlacedItem[]
  /** Absolute; a trailing `/` means a directory. */
  readonly destination: string
  readonly owner: Owner | undefined
  readonly mode: ModeChange | undefined
  readonly exclude: PatternMatcher | undefined
  /** The modification time of everything placed, in seconds. */
  readonly epoch: number
  readonly location?: SourceLocation | undefined
}

/** One match; `archive` is its content, if it is an archive to be extracted. */
export interface PlacedItem {
  readonly match: Match
  readonly archive?: Tree
}

/**
 * The members of the layer that COPY makes: everything copied, and each parent directory once.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` where a directory would replace a file or the reverse, or where several
 *   files would go to one name.
 */
export function placeCopy(placement: Placement): Tree {
  const { base, items, destination, owner, mode, epoch } = placement
  const target = resolveInRoot(base, destination)
  const existing = base.get(target)
  const wantsDirectory =
    destination.endsWith('/') ||
    target === '' ||
    existing?.type === 'directory' ||
    items.some(({ match, archive }) => archive !== undefined || isDirectory(match.entry) || match.kept !== '')
  if (items.length > 1 && !wantsDirectory) {
    throw problem(`${items.length} files cannot be copied to the one file ${JSON.stringify(destination)}`, {
      hint: 'End the destination with "/" to copy into a directory',
    })
  }
  const placed = new Map<string, Entry>()
  if (wantsDirectory) ensureDirectory(target)
  for (const item of items) placeItem(item)
  return assemble()

  function placeItem({ match, archive }: PlacedItem): void {
    const directory = match.kept === '' ? target : join(target, match.kept)
    if (match.kept !== '') keepParents(match, directory)
    if (archive !== undefined) return placeBelow(archive, '', directory)
    if (isDirectory(match.entry)) return placeBelow(match.tree, match.path, directory)
    const path = wantsDirectory ? join(directory, match.name) : target
    if (match.entry === undefined || placement.exclude?.matches(match.name) === true) return
    place(path, wholeFile(match.tree, match.entry), undefined)
  }

  /** Copies what is below `root`. Links between files of one copy stay links. */
  function placeBelow(tree: Tree, root: string, directory: string): void {
    const leaders = new Map<string, string>()
    for (const entry of tree.below(root)) {
      const relative = root === '' ? entry.path : entry.path.slice(root.length + 1)
      if (placement.exclude?.matches(relative) === true) continue
      const path = join(directory, relative)
      const group = entry.type === 'hardlink' ? entry.linkname : entry.path
      const leader = leaders.get(group)
      if (leader === undefined) leaders.set(group, path)
      place(path, leader === undefined ? wholeFile(tree, entry) : entry, leader)
    }
  }

  function place(path: string, entry: Entry, linkname: string | undefined): void {
    const there = placed.get(path) ?? base.get(path)
    const both = [entry.type === 'directory', there?.type === 'directory']
    if (there !== undefined && both[0] !== both[1]) {
      const what = both[0] ? 'directory onto a file' : 'file onto a directory'
      throw problem(`Cannot copy a ${what}: ${JSON.stringify(`/${path}`)}`)
    }
    placed.set(
      path,
      createEntry({
        ...entry,
        path,
        linkname: linkname ?? entry.linkname,
        mode:
          mode === undefined || entry.type === 'symlink'
            ? entry.mode
            : mode(entry.mode, entry.type === 'directory'),
        ...owner,
        mtime: epoch,
        mtimeNs: 0,
      }),
    )
  }

  /** `--parents`: the directories in front of a source keep the attributes they have there. */
  function keepParents(match: Match, directory: string): void {
    const parts = match.kept.split('/')
    const depth = isDirectory(match.entry) ? match.path : match.path.split('/').slice(0, -1).join('/')
    for (let length = 1; length <= parts.length; length += 1) {
      const path = join(target, parts.slice(0, length).join('/'))
      const source = depth
        .split('/')
        .slice(0, depth.split('/').length - (parts.length - length))
        .join('/')
      const entry = match.tree.get(source)
      if (entry?.type === 'directory') place(path, entry, undefined)
      else ensureDirectory(path)
    }
    ensureDirectory(directory)
  }

  function ensureDirectory(path: string): void {
    const there = placed.get(path) ?? base.get(path)
    if (path === '' || there?.type === 'directory') return
    if (there !== undefined) throw problem(`Not a directory: ${JSON.stringify(`/${path}`)}`)
    placed.set(path, newDirectory(path))
  }

  /** Directories made on the way get the owner and mode asked for, as BuildKit does. */
  function newDirectory(path: string): Entry {
    return createEntry({
      path,
      type: 'directory',
      mode: mode === undefined ? 0o755 : mode(0o755, true),
      uid: owner?.uid ?? 0,
      gid: owner?.gid ?? 0,
      mtime: epoch,
    })
  }

  function assemble(): Tree {
    const upper = new Map(placed)
    for (const path of placed.keys()) {
      for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
        const parent = path.slice(0, at)
        if (upper.has(parent)) break
        const there = base.get(parent)
        if (there !== undefined && there.type !== 'directory') {
          throw problem(`Not a directory: ${JSON.stringify(`/${parent}`)}`)
        }
        const directory = there ?? newDirectory(parent)
        upper.set(parent, directory)
        if (there === undefined) placed.set(parent, directory)
      }
    }
    const changes = [...placed].map(([path, entry]): Change => ({ kind: 'add', path, entry }))
    return layerTree(changes, Tree.from(upper.values()))
  }

  function problem(message: string, options: { readonly hint?: string } = {}): BuilderError {
    const { location } = placement
    return new BuilderError('ERR_BUILDER_COPY', message, {
      ...options,
      ...(location !== undefined && { location }),
    })
  }
}

/** A link whose first name is not copied becomes the file itself. */
function wholeFile(tree: Tree, entry: Entry): Entry {
  if (entry.type !== 'hardlink') return entry
  const target = tree.get(entry.linkname)
  if (target === undefined) {
    throw new BuilderError('ERR_BUILDER_COPY', `Broken hard link ${JSON.stringify(entry.path)}`)
  }
  return createEntry({ ...target, path: entry.path })
}

function join(directory: string, name: string): string {
  return directory === '' ? name : name === '' ? directory : `${directory}/${name}`
}
