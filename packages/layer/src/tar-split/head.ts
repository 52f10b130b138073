/**
 * The bytes before a content: extended headers, global ones among them, and the header itself.
 *
 * @module
 */
import { BLOCK, FIELDS, padded, readNumber, readType, sumBlock } from '../tar/header.ts'
import { limitError, type Limits } from '../tar/limits.ts'
import { isKnownKey, parsePax } from '../tar/pax.ts'
import { isMetaType } from '../tar/preamble.ts'

/** Heads of one member together, in terms of {@link Limits.paxBytes}: one of each kind, and as much again. */
const HEAD_FACTOR = 8

/** Gathers a head, and sees the end marker of the archive coming. The parser has found nothing wrong with the bytes. */
export class HeadReader {
  /** From here on there are no members: what is taken is what ends the archive, and may be long. */
  ended = false
  /** Whether a global header so far says something of an owner, a time or attributes. */
  globalFields = false
  readonly #limits: Limits
  #pieces: Uint8Array[] = []
  #length = 0
  /** Where in the head the next header block stands that has not been looked at. */
  #next = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.#length += bytes.byteLength
    while (!this.ended && this.#length >= this.#next + BLOCK) this.#look()
    const limit = this.#limits.paxBytes * HEAD_FACTOR
    if (!this.ended && this.#length > limit) {
      throw limitError({ ...this.#limits, paxBytes: limit }, 'paxBytes', 'Large extended headers')
    }
  }

  /** What was gathered: all of it, and the global headers before a member alone. */
  take(): { readonly bytes: Uint8Array; readonly globals: readonly Uint8Array[] } {
    const bytes = this.#join()
    const globals: Uint8Array[] = []
    for (let at = 0; !this.ended && at + BLOCK <= bytes.length && isMetaType(readType(bytes, at));) {
      const size = readNumber(bytes, at, FIELDS.size, at)
      const end = at + BLOCK + padded(size)
      if (readType(bytes, at) === 'g') {
        globals.push(bytes.subarray(at, end))
        const records = parsePax(bytes.subarray(at + BLOCK, at + BLOCK + size), at)
        this.globalFields ||= [...records.keys()].some(isKnownKey)
      }
      at = end
    }
    this.#pieces = []
    this.#length = 0
    this.#next = 0
    return { bytes, globals }
  }

  /** Looks at one block: the end marker, an extended header, or the header of the member. */
  #look(): void {
    const bytes = this.#join()
    if (sumBlock(bytes, this.#next) === 0) this.ended = true
    else if (isMetaType(readType(bytes, this.#next))) {
      this.#next += BLOCK + padded(readNumber(bytes, this.#next, FIELDS.size, this.#next))
    } else this.#next = Infinity
  }

  #join(): Buffer {
    const [first] = this.#pieces
    if (this.#pieces.length !== 1 || !Buffer.isBuffer(first)) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0] as Buffer
  }
}
