/**
 * The skeleton of an archive that is being written, in the form of tar-split and compressed.
 *
 * @module
 */
import type { Encoder } from '../compression/encoder.ts'
import type { Entry } from '../entry.ts'
import { sizeOf } from '../tar/encode.ts'
import { Crc64 } from '../tar-split/crc64.ts'
import { formatTarPart } from '../tar-split/format.ts'
import type { TarPart } from '../tar-split/split.ts'
import { type CompressedText, FrameBuffer } from './frame-buffer.ts'
import type { ArchivePiece } from './pieces.ts'

/** Says of each piece what {@link splitTar} would say of the archive. */
export class SkeletonWriter {
  readonly #lines: FrameBuffer
  #position = 0
  /** Of the content before: it stands in one literal with the header that follows. */
  #padding: Uint8Array = new Uint8Array()
  #checksum = new Crc64()

  constructor(encoder: Encoder) {
    this.#lines = new FrameBuffer(encoder)
  }

  async take(piece: ArchivePiece): Promise<void> {
    if (piece.kind === 'padding') this.#padding = piece.bytes
    else if (piece.kind === 'header') {
      await this.#literal(piece.bytes)
      if (sizeOf(piece.entry) === 0) await this.#content(piece.entry, undefined)
    } else {
      this.#checksum.update(piece.bytes)
      if (piece.start + piece.bytes.byteLength < piece.entry.size) return
      await this.#content(piece.entry, this.#checksum.hex())
      this.#checksum = new Crc64()
    }
  }

  /** Takes the end marker. */
  async end(bytes: Uint8Array): Promise<void> {
    await this.#literal(bytes)
  }

  async finish(): Promise<CompressedText> {
    return this.#lines.finish()
  }

  async #literal(bytes: Uint8Array): Promise<void> {
    const padding = this.#padding
    this.#padding = new Uint8Array()
    const literal = padding.byteLength === 0 ? bytes : Buffer.concat([padding, bytes])
    await this.#line({ type: 'literal', bytes: literal })
  }

  async #content(entry: Entry, crc64: string | undefined): Promise<void> {
    await this.#line({ type: 'content', path: entry.path, size: sizeOf(entry), crc64 })
  }

  async #line(part: TarPart): Promise<void> {
    await this.#lines.append(formatTarPart(part, this.#position++))
  }
}
