/**
 * COPY as a function of trees: where each source entry goes, and as what.
 *
 * @module
 */
import { type Change, createEntry, type Entry, layerTree, parentOf, Tree } from '@varve/layer'
import { BuilderError, type BuilderErrorOptions, type SourceLocation } from '../errors.ts'
import type { PatternMatcher } from '../ignore/pattern.ts'
import { type Inode, Inodes } from './hard-links.ts'
import type { Owner } from './identity.ts'
import { joinBelow, resolveInRoot } from './in-root.ts'
import { located } from './located.ts'
import type { ModeChange } from './mode.ts'
import { isDirectory, type Match, type SourceFile, sourceFiles } from './sources.ts'

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
 * Directories that are made on the way get the owner and mode asked for, else 0:0 and 0755, as BuildKit has it. The
 * destination itself keeps its attributes if it exists, directories below it take those of the source. Symbolic links
 * of an archive are followed for what the archive itself puts below them, with the destination as their root.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` where a directory would replace a file or the reverse, where several files
 *   would go to one name, and for names that no layer can hold.
 */
export function placeCopy(placement: Placement): Tree {
  return located(placement.location, () => new Placer(placement).place())
}

/** What will be at a path, and which other paths will be the same file. */
interface Placed {
  readonly entry: Entry
  readonly inode?: Inode
}

/** One COPY at work. */
class Placer {
  readonly #placement: Placement
  /** Where the destination really is, its links followed. */
  readonly #target: string
  readonly #placed = new Map<string, Placed>()
  readonly #inodes = new Inodes()

  constructor(placement: Placement) {
    this.#placement = placement
    this.#target = resolveInRoot(placement.base, placement.destination)
  }

  place(): Tree {
    const { items, destination } = this.#placement
    const [item] = items
    if (item === undefined) return Tree.from([])
    if (this.#goesIntoDirectory()) {
      this.#ensureDirectory(this.#target)
      for (const each of items) this.#placeBelow(each)
    } else if (items.length === 1) {
      for (const file of this.#files(item)) this.#add(this.#target, file)
    } else {
      throw problem(`${items.length} files cannot be copied to the one file ${JSON.stringify(destination)}`, {
        hint: 'End the destination with "/" to copy into a directory',
      })
    }
    return this.#assemble()
  }

  #goesIntoDirectory(): boolean {
    const { destination, items } = this.#placement
    return (
      destination.endsWith('/') ||
      this.#at(this.#target)?.type === 'directory' ||
      items.some(
        ({ match, archive }) => archive !== undefined || isDirectory(match.entry) || match.kept.length > 0,
      )
    )
  }

  #placeBelow(item: PlacedItem): void {
    for (const file of this.#files(item)) {
      const path = item.archive === undefined ? file.path : this.#throughLinks(file.path)
      this.#add(joinBelow(this.#target, path), file)
    }
  }

  #files({ match, archive }: PlacedItem): Iterable<SourceFile> {
    const all = { tree: archive ?? match.tree, path: '', entry: undefined, name: '', kept: [] }
    return sourceFiles(archive === undefined ? match : all, this.#placement.exclude)
  }

  /** A member of an archive may lie below a link that is there, or that the archive made. */
  #throughLinks(path: string): string {
    const above = { get: (each: string) => this.#at(joinBelow(this.#target, each)) }
    const directory = resolveInRoot(above, parentOf(path))
    return joinBelow(directory, path.slice(path.lastIndexOf('/') + 1))
  }

  #add(path: string, { name, file }: SourceFile): void {
    const { mode, owner, epoch } = this.#placement
    const directory = file.type === 'directory'
    const there = this.#at(path)
    if (there !== undefined && directory !== (there.type === 'directory')) {
      const what = directory ? 'directory onto a file' : 'file onto a directory'
      throw problem(`Cannot copy a ${what}: ${JSON.stringify(`/${path}`)}`)
    }
    const entry = createEntry({
      ...file,
      path,
      // A link has no mode of its own.
      mode: mode === undefined || file.type === 'symlink' ? file.mode : mode(file.mode, directory),
      ...owner,
      mtime: epoch,
      mtimeNs: 0,
      pax: undefined,
    })
    this.#placed.set(path, directory ? { entry } : { entry, inode: this.#inodes.next(name, file) })
  }

  #ensureDirectory(path: string): void {
    const there = this.#at(path)
    if (there?.type === 'directory') return
    if (there !== undefined) throw problem(`Not a directory: ${JSON.stringify(`/${path}`)}`)
    this.#placed.set(path, { entry: this.#newDirectory(path) })
  }

  #newDirectory(path: string): Entry {
    const { mode, owner, epoch } = this.#placement
    return createEntry({
      path,
      type: 'directory',
      mode: mode === undefined ? 0o755 : mode(0o755, true),
      ...owner,
      mtime: epoch,
    })
  }

  /** What is at a path so far. The root is always there. */
  #at(path: string): Pick<Entry, 'type' | 'linkname'> | undefined {
    const entry = this.#placed.get(path)?.entry ?? this.#placement.base.get(path)
    return entry ?? (path === '' ? ROOT : undefined)
  }

  #assemble(): Tree {
    for (const path of this.#placed.keys()) {
      // What this adds is seen by this loop too, so that in the end all parents are there.
      if (parentOf(path) !== '') this.#ensureDirectory(parentOf(path))
    }
    const members = this.#members()
    const changes = members.map((entry): Change => ({ kind: 'add', path: entry.path, entry }))
    return layerTree(changes, Tree.from([...members, ...this.#parents()]))
  }

  /** What was placed, the names of one file linked to the first of them. */
  #members(): Entry[] {
    const leaders = new Map<Inode, string>()
    return [...this.#placed.values()].map(({ entry, inode }) => {
      if (inode === undefined) return entry
      const leader = leaders.get(inode)
      if (leader !== undefined) {
        return createEntry({ ...entry, type: 'hardlink', linkname: leader, size: 0, content: undefined })
      }
      leaders.set(inode, entry.path)
      return entry
    })
  }

  /** Directories of the base above what was placed: members of the layer too, just as they are. */
  #parents(): Iterable<Entry> {
    const parents = new Map<string, Entry>()
    for (const path of this.#placed.keys()) {
      for (let above = parentOf(path); above !== '' && !parents.has(above); above = parentOf(above)) {
        const entry = this.#placed.has(above) ? undefined : this.#placement.base.get(above)
        if (entry !== undefined) parents.set(above, entry)
      }
    }
    return parents.values()
  }
}

const ROOT = { type: 'directory', linkname: '' } as const

function problem(message: string, options: BuilderErrorOptions = {}): BuilderError {
  return new BuilderError('ERR_BUILDER_COPY', message, options)
}
