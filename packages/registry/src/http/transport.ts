/**
 * One HTTP exchange, and nothing more: no redirects, no retries, no credentials, no decoding.
 *
 * Everything that decides is built on top of this interface, so a test, a proxy or another runtime can take its place.
 * The one here is `node:http`, which is there before anything is loaded: `fetch` decodes gzip even when asked not to,
 * which breaks digests.
 *
 * @module
 */
import type { ByteSource } from '@varve/digest'
import { type ClientRequest, type IncomingMessage, request as http } from 'node:http'
import { request as https } from 'node:https'
import { type Clock, createClock } from './clock.ts'
import { type ConnectionOptions, createConnections, type Route } from './connections.ts'
import { sendBody } from './request-body.ts'

/** A request. The URL is sent as it is written: an upload location is opaque, and its query may be signed. */
export interface TransportRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Opened once an exchange. Its size, where known, is the `Content-Length`. */
  readonly body?: ByteSource
  readonly signal?: AbortSignal
}

/** Headers by lower-case name; each a list, since repeated headers are a fact worth knowing. */
export type TransportHeaders = ReadonlyMap<string, readonly string[]>

/** A reply. Its body must be read to the end or discarded, or it holds its connection. */
export interface TransportResponse {
  readonly status: number
  readonly headers: TransportHeaders
  /** The bytes of the wire. Ends with an error if the connection breaks. */
  readonly body: AsyncIterable<Uint8Array>
  /** Reads a short rest or closes the connection. */
  discard(): Promise<void>
}

/** Sends requests. Rejects with whatever went wrong underneath, or with `signal.reason`. */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>
  /** Closes idle connections, and breaks busy ones. */
  close(): Promise<void>
}

/** How {@link createTransport} connects. */
export interface TransportOptions extends Partial<ConnectionOptions> {
  /** Default 30 s. */
  readonly connectTimeoutMs?: number
  /** From the last byte sent to the first received, and for each part of a body sent. Default 120 s: registries hash. */
  readonly headersTimeoutMs?: number
  /** Between two parts of a body. Default 60 s. */
  readonly idleTimeoutMs?: number
}

/** Milliseconds that each step may take. */
interface Timeouts {
  readonly connect: number
  readonly headers: number
  readonly idle: number
}

/** A body not wanted is read on to here, which keeps the connection; beyond it the connection is closed. */
const DISCARD_LIMIT = 64 * 1024
/** So long may a body not wanted drip. */
const DISCARD_TIMEOUT_MS = 1000

/** A transport over `node:http` and `node:https`. */
export function createTransport(options: TransportOptions = {}): Transport {
  const timeouts = {
    connect: milliseconds(options.connectTimeoutMs, 30_000),
    headers: milliseconds(options.headersTimeoutMs, 120_000),
    idle: milliseconds(options.idleTimeoutMs, 60_000),
  }
  const connections = createConnections({ ...options, connectTimeoutMs: timeouts.connect })
  const running = new Set<(reason: Error) => void>()
  let isClosed = false
  return {
    async send(request) {
      request.signal?.throwIfAborted()
      if (isClosed) throw closed()
      return exchange(connections.to(new URL(request.url).origin), request, timeouts, running)
    },
    async close() {
      isClosed = true
      for (const stop of running) stop(closed())
      connections.destroy()
    },
  }
}

/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

function milliseconds(given: number | undefined, standard: number): number {
  return Math.min(given ?? standard, MAX_TIMER_MS)
}

function closed(): Error {
  return Object.assign(new Error('The transport is closed'), { code: 'ERR_TRANSPORT_CLOSED' })
}

/** While it goes on it is in `running`, by what ends it. */
async function exchange(
  route: Route,
  request: TransportRequest,
  timeouts: Timeouts,
  running: Set<(reason: Error) => void>,
): Promise<TransportResponse> {
  const { signal, body: source } = request
  let stopped: { readonly reason: unknown } | undefined
  let incoming: IncomingMessage | undefined
  let isSent = source === undefined
  const outgoing = begin(route, request)
  const { answered, refuse } = replyTo(outgoing)
  const stop = (reason: unknown): void => {
    stopped ??= { reason }
    refuse(reason)
    incoming?.destroy()
    outgoing.destroy()
  }
  const clock = createClock(stop)
  const onAbort = (): void => stop(signal?.reason)
  const finish = (): void => {
    clock.finish()
    running.delete(stop)
    signal?.removeEventListener('abort', onAbort)
    // The connection of a whole exchange went back to the pool by itself; of half a one nothing can be used again.
    if (isSent && incoming?.readableEnded === true) return
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
    if (source !== undefined) {
      isSent = await sendBody(outgoing, source, { clock, timeoutMs: timeouts.headers, signal })
    }
    if (incoming === undefined) clock.start(timeouts.headers)
    return answered
  }
  try {
    incoming = await Promise.race([answered, sending()])
  } catch (error) {
    finish()
    throw error
  }
  clock.stop()
  // Errors come out of the iteration, where there is one.
  incoming.on('error', () => undefined)
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

function begin({ agent, proxy }: Route, { method, url, headers, body }: TransportRequest): ClientRequest {
  const target = new URL(url)
  const { protocol, hostname, port } = proxy === undefined ? target : new URL(proxy.origin)
  const length = body?.size === undefined ? {} : { 'content-length': String(body.size) }
  const whole = proxy === undefined ? {} : { host: target.host }
  const user = proxy?.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }
  try {
    return (protocol === 'https:' ? https : http)({
      protocol,
      hostname: hostname.replaceAll(/^\[|\]$/g, ''),
      port,
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
  refuse(reason: unknown): void
}

function replyTo(outgoing: ClientRequest): Answer {
  let refuse: Answer['refuse'] = () => undefined
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    refuse = reject
    outgoing.once('response', resolve)
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
  finish: () => void,
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
    finish()
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
