/**
 * Blobs from a registry: distribution-spec, "Pulling blobs".
 *
 * A download that breaks is resumed where it broke, by a closed range, under the same hash; more than half of the
 * registries that can do that do not say so, so it is simply tried.
 *
 * @module
 */
import { type Descriptor, DigestError, type OpenOptions, type ByteSource, verify } from '@varve/digest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { contentLength, contentRange } from '../http/reply-headers.ts'
import { retryable, waitToRetry } from '../http/retry.ts'

/** Progress that earns a download a clean slate. */
const PROGRESS = 1024 * 1024
/** Bytes read again because a registry ignores ranges, as a multiple of the blob. */
const MAX_REREAD = 4

/** Whether the repository has a blob. Also notices one of another size. */
export async function hasBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<boolean> {
  const response = await sendTo(endpoint, {
    method: 'HEAD',
    target: `blobs/${descriptor.digest}`,
    access: 'pull',
    expect: [200, 404],
    signal,
  })
  await response.discard()
  if (response.status === 404) return false
  assertLength(descriptor, contentLength(response.headers))
  return true
}

/** The bytes of a blob. Each read is a request, and holds one of the client's slots for blobs until it ends. */
export function blobSource(endpoint: Endpoint, descriptor: Descriptor): ByteSource {
  const { size } = descriptor
  return {
    size,
    open({ start = 0, end = size, signal }: OpenOptions = {}) {
      const bytes = download(endpoint, descriptor, start, Math.min(end, size), signal)
      return start === 0 && end >= size ? verify(bytes, descriptor) : bytes
    },
  }
}

async function* download(
  endpoint: Endpoint,
  descriptor: Descriptor,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const { digest, size } = descriptor
  let position = start
  let useRange = start > 0 || end < size
  let failures = 0
  let failedAt = start
  let reread = 0
  while (position < end) {
    try {
      const response = await sendTo(endpoint, {
        method: 'GET',
        target: `blobs/${digest}`,
        access: 'pull',
        headers: useRange ? { range: `bytes=${position}-${end - 1}` } : {},
        expect: useRange ? [200, 206, 416] : [200],
        lane: 'blob',
        signal,
      })
      if (response.status === 416) {
        await response.discard()
        useRange = false
        continue
      }
      const skipped = await replyStart(response, descriptor, position)
      reread += position - skipped
      if (reread > size * MAX_REREAD) {
        await response.discard()
        throw new RegistryError('ERR_REGISTRY_LIMIT', `Read ${reread} bytes of ${digest} more than once`)
      }
      let offset = skipped
      for await (const chunk of response.body) {
        const fresh = chunk.subarray(Math.max(0, position - offset))
        offset += chunk.byteLength
        if (fresh.byteLength === 0) continue
        // A byte too many of the whole goes on to be noticed; of a part it is the rest of a full reply.
        const wanted = end === size ? fresh : fresh.subarray(0, end - position)
        position += wanted.byteLength
        endpoint.onProgress?.({ kind: 'blob', direction: 'pull', digest, bytes: position, size })
        yield wanted
        if (position >= end && end < size) break
      }
      if (position < end) throw cutShort(descriptor, position)
    } catch (error) {
      if (position - failedAt >= PROGRESS) failures = 0
      failedAt = position
      await waitToRetry(endpoint.exchange.retry, failures++, error, signal)
      useRange = position > 0 || end < size
    }
  }
}

/** Where in the blob the body of a reply begins. */
async function replyStart(
  response: FollowedResponse,
  descriptor: Descriptor,
  position: number,
): Promise<number> {
  try {
    if (response.status === 200) {
      assertLength(descriptor, contentLength(response.headers))
      return 0
    }
    const range = contentRange(response.headers)
    if (range === undefined || range.start !== position) {
      throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The registry sent another range than was asked for')
    }
    assertLength(descriptor, range.size)
    return range.start
  } catch (error) {
    await response.discard()
    throw error
  }
}

function assertLength({ digest, size }: Descriptor, actual: number | undefined): void {
  if (actual === undefined || actual === size) return
  throw new DigestError(
    'ERR_DIGEST_SIZE',
    `Expected ${size} bytes of ${digest}, the registry has ${actual}`,
    {
      expected: size,
      actual,
    },
  )
}

function cutShort({ digest, size }: Descriptor, actual: number): DigestError {
  const message = `The registry ended ${digest} at ${actual} of ${size} bytes`
  return retryable(new DigestError('ERR_DIGEST_SIZE', message, { expected: size, actual }))
}
