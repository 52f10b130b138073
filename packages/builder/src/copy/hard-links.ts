/**
 * Hard links while files are copied: which names are one file, and which copies are.
 *
 * @module
 */
import type { Entry, Tree } from '@varve/layer'
import { BuilderError } from '../errors.ts'

/**
 * The file that an entry is a name of; anything but a hard link is itself.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` if the link leads nowhere.
 */
export function linkedFile(tree: Tree, entry: Entry): Entry {
  let here = entry
  // Archives may hold chains of links; one longer than the tree is a loop.
  for (let left = tree.size; here.type === 'hardlink'; left -= 1) {
    const next = left === 0 ? undefined : tree.get(here.linkname)
    if (next === undefined || next.type === 'directory') {
      throw new BuilderError('ERR_BUILDER_COPY', `Broken hard link ${JSON.stringify(`/${entry.path}`)}`)
    }
    here = next
  }
  return here
}

/** Stands for a file in what is made: equal for all names of one file, and for nothing else. */
export type Inode = object

/** Gives copies their identities. */
export class Inodes {
  readonly #copies = new Map<Entry, number>()
  readonly #files = new Map<Entry, Inode[]>()

  /**
   * The identity of one more copy of `name`, whose file is `file`. Names that are copied once stay names of one file;
   * a name copied twice gives two files, each linked with its own generation of the other names.
   */
  next(name: Entry, file: Entry): Inode {
    const generation = this.#copies.get(name) ?? 0
    this.#copies.set(name, generation + 1)
    const files = this.#files.get(file) ?? []
    this.#files.set(file, files)
    return (files[generation] ??= {})
  }
}
