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
import { Agent, type Dispatcher } from 'undici'

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
export interface TransportOptions {
  /** For proxies, certificates and client keys; stays the caller's to close. Default: an agent of its own. */
  readonly dispatcher?: Dispatcher
  /** Default 30 s. Does not apply to a `dispatcher`. */
  readonly connectTimeoutMs?: number
  /** From the last byte sent to the first received. Default 120 s, since registries hash before they answer. */
  readonly headersTimeoutMs?: number
  /** Between two parts of a body. Default 60 s. */
  readonly idleTimeoutMs?: number
}

/** A body not wanted is read on to here, which keeps the connection; beyond it the connection is closed. */
const DISCARD_LIMIT = 64 * 1024

/** A transport over undici. */
export function createTransport(options: TransportOptions = {}): Transport {
  const { connectTimeoutMs = 30_000, headersTimeoutMs = 120_000, idleTimeoutMs = 60_000 } = options
  const own =
    options.dispatcher === undefined ? new Agent({ connect: { timeout: connectTimeoutMs } }) : undefined
  const dispatcher = options.dispatcher ?? own!
  return {
    async send({ method, url, headers, body, signal }) {
      signal?.throwIfAborted()
      const response = await dispatcher.request({
        origin: new URL(url).origin,
        path: pathOf(url),
        method,
        headers: body?.size === undefined ? headers : { ...headers, 'content-length': String(body.size) },
        body: body === undefined || body.size === 0 ? null : (body.open(signal && { signal }) as never),
        headersTimeout: headersTimeoutMs,
        bodyTimeout: idleTimeoutMs,
        ...(signal === undefined ? {} : { signal }),
      })
      return {
        status: response.statusCode,
        headers: headersOf(response.headers),
        body: response.body,
        async discard() {
          // What happens to an unwanted body interests nobody.
          await response.body.dump({ limit: DISCARD_LIMIT }).catch(() => undefined)
        },
      }
    },
    async close() {
      await own?.destroy()
    },
  }
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
