/**
 * The bytes of a push, checked on their way out.
 *
 * One hash follows all chunks and all connections, so nothing is read beforehand, and nothing is read again to be
 * hashed again. A source that is not what it was said to be ends in an error before its last byte has left: a registry
 * must not be asked to find out.
 *
 * @module
 */
import {
  algorithmOf,
  assertExpected,
  type ByteSource,
  createDigester,
  type Descriptor,
  DigestError,
  type Digester,
  withSignal,
} from '@varve/digest'
import type { Endpoint } from '../endpoint.ts'
import type { Span } from './holder.ts'

/** What is to be sent. */
export interface Outgoing {
  /** Bytes that have ever been given out, from the beginning. */
  readonly sent: number
  /** Bytes that have been given out, those given out again included. */
  readonly spent: number
  /** A request's body. A span may begin anywhere up to `sent`; one read at a time. */
  part(span: Span): ByteSource
}

/** Starts a push. The source is opened when a part is. */
export function createOutgoing(endpoint: Endpoint, descriptor: Descriptor, source: ByteSource): Outgoing {
  const { digest, size } = descriptor
  let sent = 0
  let spent = 0
  // Undefined once it has proven the source.
  let digester: Digester | undefined
  let hashed = 0

  async function* open({ start, end }: Span, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    if (start === 0) {
      digester = createDigester(algorithmOf(digest))
      hashed = 0
    }
    const isLast = end === size
    // Without an end, so that a byte too many is noticed.
    const bytes = source.open({ start, ...(isLast ? {} : { end }), ...withSignal(signal) })
    let position = start
    let given = start
    let held: Uint8Array | undefined
    const give = (chunk: Uint8Array): Uint8Array => {
      given += chunk.byteLength
      spent += chunk.byteLength
      sent = Math.max(sent, given)
      endpoint.onProgress?.({ kind: 'blob', direction: 'push', digest, bytes: given, size })
      return chunk
    }
    for await (const chunk of bytes) {
      if (chunk.byteLength === 0) continue
      if (position + chunk.byteLength > end) throw wrongSize(descriptor, position + chunk.byteLength)
      if (held !== undefined) yield give(held)
      digester?.update(chunk.subarray(Math.min(chunk.byteLength, Math.max(0, hashed - position))))
      position += chunk.byteLength
      hashed = Math.max(hashed, position)
      held = chunk
    }
    if (position < end) throw wrongSize(descriptor, position)
    if (isLast && digester !== undefined) {
      assertExpected(digester.finish(), descriptor)
      digester = undefined
    }
    if (held !== undefined) yield give(held)
  }

  return {
    get sent() {
      return sent
    },
    get spent() {
      return spent
    },
    part: (span) => ({ size: span.end - span.start, open: ({ signal } = {}) => open(span, signal) }),
  }
}

function wrongSize({ digest, size }: Descriptor, actual: number): DigestError {
  const message = `Expected ${size} bytes of ${digest}, the source has ${actual}`
  return new DigestError('ERR_DIGEST_SIZE', message, { expected: size, actual })
}
