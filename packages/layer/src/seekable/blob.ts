/**
 * A compressed blob on its way out, made of parts that can be found again.
 *
 * @module
 */
import { createDigester, type DigestAndSize, type Digester } from '@varve/digest'
import type { Encoder } from '../compression/encoder.ts'
import type { LayerSink } from '../layer.ts'

/** Bytes that are compressed on their own. */
export interface Part {
  readonly bytes: Uint8Array
  /** Told where in the blob the compressed bytes lie. */
  readonly place?: ((start: number, end: number) => void) | undefined
}

/** Options of {@link BlobWriter}. */
export interface BlobOptions {
  readonly inFlight?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Writes one blob. Single use. */
export class BlobWriter {
  /** Bytes so far. */
  position = 0
  readonly #sink: LayerSink
  readonly #encoder: Encoder
  readonly #options: BlobOptions
  readonly #digester: Digester = createDigester()

  constructor(sink: LayerSink, encoder: Encoder, options: BlobOptions) {
    this.#sink = sink
    this.#encoder = encoder
    this.#options = options
  }

  /** Compresses parts, several at a time, and writes them in order. */
  async compress(parts: AsyncIterable<Part> | Iterable<Part>): Promise<void> {
    const { inFlight = this.#encoder.inFlight, signal } = this.#options
    const waiting: Part['place'][] = []
    const pieces = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for await (const { bytes, place } of parts) {
        waiting.push(place)
        yield bytes
      }
    }
    // One output for each piece, in order.
    for await (const compressed of this.#encoder.encode(pieces(), { inFlight })) {
      signal?.throwIfAborted()
      const start = this.position
      await this.write(compressed)
      waiting.shift()?.(start, this.position)
    }
  }

  /** Writes bytes as they are. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#digester.update(bytes)
    this.position += bytes.byteLength
    await this.#sink.write(bytes)
  }

  finish(): DigestAndSize {
    return this.#digester.finish()
  }
}
