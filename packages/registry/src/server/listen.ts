/**
 * A Node HTTP server around a handler.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { RegistryError } from '../errors.ts'
import { streamOf } from './body.ts'

/** Where a server listens, and how long it waits. */
export interface ListenOptions {
  /** Default `127.0.0.1`: reachable from this machine only. */
  readonly host?: string
  /** Default 0: one that is free. */
  readonly port?: number
  /** A connection on which nothing moves for this long is closed. Default 120 s, since a store may hash before it answers. */
  readonly idleTimeoutMs?: number
  /** A request that takes longer to arrive is answered 408. Default 1 h, since a large blob takes its time. */
  readonly requestTimeoutMs?: number
}

/** A server that listens. */
export interface RegistryServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:5000`. */
  readonly url: string
  readonly port: number
  /** Stops accepting and cuts what is open. Idempotent. */
  close(): Promise<void>
}

/** A refused upload is read on for this long, so that its sender gets to see the answer and not a broken pipe. */
const LINGER_MS = 1000

/**
 * Serves `handler` over HTTP/1.1, without TLS. Bodies stream both ways; a slow reader slows the store down and fills
 * no memory.
 *
 * @throws {RegistryError} `ERR_REGISTRY_LISTEN` if the address cannot be had; `cause` says why.
 */
export async function listen(
  handler: (request: Request) => Promise<Response>,
  options: ListenOptions = {},
): Promise<RegistryServer> {
  const { host = '127.0.0.1', port = 0, idleTimeoutMs = 120_000, requestTimeoutMs = 3_600_000 } = options
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: Math.min(30_000, requestTimeoutMs) },
    (incoming, outgoing) => void serve(handler, incoming, outgoing),
  )
  server.timeout = idleTimeoutMs
  await bind(server, host, port)
  const address = server.address() as AddressInfo
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    port: address.port,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      const address = JSON.stringify(`${host}:${port}`)
      reject(new RegistryError('ERR_REGISTRY_LISTEN', `Cannot listen on ${address}`, { cause }))
    }
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

/** One exchange. A failure while the body is on its way can only be told by breaking the connection. */
async function serve(
  handler: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const ended = new AbortController()
  outgoing.once('close', () => ended.abort())
  try {
    const request = requestOf(incoming, ended.signal)
    if (request === undefined) {
      outgoing.writeHead(400, { 'Content-Length': '0', Connection: 'close' }).end()
      return
    }
    const response = await handler(request)
    outgoing.writeHead(response.status, headerLines(response.headers))
    if (response.body === null || incoming.method === 'HEAD') {
      await response.body?.cancel()
      outgoing.end()
    } else {
      await pipeline(response.body, outgoing)
    }
    if (!incoming.complete) linger(incoming)
  } catch {
    outgoing.destroy()
  }
}

/** Name, value, name, value. A tag holds no comma, so tags joined by the fetch standard come apart again. */
function headerLines(headers: Headers): string[] {
  return [...headers].flatMap(([name, value]) =>
    name === 'oci-tag' ? value.split(', ').flatMap((tag) => [name, tag]) : [name, value],
  )
}

/** `undefined` for a request that the fetch standard cannot express, such as TRACE or an absolute target. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = 'GET', url = '' } = incoming
  if (!url.startsWith('/')) return undefined
  const headers = new Headers()
  try {
    for (const [name, values] of Object.entries(incoming.headersDistinct)) {
      for (const value of values ?? []) headers.append(name, value)
    }
    // The host is not part of what a registry decides on; a made-up one cannot be forged.
    const target = `http://registry.invalid${url}`
    if (method === 'GET' || method === 'HEAD') return new Request(target, { method, headers, signal })
    // Leaving the iteration must not destroy the socket, which still has to carry the answer.
    const body = streamOf(incoming.iterator({ destroyOnReturn: false }))
    return new Request(target, { method, headers, signal, body, duplex: 'half' })
  } catch {
    return undefined
  }
}

/** Closing at once would reset the connection, and the answer on its way with it. */
function linger(incoming: IncomingMessage): void {
  incoming.resume()
  const timer = setTimeout(() => incoming.destroy(), LINGER_MS)
  incoming.once('close', () => clearTimeout(timer))
}
