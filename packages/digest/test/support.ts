/**
 * What the tests of this package share.
 *
 * @module
 */

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Reads to the end and joins. */
export async function collect(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const bytes: number[] = []
  for await (const chunk of source) bytes.push(...chunk)
  return Uint8Array.from(bytes)
}

/** Cuts bytes into chunks of at most `length`, the last one followed by an empty chunk. */
export function* chunked(bytes: Uint8Array, length: number): Generator<Uint8Array, void, void> {
  for (let offset = 0; offset < bytes.byteLength; offset += length)
    yield bytes.subarray(offset, offset + length)
  yield new Uint8Array()
}
