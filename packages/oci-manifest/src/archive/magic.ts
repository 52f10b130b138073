/**
 * Telling compressed files from others by how they begin.
 *
 * @module
 */
import { type ByteSource, readAll, withSignal } from '@varve/digest'

/** RFC 1952 §2.3.1; RFC 8878 §3.1.1; bzip2, after its level, and xz are known so that they can be named. */
const MAGIC: readonly (readonly [name: string, offset: number, bytes: readonly number[]])[] = [
  ['gzip', 0, [0x1f, 0x8b, 0x08]],
  ['zstd', 0, [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', 4, [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]],
  ['xz', 0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
]
const LONGEST = 10

/** What a file is compressed with, if it is. */
export async function magicOf(source: ByteSource, signal?: AbortSignal): Promise<string | undefined> {
  const head = await readAll(source.open({ start: 0, end: LONGEST, ...withSignal(signal) }), LONGEST)
  return MAGIC.find(([, offset, bytes]) => bytes.every((byte, index) => head[offset + index] === byte))?.[0]
}
