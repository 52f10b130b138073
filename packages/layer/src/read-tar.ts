/**
 * Archives as trees.
 *
 * @module
 */
import { type ByteSource, concatSources, sliceSource, streamSource, withSignal } from '@varve/digest'
import { createEntry, type Entry } from './entry.ts'
import { comparePaths, parentOf } from './path.ts'
import type { MemberHead } from './tar/member.ts'
import { type ParseOptions, TarParser } from './tar/parser.ts'
import { sortedTree, type Tree } from './tree.ts'

/** Options of {@link fromTar}. */
export interface ReadTarOptions extends ParseOptions {
  readonly signal?: AbortSignal
}

/**
 * Reads the members of an uncompressed archive: raw entries, whiteouts as they are.
 *
 * Contents are slices of `source`, which is opened again at an offset when they are read. Of several members with one
 * path the last counts, as if they had been extracted one after the other: what a file replaces includes all that was
 * below it.
 *
 * @throws {LayerError} `ERR_LAYER_TAR`, `ERR_LAYER_LIMIT`, `ERR_LAYER_UNSAFE`, `ERR_LAYER_PATH`
 */
export async function fromTar(source: ByteSource, options: ReadTarOptions = {}): Promise<Tree> {
  const { signal } = options
  signal?.throwIfAborted()
  const members = new MemberSet()
  const parser = new TarParser(
    {
      begin: (member) => {
        members.add(contentOf(source, member))
        return false
      },
      data: () => {},
      hole: () => {},
      end: () => {},
    },
    options,
  )
  for await (const chunk of source.open(withSignal(signal))) {
    signal?.throwIfAborted()
    parser.write(chunk)
  }
  parser.finish()
  return sortedTree(members.entries())
}

function contentOf(source: ByteSource, { entry, offset, storedSize, sparse }: MemberHead): Entry {
  if (entry.type !== 'file' || entry.size === 0) return entry
  const stored = sliceSource(source, offset, offset + storedSize)
  if (sparse === undefined) return createEntry({ ...entry, content: stored })
  const parts: ByteSource[] = []
  let position = 0
  let taken = 0
  for (let index = 0; index < sparse.length; index += 2) {
    const length = sparse[index + 1]!
    if (sparse[index]! > position) parts.push(zeroSource(sparse[index]! - position))
    parts.push(sliceSource(stored, taken, taken + length))
    taken += length
    position = sparse[index]! + length
  }
  if (entry.size > position) parts.push(zeroSource(entry.size - position))
  return createEntry({ ...entry, content: concatSources(parts) })
}

function zeroSource(length: number): ByteSource {
  const chunk = 65_536
  return streamSource(function* () {
    for (let left = length; left > 0; left -= chunk) yield new Uint8Array(Math.min(left, chunk))
  }, length)
}

/** Members by path, with what later ones replaced taken out. */
class MemberSet {
  readonly #members = new Map<string, Entry>()
  /** What is directly in each path, with an entry or without, for removing all that is below it. */
  readonly #below = new Map<string, string[]>()
  /** The last parent that was seen to: members of one directory come one after the other. */
  #parent: string | undefined

  add(entry: Entry): void {
    const { path } = entry
    if (entry.type !== 'directory' && this.#below.has(path)) this.#removeBelow(path)
    const parent = parentOf(path)
    if (parent !== this.#parent) {
      this.#clearWay(parent)
      this.#parent = parent
    }
    if (!this.#members.has(path) && !this.#below.has(path)) this.#register(path)
    this.#members.set(path, entry)
  }

  entries(): Entry[] {
    return [...this.#members.values()].toSorted((a, b) => comparePaths(a.path, b.path))
  }

  /** A file above a member is replaced by a directory; a symlink is followed where the layer is applied. */
  #clearWay(parent: string): void {
    for (let above = parent; above !== ''; above = parentOf(above)) {
      const found = this.#members.get(above)
      if (found !== undefined && found.type !== 'directory' && found.type !== 'symlink')
        this.#members.delete(above)
    }
  }

  #register(path: string): void {
    for (let here = path; here !== ''; here = parentOf(here)) {
      const siblings = this.#below.get(parentOf(here))
      if (siblings !== undefined) {
        siblings.push(here)
        return
      }
      this.#below.set(parentOf(here), [here])
      // A parent with an entry of its own is registered already.
      if (this.#members.has(parentOf(here))) return
    }
  }

  #removeBelow(path: string): void {
    this.#parent = undefined
    const stack = [path]
    for (let here = stack.pop(); here !== undefined; here = stack.pop()) {
      for (const child of this.#below.get(here) ?? []) {
        this.#members.delete(child)
        stack.push(child)
      }
      this.#below.delete(here)
    }
  }
}
