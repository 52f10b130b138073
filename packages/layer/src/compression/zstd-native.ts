/**
 * zstd of `node:zlib`, which has it from Node 22.15.
 *
 * @module
 */
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import type { ZlibStream } from './engine.ts'

/** Zstandard as this package uses it; every frame has a checksum and a window of at most 8 MiB. */
export interface NativeZstd {
  /** One frame, whose header tells the size of its content. */
  compress(bytes: Uint8Array, level: number): Promise<Uint8Array>
  /** One frame of unknown length. */
  createCompress(level: number): ZlibStream
  createDecompress(): ZlibStream
}

/** RFC 8878 §3.1.1.1.2: decoders should support 8 MiB at least; only levels above 19 would take more. */
const MAXIMUM_WINDOW_LOG = 23
const LAST_MODEST_LEVEL = 19

/** What of it the types of the oldest supported Node lack, as that Node does. */
interface Zlib {
  readonly zstdCompress: (
    bytes: Uint8Array,
    options: object,
    callback: (error: Error | null, frame: Uint8Array) => void,
  ) => void
  readonly createZstdCompress: (options: object) => ZlibStream
  readonly createZstdDecompress: (options: object) => ZlibStream
  readonly constants: Record<'ZSTD_c_compressionLevel' | 'ZSTD_c_checksumFlag' | 'ZSTD_c_windowLog', number>
}

/** Output of one turn of the event loop. */
const CHUNK_SIZE = 256 * 1024

/** What this runtime has. */
export function nativeZstd(): NativeZstd | undefined {
  if (!('zstdCompress' in zlib)) return undefined
  const { zstdCompress, createZstdCompress, createZstdDecompress, constants } = zlib as unknown as Zlib
  const compress = promisify(zstdCompress)
  const parameters = (level: number): Record<number, number> => ({
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
    ...(level > LAST_MODEST_LEVEL && { [constants.ZSTD_c_windowLog]: MAXIMUM_WINDOW_LOG }),
  })
  return {
    compress: (bytes, level) =>
      compress(bytes, { params: parameters(level), chunkSize: outputSize(bytes.byteLength) }),
    createCompress: (level) => createZstdCompress({ params: parameters(level), chunkSize: CHUNK_SIZE }),
    createDecompress: () => createZstdDecompress({ chunkSize: CHUNK_SIZE }),
  }
}

/** ZSTD_COMPRESSBOUND of zstd.h, with room for a header and a checksum. */
function outputSize(length: number): number {
  return length + Math.ceil(length / 256) + 1024
}
