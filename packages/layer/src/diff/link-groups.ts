/**
 * Which names of a tree are one file.
 *
 * @module
 */
import type { Entry } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import type { Tree } from '../tree.ts'

/** Hard links of a tree: each name of a file that has several, with the path of its file. */
export class LinkGroups {
  readonly #tree: Tree
  readonly #files = new Map<string, string>()
  readonly #names = new Map<string, string[]>()
  /** Files at the end of chains that were followed. */
  readonly #ends = new Map<string, Entry>()

  constructor(tree: Tree) {
    this.#tree = tree
    for (const entry of tree) {
      if (entry.type !== 'hardlink') continue
      const { path } = this.resolve(entry)
      this.#files.set(entry.path, path)
      if (!this.#files.has(path)) {
        this.#files.set(path, path)
        this.#names.set(path, [path])
      }
      this.#names.get(path)!.push(entry.path)
    }
  }

  /** The path of the file a name stands for. */
  fileOf(path: string): string {
    return this.#files.get(path) ?? path
  }

  /** All names of a file, itself included. */
  namesOf(file: string): readonly string[] {
    return this.#names.get(file) ?? [file]
  }

  /** Every file with several names, as the list of them. */
  groups(): Iterable<readonly string[]> {
    return this.#names.values()
  }

  /**
   * The file a name stands for, with its metadata and content.
   *
   * @throws {LayerError} `ERR_LAYER_LINK` if a hard link leads nowhere.
   */
  resolve(entry: Entry): Entry {
    const passed: string[] = []
    let here = entry
    while (here.type === 'hardlink') {
      const known = this.#ends.get(here.path)
      // Our own trees have no chains of links, archives may; a chain longer than the tree is a loop.
      const next: Entry | undefined =
        passed.length > this.#tree.size ? undefined : (known ?? this.#tree.get(here.linkname))
      if (next === undefined || next.type === 'directory') throw linkError(entry)
      passed.push(here.path)
      here = next
    }
    // Each link of a long chain is followed once, not once for every link before it.
    if (passed.length > 1) for (const path of passed) this.#ends.set(path, here)
    return here
  }
}

function linkError({ path, linkname }: Entry): LayerError {
  const message = `No file for the hard link ${quoted(path)} to ${quoted(linkname)}`
  return new LayerError('ERR_LAYER_LINK', message, { path })
}
