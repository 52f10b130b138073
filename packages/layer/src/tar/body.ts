/**
 * The body of a member on its way to the reader, with the holes of a sparse file put back.
 *
 * @module
 */
import type { MemberHead } from './member.ts'

/** Receives what a parser finds, in the order of the archive. */
export interface MemberHandler {
  /** A member begins. Returns whether its body is wanted; if not, `data` and `hole` are not called for it. */
  begin(member: MemberHead): boolean
  /** The next bytes of the body: `chunk[start, end)`. A view of them for each call would cost more than the call. */
  data(chunk: Buffer, start: number, end: number): void
  /** So many zeros that were not stored. */
  hole(length: number): void
  /** The member is complete. */
  end(): void
}

/** Hands over one body after the other. */
export class BodyReader {
  /** Stored bytes to come. */
  remaining = 0
  readonly #handler: MemberHandler
  #wanted = false
  #member: MemberHead | undefined
  /** Of a sparse body: the index in the map, what is to come of that piece, and where the file has got to. */
  #piece = 0
  #pieceLeft = 0
  #position = 0

  constructor(handler: MemberHandler) {
    this.#handler = handler
  }

  begin(member: MemberHead): void {
    this.#member = member
    this.remaining = member.storedSize
    this.#wanted = this.#handler.begin(member)
    if (member.sparse !== undefined) {
      this.#piece = 0
      this.#position = 0
      this.#nextPiece()
    }
    if (this.remaining === 0) this.#end()
  }

  /** Takes what it needs of `buffer` from `at`; returns where it stopped. */
  read(buffer: Buffer, at: number): number {
    // A body that nobody wants is so many bytes, sparse or not.
    const sparse = this.#wanted && this.#member?.sparse !== undefined
    const wanted = sparse ? this.#pieceLeft : this.remaining
    const end = Math.min(buffer.length, at + wanted)
    if (this.#wanted && end > at) this.#handler.data(buffer, at, end)
    this.remaining -= end - at
    if (sparse) {
      this.#pieceLeft -= end - at
      this.#position += end - at
      if (this.#pieceLeft === 0) this.#nextPiece()
    }
    if (this.remaining === 0) this.#end()
    return end
  }

  /** Whether somebody takes the bytes of the body at hand. */
  get wanted(): boolean {
    return this.#wanted
  }

  /** Takes bytes of a body that nobody wants as read; returns what remains. */
  skip(length: number): number {
    this.remaining -= length
    if (this.remaining === 0) this.#end()
    return this.remaining
  }

  /** Passes the hole before the next piece that has bytes. */
  #nextPiece(): void {
    const map = this.#member!.sparse!
    for (; this.#piece < map.length; this.#piece += 2) {
      const length = map[this.#piece + 1]!
      if (length === 0) continue
      this.#hole(map[this.#piece]!)
      this.#pieceLeft = length
      this.#piece += 2
      return
    }
  }

  #hole(end: number): void {
    if (end > this.#position && this.#wanted) this.#handler.hole(end - this.#position)
    this.#position = end
  }

  #end(): void {
    const member = this.#member!
    if (member.sparse !== undefined) this.#hole(member.entry.size)
    this.#handler.end()
  }
}
