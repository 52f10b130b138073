/**
 * Connections, by what they need: certificates, a proxy, a check of addresses.
 *
 * Hosts that need nothing special share one pool. TLS sessions are resumed within a pool only, so that what one host
 * is trusted with never serves another.
 *
 * @module
 */
import { Agent as HttpAgent, type AgentOptions } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import { RegistryError } from '../errors.ts'
import { isPrivateHost } from '../hosts/addresses.ts'
import { hasTlsSettings, type TlsOptions, tlsOptions, type TlsSettings } from './certificates.ts'
import { createProxyChoice, type Proxy, type ProxySettings } from './proxy.ts'
import { createPublicLookup } from './public-lookup.ts'
import { TunnelAgent } from './tunnel.ts'

/** How to connect. */
export interface ConnectionOptions {
  readonly connectTimeoutMs: number
  readonly proxy?: ProxySettings
  /** Certificates of whoever answers at an origin. */
  readonly tlsOf?: (origin: string) => TlsSettings
  /** Whether an origin may be inside a private network. Default: all may. */
  readonly mayBePrivate?: (origin: string) => boolean
  /** Finds the addresses of a name. Default: the system. */
  readonly lookup?: LookupFunction
}

/** The way to an origin. */
export interface Route {
  readonly agent: HttpAgent
  /** Whoever is given the whole URL, in place of the origin itself. */
  readonly proxy: Proxy | undefined
}

/** The ways to all origins. */
export interface Connections {
  /** @throws {RegistryError} `ERR_REGISTRY_REFUSED` for an address that must not be asked. */
  to(origin: string): Route
  /** Closes what is open. */
  destroy(): void
}

/** What a pool makes its connections with. */
type Connect = TlsOptions & { readonly lookup?: LookupFunction }

const NOTHING: TlsSettings = {}

/** Many servers end what has been idle for five seconds, and a request that crosses that is lost. */
const POOL: AgentOptions = { keepAlive: true, timeout: 4000 }

/** Makes pools as they are needed. */
export function createConnections(options: ConnectionOptions): Connections {
  const { connectTimeoutMs, tlsOf = () => NOTHING, mayBePrivate = () => true, lookup } = options
  const proxyOf = createProxyChoice(options.proxy)
  const publicLookup = createPublicLookup(lookup)
  const pools = new Map<string, HttpAgent>()
  /** Settings and proxies are told apart by identity: equal ones of two hosts are still two. */
  const numbers = new Map<object, number>()
  const numberOf = (thing: object): number => {
    const number = numbers.get(thing) ?? numbers.size
    numbers.set(thing, number)
    return number
  }
  const connectBy = (settings: TlsSettings, isGuarded: boolean): Connect => {
    const lookups = isGuarded ? publicLookup : lookup
    return {
      ...(lookups === undefined ? {} : { lookup: lookups }),
      ...(hasTlsSettings(settings) ? tlsOptions(settings) : {}),
    }
  }
  const open = (isTls: boolean, connect: Connect, proxy: Proxy | undefined): HttpAgent => {
    if (proxy !== undefined && isTls) {
      const toProxy = { ...connectBy(tlsOf(proxy.origin), false), timeout: connectTimeoutMs }
      return new TunnelAgent({ ...POOL, ...connect }, proxy, toProxy)
    }
    const isTlsAtFirst = proxy === undefined ? isTls : proxy.origin.startsWith('https:')
    if (!isTlsAtFirst) return new HttpAgent({ ...POOL, ...connect })
    return new HttpsAgent({
      ...POOL,
      ...(proxy === undefined ? connect : connectBy(tlsOf(proxy.origin), false)),
    })
  }

  return {
    to(origin) {
      const isGuarded = !mayBePrivate(origin)
      const { protocol, hostname } = new URL(origin)
      if (isGuarded && isPrivateHost(hostname)) {
        throw new RegistryError('ERR_REGISTRY_REFUSED', `${origin} is an address inside a private network`)
      }
      const isTls = protocol === 'https:'
      const given = tlsOf(origin)
      const settings = hasTlsSettings(given) ? given : NOTHING
      const proxy = proxyOf(origin)
      // A proxy looks names up by itself.
      const key = `${protocol} ${numberOf(settings)} ${proxy === undefined ? isGuarded : numberOf(proxy)}`
      const agent =
        pools.get(key) ?? open(isTls, connectBy(settings, isGuarded && proxy === undefined), proxy)
      pools.set(key, agent)
      return { agent, proxy: isTls ? undefined : proxy }
    },
    destroy() {
      for (const agent of pools.values()) agent.destroy()
    },
  }
}
