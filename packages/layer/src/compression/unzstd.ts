/**
 * zstd, where the runtime has it: RFC 8878.
 *
 * The engine gets one frame at a time. Left to itself, Node 22 and 24 stop after the first frame without a word, and
 * Node 22 takes half a frame for a whole one.
 *
 * @module
 */
import * as zlib from 'node:zlib'
import { LayerError } from '../errors.ts'
import { damaged, runEngine, type ZlibStream } from './engine.ts'

/** Decompresses all frames of a stream, skipping skippable ones. */
export async function* unzstd(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  // Absent from the types of the oldest Node that is supported, and from that Node.
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => ZlibStream }
  if (createZstdDecompress === undefined) {
    throw new LayerError('ERR_LAYER_UNSUPPORTED', 'This runtime cannot read zstd: Node 22.15 can')
  }
  const frames = new FrameReader(input[Symbol.asyncIterator]())
  while (await frames.next()) {
    yield* runEngine(createZstdDecompress(), frames.frame(), () => {
      throw damaged('A zstd frame that ends before its last block')
    })
  }
}

/** RFC 8878 §3.1.1 and §3.1.2: magic numbers, little-endian; the low four bits of the second are free. */
const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50

/** RFC 8878 §3.1.1.1.1: bytes of the fields, by their flags. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const

/** RFC 8878 §3.1.1.2.2 */
const RLE_BLOCK = 1
const RESERVED_BLOCK = 3

/** Finds where frames end, without looking into their blocks. */
class FrameReader {
  readonly #input: AsyncIterator<Uint8Array>
  #held: Buffer = Buffer.alloc(0)

  constructor(input: AsyncIterator<Uint8Array>) {
    this.#input = input
  }

  /** Goes to the next frame that holds data; `false` at the end of the stream. */
  async next(): Promise<boolean> {
    for (;;) {
      if (!(await this.#fill(1))) return false
      await this.#require(4)
      const magic = this.#held.readUInt32LE(0)
      if (magic === FRAME_MAGIC) return true
      if ((magic & 0xfffffff0) >>> 0 !== SKIPPABLE_MAGIC) throw damaged('Something that is no zstd frame')
      await this.#require(8)
      const length = this.#held.readUInt32LE(4)
      for await (const _ of this.#take(8 + length));
    }
  }

  /** The bytes of the frame. */
  async *frame(): AsyncGenerator<Uint8Array, void, void> {
    await this.#require(5)
    const descriptor = this.#held[4]!
    const single = (descriptor & 0x20) !== 0
    const contentSize = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3] || (single ? 1 : 0)
    const dictionary = DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3]
    yield* this.#take(5 + (single ? 0 : 1) + dictionary + contentSize)
    for (let last = false; !last;) {
      await this.#require(3)
      const header = this.#held.readUIntLE(0, 3)
      last = (header & 1) === 1
      const type = (header >> 1) & 3
      if (type === RESERVED_BLOCK) throw damaged('A zstd block of a reserved type')
      yield* this.#take(3 + (type === RLE_BLOCK ? 1 : header >> 3))
    }
    if ((descriptor & 4) !== 0) yield* this.#take(4)
  }

  async *#take(length: number): AsyncGenerator<Uint8Array, void, void> {
    for (let left = length; left > 0;) {
      await this.#require(1)
      const part = this.#held.subarray(0, left)
      this.#held = this.#held.subarray(part.length)
      left -= part.length
      yield part
    }
  }

  async #require(length: number): Promise<void> {
    if (!(await this.#fill(length))) throw damaged('A zstd stream that ends within a frame')
  }

  async #fill(length: number): Promise<boolean> {
    while (this.#held.length < length) {
      const { value, done } = await this.#input.next()
      if (done === true) return false
      this.#held = this.#held.length === 0 ? asBuffer(value) : Buffer.concat([this.#held, value])
    }
    return true
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
