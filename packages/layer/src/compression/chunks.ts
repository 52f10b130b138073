/**
 * Streams cut anew.
 *
 * @module
 */

/** Cuts a stream into chunks of `size` bytes, the last one shorter; whole chunks pass without a copy. */
export async function* rechunk(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, void> {
  let target: Uint8Array | undefined
  let used = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength;) {
      const length = Math.min(size - used, chunk.byteLength - at)
      if (length === size) yield chunk.subarray(at, at + size)
      else {
        target ??= new Uint8Array(size)
        target.set(chunk.subarray(at, at + length), used)
        used += length
        if (used === size) {
          yield target
          target = undefined
          used = 0
        }
      }
      at += length
    }
  }
  if (target !== undefined && used > 0) yield target.subarray(0, used)
}
