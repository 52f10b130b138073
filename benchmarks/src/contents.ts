/**
 * Blobs for the cache benchmarks: different from each other, the same in every run.
 *
 * @module
 */
import { createRandom } from './random.ts'

/** `count` arrays of `size` bytes. */
export function contents(size: number, count: number): Uint8Array[] {
  const random = createRandom(3)
  const block = Uint8Array.from({ length: size }, () => random(256))
  return Array.from({ length: count }, (_, index) => {
    const bytes = block.slice()
    new DataView(bytes.buffer).setUint32(0, index)
    return bytes
  })
}
