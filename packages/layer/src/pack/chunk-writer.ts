/**
 * Archives cut into chunks.
 *
 * @module
 */
import type { Entry } from '../entry.ts'
import { allocateBlock } from '../tar/block.ts'
import { encodeMember, type EncodeOptions, writeSimpleMember } from '../tar/encode.ts'
import { BLOCK } from '../tar/header.ts'

/** Bytes of each chunk but the last: also what is compressed at a time. */
const CHUNK = 1024 * 1024

/** Room behind a chunk: a file that has grown is found by reading a byte too many. */
const SLACK = BLOCK

/** Memory for one chunk of a {@link ChunkWriter}. */
export function allocateChunk(): Buffer {
  return allocateBlock(CHUNK + SLACK)
}

/** Fills chunks; those that are full wait to be taken. */
export class ChunkWriter {
  full: Uint8Array[] = []
  readonly #allocate: () => Buffer
  #buffer: Buffer
  #used = 0

  constructor(allocate: () => Buffer) {
    this.#allocate = allocate
    this.#buffer = allocate()
  }

  header(entry: Entry, options: EncodeOptions): void {
    // Members begin at multiples of 512, so a block never lies across two chunks.
    if (writeSimpleMember(entry, this.#buffer, this.#used, options)) this.advance(BLOCK)
    else this.append(encodeMember(entry, options))
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) {
      const length = Math.min(bytes.byteLength - at, CHUNK - this.#used)
      this.#buffer.set(
        at === 0 && length === bytes.byteLength ? bytes : bytes.subarray(at, at + length),
        this.#used,
      )
      this.advance(length)
      at += length
    }
  }

  /** The chunk being filled, with one more byte of memory than there is {@link room} for. */
  get buffer(): Buffer {
    return this.#buffer
  }

  /** Where in it the next bytes go. */
  get used(): number {
    return this.#used
  }

  get room(): number {
    return CHUNK - this.#used
  }

  advance(length: number): void {
    this.#used += length
    if (this.#used < CHUNK) return
    this.full.push(this.#buffer.subarray(0, CHUNK))
    this.#buffer = this.#allocate()
    this.#used = 0
  }

  /** Fills up to a whole block. */
  pad(): void {
    const rest = this.#used % BLOCK
    if (rest === 0) return
    // Not by the method of `Buffer`, whose checks cost more than the bytes (measured).
    Uint8Array.prototype.fill.call(this.#buffer, 0, this.#used, this.#used + BLOCK - rest)
    this.advance(BLOCK - rest)
  }

  take(): Uint8Array[] {
    const { full } = this
    if (full.length > 0) this.full = []
    return full
  }

  finish(): Uint8Array[] {
    if (this.#used > 0) this.full.push(this.#buffer.subarray(0, this.#used))
    return this.take()
  }
}
