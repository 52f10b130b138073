/**
 * What a stream is compressed with, by its first bytes.
 *
 * @module
 */

/** How the bytes of a layer are compressed. */
export type Compression = 'gzip' | 'zstd' | 'none'

/** Bytes {@link detectCompression} needs to be sure. */
export const MAGIC_LENGTH = 4

/**
 * Tells by the magic number: RFC 1952 §2.3.1 with method 8, RFC 8878 §3.1.1 and, for a skippable frame, §3.1.2.
 * Everything else is `none`.
 */
export function detectCompression(head: Uint8Array): Compression {
  const [a = 0, b = 0, c = 0, d = 0] = head
  if (a === 0x1f && b === 0x8b && c === 0x08) return 'gzip'
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd'
  if (a >= 0x50 && a <= 0x5f && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd'
  return 'none'
}
