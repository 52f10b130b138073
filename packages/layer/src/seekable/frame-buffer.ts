/**
 * Text compressed while it is made, and held until it is written.
 *
 * @module
 */
import type { Encoder } from '../compression/encoder.ts'

/** What was compressed, and how long it was. */
export interface CompressedText {
  readonly bytes: Uint8Array
  readonly size: number
}

/** Compresses text, a frame for as many bytes as the encoder takes at a time; most of the time that is all of it. */
export class FrameBuffer {
  readonly #encoder: Encoder
  readonly #frames: Uint8Array[] = []
  #texts: Buffer[] = []
  #length = 0
  #size = 0

  constructor(encoder: Encoder) {
    this.#encoder = encoder
  }

  async append(text: string): Promise<void> {
    const bytes = Buffer.from(text)
    if (this.#length > 0 && this.#length + bytes.length > this.#encoder.pieceSize) await this.#compress()
    this.#texts.push(bytes)
    this.#length += bytes.length
    this.#size += bytes.length
  }

  async finish(): Promise<CompressedText> {
    if (this.#length > 0) await this.#compress()
    return { bytes: Buffer.concat(this.#frames), size: this.#size }
  }

  async #compress(): Promise<void> {
    const text = Buffer.concat(this.#texts)
    this.#texts = []
    this.#length = 0
    const piece = async function* (): AsyncGenerator<Uint8Array, void, void> {
      yield text
    }
    for await (const frame of this.#encoder.encode(piece(), { inFlight: 1 })) this.#frames.push(frame)
  }
}
