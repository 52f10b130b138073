/**
 * Requests with everything that belongs to them: a slot, patience, other attempts, errors with a code.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { connectionFailure, statusFailure } from './failure.ts'
import { createLanes, type Lane } from './lanes.ts'
import { Transient, withRetries } from './retry.ts'
import { exchange, type HttpReply, type HttpRequest } from './transport.ts'
import { SourceFailure } from './upload.ts'

/** A request whose patience is a matter of its lane. */
export type LaneRequest = Omit<HttpRequest, 'patience'>

/** How requests are made. */
export interface RequesterOptions {
  readonly timeoutMs: number
  readonly attempts: number
  readonly concurrency: number
}

/** Sends requests. The slot of a request is free once its reply's body has been read or discarded. */
export interface Requester {
  readonly attempts: number
  /**
   * Sends until there is a reply that is worth having, whatever it says. What breaks later, in its body, is the
   * caller's to try again.
   */
  send(lane: Lane, request: LaneRequest): Promise<HttpReply>
  /** Sends once; rejects with {@link Transient} where another attempt may help. */
  sendOnce(lane: Lane, request: LaneRequest): Promise<HttpReply>
  /** Names a request in messages. */
  describe(method: string, path: string): string
  /** Breaks every connection. What is sent afterwards fails. */
  close(): void
  /** @throws {CacheStoreError} `ERR_CACHE_STORE_UNAVAILABLE` after `close`. */
  assertOpen(): void
}

/** Sends to `endpoint`. */
export function createRequester(endpoint: Endpoint, options: RequesterOptions): Requester {
  const { timeoutMs: ms, attempts } = options
  const lanes = createLanes(options.concurrency)
  let isClosed = false

  const assertOpen = (): void => {
    if (isClosed) throw new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', 'The cache was closed')
  }

  const sendOnce = async (lane: Lane, request: LaneRequest): Promise<HttpReply> => {
    const { method, path, signal } = request
    const what = endpoint.describe(method, path)
    assertOpen()
    const leave = await lanes.enter(lane, signal)
    try {
      // A blob may take as long as it keeps moving; an answer to a question has to end.
      const patience = { ms, per: lane === 'question' ? 'all' : 'each' } as const
      const reply = leaving(await exchange(endpoint, { ...request, patience }), leave)
      const failure = statusFailure(reply, what)
      if (!(failure instanceof Transient)) return reply
      await reply.discard()
      throw failure
    } catch (error) {
      leave()
      signal?.throwIfAborted()
      if (error instanceof SourceFailure) throw error.reason
      throw error instanceof Transient ? error : connectionFailure(error, what)
    }
  }

  return {
    attempts,
    send: (lane, request) => withRetries(attempts, () => sendOnce(lane, request), request.signal),
    sendOnce,
    describe: (method, path) => endpoint.describe(method, path),
    close: () => {
      isClosed = true
      endpoint.agent.destroy()
    },
    assertOpen,
  }
}

/** Frees the slot when the body is done with. */
function leaving(reply: HttpReply, leave: () => void): HttpReply {
  async function* body(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* reply.body
    } finally {
      leave()
    }
  }
  return {
    ...reply,
    body: body(),
    discard: async () => {
      await reply.discard()
      leave()
    },
  }
}
