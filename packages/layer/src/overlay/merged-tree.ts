/**
 * The tree an overlay shows, of its lower tree and its upper directory.
 *
 * @module
 */
import { LinkGroups } from '../diff/link-groups.ts'
import { createEntry, type Entry, withPath } from '../entry.ts'
import { linkTo } from '../merge/file-system.ts'
import { baseOf, comparePaths, joinPath, parentOf } from '../path.ts'
import { Tree } from '../tree.ts'
import { type Marks, type MarkReader, unsupported } from './marks.ts'

/** Names that a directory of the overlay shows; `undefined` where nobody looked. */
export type VisibleNames = (directory: string) => ReadonlySet<string> | undefined

/** Builds the tree that is seen through an overlay. Entries of the lower tree are taken over where they stay. */
export class MergedTree {
  readonly #lower: Tree
  readonly #upper: Tree
  readonly #visible: VisibleNames
  readonly #links: LinkGroups
  readonly #marks = new Map<string, Marks>()
  /** Lower path of what is merged into each directory of the upper tree. */
  readonly #origins = new Map<string, string>()
  /** What is seen of the lower tree: new path to old entry. */
  readonly #kept = new Map<string, Entry>()

  constructor(lower: Tree, upper: Tree, marks: MarkReader, visible: VisibleNames) {
    this.#lower = lower
    this.#upper = upper
    this.#visible = visible
    this.#links = new LinkGroups(lower)
    for (const entry of upper) {
      const found = marks.read(entry)
      this.#marks.set(entry.path, found)
      if (entry.type === 'directory') this.#findOrigin(entry.path, found)
    }
  }

  build(): Tree {
    this.#keepInPlace()
    for (const [path, origin] of this.#origins) {
      const visible = this.#visible(path)
      if (path !== origin || visible !== undefined) this.#mergeDirectory(path, origin, visible)
    }
    const entries = [...this.#keptEntries()]
    for (const entry of this.#upper) {
      const marks = this.#marks.get(entry.path)!
      if (!marks.whiteout) entries.push(marks.metacopy ? this.#withLowerContent(entry, marks) : entry)
    }
    return Tree.from(entries)
  }

  #findOrigin(path: string, { opaque, redirect }: Marks): void {
    const origin = opaque ? undefined : this.#originOf(path, redirect)
    if (origin === undefined) return
    const below = this.#lower.get(origin)
    // Only a directory is merged; one without an entry of its own is one too.
    if (below === undefined || below.type === 'directory') this.#origins.set(path, origin)
  }

  /** Where the lower part of a path is, if it has one. */
  #originOf(path: string, redirect: string | undefined): string | undefined {
    if (path === '') return ''
    if (redirect?.startsWith('/') === true) return redirect.slice(1)
    const parent = this.#origins.get(parentOf(path))
    return parent === undefined ? undefined : joinPath(parent, redirect ?? baseOf(path))
  }

  /** All of the lower tree but what the upper one hides. */
  #keepInPlace(): void {
    const hidden = new Set<string>()
    // All below this path is hidden already.
    let cleared: string | undefined
    for (const { path } of this.#upper) {
      hidden.add(path)
      if (this.#origins.get(path) === path) continue
      if (cleared !== undefined && path.startsWith(cleared)) continue
      cleared = `${path}/`
      for (const entry of this.#lower.below(path)) hidden.add(entry.path)
    }
    for (const entry of this.#lower) if (!hidden.has(entry.path)) this.#kept.set(entry.path, entry)
  }

  #mergeDirectory(path: string, origin: string, visible: ReadonlySet<string> | undefined): void {
    for (const child of this.#lower.children(origin)) {
      const name = baseOf(child.path)
      const here = joinPath(path, name)
      if (this.#upper.has(here)) continue
      const seen = visible?.has(name) ?? true
      for (const entry of [child, ...this.#lower.below(child.path)]) {
        const target = here + entry.path.slice(child.path.length)
        if (seen) this.#kept.set(target, entry)
        else this.#kept.delete(target)
      }
    }
    for (const name of visible ?? []) {
      const here = joinPath(path, name)
      if (this.#upper.has(here) || this.#kept.has(here) || this.#lower.children(here).length > 0) continue
      throw unsupported(here, 'comes from neither directory: it may have been renamed')
    }
  }

  /** What is kept, where it is now; several names of one file stay so. */
  *#keptEntries(): Generator<Entry, void, void> {
    const first = new Map<string, string>()
    for (const path of [...this.#kept.keys()].toSorted(comparePaths)) {
      const entry = this.#kept.get(path)!
      if (entry.type === 'directory') {
        yield withPath(entry, path)
        continue
      }
      const file = this.#links.resolve(entry)
      const target = first.get(file.path)
      if (target === undefined) {
        first.set(file.path, path)
        yield withPath(file, path)
      } else if (entry.path === path && entry.linkname === target) yield entry
      else yield linkTo(file, path, target)
    }
  }

  #withLowerContent(entry: Entry, marks: Marks): Entry {
    const origin = this.#originOf(entry.path, marks.redirect)
    const lower = origin === undefined ? undefined : this.#lower.get(origin)
    if (entry.type === 'hardlink') return entry
    const file = lower === undefined || lower.type === 'directory' ? undefined : this.#links.resolve(lower)
    if (file?.type !== 'file' || file.size !== entry.size) {
      throw unsupported(entry.path, 'has its content in a lower file that is not there')
    }
    return createEntry({ ...entry, content: file.content })
  }
}
