/**
 * Streams of bytes for tests of compression.
 *
 * @module
 */

export async function collect(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** Cuts into pieces of so many bytes. */
export function* pieces(all: Uint8Array, size: number): Generator<Uint8Array, void, void> {
  for (let at = 0; at < all.byteLength; at += size) yield all.subarray(at, at + size)
}

/** Compressible, but not the same everywhere. */
export function sample(length: number): Buffer {
  const text = Buffer.alloc(length)
  for (let at = 0, value = 1; at < length; at++) {
    value = (value * 75 + 74) % 65_537
    text[at] = 97 + (value % 7)
  }
  return text
}

/** Lines that differ in a number and a word or two: some matches are long, most are short. */
export function lines(length: number): Buffer {
  const parts: string[] = []
  for (let size = 0, value = 1; size < length;) {
    value = (value * 16_807) % 2_147_483_647
    const line = `${value % 1000} import { name${value % 37} } from './module-${value % 91}.ts' // ${value}\n`
    parts.push(line)
    size += line.length
  }
  return Buffer.from(parts.join('')).subarray(0, length)
}
