/**
 * Reads of blobs that go on where a connection broke.
 *
 * @module
 */
import { type Digest, DigestError } from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { connectionFailure } from './failure.ts'
import { Transient, waitAfter } from './retry.ts'
import type { Server } from './server.ts'
import type { HttpReply } from './transport.ts'

/** A blob as the server told of it. */
export interface RemoteBlob {
  readonly digest: Digest
  readonly path: string
  readonly size: number
}

/** What to read; without `end` all that comes, so that a byte too many is noticed. */
export interface Part {
  readonly start: number
  readonly end?: number
  readonly signal?: AbortSignal | undefined
}

/** Progress that makes a broken connection a first failure again, and not one more of the same. */
const PROGRESS = 1024 * 1024

/**
 * The bytes, of which none is verified. A server that does not know ranges sends everything, and what is not wanted of
 * it is passed over.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_MISSING` if the blob went away; `ERR_CACHE_STORE_UNAVAILABLE`.
 * @throws {DigestError} `ERR_DIGEST_SIZE` if it ends before `end`.
 */
export async function* download(
  server: Server,
  blob: RemoteBlob,
  { start, end, signal }: Part,
): AsyncGenerator<Uint8Array, void, void> {
  let position = start
  let failures = 0
  for (;;) {
    const before = position
    try {
      for await (const chunk of attempt(server, blob, position, end, signal)) {
        position += chunk.byteLength
        yield chunk
      }
      return
    } catch (error) {
      signal?.throwIfAborted()
      const failure = failureOf(error, server.requester.describe('GET', blob.path))
      // All the bytes are here: how the connection ended does not matter.
      if (position === (end ?? blob.size)) return
      failures = position - before >= PROGRESS ? 1 : failures + 1
      await waitAfter(failure, failures, server.requester.attempts, signal)
    }
  }
}

async function* attempt(
  server: Server,
  blob: RemoteBlob,
  position: number,
  end: number | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const isWhole = position === 0 && end === undefined
  const range = isWhole ? undefined : `bytes=${position}-${end === undefined ? '' : end - 1}`
  const reply = await server.open(blob.path, range, signal)
  if (reply === undefined) {
    throw new CacheStoreError('ERR_CACHE_STORE_MISSING', `The blob ${blob.digest} is no longer in the cache`)
  }
  let skip = await skipOf(reply, blob, position)
  let room = (end ?? Infinity) - position
  for await (const chunk of reply.body) {
    const skipped = Math.min(skip, chunk.byteLength)
    skip -= skipped
    const wanted = chunk.subarray(skipped, Math.min(chunk.byteLength, skipped + room))
    room -= wanted.byteLength
    if (wanted.byteLength > 0) yield wanted
    // A reply of just the range is read to its end, which keeps the connection; the rest of a blob is not.
    if (room === 0 && (reply.status === 200 || skipped + wanted.byteLength < chunk.byteLength)) return
  }
  if (room > 0 && end !== undefined) throw tooShort(blob, end - room, end)
}

/** How many bytes of the reply come before the one at `position`. */
async function skipOf(reply: HttpReply, blob: RemoteBlob, position: number): Promise<number> {
  const { status, headers } = reply
  if (status === 200) return position
  const [, first] = /^bytes (\d+)-/.exec(headers['content-range'] ?? '') ?? []
  if (status === 206 && first === String(position)) return 0
  await reply.discard()
  if (status === 416) throw tooShort(blob, position, blob.size)
  throw new CacheStoreError(
    'ERR_CACHE_STORE_UNAVAILABLE',
    `The cache sent another part of ${blob.digest} than was asked for`,
    { status },
  )
}

/** Errors that come with a meaning keep it; the others are of the connection. */
function failureOf(error: unknown, request: string): unknown {
  return error instanceof DigestError || error instanceof Transient
    ? error
    : connectionFailure(error, request)
}

function tooShort({ digest }: RemoteBlob, actual: number, expected: number): DigestError {
  return new DigestError('ERR_DIGEST_SIZE', `The blob ${digest} ended at ${actual} of ${expected} bytes`, {
    expected,
    actual,
  })
}
