/**
 * One HTTP exchange, and nothing more: no redirects, no retries, no credentials, no decoding.
 *
 * Everything that decides is built on top of this interface, so a test, a proxy or another runtime can take its place.
 * The one here is undici's `request`: `fetch` decodes gzip even when asked not to, which breaks digests, and cannot
 * send a body twice.
 *
 * @module
 */
import type { ByteSource } from '@varve/digest'
import type { Dispatcher } from 'undici'
import { type ConnectionOptions, createDispatchers } from './dispatchers.ts'

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
  /** Takes the place of all that is about connecting; stays the caller's to close. Default: undici, with agents of its own. */
  readonly dispatcher?: Dispatcher
  /** Default 30 s. */
  readonly connectTimeoutMs?: number
  /** From the last byte sent to the first received. Default 120 s, since registries hash before they answer. */
  readonly headersTimeoutMs?: number
  /** Between two parts of a body. Default 60 s. */
  readonly idleTimeoutMs?: number
}

/** A body not wanted is read on to here, which keeps the connection; beyond it the connection is closed. */
const DISCARD_LIMIT = 64 * 1024
/** So long may a body not wanted drip. */
const DISCARD_TIMEOUT_MS = 1000

/** A transport over undici. */
export function createTransport(options: TransportOptions = {}): Transport {
  const connectTimeoutMs = milliseconds(options.connectTimeoutMs, 30_000)
  const headersTimeout = milliseconds(options.headersTimeoutMs, 120_000)
  const bodyTimeout = milliseconds(options.idleTimeoutMs, 60_000)
  const dispatchers = createDispatchers({ ...options, connectTimeoutMs })
  return {
    async send({ method, url, headers, body, signal }) {
      signal?.throwIfAborted()
      const { origin } = new URL(url)
      const dispatcher = options.dispatcher ?? dispatchers.at(origin)
      const response = await dispatcher.request({
        origin,
        path: pathOf(url),
        method,
        headers: { ...headers, ...(body?.size === undefined ? {} : { 'content-length': String(body.size) }) },
        body: body === undefined || body.size === 0 ? null : (body.open(signal && { signal }) as never),
        headersTimeout,
        bodyTimeout,
        ...(signal === undefined ? {} : { signal }),
      })
      return {
        status: response.statusCode,
        headers: headersOf(response.headers),
        body: response.body,
        async discard() {
          const timer = setTimeout(() => response.body.destroy(), DISCARD_TIMEOUT_MS)
          // What happens to an unwanted body interests nobody.
          await response.body.dump({ limit: DISCARD_LIMIT }).catch(() => undefined)
          clearTimeout(timer)
        },
      }
    },
    close: () => dispatchers.destroy(),
  }
}

/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

function milliseconds(given: number | undefined, standard: number): number {
  return Math.min(given ?? standard, MAX_TIMER_MS)
}

/** Path and query byte for byte; `new URL` would write some of them differently. */
function pathOf(url: string): string {
  const rest = url.slice(url.indexOf('://') + 3)
  const end = rest.search(/[/?#]/)
  const path = end === -1 ? '/' : (rest.slice(end).split('#', 1)[0] ?? '/')
  return path.startsWith('/') ? path : `/${path}`
}

function headersOf(raw: Record<string, string | string[] | undefined>): TransportHeaders {
  const headers = new Map<string, readonly string[]>()
  for (const [name, value] of Object.entries(raw)) {
    if (value !== undefined) headers.set(name.toLowerCase(), typeof value === 'string' ? [value] : value)
  }
  return headers
}
