/**
 * Where the frames of a zstd stream begin and end: RFC 8878 §3.1.
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import { damaged } from './engine.ts'

/** RFC 8878 §3.1.1 and §3.1.2: magic numbers, little-endian; the low four bits of the second are free. */
const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const MAGIC_BYTES = 4

/** RFC 8878 §3.1.1.1.1: bits of the frame header descriptor. */
const SINGLE_SEGMENT = 0x20
const RESERVED = 0x08
const CHECKSUM = 0x04

/** RFC 8878 §3.1.1.1.1: bytes of the fields, by their flags. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const
const CHECKSUM_BYTES = 4

/** RFC 8878 §3.1.1.2 */
const BLOCK_HEADER_BYTES = 3
const RLE_BLOCK = 1
const COMPRESSED_BLOCK = 2
const RESERVED_BLOCK = 3
const MAXIMUM_BLOCK = 128 * 1024

/** RFC 8878 §3.1.1.3: the headers of its two sections. */
const MINIMUM_COMPRESSED = 2

/** RFC 8878 §3.1.1.1.2: the least exponent of a window. */
const MINIMUM_WINDOW_LOG = 10

/** The header of a frame, as far as it decides what a decoder needs. */
interface FrameHeader {
  readonly length: number
  readonly window: number
  readonly checksum: boolean
}

/**
 * Finds where frames and blocks end, without looking into the blocks. Everything that runtimes take differently is
 * decided here: what stands between frames, truncation, dictionaries, windows, blocks that are too large.
 */
export class FrameReader {
  readonly #input: AsyncIterator<Uint8Array>
  readonly #maximumWindow: number
  #held: Buffer = Buffer.alloc(0)

  constructor(input: AsyncIterator<Uint8Array>, maximumWindow: number) {
    this.#input = input
    this.#maximumWindow = maximumWindow
  }

  /** Goes to the next frame that holds data; `false` at the end of the stream. */
  async next(): Promise<boolean> {
    for (;;) {
      if (!(await this.#fill(1))) return false
      await this.#require(MAGIC_BYTES)
      const magic = this.#held.readUInt32LE(0)
      if (magic === FRAME_MAGIC) return true
      if ((magic & 0xfffffff0) >>> 0 !== SKIPPABLE_MAGIC) throw damaged('Something that is no zstd frame')
      await this.#require(MAGIC_BYTES + 4)
      const length = this.#held.readUInt32LE(MAGIC_BYTES)
      for await (const _ of this.#take(MAGIC_BYTES + 4 + length));
    }
  }

  /** The bytes of the frame; no part of them holds more than one block, which makes at most 128 KiB. */
  async *frame(): AsyncGenerator<Uint8Array, void, void> {
    const { length, window, checksum } = await this.#header()
    if (window > this.#maximumWindow) {
      const message = `A zstd frame with a window of ${window} bytes: over the limit of ${this.#maximumWindow}`
      throw new LayerError('ERR_LAYER_LIMIT', message, { limit: 'window' })
    }
    yield* this.#take(length)
    for (let last = false; !last;) {
      await this.#require(BLOCK_HEADER_BYTES)
      const header = this.#held.readUIntLE(0, BLOCK_HEADER_BYTES)
      last = (header & 1) === 1
      const type = (header >> 1) & 3
      const size = header >> 3
      if (type === RESERVED_BLOCK) throw damaged('A zstd block of a reserved type')
      if (size > MAXIMUM_BLOCK) throw damaged('A zstd block that is too large')
      if (type === COMPRESSED_BLOCK && size < MINIMUM_COMPRESSED) throw damaged('A zstd block of nothing')
      yield* this.#take(BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : size))
    }
    if (checksum) yield* this.#take(CHECKSUM_BYTES)
  }

  async #header(): Promise<FrameHeader> {
    await this.#require(MAGIC_BYTES + 1)
    const descriptor = this.#held[MAGIC_BYTES]!
    const single = (descriptor & SINGLE_SEGMENT) !== 0
    if ((descriptor & RESERVED) !== 0) throw damaged('A zstd frame with a reserved bit')
    const contentSizeBytes = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3] || (single ? 1 : 0)
    const dictionaryBytes = DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3]
    const windowAt = MAGIC_BYTES + 1
    const dictionaryAt = windowAt + (single ? 0 : 1)
    const contentSizeAt = dictionaryAt + dictionaryBytes
    const length = contentSizeAt + contentSizeBytes
    await this.#require(length)
    const held = this.#held
    if (held.subarray(dictionaryAt, contentSizeAt).some((byte) => byte !== 0)) {
      throw new LayerError('ERR_LAYER_UNSUPPORTED', 'A zstd frame that needs a dictionary')
    }
    const window = single ? contentSize(held, contentSizeAt, contentSizeBytes) : windowSize(held[windowAt]!)
    return { length, window, checksum: (descriptor & CHECKSUM) !== 0 }
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

/** RFC 8878 §3.1.1.1.2: exponent and mantissa. */
function windowSize(descriptor: number): number {
  const base = 2 ** (MINIMUM_WINDOW_LOG + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

/** RFC 8878 §3.1.1.1.4: of two bytes, 256 is subtracted. */
function contentSize(held: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(held.readBigUInt64LE(at))
  return held.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
