/**
 * A request and its reply on a connection.
 *
 * @module
 */
import { type ClientRequest, type IncomingMessage, request as http } from 'node:http'
import { request as https } from 'node:https'
import { type Clock, createClock } from './clock.ts'
import { addressOf } from './address.ts'
import type { Route } from './connections.ts'
import { sendBody } from './request-body.ts'
import type { TransportRequest, TransportResponse } from './transport.ts'

/** Milliseconds that each step may take. */
export interface Timeouts {
  readonly connect: number
  readonly headers: number
  readonly idle: number
}

/** A body not wanted is read on to here, which keeps the connection; beyond it the connection is closed. */
const DISCARD_LIMIT = 64 * 1024
/** So long may a body not wanted drip. */
const DISCARD_TIMEOUT_MS = 1000

/**
 * Sends a request, to the parsed `target`, and waits for the head of its reply. Until all of that is read it is in `running`, by what ends it.
 *
 * Rejects with what went wrong underneath: by `ETIMEDOUT` where a step takes too long.
 */
export async function exchangeOnWire(
  route: Route,
  target: URL,
  request: TransportRequest,
  timeouts: Timeouts,
  running: Set<(reason: Error) => void>,
): Promise<TransportResponse> {
  const { signal, body: source } = request
  let stopped: { readonly reason: unknown } | undefined
  let incoming: IncomingMessage | undefined
  const outgoing = begin(route, target, request)
  const { answered, refuse } = replyTo(outgoing)
  const stop = (reason: unknown): void => {
    stopped ??= { reason }
    refuse(reason)
    incoming?.destroy()
    outgoing.destroy()
  }
  const clock = createClock(stop)
  const onAbort = (): void => stop(signal?.reason)
  const closing = new Promise<void>((resolve) => outgoing.once('close', resolve))
  const finish = async (): Promise<void> => {
    clock.finish()
    running.delete(stop)
    signal?.removeEventListener('abort', onAbort)
    if (outgoing.writableFinished && incoming?.readableEnded === true) {
      // The connection goes back to the pool by itself, but not at once: a request sent before would open another one.
      await closing
      return
    }
    // Of half an exchange nothing can be used again.
    incoming?.destroy()
    outgoing.destroy()
  }
  running.add(stop)
  signal?.addEventListener('abort', onAbort, { once: true })
  clock.start(timeouts.connect)
  const connected = whenConnected(outgoing, () => clock.stop())
  const sending = async (): Promise<IncomingMessage> => {
    if (source === undefined) outgoing.end()
    await connected
    if (source !== undefined) await sendBody(outgoing, source, { clock, timeoutMs: timeouts.headers, signal })
    if (incoming === undefined) clock.start(timeouts.headers)
    return answered
  }
  try {
    incoming = await Promise.race([answered, sending()])
  } catch (error) {
    await finish()
    throw error
  }
  clock.stop()
  const reply = incoming
  const body = bodyOf(reply, clock, timeouts.idle, finish, (error) => stopped?.reason ?? error)
  return {
    status: reply.statusCode ?? 0,
    headers: new Map(Object.entries(reply.headersDistinct as Record<string, string[]>)),
    body,
    async discard() {
      const timer = setTimeout(() => reply.destroy(), DISCARD_TIMEOUT_MS)
      await readShort(body)
      clearTimeout(timer)
    },
  }
}

function begin(
  { agent, proxy }: Route,
  target: URL,
  { method, url, headers, body }: TransportRequest,
): ClientRequest {
  const { protocol, hostname, port } = proxy === undefined ? target : new URL(proxy.origin)
  const length = body?.size === undefined ? {} : { 'content-length': String(body.size) }
  const whole = proxy === undefined ? {} : { host: target.host }
  const user = proxy?.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }
  try {
    return (protocol === 'https:' ? https : http)({
      protocol,
      ...addressOf(hostname, port),
      agent,
      method,
      path: proxy === undefined ? pathOf(url) : `${target.origin}${pathOf(url)}`,
      headers: { ...headers, ...length, ...whole, ...user },
    })
  } catch (cause) {
    // What a registry leads us to need not be anything that can be written down.
    throw Object.assign(new Error('The request cannot be sent', { cause }), { code: 'ERR_INVALID_REQUEST' })
  }
}

/** Resolves when the connection is there; what breaks before is told by the request. */
function whenConnected(outgoing: ClientRequest, onConnected: () => void): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      onConnected()
      resolve()
    }
    outgoing.once('socket', (socket) => {
      if (outgoing.reusedSocket) done()
      else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', done)
    })
  })
}

/** The reply to a request, or why there is none. */
interface Answer {
  readonly answered: Promise<IncomingMessage>
  /** Waits no longer. */
  readonly refuse: (reason: unknown) => void
}

function replyTo(outgoing: ClientRequest): Answer {
  let refuse: Answer['refuse'] = () => undefined
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    refuse = reject
    outgoing.once('response', (incoming) => {
      // Errors come out of the iteration, where there is one.
      incoming.on('error', () => undefined)
      resolve(incoming)
    })
    // Stays: errors may come after the reply, and are then told by its body.
    outgoing.on('error', reject)
    outgoing.once('close', () => reject(new Error('The connection was closed')))
  })
  // The source of the request's body may fail first.
  answered.catch(() => undefined)
  return { answered, refuse }
}

async function* bodyOf(
  incoming: IncomingMessage,
  clock: Clock,
  timeoutMs: number,
  finish: () => Promise<void>,
  reasonOf: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer, void, void>
    for (;;) {
      clock.start(timeoutMs)
      const next = await chunks.next()
      clock.stop()
      if (next.done === true) return
      yield next.value
    }
  } catch (error) {
    throw reasonOf(error)
  } finally {
    await finish()
  }
}

/** Reads a body that is not wanted, if it is short. What happens to it interests nobody. */
async function readShort(body: AsyncIterable<Uint8Array>): Promise<void> {
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.byteLength
      if (size > DISCARD_LIMIT) return
    }
  } catch {
    // The connection is gone.
  }
}

/** Path and query byte for byte; `new URL` would write some of them differently. */
function pathOf(url: string): string {
  const rest = url.slice(url.indexOf('://') + 3)
  const end = rest.search(/[/?#]/)
  const path = end === -1 ? '/' : (rest.slice(end).split('#', 1)[0] ?? '/')
  return path.startsWith('/') ? path : `/${path}`
}
