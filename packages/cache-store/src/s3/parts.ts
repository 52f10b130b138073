/**
 * A stream cut into parts.
 *
 * @module
 */

/** Amazon S3 User Guide, "Amazon S3 multipart upload limits". */
const MAX_PARTS = 10_000

const MIB = 1024 * 1024

/**
 * Size of the part with this number, from 0. With a known size all parts but the last are alike, as some servers ask;
 * without one they grow, so that 10,000 of them suffice for more than any server takes.
 */
export function sizeOfPart(number: number, partSize: number, total: number | undefined): number {
  if (total === undefined) return partSize * (1 + Math.floor(number / 1000))
  return total <= partSize * MAX_PARTS ? partSize : Math.ceil(total / MAX_PARTS / MIB) * MIB
}

/** Part of a stream. */
export interface Part {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Gives its memory back for a later part. */
  release(): void
}

/** Collects chunks into parts. At least one part, which may be empty. */
export async function* partsOf(
  chunks: AsyncIterable<Uint8Array>,
  partSize: number,
  total: number | undefined,
): AsyncGenerator<Part, void, void> {
  // New memory for each part would be collected at the price of hashing it (measured).
  const spare: Uint8Array<ArrayBuffer>[] = []
  const take = (size: number): Uint8Array<ArrayBuffer> => {
    const known = spare.pop()
    return known !== undefined && known.byteLength >= size ? known.subarray(0, size) : new Uint8Array(size)
  }
  const partOf = (bytes: Uint8Array<ArrayBuffer>): Part => ({ bytes, release: () => void spare.push(bytes) })
  let number = 0
  let used = 0
  let bytes = take(Math.min(sizeOfPart(0, partSize, total), total ?? Infinity))
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength;) {
      if (used === bytes.byteLength) {
        yield partOf(bytes)
        number += 1
        used = 0
        bytes = take(sizeOfPart(number, partSize, total))
      }
      const piece = chunk.subarray(at, at + bytes.byteLength - used)
      bytes.set(piece, used)
      used += piece.byteLength
      at += piece.byteLength
    }
  }
  yield partOf(bytes.subarray(0, used))
}
