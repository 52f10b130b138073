/**
 * Numbers and byte strings, one after the other.
 *
 * @module
 */
import { LayerError } from '../errors.ts'

/** A stored snapshot that is none. */
export function damaged(what: string): LayerError {
  return new LayerError('ERR_LAYER_SNAPSHOT', `A stored snapshot ${what}`)
}

/** Appends to memory that grows. */
export class ByteWriter {
  #buffer: Buffer = Buffer.allocUnsafe(64 * 1024)
  #used = 0

  /** What has been written so far; good until more is. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#used)
  }

  /** Seven bits a byte, the lowest first. An inode has up to 64 bits, of which Node keeps 53. */
  integer(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 2 ** 64) {
      throw new LayerError('ERR_LAYER_ENTRY', `A snapshot cannot hold the number ${value}`)
    }
    this.#reserve(MAX_INTEGER)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#used++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#used++] = rest
  }

  double(value: number): void {
    this.#reserve(8)
    this.#used = this.#buffer.writeDoubleLE(value, this.#used)
  }

  /** With the length before. */
  bytes(value: Uint8Array): void {
    this.integer(value.byteLength)
    this.raw(value)
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.byteLength)
    this.#buffer.set(value, this.#used)
    this.#used += value.byteLength
  }

  #reserve(length: number): void {
    const needed = this.#used + length
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length))
    this.#buffer.copy(larger, 0, 0, this.#used)
    this.#buffer = larger
  }
}

/** Takes from memory, and never past its end: errors are `ERR_LAYER_SNAPSHOT`. */
export class ByteReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  isAtEnd(): boolean {
    return this.#at === this.#buffer.length
  }

  integer(): number {
    let value = 0
    let scale = 1
    for (let length = 0; length < MAX_INTEGER; length++) {
      const byte = this.#buffer[this.#at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return compact(value)
      scale *= 0x80
    }
    throw damaged('has a number without an end')
  }

  /** How many things follow, each of at least one byte. */
  count(): number {
    const count = this.integer()
    if (count > this.#buffer.length - this.#at) throw damaged('has fewer entries than it says')
    return count
  }

  double(): number {
    if (this.#buffer.length - this.#at < 8) throw damaged('ends too early')
    this.#at += 8
    return this.#buffer.readDoubleLE(this.#at - 8)
  }

  bytes(): Uint8Array {
    return this.raw(this.integer())
  }

  raw(length: number): Uint8Array {
    if (length > this.#buffer.length - this.#at) throw damaged('ends too early')
    this.#at += length
    return this.#buffer.subarray(this.#at - length, this.#at)
  }
}

/** The same number, as a small integer where it can be one: a double takes 16 bytes more in every entry (measured). */
export function compact(value: number): number {
  const small = value | 0
  return small === value ? small : value
}

/** Bytes of the longest number: 64 bits. */
const MAX_INTEGER = 10
