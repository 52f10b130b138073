/**
 * An ordered, immutable set of entries: the value that a layer, a directory and an image's file system all become.
 *
 * @module
 */
import type { Entry } from './entry.ts'
import { LayerError, quoted } from './errors.ts'
import { comparePaths, isCleanPath, joinPath, parentOf } from './path.ts'

let trusted: (entries: readonly Entry[]) => Tree

/** A tree of entries that are known to be clean, in order and distinct, without looking at them again. */
export function sortedTree(entries: readonly Entry[]): Tree {
  return trusted(entries)
}

/**
 * Entries in the order of {@link comparePaths}: each directory before what is in it, no path twice.
 *
 * Parents need not have entries of their own. A tree is a sorted array and nothing else: look-ups are binary searches,
 * so a tree costs one word an entry.
 */
export class Tree implements Iterable<Entry> {
  static {
    trusted = (entries) => new Tree(entries)
  }

  readonly #entries: readonly Entry[]

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries
  }

  /**
   * Makes a tree of entries in any order.
   *
   * @throws {LayerError} `ERR_LAYER_DUPLICATE` if two have the same path (image-spec layer.md, "Distributable Format");
   *   `ERR_LAYER_PATH` if a path is not clean: see {@link normalizePath}.
   */
  static from(entries: Iterable<Entry>): Tree {
    const sorted = [...entries]
    let previous: string | undefined
    let ascending = true
    for (const { path } of sorted) {
      if (!isCleanPath(path))
        throw new LayerError('ERR_LAYER_PATH', `Not a clean path: ${quoted(path)}`, { path })
      // Most come in order: then this is the only time they are compared.
      ascending &&= previous === undefined || comparePaths(previous, path) < 0
      previous = path
    }
    if (!ascending) {
      sorted.sort((a, b) => comparePaths(a.path, b.path))
      refuseDuplicates(sorted)
    }
    return new Tree(sorted)
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.length
  }

  get(path: string): Entry | undefined {
    const entry = this.#entries[this.#lowerBound(path)]
    return entry?.path === path ? entry : undefined
  }

  has(path: string): boolean {
    return this.get(path) !== undefined
  }

  /** The entries directly in a directory; `''` is the root. */
  children(path: string): Entry[] {
    const found: Entry[] = []
    const end = this.#endBelow(path)
    for (let at = this.#startBelow(path); at < end;) {
      const entry = this.#entries[at]!
      if (parentOf(entry.path) === path) {
        found.push(entry)
        at = this.#endBelow(entry.path, at + 1)
      } else {
        // A directory without an entry: what is in it is nobody's child here.
        const slash = entry.path.indexOf('/', path === '' ? 0 : path.length + 1)
        at = this.#endBelow(entry.path.slice(0, slash), at + 1)
      }
    }
    return found
  }

  /** The entries anywhere below a path, in order, without the one at the path itself. */
  *below(path: string): Generator<Entry, void, void> {
    const end = this.#endBelow(path)
    for (let at = this.#startBelow(path); at < end; at++) yield this.#entries[at]!
  }

  /** The entries in order. */
  [Symbol.iterator](): Iterator<Entry, undefined, undefined> {
    return this.#entries[Symbol.iterator]()
  }

  #startBelow(path: string): number {
    const start = this.#lowerBound(path === '' ? '' : `${path}/`)
    return path === '' && this.#entries[start]?.path === '' ? start + 1 : start
  }

  /** First index at or after `from` that is not below `path`; what is below is contiguous. */
  #endBelow(path: string, from: number = this.#startBelow(path)): number {
    if (path === '') return this.#entries.length
    const prefix = joinPath(path, '')
    let low = from
    let step = 1
    // Most directories are small: gallop from the start, then bisect.
    while (this.#entries[low + step - 1]?.path.startsWith(prefix) === true) {
      low += step
      step *= 2
    }
    let high = Math.min(low + step, this.#entries.length)
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle]!.path.startsWith(prefix)) low = middle + 1
      else high = middle
    }
    return low
  }

  #lowerBound(path: string): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (comparePaths(this.#entries[middle]!.path, path) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function refuseDuplicates(sorted: readonly Entry[]): void {
  for (let at = 1; at < sorted.length; at++) {
    const { path } = sorted[at]!
    if (sorted[at - 1]!.path === path) {
      throw new LayerError('ERR_LAYER_DUPLICATE', `Two entries for ${quoted(path)}`, { path })
    }
  }
}
