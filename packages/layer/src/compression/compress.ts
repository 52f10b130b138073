/**
 * Compression of layers.
 *
 * @module
 */
import { ChunkPool, rechunk } from './chunks.ts'
import { createEncoder, type EncoderOptions } from './encoder.ts'

/** Options of {@link compress}. */
export interface CompressOptions extends EncoderOptions {
  /** How many pieces are compressed at a time; no influence on the bytes. Default 4 for gzip, 3 for zstd. */
  readonly inFlight?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Compresses a stream. The bytes depend on the input and on what {@link encoderName} names, not on how the input is cut
 * or how many pieces are compressed at a time.
 *
 * gzip headers have no time, XFL 0 and OS 255 ("unknown"), wherever they are made. No zstd frame needs a window of more
 * than 8 MiB.
 *
 * @throws {LayerError} `ERR_LAYER_UNSUPPORTED` for an algorithm, encoder or level that is not to be had here
 * @throws {TypeError} for a level that the algorithm does not have
 */
export async function* compress(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: CompressOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { signal } = options
  const encoder = createEncoder(options)
  signal?.throwIfAborted()
  if (encoder === undefined) {
    yield* chunks
    return
  }
  const { pieceSize, inFlight } = encoder
  const memory = new ChunkPool(() => Buffer.allocUnsafeSlow(pieceSize))
  const pieces = rechunk(chunks, pieceSize, { allocate: () => memory.allocate() })
  const release = (piece: Uint8Array): void => memory.release(piece)
  for await (const chunk of encoder.encode(pieces, { inFlight: options.inFlight ?? inFlight, release })) {
    signal?.throwIfAborted()
    yield chunk
  }
}

/**
 * Names everything the compressed bytes depend on beside the input: equal names, equal bytes. So it belongs into every
 * key by which they are cached.
 *
 * @throws as {@link compress}
 */
export function encoderName(options: EncoderOptions): string {
  return createEncoder(options)?.name ?? 'none'
}
