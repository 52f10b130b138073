/**
 * What changed between two trees: image-spec layer.md, "Determining Changes".
 *
 * @module
 */
import { type CompareRules, compareEntries, equalContents, type OwnerMapping } from './diff/compare.ts'
import { LinkGroups } from './diff/link-groups.ts'
import type { Entry } from './entry.ts'
import { comparePaths } from './path.ts'
import type { Tree } from './tree.ts'

/** One path that differs. */
export interface Change {
  readonly kind: 'add' | 'modify' | 'delete'
  readonly path: string
  /** What is there now; absent if it was deleted. */
  readonly entry?: Entry | undefined
  /** What was there before; absent if it was added. */
  readonly previous?: Entry | undefined
}

/** Options of {@link diff}. */
export interface DiffOptions {
  /**
   * When contents of files with equal size and time are read: `stat` never does; `racy` (default) does if one of the
   * times has no fraction of a second, as in every tree out of a tar; `always` finds every change, and reads everything.
   */
  readonly content?: 'stat' | 'racy' | 'always'
  /** Reports no change for a file with nothing but another time. Costs reading it. */
  readonly ignoreMtimeOnly?: boolean
  /**
   * Owners count by default (`compare`). With `ignore` another owner alone is no change, as for a tree unpacked without
   * the right to give files away. A mapping says which owner a file of the lower tree should have in the upper one, as
   * for a tree made in a user namespace.
   */
  readonly owner?: 'compare' | 'ignore' | OwnerMapping
  readonly signal?: AbortSignal
}

/**
 * The changes that turn `lower` into `upper`, in the order of paths. Neither tree is touched. A root that only one of
 * them has an entry for is no change.
 *
 * Of a deleted directory only the directory itself is listed, of one replaced by something else only that. The time of a
 * directory alone is no change. Extended attributes unknown on one side make no difference. Names that became links of
 * one file, or ceased to be, are changes: of a group that was split, the first part that is otherwise unchanged is not.
 * Contents of snapshots are compared by their digests whatever the policy.
 *
 * @throws {LayerError} `ERR_LAYER_LINK` if a hard link in either tree leads nowhere; whatever reading a content throws.
 */
export async function diff(lower: Tree, upper: Tree, options: DiffOptions = {}): Promise<Change[]> {
  const { signal } = options
  signal?.throwIfAborted()
  const { content = 'racy', ignoreMtimeOnly = false, owner = 'compare' } = options
  const rules = { content, ignoreMtimeOnly, owner: owner === 'compare' ? undefined : owner }
  const comparison = new Comparison(lower, upper, rules)
  comparison.walk()
  await comparison.readContents(signal)
  comparison.compareLinks()
  return [...comparison.changes.values()].toSorted((a, b) => comparePaths(a.path, b.path))
}

class Comparison {
  readonly changes = new Map<string, Change>()
  readonly #lower: Tree
  readonly #upper: Tree
  readonly #rules: CompareRules
  readonly #lowerLinks: LinkGroups
  readonly #upperLinks: LinkGroups
  /** Pairs that only their contents can tell apart. */
  readonly #unsure: { readonly previous: Entry; readonly entry: Entry }[] = []

  constructor(lower: Tree, upper: Tree, rules: CompareRules) {
    this.#lower = lower
    this.#upper = upper
    this.#rules = rules
    this.#lowerLinks = new LinkGroups(lower)
    this.#upperLinks = new LinkGroups(upper)
  }

  /** Goes through both trees side by side. */
  walk(): void {
    const lowers = this.#lower[Symbol.iterator]()
    const uppers = this.#upper[Symbol.iterator]()
    let previous = lowers.next().value
    let entry = uppers.next().value
    // What is below this path went with it.
    let gone: string | undefined
    while (previous !== undefined || entry !== undefined) {
      // Trees of a snapshot and its successor share nearly all entries. A link is what its file is.
      if (previous === entry && entry?.type !== 'hardlink') {
        previous = lowers.next().value
        entry = uppers.next().value
        continue
      }
      const order =
        previous === undefined ? 1 : entry === undefined ? -1 : comparePaths(previous.path, entry.path)
      if (order < 0) {
        if (gone === undefined || !previous!.path.startsWith(gone)) {
          this.#report({ kind: 'delete', path: previous!.path, previous })
          if (previous!.path !== '') gone = `${previous!.path}/`
        }
        previous = lowers.next().value
      } else if (order > 0) {
        this.#report({ kind: 'add', path: entry!.path, entry })
        entry = uppers.next().value
      } else {
        if (previous!.type === 'directory' && entry!.type !== 'directory') gone = `${entry!.path}/`
        this.#compare(previous!, entry!)
        previous = lowers.next().value
        entry = uppers.next().value
      }
    }
  }

  async readContents(signal: AbortSignal | undefined): Promise<void> {
    for (const { previous, entry } of this.#unsure) {
      signal?.throwIfAborted()
      const old = this.#lowerLinks.resolve(previous).content!
      const now = this.#upperLinks.resolve(entry).content!
      if (!(await equalContents(old, now, signal))) this.#modified(previous, entry)
    }
  }

  /** Finds names whose content is the same but which share it with other names than before. */
  compareLinks(): void {
    for (const names of this.#upperLinks.groups()) if (!this.#isIntact(names)) this.#rewrite(names)
    for (const names of this.#lowerLinks.groups()) {
      const parts = new Set(
        names.filter((name) => this.#isFile(name)).map((name) => this.#upperLinks.fileOf(name)),
      )
      let kept = false
      for (const file of parts) {
        const part = this.#upperLinks.namesOf(file)
        if (kept) this.#rewrite(part)
        // What changed by itself is rewritten anyhow, and needs no place in the old group.
        else kept = !part.some((name) => this.changes.has(name))
      }
    }
  }

  /** Whether all names of a file of the upper tree were names of one file of the lower tree. */
  #isIntact(names: readonly string[]): boolean {
    const file = this.#lowerLinks.fileOf(names[0]!)
    return names.every((name) => this.#lower.has(name) && this.#lowerLinks.fileOf(name) === file)
  }

  #rewrite(names: readonly string[]): void {
    for (const name of names) {
      const previous = this.#lower.get(name)
      const entry = this.#upper.get(name)
      if (previous !== undefined && entry !== undefined) this.#modified(previous, entry)
    }
  }

  #isFile(path: string): boolean {
    const entry = this.#upper.get(path)
    return entry !== undefined && entry.type !== 'directory'
  }

  #compare(previous: Entry, entry: Entry): void {
    const verdict = compareEntries(
      this.#lowerLinks.resolve(previous),
      this.#upperLinks.resolve(entry),
      this.#rules,
    )
    if (verdict === 'different') this.#modified(previous, entry)
    else if (verdict === 'content') this.#unsure.push({ previous, entry })
  }

  #modified(previous: Entry, entry: Entry): void {
    this.#report({ kind: 'modify', path: entry.path, entry, previous })
  }

  #report(change: Change): void {
    // A tree without an entry for its root says nothing about it.
    if (change.path === '' && change.kind !== 'modify') return
    this.changes.set(change.path, change)
  }
}
