/**
 * zstd in one frame.
 *
 * @module
 */
import { runEngine } from './engine.ts'
import type { InFlightOptions } from './in-flight.ts'
import { nativeEncoder, type ZstdOptions } from './zstd.ts'
import { zstdCodecStream } from './zstd-codec-encoder.ts'

/** Input of one step: an encoder might cut blocks by how it is fed, so it is always fed alike. */
export const SLICE_SIZE: number = 1024 * 1024

/** Compresses slices of {@link SLICE_SIZE}, one after the other. */
export async function* zstdStream(
  slices: AsyncIterable<Uint8Array>,
  options: ZstdOptions,
  { release }: InFlightOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { level, encoder } = options
  const native = nativeEncoder(encoder, level)
  if (native === undefined) yield* zstdCodecStream(slices, level, release)
  else yield* runEngine(native.createCompress(level), released(slices, release), () => {})
}

/** An engine that asks for the next slice has used the one before. */
async function* released(
  slices: AsyncIterable<Uint8Array>,
  release: ((slice: Uint8Array) => void) | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const slice of slices) {
    yield slice
    release?.(slice)
  }
}
