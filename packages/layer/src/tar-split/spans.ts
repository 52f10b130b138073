/**
 * An archive cut into what it is made of, without a byte lost: joined again, the spans are the archive.
 *
 * @module
 */
import type { MemberHandler } from '../tar/body.ts'
import { padded } from '../tar/header.ts'
import type { MemberHead } from '../tar/member.ts'
import { type ParseOptions, TarParser } from '../tar/parser.ts'

/** Some bytes and what they are, or the end of a head: after that the member is known. */
export type Span =
  /** Headers with all that belongs to them; after the last member, all that is left of the archive. */
  | { readonly kind: 'head'; readonly bytes: Uint8Array }
  | { readonly kind: 'member'; readonly member: MemberHead }
  /** Stored content. */
  | { readonly kind: 'body'; readonly bytes: Uint8Array }
  /** What fills the last block of a content. */
  | { readonly kind: 'padding'; readonly bytes: Uint8Array }

/** Cuts one archive. Single use. */
export class SpanReader implements MemberHandler {
  readonly #parser: TarParser
  /** Members that began in the chunk at hand. */
  #begun: MemberHead[] = []
  /** Offsets in the archive: of the chunk at hand, and where the content and the padding of the last member end. */
  #base = 0
  #bodyEnd = 0
  #paddingEnd = 0

  constructor(options: ParseOptions) {
    this.#parser = new TarParser(this, options)
  }

  /**
   * Cuts the next chunk; the spans are views of it.
   *
   * @throws {LayerError} as {@link TarParser.write}
   */
  read(chunk: Uint8Array): Span[] {
    this.#parser.write(chunk)
    const spans: Span[] = []
    const base = this.#base
    const end = base + chunk.byteLength
    let at = base
    const cut = (kind: 'head' | 'body' | 'padding', limit: number): void => {
      const to = Math.min(limit, end)
      if (at >= to) return
      spans.push({ kind, bytes: chunk.subarray(at - base, to - base) })
      at = to
    }
    for (const member of this.#begun) {
      cut('body', this.#bodyEnd)
      cut('padding', this.#paddingEnd)
      cut('head', member.offset)
      spans.push({ kind: 'member', member })
      this.#bodyEnd = member.offset + member.storedSize
      this.#paddingEnd = member.offset + padded(member.storedSize)
    }
    cut('body', this.#bodyEnd)
    cut('padding', this.#paddingEnd)
    cut('head', end)
    this.#begun = []
    this.#base = end
    return spans
  }

  /**
   * Ends the archive.
   *
   * @throws {LayerError} as {@link TarParser.finish}
   */
  finish(): void {
    this.#parser.finish()
  }

  /** @internal */
  begin(member: MemberHead): boolean {
    this.#begun.push(member)
    return false
  }

  /** @internal */
  data(): void {}

  /** @internal */
  hole(): void {}

  /** @internal */
  end(): void {}
}
