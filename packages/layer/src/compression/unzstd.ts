/**
 * Reading zstd: RFC 8878.
 *
 * The decoder gets one frame at a time. Left to itself, that of Node 22 and 24 stops after the first frame without a
 * word, and that of Node 22 takes half a frame for a whole one; zstd-codec does both, and ends the process for a window
 * that does not fit into its memory.
 *
 * @module
 */
import { damaged, runEngine } from './engine.ts'
import { ZstdCodecDecoder } from './zstd-codec-decoder.ts'
import { FrameReader } from './zstd-frames.ts'
import { nativeZstd } from './zstd-native.ts'

/** The window that every decoder should support, RFC 8878 §3.1.1.1.2, and all that zstd-codec has memory for. */
const PORTABLE_WINDOW = 8 * 1024 * 1024

/** libzstd's own default, ZSTD_WINDOWLOG_LIMIT_DEFAULT of zstd.h. */
const NATIVE_WINDOW = 128 * 1024 * 1024

/**
 * Decompresses all frames of a stream, skipping skippable ones. Without a decoder of the runtime, or if it is
 * to be `portable`, windows are limited to 8 MiB instead of 128.
 *
 * @throws {LayerError} `ERR_LAYER_COMPRESSION` for a damaged stream; `ERR_LAYER_LIMIT` for a window over the limit
 *   (`window`); `ERR_LAYER_UNSUPPORTED` for a frame with a dictionary
 */
export async function* unzstd(
  input: AsyncIterable<Uint8Array>,
  options: { readonly portable?: boolean } = {},
): AsyncGenerator<Uint8Array, void, void> {
  const native = options.portable === true ? undefined : nativeZstd()
  const window = native === undefined ? PORTABLE_WINDOW : NATIVE_WINDOW
  const frames = new FrameReader(input[Symbol.asyncIterator](), window)
  if (native === undefined) {
    yield* decodeFrames(frames)
    return
  }
  while (await frames.next()) {
    yield* runEngine(native.createDecompress(), frames.frame(), () => {
      throw damaged('A zstd frame that ends before its last block')
    })
  }
}

async function* decodeFrames(frames: FrameReader): AsyncGenerator<Uint8Array, void, void> {
  let decoder: ZstdCodecDecoder | undefined
  try {
    while (await frames.next()) {
      decoder ??= await ZstdCodecDecoder.acquire()
      decoder.begin()
      for await (const part of frames.frame()) yield* decoder.decode(part)
      yield* decoder.end()
    }
  } finally {
    decoder?.release()
  }
}
