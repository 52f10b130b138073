/**
 * A part of a blob, whatever happens to the connection: distribution-spec, "Pulling blobs", and RFC 9110 §14.
 *
 * A download that breaks is resumed where it broke, by a closed range; more than half of the registries that can do
 * that do not say so, and some refuse open ranges, so it is simply tried. A holder that cannot go on is left for the
 * next one, which goes on in its place.
 *
 * @module
 */
import { type Descriptor, DigestError } from '@varve/digest'
import { RegistryError } from '../errors.ts'
import { noteMirrorFailure } from '../hosts/mirrors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { contentRange } from '../http/reply-headers.ts'
import { retryable } from '../http/retry.ts'
import { assertDescribed, assertDigest, assertSize, type Holder, requestBlob, type Span } from './holder.ts'
import { createPatience, type Patience } from './patience.ts'

/** A read of a blob, all parts of it. */
export interface Reading {
  readonly descriptor: Descriptor
  /** Who is asked. */
  holder: Holder
  /** Who is asked after that, when it fails for good. */
  readonly others: Holder[]
  /** Whether the first request was answered with the whole, as asked or not. */
  ignoresRanges: boolean
  /** Bytes that came more than once, or were not asked for. */
  surplus: number
}

/** Bytes read in vain because a registry ignores ranges, as a multiple of the blob. */
const MAX_SURPLUS = 2
/** Less than this in the time of a stall is one. */
const STALL_BYTES = 64 * 1024

/**
 * Gives the bytes of a span. A registry that answers the first range with the whole is read on to `limit`, so as not to
 * throw away what it sends.
 */
export async function* download(
  reading: Reading,
  { start, end }: Span,
  limit: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const { descriptor } = reading
  const { size } = descriptor
  let position = start
  let bound = end
  let useRange = start > 0 || end < size
  let asked = reading.holder
  let patience = createPatience(asked.endpoint.exchange.retryAt(asked.endpoint.host.origin), start)
  while (position < bound) {
    if (asked !== reading.holder) {
      asked = reading.holder
      patience = createPatience(asked.endpoint.exchange.retryAt(asked.endpoint.host.origin), position)
    }
    try {
      const span = useRange ? { start: position, end: bound } : undefined
      const response = await requestBlob(asked, descriptor, span, signal)
      if (response.status === 416) {
        await response.discard()
        useRange = false
        continue
      }
      const body = await bodyOf(response, descriptor, span)
      if (response.status === 200 && position === start) {
        reading.ignoresRanges = true
        bound = Math.max(bound, limit)
      }
      // A byte too many of the whole is passed on, to be noticed by the one who verifies it.
      const isWhole = start === 0 && bound === size
      let offset = body.start
      for await (const chunk of steady(response.body, asked)) {
        const skipped = Math.min(chunk.byteLength, Math.max(0, position - offset))
        offset += chunk.byteLength
        countSurplus(reading, skipped)
        if (skipped === chunk.byteLength) continue
        const fresh = skipped === 0 ? chunk : chunk.subarray(skipped)
        const wanted = isWhole ? fresh : fresh.subarray(0, bound - position)
        position += wanted.byteLength
        yield wanted
        if (position >= bound && !isWhole) break
      }
      if (position < bound) throw cutShort(descriptor, position)
    } catch (error) {
      signal?.throwIfAborted()
      await goOn(reading, asked, patience, error, position, signal)
      useRange = position > 0 || bound < size
    }
  }
}

/** Waits before another try, or goes to the next holder, or gives up. */
async function goOn(
  reading: Reading,
  asked: Holder,
  patience: Patience,
  error: unknown,
  position: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Another part of the blob may have gone on before this one.
  if (asked !== reading.holder) return
  try {
    await patience.after(error, position, signal)
  } catch (final) {
    signal?.throwIfAborted()
    if (asked !== reading.holder) return
    const next = reading.others.shift()
    if (next === undefined) throw final
    if (next.url === undefined) noteMirrorFailure(asked.endpoint, final)
    reading.holder = next
  }
}

/** Where in the blob the body of a reply begins. */
async function bodyOf(
  response: FollowedResponse,
  descriptor: Descriptor,
  span: Span | undefined,
): Promise<{ readonly start: number }> {
  try {
    if (response.status === 200) {
      assertDescribed(descriptor, response.headers)
      return { start: 0 }
    }
    assertDigest(descriptor, response.headers)
    const range = contentRange(response.headers)
    if (span === undefined || range === undefined || range.start !== span.start || range.end > span.end) {
      throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The registry sent another range than was asked for')
    }
    assertSize(descriptor, range.size)
    return { start: range.start }
  } catch (error) {
    await response.discard()
    throw error
  }
}

function countSurplus(reading: Reading, bytes: number): void {
  const { digest, size } = reading.descriptor
  reading.surplus += bytes
  if (reading.surplus <= size * MAX_SURPLUS) return
  throw new RegistryError('ERR_REGISTRY_LIMIT', `Read ${reading.surplus} bytes of ${digest} more than once`)
}

/** Passes a body on while it keeps moving. Only the time spent waiting for it counts, not that of a slow reader. */
async function* steady(
  body: AsyncIterable<Uint8Array>,
  { endpoint }: Holder,
): AsyncGenerator<Uint8Array, void, void> {
  const { stallMs } = endpoint.transfer
  let waited = 0
  let bytes = 0
  let since = performance.now()
  for await (const chunk of body) {
    const now = performance.now()
    waited += now - since
    bytes += chunk.byteLength
    if (bytes >= STALL_BYTES) {
      waited = 0
      bytes = 0
    } else if (waited >= stallMs) {
      const message = `${endpoint.host.name} sent ${bytes} bytes in ${Math.round(waited)} ms`
      throw retryable(new RegistryError('ERR_REGISTRY_TIMEOUT', message))
    }
    yield chunk
    since = performance.now()
  }
}

function cutShort({ digest, size }: Descriptor, actual: number): DigestError {
  const message = `The registry ended ${digest} at ${actual} of ${size} bytes`
  return retryable(new DigestError('ERR_DIGEST_SIZE', message, { expected: size, actual }))
}
