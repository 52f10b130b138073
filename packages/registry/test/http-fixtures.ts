/**
 * Networks for the tests of what is below a repository.
 *
 * @module
 */
import { createServer, type IncomingMessage, request as forward, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createSocketServer, type Socket } from 'node:net'
import type { Authorizer } from '../src/auth/authorizer.ts'
import type { Host } from '../src/hosts/host.ts'
import { createHostPolicy } from '../src/hosts/policy.ts'
import {
  createExchange,
  type Exchange,
  type ExchangeOptions,
  type ExchangeRequest,
} from '../src/http/exchange.ts'
import { createLimiter } from '../src/http/limiter.ts'
import type { Transport } from '../src/http/transport.ts'
import type { Teardown } from './fixtures.ts'

/** What a made-up server says. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: Uint8Array
}

/** What was sent to it. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
}

/** A network of our own, where any host can be anybody. */
export function fakeNetwork(answer: (request: Sent) => Reply | Promise<Reply>): {
  readonly transport: Transport
  readonly sent: Sent[]
} {
  const sent: Sent[] = []
  return {
    sent,
    transport: {
      async send({ method, url, headers, body, signal }) {
        signal?.throwIfAborted()
        const request = { method, url, authorization: headers['authorization'] }
        sent.push(request)
        if (body !== undefined) for await (const _ of body.open());
        const reply = await answer(request)
        const lists = Object.entries(reply.headers ?? {}).map(
          ([name, value]) => [name, typeof value === 'string' ? [value] : value] as const,
        )
        return {
          status: reply.status,
          headers: new Map(lists),
          body: (async function* () {
            if (method !== 'HEAD') yield reply.body ?? new Uint8Array()
          })(),
          discard: async () => undefined,
        }
      },
      close: async () => undefined,
    },
  }
}

/** Knows nothing, and has no answer. */
export const nobody: Authorizer = {
  authorization: async () => undefined,
  answer: async () => false,
}

/** An exchange that retries nothing, of the parts that a test gives. */
export function exchangeOver(transport: Transport, parts: Partial<ExchangeOptions> = {}): Exchange {
  return createExchange({
    transport,
    hosts: createHostPolicy(),
    authorizer: nobody,
    limiter: createLimiter(4),
    retry: { retries: 0 },
    userAgent: 'test',
    ...parts,
  })
}

/** A GET at a host, which is expected to be answered 200. */
export function getFrom(host: Host, path: string = '/v2/'): ExchangeRequest {
  const url = `${host.origin}${path}`
  return { method: 'GET', url, host, repository: 'x', scopes: ['repository:x:pull'], expect: [200] }
}

/** A proxy that forwards plain requests and opens tunnels. */
export interface ForwardProxy {
  readonly origin: string
  /** Such as `CONNECT 127.0.0.1:5000` and `GET http://127.0.0.1:5000/v2/`. */
  readonly requests: string[]
  /** The `Proxy-Authorization` of each. */
  readonly users: (string | undefined)[]
}

/** Starts one, which may itself speak TLS. `refuse` gives a status that is not 200. */
export async function startProxy(
  t: Teardown,
  refuse: (request: IncomingMessage) => number | undefined = () => undefined,
  tls?: { readonly cert: string; readonly key: string },
): Promise<ForwardProxy> {
  const requests: string[] = []
  const users: (string | undefined)[] = []
  const note = (request: IncomingMessage): void => {
    requests.push(`${request.method} ${request.url}`)
    users.push(request.headers['proxy-authorization'])
  }
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    note(request)
    const status = refuse(request)
    if (status !== undefined) {
      response.writeHead(status).end()
      return
    }
    const { 'proxy-authorization': _, ...headers } = request.headers
    const onward = forward(request.url ?? '', { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
      answer.pipe(response)
    })
    onward.once('error', () => response.destroy())
    request.pipe(onward)
  }
  const server = tls === undefined ? createServer(handle) : createTlsServer({ ...tls }, handle)
  const sockets = new Set<Socket>()
  server.on('connect', (request, socket: Socket) => {
    note(request)
    const status = refuse(request)
    if (status !== undefined) {
      socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
      return
    }
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(request.url ?? '') ?? []
    const target = connect(Number(port), host.replace(/^\[|\]$/g, ''), () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(target).pipe(socket)
    })
    for (const end of [socket, target]) {
      sockets.add(end)
      end.once('error', () => end.destroy())
      end.once('close', () => [socket, target].forEach((other) => other.destroy()))
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const origin = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  return { origin, requests, users }
}

/** A server of bare connections; its host and port. */
export async function startSocket(t: Teardown, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createSocketServer((socket) => {
    sockets.add(socket)
    socket.once('error', () => socket.destroy())
    answer(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
