/**
 * A Node HTTP server around a handler.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { RegistryError } from '../errors.ts'
import { chunksOf, streamOf } from './body.ts'

/** Keys of a server, as PEM. */
export interface ServerTls {
  /** Its certificate, and those between it and an authority. */
  readonly cert: string | Uint8Array
  readonly key: string | Uint8Array
  /** An authority: only clients with a certificate of it are served. */
  readonly ca?: string | Uint8Array
}

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
  /** Connections at once; one more is closed. Default 4096. */
  readonly maxConnections?: number
  /** Speaks HTTPS. */
  readonly tls?: ServerTls
}

/** How a server ends. */
export interface CloseOptions {
  /** Exchanges that have begun may take so long to end before they are cut. Default 0. */
  readonly graceMs?: number
}

/** A server that listens. */
export interface RegistryServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:5000`. */
  readonly url: string
  readonly port: number
  /** Stops accepting, lets exchanges end for as long as it is told to, and cuts what is open. Idempotent. */
  close(options?: CloseOptions): Promise<void>
}

/** A refused upload is read on for this long, so that its sender gets to see the answer and not a broken pipe. */
const LINGER_MS = 1000

/**
 * Serves `handler` over HTTP/1.1. Bodies stream both ways; a slow reader slows the store down and fills no memory.
 *
 * @throws {RegistryError} `ERR_REGISTRY_LISTEN` if the address cannot be had, or the keys are none; `cause` says why.
 */
export async function listen(
  handler: (request: Request) => Promise<Response>,
  options: ListenOptions = {},
): Promise<RegistryServer> {
  const { host = '127.0.0.1', port = 0, idleTimeoutMs = 120_000, requestTimeoutMs = 3_600_000 } = options
  const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: Math.min(30_000, requestTimeoutMs) }
  const server = openServer(options.tls, timeouts, (incoming, outgoing) => {
    void serve(handler, incoming, outgoing, () => !server.listening)
  })
  server.timeout = idleTimeoutMs
  server.maxConnections = options.maxConnections ?? 4096
  await bind(server, host, port)
  const address = server.address() as AddressInfo
  const authority = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${authority}:${address.port}`,
    port: address.port,
    close: ({ graceMs = 0 } = {}) => closeServer(server, graceMs),
    [Symbol.asyncDispose]: () => closeServer(server, 0),
  }
}

function openServer(
  tls: ServerTls | undefined,
  timeouts: { readonly requestTimeout: number; readonly headersTimeout: number },
  answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Server {
  if (tls === undefined) return createServer(timeouts, answer)
  const [cert, key] = [Buffer.from(tls.cert), Buffer.from(tls.key)]
  const mutual = tls.ca === undefined ? {} : { ca: Buffer.from(tls.ca), requestCert: true }
  try {
    return createTlsServer({ ...timeouts, cert, key, ...mutual }, answer)
  } catch (cause) {
    throw new RegistryError('ERR_REGISTRY_LISTEN', 'These are no certificate and key', { cause })
  }
}

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), Math.min(graceMs, 2 ** 31 - 1))
    // Also closes connections that are idle.
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    if (graceMs <= 0) server.closeAllConnections()
  })
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      const address = JSON.stringify(`${host}:${port}`)
      reject(new RegistryError('ERR_REGISTRY_LISTEN', `Cannot listen on ${address}`, { cause }))
    }
    // It stays: a connection that cannot be accepted later on, for want of files, must not end the process.
    server.on('error', onError)
    server.listen(port, host, resolve)
  })
}

/** One exchange. A failure while the body is on its way can only be told by breaking the connection. */
async function serve(
  handler: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  isClosing: () => boolean,
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
    // A server that closes would wait in vain for a connection that is kept alive.
    if (isClosing()) outgoing.shouldKeepAlive = false
    outgoing.writeHead(response.status, headerLines(response.headers))
    // A body of another length than announced would be taken for the next answer on the connection.
    outgoing.strictContentLength = true
    if (response.body === null || incoming.method === 'HEAD') {
      await response.body?.cancel()
      outgoing.end()
    } else {
      await pipeline(chunksOf(response.body), outgoing)
    }
    if (!incoming.complete) linger(incoming)
  } catch {
    outgoing.destroy()
  }
}

/** Where values joined by the fetch standard come apart again. No tag holds a comma; in a warning, quotes are escaped. */
const JOINTS: ReadonlyMap<string, string | RegExp> = new Map<string, string | RegExp>([
  ['oci-tag', ', '],
  ['warning', /, (?=299 - ")/],
])

/** Name, value, name, value. */
function headerLines(headers: Headers): string[] {
  return [...headers].flatMap(([name, value]) => {
    const joint = JOINTS.get(name)
    return joint === undefined ? [name, value] : value.split(joint).flatMap((each) => [name, each])
  })
}

/**
 * `undefined` for a request that the fetch standard cannot express, such as TRACE or an absolute target, and for a path
 * that it would read as another one, such as `/v2/a/%2e%2e/b`: a proxy in front may have decided by what it said.
 */
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
    if (new URL(target).pathname !== url.split('?', 1)[0]) return undefined
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
