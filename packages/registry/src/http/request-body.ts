/**
 * The body of a request on its way out.
 *
 * @module
 */
import type { ByteSource } from '@varve/digest'
import type { ClientRequest } from 'node:http'
import type { Clock } from './clock.ts'

/** What is written at once, so that a slow line is seen to move however large the chunks of a source are. */
const PIECE = 256 * 1024

/** How a body is sent. */
export interface Sending {
  readonly clock: Clock
  /** Milliseconds in which a piece must be taken. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/**
 * Writes all of a body and ends the request. Whoever answers before, or breaks the connection, of which the request itself
 * tells, is not sent the rest.
 *
 * @throws Whatever the source throws; `ERR_HTTP_CONTENT_LENGTH_MISMATCH` if it has more or fewer bytes than it said.
 */
export async function sendBody(
  outgoing: ClientRequest,
  source: ByteSource,
  { clock, timeoutMs, signal }: Sending,
): Promise<void> {
  const isOver = watchEnd(outgoing)
  const { size } = source
  let sent = 0
  for await (const chunk of source.open(signal && { signal })) {
    sent += chunk.byteLength
    if (size !== undefined && sent > size) throw wrongLength(size, sent)
    for (let at = 0; at < chunk.byteLength && !isOver(); at += PIECE) {
      if (outgoing.write(chunk.subarray(at, at + PIECE))) continue
      clock.start(timeoutMs)
      await drained(outgoing)
      clock.stop()
    }
    if (isOver()) return
  }
  if (size !== undefined && sent < size) throw wrongLength(size, sent)
  outgoing.end()
}

/** Tells whether the request has been answered or broken. */
function watchEnd(outgoing: ClientRequest): () => boolean {
  let isOver = false
  const over = (): void => {
    isOver = true
  }
  outgoing.once('response', over).once('close', over)
  return () => isOver
}

/** Resolves when there is room again, or no more use for it. */
function drained(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of EVENTS) outgoing.removeListener(event, done)
      resolve()
    }
    for (const event of EVENTS) outgoing.once(event, done)
    if (outgoing.destroyed) done()
  })
}

const EVENTS = ['drain', 'response', 'close'] as const

function wrongLength(expected: number, actual: number): Error {
  const message = `A body of ${expected} bytes has ${actual} or more`
  return Object.assign(new Error(message), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
}
