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
import { type ConnectionOptions, createConnections } from './connections.ts'
import { exchangeOnWire } from './wire.ts'

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
      const target = new URL(request.url)
      return exchangeOnWire(connections.to(target.origin), target, request, timeouts, running)
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
