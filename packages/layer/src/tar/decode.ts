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
      const member = members.next()
      if (member !== undefined) yield member
      else if (!(await members.advance())) return
    }
  } finally {
    await members.close()
  }
}

/** Marks in the queue: `DATA, start, end` of the chunk at hand, `HOLE, length`, and the end of a member. */
const DATA = Symbol('data')
const HOLE = Symbol('hole')
const END = Symbol('end')

type Item = MemberHead | number | typeof DATA | typeof HOLE | typeof END

/** What the parser found in the last chunk and nobody has taken: bounded by the size of a chunk. */
class MemberQueue implements MemberHandler {
  readonly #parser: TarParser
  readonly #input: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  readonly #signal: AbortSignal | undefined
  #items: Item[] = []
  #taken = 0
  #chunk: Uint8Array = new Uint8Array()
  /** Counts members, so that a body knows when it is over. */
  #count = 0
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

  data(_chunk: Buffer, start: number, end: number): void {
    this.#items.push(DATA, start, end)
  }

  hole(length: number): void {
    this.#items.push(HOLE, length)
  }

  end(): void {
    this.#items.push(END)
  }

  /** The next member that is already here; skips what is left of the one before. */
  next(): TarMember | undefined {
    while (this.#taken < this.#items.length) {
      const item = this.#items[this.#taken++]
      if (typeof item !== 'object') continue
      const { entry, offset, storedSize, sparse } = item
      const count = ++this.#count
      const body = { [Symbol.asyncIterator]: () => this.#read(count) }
      return { entry, offset, storedSize, sparse, body }
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
    } else {
      this.#chunk = value
      this.#parser.write(value)
    }
    return true
  }

  async close(): Promise<void> {
    if (!this.#done) await this.#input.return?.()
  }

  /** The body of a member, for as long as no other was asked for. */
  async *#read(count: number): AsyncGenerator<Uint8Array, void, void> {
    while (count === this.#count) {
      const item = this.#items[this.#taken]
      if (item === undefined) {
        if (!(await this.advance())) return
      } else if (item === DATA) {
        const [start, end] = [this.#items[this.#taken + 1] as number, this.#items[this.#taken + 2] as number]
        this.#taken += 3
        yield this.#chunk.subarray(start, end)
      } else if (item === HOLE) {
        this.#taken += 2
        yield* zeros(this.#items[this.#taken - 1] as number)
      } else return
    }
  }
}

/** A fresh chunk each time: the reader may keep it. */
function* zeros(length: number): Generator<Uint8Array, void, void> {
  const size = 65_536
  for (let left = length; left > 0; left -= size) yield new Uint8Array(Math.min(left, size))
}
