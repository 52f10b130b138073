/**
 * The body of a request.
 *
 * @module
 */
import type { ClientRequest } from 'node:http'
import type { Watch } from './watch.ts'

/** Bytes to send: exactly so many. */
export interface Upload {
  readonly size: number
  /** Whether the server is asked first, if there is much to send. */
  readonly ask: boolean
  /** Opens them, once a request. */
  open(): AsyncIterable<Uint8Array>
}

/**
 * From this size on a server is asked before the bytes are sent: one that refuses then says why, where one that hangs
 * up in the middle may not be heard (RFC 9110 section 10.1.1).
 */
const ASK_FROM = 1024 * 1024

/** Servers that know nothing of that are not waited for any longer. */
const ASK_MS = 1000

/** What is written at once, so that progress is seen however big the chunks of the source are. */
const PIECE = 256 * 1024

/** Whether the request asks before it sends its body. */
export function asksFirst({ size, ask }: Upload): boolean {
  return ask && size >= ASK_FROM
}

/** Carries an error of the bytes' own source past those of the connection: no other attempt helps against it. */
export class SourceFailure {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * Sends the bytes and ends the request; tells whether all were sent. Stops when the server has answered already, or the
 * connection has broken, of which the request itself tells.
 *
 * @throws {SourceFailure}
 */
export async function sendBody(outgoing: ClientRequest, upload: Upload, watch: Watch): Promise<boolean> {
  let isOver = false
  const over = (): void => {
    isOver = true
  }
  outgoing.once('response', over).once('close', over)
  if (asksFirst(upload)) {
    outgoing.flushHeaders()
    watch.start()
    await oneOf(outgoing, ['continue', 'response', 'close'], ASK_MS)
    watch.stop()
  }
  if (isOver) return false
  const chunks = upload.open()[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await nextOf(chunks)
      if (isOver) return false
      if (next === undefined) break
      for (let at = 0; at < next.byteLength; at += PIECE) {
        if (outgoing.write(next.subarray(at, at + PIECE))) continue
        watch.start()
        await oneOf(outgoing, ['drain', 'response', 'close'])
        watch.stop()
        if (isOver) return false
      }
    }
  } finally {
    // Closes the source if it was not read to its end; that may fail, and is of no interest any more.
    await chunks.return?.().catch(() => undefined)
  }
  outgoing.end()
  return true
}

async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    const next = await chunks.next()
    return next.done === true ? undefined : next.value
  } catch (error) {
    throw new SourceFailure(error)
  }
}

/** Waits for the first of some events, or for so many milliseconds. */
function oneOf(outgoing: ClientRequest, events: readonly string[], ms?: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      for (const event of events) outgoing.removeListener(event, done)
      resolve()
    }
    const timer = ms === undefined ? undefined : setTimeout(done, ms)
    for (const event of events) outgoing.once(event, done)
    if (outgoing.destroyed) done()
  })
}
