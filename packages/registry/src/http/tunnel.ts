/**
 * TLS through a proxy that sees no more than the name of the host: CONNECT, RFC 9110 section 9.3.6.
 *
 * @module
 */
import { type ClientRequest, request as http } from 'node:http'
import { Agent, type AgentOptions, request as https, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { addressOf } from './address.ts'
import type { Proxy } from './proxy.ts'

/** Thrown where the proxy's words are a no, or nothing that opens a tunnel. */
export class TunnelError extends Error {
  override readonly name = 'TunnelError'
  readonly code = 'ERR_TUNNEL_REFUSED'
  readonly status: number

  constructor(status: number) {
    super(`The proxy answered ${status} to a CONNECT`)
    this.status = status
  }
}

/** A pool of connections that all go through one proxy. */
export class TunnelAgent extends Agent {
  readonly #proxy: Proxy
  readonly #toProxy: RequestOptions
  /** Tunnels that are not open yet. */
  readonly #pending = new Set<ClientRequest>()

  /** `toProxy` is for the way to the proxy; the rest is for what is at the end of the tunnel. */
  constructor(options: AgentOptions, proxy: Proxy, toProxy: RequestOptions) {
    super(options)
    this.#proxy = proxy
    this.#toProxy = toProxy
  }

  /** Called by the pool. The connection comes later, by the callback. */
  override createConnection(
    options: RequestOptions,
    callback: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const { hostname, port, protocol } = new URL(this.#proxy.origin)
    const { authorization } = this.#proxy
    const host = String(options.host)
    const authority = `${host.includes(':') ? `[${host}]` : host}:${options.port}`
    const asking = (protocol === 'https:' ? https : http)({
      ...this.#toProxy,
      agent: false,
      method: 'CONNECT',
      ...addressOf(hostname, port),
      path: authority,
      headers: {
        host: authority,
        ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
      },
    })
    this.#pending.add(asking)
    const end = (error: Error | null, socket?: Duplex): void => {
      if (this.#pending.delete(asking)) callback(error, socket as Duplex)
    }
    asking.once('connect', ({ statusCode = 0 }, socket, head) => {
      // Whoever speaks before TLS has begun is not the other end of a tunnel.
      if (statusCode !== 200 || head.byteLength > 0) {
        socket.destroy()
        end(new TunnelError(statusCode))
        return
      }
      // This one answers at once.
      end(null, super.createConnection({ ...options, socket } as RequestOptions) as Duplex)
    })
    // A proxy that answers a CONNECT as if it were another request opens nothing either.
    asking.once('response', ({ statusCode = 0 }) => {
      end(new TunnelError(statusCode))
      asking.destroy()
    })
    asking.once('timeout', () => asking.destroy(tooLate()))
    asking.once('error', end)
    asking.once('close', () => end(new Error('The proxy closed the connection')))
    asking.end()
    return undefined
  }

  override destroy(): void {
    for (const asking of this.#pending) asking.destroy()
    super.destroy()
  }
}

function tooLate(): Error {
  return Object.assign(new Error('The proxy did not open the tunnel in time'), { code: 'ETIMEDOUT' })
}
