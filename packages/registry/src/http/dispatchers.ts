/**
 * Connections, by what they need: certificates, a proxy, a check of addresses.
 *
 * Hosts that need nothing special share one pool. TLS sessions are resumed within a pool only, so that what one host
 * is trusted with never serves another.
 *
 * @module
 */
import type { LookupFunction } from 'node:net'
import { Agent, buildConnector, type Dispatcher, errors, Pool, ProxyAgent } from 'undici'
import { RegistryError } from '../errors.ts'
import { isPrivateHost } from '../hosts/addresses.ts'
import { hasTlsSettings, type TlsOptions, tlsOptions, type TlsSettings } from './certificates.ts'
import { createProxyChoice, type Proxy, type ProxySettings } from './proxy.ts'
import { createPublicLookup } from './public-lookup.ts'

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

/** Whoever sends the requests of an origin. */
export interface Dispatchers {
  /** @throws {RegistryError} `ERR_REGISTRY_REFUSED` for an address that must not be asked. */
  at(origin: string): Dispatcher
  destroy(): Promise<void>
}

/** What undici makes a connection with. */
interface Connect extends TlsOptions {
  readonly timeout: number
  readonly lookup?: LookupFunction
}

const NOTHING: TlsSettings = {}

/** Makes dispatchers as they are needed. */
export function createDispatchers(options: ConnectionOptions): Dispatchers {
  const { connectTimeoutMs, tlsOf = () => NOTHING, mayBePrivate = () => true, lookup } = options
  const proxyOf = createProxyChoice(options.proxy)
  const publicLookup = createPublicLookup(lookup)
  const pools = new Map<string, Dispatcher>()
  let isDestroyed = false
  /** Settings and proxies are told apart by identity: equal ones of two hosts are still two. */
  const numbers = new Map<object, number>()
  const numberOf = (thing: object): number => {
    const number = numbers.get(thing) ?? numbers.size
    numbers.set(thing, number)
    return number
  }
  const connectOptions = (settings: TlsSettings, isGuarded: boolean): Connect => {
    const lookups = isGuarded ? publicLookup : lookup
    return {
      timeout: connectTimeoutMs,
      ...(lookups === undefined ? {} : { lookup: lookups }),
      ...(hasTlsSettings(settings) ? tlsOptions(settings) : {}),
    }
  }

  return {
    at(origin) {
      if (isDestroyed) throw new errors.ClientDestroyedError()
      const isGuarded = !mayBePrivate(origin)
      if (isGuarded && isPrivateHost(new URL(origin).hostname)) {
        throw new RegistryError('ERR_REGISTRY_REFUSED', `${origin} is an address inside a private network`)
      }
      const given = tlsOf(origin)
      const settings = hasTlsSettings(given) ? given : NOTHING
      const proxy = proxyOf(origin)
      // A proxy looks names up by itself.
      const key = `${numberOf(settings)} ${proxy === undefined ? isGuarded : numberOf(proxy)}`
      const known = pools.get(key)
      if (known !== undefined) return known
      const pool =
        proxy === undefined
          ? new Agent({ connect: connectOptions(settings, isGuarded) })
          : throughProxy(proxy, connectOptions(settings, false), connectOptions(tlsOf(proxy.origin), false))
      pools.set(key, pool)
      return pool
    },
    async destroy() {
      isDestroyed = true
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/** Plain HTTP is handed to a proxy as it is, everything else goes through a tunnel. */
function throughProxy({ origin, authorization }: Proxy, requestTls: Connect, proxyTls: Connect): Dispatcher {
  return new ProxyAgent({
    uri: origin,
    ...(authorization === undefined ? {} : { token: authorization }),
    requestTls: requestTls as NonNullable<ProxyAgent.Options['requestTls']>,
    proxyTls: proxyTls as NonNullable<ProxyAgent.Options['proxyTls']>,
    proxyTunnel: false,
    // A proxy that never opens the tunnel is as good as a host that is not there.
    clientFactory: (url, pool) => new Pool(url, { ...pool, headersTimeout: proxyTls.timeout }),
    factory: (url, pool: Pool.Options) => new Pool(url, { ...pool, connect: once(pool.connect) }),
  })
}

/**
 * A pool takes the end of a connection for a pause and connects again, at once and for ever. For a proxy that closes
 * each connection before there is a tunnel this must be an error as any other.
 */
function once(connect: Pool.Options['connect']): buildConnector.connector {
  const connector = typeof connect === 'function' ? connect : buildConnector(connect ?? {})
  return (options, callback) =>
    connector(options, (...result) => {
      const [cause] = result
      if (cause === null || !('code' in cause) || cause.code !== 'UND_ERR_SOCKET') return callback(...result)
      const error = new Error('The proxy closed the connection', { cause })
      return callback(Object.assign(error, { code: 'ECONNRESET' }), null)
    })
}
