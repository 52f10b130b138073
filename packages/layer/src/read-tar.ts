/**
 * Archives as trees.
 *
 * @module
 */
import { type ByteSource, concatSources, sliceSource, streamSource, withSignal } from '@varve/digest'
import { createEntry, type Entry } from './entry.ts'
import { baseOf, comparePaths, joinPath, parentOf } from './path.ts'
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
  /** Names in each directory that has any, for removing what is below a path. */
  readonly #names = new Map<string, Set<string>>()

  add(entry: Entry): void {
    const { path } = entry
    if (entry.type !== 'directory') this.#removeBelow(path)
    // A file above is replaced by a directory; a symlink is followed where the layer is applied.
    for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
      const found = this.#members.get(above)
      if (found !== undefined && found.type !== 'directory' && found.type !== 'symlink')
        this.#members.delete(above)
    }
    this.#members.set(path, entry)
    this.#register(path)
  }

  entries(): Entry[] {
    return [...this.#members.values()].toSorted((a, b) => comparePaths(a.path, b.path))
  }

  #register(path: string): void {
    for (let here = path; here !== ''; here = parentOf(here)) {
      const parent = parentOf(here)
      const names = this.#names.get(parent)
      if (names?.has(baseOf(here)) === true) return
      if (names === undefined) this.#names.set(parent, new Set([baseOf(here)]))
      else names.add(baseOf(here))
    }
  }

  #removeBelow(path: string): void {
    const stack = [path]
    for (let here = stack.pop(); here !== undefined; here = stack.pop()) {
      const names = this.#names.get(here)
      if (names === undefined) continue
      this.#names.delete(here)
      for (const name of names) {
        const child = joinPath(here, name)
        this.#members.delete(child)
        stack.push(child)
      }
    }
  }
}
