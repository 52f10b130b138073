/**
 * Archives as trees.
 *
 * @module
 */
import {
  type BlockReader,
  type ByteSource,
  concatSources,
  sliceSource,
  streamSource,
  withSignal,
} from '@varve/digest'
import { setImmediate } from 'node:timers/promises'
import { type Entry, withContent } from './entry.ts'
import { compareFrom, comparePaths } from './path.ts'
import { allocateBlock } from './tar/block.ts'
import type { MemberHead } from './tar/member.ts'
import { type ParseOptions, TarParser } from './tar/parser.ts'
import { sortedTree, type Tree } from './tree.ts'
import { isMarked } from './writer-order.ts'

const SLASH = 0x2f

/** Options of {@link fromTar}. */
export interface ReadTarOptions extends ParseOptions {
  readonly signal?: AbortSignal
}

/**
 * Reads the members of an uncompressed archive: raw entries, whiteouts as they are.
 *
 * Contents are slices of `source`, which is opened again at an offset when they are read; of a local file
 * (`fileSource`), bodies that are larger than a block are not even read here. Of several members with one path the
 * last counts, as if they had been extracted one after the other: what a file replaces includes all that was below it.
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
  const reader = source.openBlocks?.()
  if (reader !== undefined) await readBlocks(reader, parser, signal)
  else {
    for await (const chunk of source.open(withSignal(signal))) {
      signal?.throwIfAborted()
      parser.write(chunk)
    }
  }
  parser.finish()
  return sortedTree(members.settle())
}

/** Small enough for the cache of a core to hold, and large enough that calls do not count (measured). */
const READ_BLOCK = 256 * 1024

/** Blocks between two turns of the event loop. */
const TURN = 64

/** Feeds a parser from one block of memory, used again and again, and passes over what the parser would not look at. */
async function readBlocks(
  reader: BlockReader,
  parser: TarParser,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const block = allocateBlock(Math.min(READ_BLOCK, reader.size))
    let turn = 0
    for (let position = 0; position < reader.size;) {
      const read = reader.read(block, position)
      parser.write(read === block.byteLength ? block : block.subarray(0, read))
      position += read
      const skipped = Math.min(parser.idle, reader.size - position)
      parser.skip(skipped)
      position += skipped
      if (++turn % TURN !== 0) continue
      // oxlint-disable-next-line no-await-in-loop -- others have to get their turn
      await setImmediate()
      signal?.throwIfAborted()
    }
  } finally {
    reader.close()
  }
}

function contentOf(source: ByteSource, { entry, offset, storedSize, sparse }: MemberHead): Entry {
  if (entry.type !== 'file' || entry.size === 0) return entry
  const stored = sliceSource(source, offset, offset + storedSize)
  if (sparse === undefined) return withContent(entry, stored)
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
  return withContent(entry, concatSources(parts))
}

function zeroSource(length: number): ByteSource {
  const chunk = 65_536
  return streamSource(function* () {
    for (let left = length; left > 0; left -= chunk) yield new Uint8Array(Math.min(left, chunk))
  }, length)
}

/** Members in the order of the archive, until what later ones replaced is taken out. */
class MemberSet {
  readonly #members: Entry[] = []
  /** Whether they came in the order of a tree, and none is below a file: then they are one already. */
  #settled = true
  #lastParent = ''

  add(entry: Entry): void {
    const last = this.#members.at(-1)
    this.#members.push(entry)
    if (!this.#settled) return
    const { path } = entry
    const slash = path.lastIndexOf('/')
    const parent = slash === -1 ? '' : path.slice(0, slash)
    if (last !== undefined) {
      // Native, where the paths are compared character by character: most members come after one of their directory.
      const common = parent === this.#lastParent ? slash + 1 : 0
      const ascending = compareFrom(last.path, path, common) < 0
      this.#settled = ascending && (last.type === 'directory' || !isBelow(path, last.path))
    }
    this.#lastParent = parent
  }

  /** The tree that extracting one after the other would have made. */
  settle(): Entry[] {
    const members = this.#members
    if (this.#settled) return members
    const order = members.map((_, index) => index)
    order.sort((a, b) => comparePaths(members[a]!.path, members[b]!.path) || a - b)
    const settling = new Settling()
    for (const index of order) settling.add(members[index]!, index)
    return settling.finish()
  }
}

/** A path with members on the way down to the path at hand. */
interface Ancestor {
  readonly path: string
  /** Where in the archive it was last made something else than a directory, or one above it: what is older is gone. */
  cleared: number
  /** Its last member, where in the archive that is, and where in the result. */
  last: Entry
  index: number
  slot: number
  /** Where in the archive the last member below it is; whiteouts make no directory, so they do not count. */
  newest: number
}

/** Goes once through the members in the order of their paths, and of the archive where the paths are equal. */
class Settling {
  readonly #settled: (Entry | undefined)[] = []
  readonly #above: Ancestor[] = []

  add(entry: Entry, index: number): void {
    const { path, type } = entry
    let above = this.#above.at(-1)
    while (above !== undefined && above.path !== path && !isBelow(path, above.path)) {
      this.#leave()
      above = this.#above.at(-1)
    }
    const clears = type === 'directory' ? -1 : index
    if (above?.path === path) {
      above.cleared = Math.max(above.cleared, clears)
      above.last = entry
      above.index = index
    } else {
      const cleared = above?.cleared ?? -1
      const slot = this.#settled.length
      this.#above.push({ path, cleared: Math.max(cleared, clears), last: entry, index, slot, newest: -1 })
      this.#settled.push(undefined)
    }
  }

  finish(): Entry[] {
    while (this.#above.length > 0) this.#leave()
    return this.#settled.filter((entry) => entry !== undefined)
  }

  #leave(): void {
    const { cleared, last, index, slot, newest } = this.#above.pop()!
    const above = this.#above.at(-1)
    if (above !== undefined) above.newest = Math.max(above.newest, newest, isMarked(last.path) ? -1 : index)
    // A file in the way of a member is replaced by a directory; a symlink is followed where the layer is applied.
    const follows = last.type === 'directory' || last.type === 'symlink'
    if (index >= cleared && (follows || newest <= index)) this.#settled[slot] = last
  }
}

function isBelow(path: string, above: string): boolean {
  return above === '' || (path.charCodeAt(above.length) === SLASH && path.startsWith(above))
}
