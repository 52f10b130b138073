/**
 * gzip in independent members, RFC 1952 §2.2.
 *
 * Members are cut at fixed offsets of the uncompressed bytes, so several can be compressed at once and the result does
 * not depend on how many. Any gzip reader takes them as one file. That costs about a percent in size.
 *
 * @module
 */
import { promisify } from 'node:util'
import { crc32, gzip } from 'node:zlib'
import { deflatePortable } from './fflate.ts'

/** Who compresses: the `node:zlib` of the runtime, or a pinned encoder whose bytes are the same on every runtime. */
export type EncoderChoice = 'native' | 'portable'

/** Uncompressed bytes of each member but the last. A change of it changes every compressed digest. */
export const MEMBER_SIZE: number = 1024 * 1024

/** RFC 1952 §2.3.1: deflate, no flags, no time; XFL and OS, which zlib sets by level and platform, tell nothing. */
const HEADER: Uint8Array = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)

const TRAILER_BYTES = 8

const gzipAsync = promisify(gzip)

/** How {@link gzipMember} compresses. */
export interface GzipOptions {
  /** 0 (stored) to 9 (smallest). */
  readonly level: number
  /** Default `native`. */
  readonly encoder?: EncoderChoice | undefined
}

/** Compresses some bytes into one whole member. */
export async function gzipMember(bytes: Uint8Array, options: GzipOptions): Promise<Uint8Array> {
  const { level, encoder = 'native' } = options
  if (encoder === 'portable') {
    return Buffer.concat([
      HEADER,
      await deflatePortable(bytes, level),
      gzipTrailer(crc32(bytes), bytes.byteLength),
    ])
  }
  // One output buffer for all of it saves a turn of the event loop for each 16 KiB (measured).
  const member = await gzipAsync(bytes, { level, chunkSize: outputSize(bytes.byteLength) })
  member.set(HEADER)
  return member
}

/** The first bytes of every member. */
export function gzipHeader(): Uint8Array {
  return HEADER.slice()
}

/** RFC 1952 §2.3.1: CRC-32 and length modulo 2^32 of the uncompressed bytes. */
export function gzipTrailer(checksum: number, length: number): Uint8Array {
  const trailer = Buffer.alloc(TRAILER_BYTES)
  trailer.writeUInt32LE(checksum)
  trailer.writeUInt32LE(length % 2 ** 32, 4)
  return trailer
}

/** More than deflate ever makes of so many bytes. */
export function outputSize(length: number): number {
  return length + Math.ceil(length / 1000) + 1024
}
