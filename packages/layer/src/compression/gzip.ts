/**
 * gzip in independent members, RFC 1952 §2.2.
 *
 * Members are cut at fixed offsets of the uncompressed bytes, so several can be compressed at once and the result does
 * not depend on how many. Any gzip reader takes them as one file. That costs about a percent in size.
 *
 * @module
 */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Uncompressed bytes of each member but the last. A change of it changes every compressed digest. */
export const MEMBER_SIZE: number = 1024 * 1024

/** zlib's own default. */
export const DEFAULT_LEVEL = 6

/** As many as libuv's pool has threads by default: more would only wait, and hold memory. */
const IN_FLIGHT = 4

/** RFC 1952 §2.3.1: XFL and OS, which zlib sets by level and platform. */
const XFL_AT = 8
const OS_AT = 9
const OS_UNKNOWN = 255

const gzipAsync = promisify(gzip)

/** Options of {@link gzipMembers}. */
export interface GzipMembersOptions {
  readonly level: number
  /** Members compressed at a time; the bytes are the same for any number. */
  readonly inFlight?: number
  /** Told when the bytes of a chunk have been used. */
  readonly release?: (chunk: Uint8Array) => void
}

/**
 * Compresses chunks, each into one member: all but the last must be {@link MEMBER_SIZE} long. No chunk at all gives one
 * empty member, since a gzip file has at least one.
 */
export async function* gzipMembers(
  chunks: AsyncIterable<Uint8Array>,
  options: GzipMembersOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { level, inFlight = IN_FLIGHT, release } = options
  const queue: Promise<Uint8Array>[] = []
  let count = 0
  try {
    for await (const chunk of chunks) {
      count++
      const member = gzipMember(chunk, level, release)
      // It is awaited in its turn; until then a failure is not unhandled.
      member.catch(() => {})
      queue.push(member)
      if (queue.length >= inFlight) yield await queue.shift()!
    }
    if (count === 0) queue.push(gzipMember(new Uint8Array(), level, undefined))
    while (queue.length > 0) yield await queue.shift()!
  } finally {
    // The pool still reads the chunks of members that nobody will get.
    await Promise.allSettled(queue)
  }
}

/** The name under which {@link gzipMembers} with this level, in this runtime, gives these bytes. */
export function gzipEncoder(level: number): string {
  return `gzip level=${level} member=${MEMBER_SIZE} zlib=${process.versions.zlib}`
}

async function gzipMember(
  chunk: Uint8Array,
  level: number,
  release: ((chunk: Uint8Array) => void) | undefined,
): Promise<Uint8Array> {
  // One output buffer for all of it saves a turn of the event loop for each 16 KiB (measured).
  const member = await gzipAsync(chunk, { level, chunkSize: outputSize(chunk.byteLength) })
  release?.(chunk)
  member[XFL_AT] = 0
  member[OS_AT] = OS_UNKNOWN
  return member
}

/** More than deflate ever makes of so many bytes. */
function outputSize(length: number): number {
  return length + Math.ceil(length / 1000) + 1024
}
