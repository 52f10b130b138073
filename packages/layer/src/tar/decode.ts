/**
 * Archives as a sequence of members to pull.
 *
 * @module
 */
import type { Entry } from '../entry.ts'
import type { MemberHandler } from './body.ts'
import type { MemberHead } from './member.ts'
import { type ParseOptions, TarParser } from './parser.ts'
import type { SparseMap } from './sparse.ts'

/** One member of an archive. */
export interface TarMember {
  /** Without `content`: a stream can be read once only. */
  readonly entry: Entry
  /** Where the stored body begins in the uncompressed archive. */
  readonly offset: number
  /** Bytes of the stored body: as many as `entry.size`, except where `sparse` leaves out holes. */
  readonly storedSize: number
  /** Of a sparse file: offset and length of each stored piece in turn. */
  readonly sparse: SparseMap | undefined
  /** The body with its holes filled; to be read before the next member is asked for, or never. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Options of {@link decodeTar}. */
export interface DecodeOptions extends ParseOptions {
  readonly signal?: AbortSignal
}

/**
 * Reads an uncompressed archive member by member.
 *
 * A body that is not read is skipped when the next member is asked for. Bytes after the end marker are drained, so a
 * digest over `chunks` covers all of them, unless the caller stops early. Chunks are not copied: parts of them are what
 * a body yields.
 *
 * @throws {LayerError} `ERR_LAYER_TAR`, `ERR_LAYER_LIMIT`, `ERR_LAYER_UNSAFE`, `ERR_LAYER_PATH`
 */
export async function* decodeTar(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: DecodeOptions = {},
): AsyncGenerator<TarMember, void, void> {
  options.signal?.throwIfAborted()
  const members = new MemberQueue(chunks, options)
  try {
    for (;;) {
      const head = members.next() ?? ((await members.advance()) ? undefined : null)
      if (head === null) return
      if (head !== undefined) yield { ...head, body: members.body() }
    }
  } finally {
    await members.close()
  }
}

/** Ends a member in the queue. */
const END = Symbol('end')

/** A number is a hole. */
type Item = MemberHead | Uint8Array | number | typeof END

/** What the parser found in the last chunk and nobody has taken: bounded by the size of a chunk. */
class MemberQueue implements MemberHandler {
  readonly #parser: TarParser
  readonly #input: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  readonly #signal: AbortSignal | undefined
  #items: Item[] = []
  #taken = 0
  /** Counts members, so that a body knows when it is over. */
  #member = 0
  #done = false

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: DecodeOptions) {
    this.#parser = new TarParser(this, options)
    this.#signal = options.signal
    this.#input = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]()
  }

  begin(member: MemberHead): boolean {
    this.#items.push(member)
    return true
  }

  data(bytes: Uint8Array): void {
    this.#items.push(bytes)
  }

  hole(length: number): void {
    this.#items.push(length)
  }

  end(): void {
    this.#items.push(END)
  }

  /** The next member that is already here; skips what is left of the one before. */
  next(): MemberHead | undefined {
    while (this.#taken < this.#items.length) {
      const item = this.#items[this.#taken++]!
      if (typeof item === 'object' && 'entry' in item) {
        this.#member++
        return item
      }
    }
    return undefined
  }

  /** Reads one more chunk; `false` at the end. */
  async advance(): Promise<boolean> {
    if (this.#done) return false
    this.#signal?.throwIfAborted()
    const { value, done } = await this.#input.next()
    this.#items = []
    this.#taken = 0
    if (done === true) {
      this.#done = true
      this.#parser.finish()
    } else this.#parser.write(value)
    return true
  }

  /** The body of the member that {@link next} gave last, for as long as it is the last. */
  body(): AsyncGenerator<Uint8Array, void, void> {
    return this.#body(this.#member)
  }

  async *#body(member: number): AsyncGenerator<Uint8Array, void, void> {
    while (member === this.#member) {
      const item = this.#items[this.#taken]
      if (item === undefined) {
        if (!(await this.advance())) return
        continue
      }
      if (item === END) return
      this.#taken++
      if (typeof item === 'number') yield* zeros(item)
      else yield item as Uint8Array
    }
  }

  async close(): Promise<void> {
    if (!this.#done) await this.#input.return?.()
  }
}

/** A fresh chunk each time: the reader may keep it. */
function* zeros(length: number): Generator<Uint8Array, void, void> {
  const size = 65_536
  for (let left = length; left > 0; left -= size) yield new Uint8Array(Math.min(left, size))
}
