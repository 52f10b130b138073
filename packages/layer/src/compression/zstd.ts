/**
 * zstd in independent frames: RFC 8878.
 *
 * Frames are cut at fixed offsets of the uncompressed bytes, so several can be compressed at once and the result does
 * not depend on how many.
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import type { EncoderChoice } from './gzip.ts'
import { MAXIMUM_CODEC_LEVEL, zstdCodecFrame } from './zstd-codec-encoder.ts'
import { nativeZstd, type NativeZstd } from './zstd-native.ts'

/** Uncompressed bytes of each frame but the last; at most the 8 MiB that every reader has a window for. */
export const FRAME_SIZE: number = 4 * 1024 * 1024

/** How {@link zstdFrame} compresses. */
export interface ZstdOptions {
  /** 1 (fastest) to 22; `portable` has only the lower ones. */
  readonly level: number
  /** Default: `native` where `node:zlib` has zstd, else `portable`. */
  readonly encoder?: EncoderChoice | undefined
}

/**
 * Compresses some bytes into one whole frame; with a checksum and the size of its content if the encoder is `native`.
 *
 * @throws {LayerError} `ERR_LAYER_UNSUPPORTED` for a level or an encoder that is not to be had here
 */
export async function zstdFrame(bytes: Uint8Array, options: ZstdOptions): Promise<Uint8Array> {
  const { level, encoder } = options
  const native = nativeEncoder(encoder, level)
  return native === undefined ? zstdCodecFrame(bytes, level) : native.compress(bytes, level)
}

/**
 * The native encoder, unless the other one is asked for or the only one there is.
 *
 * @throws {LayerError} `ERR_LAYER_UNSUPPORTED` for an encoder or a level that is not to be had here
 */
export function nativeEncoder(encoder: EncoderChoice | undefined, level: number): NativeZstd | undefined {
  const native = encoder === 'portable' ? undefined : nativeZstd()
  if (native === undefined && encoder === 'native') {
    throw new LayerError('ERR_LAYER_UNSUPPORTED', 'This runtime has no zstd of its own: Node 22.15 has')
  }
  if (native === undefined && level > MAXIMUM_CODEC_LEVEL) {
    const message = `The portable zstd encoder has levels up to ${MAXIMUM_CODEC_LEVEL}, not ${level}`
    throw new LayerError('ERR_LAYER_UNSUPPORTED', message)
  }
  return native
}
