/**
 * Where a cache server is and what it is told with every request.
 *
 * @module
 */
import { type AgentOptions, Agent as HttpAgent, validateHeaderName, validateHeaderValue } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { createSecureContext } from 'node:tls'
import { CacheStoreError } from '../errors.ts'

/** A name and a password, or a token. */
export type HttpCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly token: string }

/** Where a server is, and who it may be and whom it sees. */
export interface EndpointOptions {
  /** Such as `https://cache.example/prefix`. User information in it is taken as credentials. */
  readonly url: string | URL
  /** Sent with every request; they may be secret. */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as `Authorization`, with a name as Basic, with a token as Bearer. */
  readonly credentials?: HttpCredentials
  /** Authorities that sign the server's certificate, as PEM, in place of the usual ones. */
  readonly ca?: string | readonly string[]
  /** Certificate of the client, as PEM; goes with `key`. */
  readonly cert?: string
  /** Private key of the client, as PEM. */
  readonly key?: string
}

/** A server, as the transport needs it. */
export interface Endpoint {
  readonly protocol: 'http:' | 'https:'
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string
  readonly port: string
  /** Path that `cas/` and `ac/` follow; ends with a slash. */
  readonly prefix: string
  readonly headers: Readonly<Record<string, string>>
  readonly agent: HttpAgent
  /** Names a request in messages; nothing in it is secret. */
  describe(method: string, path: string): string
}

/** What the transport decides by itself. */
const RESERVED = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'if-none-match',
  'range',
  'transfer-encoding',
])

/**
 * Checks the options and makes the agent, whose sockets are at most `sockets`.
 *
 * @throws {TypeError} for options that make no sense, with no secret in the message; `ERR_CACHE_STORE_CONFIG` for a
 *   certificate or key that is none.
 */
export function createEndpoint(options: EndpointOptions, sockets: number): Endpoint {
  const url = parseUrl(options.url)
  const prefix = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`
  const base = `${url.protocol}//${url.host}${prefix}`
  const protocol = url.protocol === 'https:' ? 'https:' : 'http:'
  return {
    protocol,
    hostname: url.hostname.replaceAll(/^\[|\]$/g, ''),
    port: url.port,
    prefix,
    headers: headersOf(options, url),
    agent: createAgent(options, protocol, sockets),
    describe: (method, path) => `${method} ${base}${path}`,
  }
}

function parseUrl(input: string | URL): URL {
  // The text is not quoted: what cannot be parsed may hold a password anywhere.
  if (!URL.canParse(String(input))) throw new TypeError('The url of the cache is not a URL')
  const url = new URL(input)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`Not http or https: ${JSON.stringify(url.protocol)}`)
  }
  if (url.search !== '' || url.hash !== '') {
    throw new TypeError('The url of a cache has neither a query nor a fragment')
  }
  return url
}

function headersOf(options: EndpointOptions, url: URL): Record<string, string> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'varve' }
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    if (RESERVED.has(name.toLowerCase())) throw new TypeError(`Not a header to set: ${JSON.stringify(name)}`)
    headers[name.toLowerCase()] = value
  }
  const credentials = options.credentials ?? credentialsIn(url)
  if (credentials === undefined) return headers
  if ('authorization' in headers) throw new TypeError('Both credentials and an authorization header')
  const authorization = authorizationOf(credentials)
  validateHeaderValue('authorization', authorization)
  return { ...headers, authorization }
}

function credentialsIn(url: URL): HttpCredentials | undefined {
  if (url.username === '' && url.password === '') return undefined
  try {
    return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
  } catch {
    throw new TypeError('The user information of the url is not percent-encoded UTF-8')
  }
}

/** RFC 7617 section 2, RFC 6750 section 2.1. */
function authorizationOf(credentials: HttpCredentials): string {
  if ('token' in credentials) return `Bearer ${credentials.token}`
  const { username, password } = credentials
  if (username.includes(':')) throw new TypeError('A user name has no colon')
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function createAgent(
  { ca, cert, key }: EndpointOptions,
  protocol: Endpoint['protocol'],
  sockets: number,
): HttpAgent {
  const pool: AgentOptions = { keepAlive: true, maxSockets: sockets, maxFreeSockets: sockets }
  const tls = {
    ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
  if ((cert === undefined) !== (key === undefined)) throw new TypeError('cert and key go together')
  if (protocol === 'http:') {
    if (Object.keys(tls).length > 0) throw new TypeError('ca, cert and key are of use with https only')
    return new HttpAgent(pool)
  }
  try {
    // Now, and not at the first request: it is here that the caller can do something about it.
    createSecureContext(tls)
  } catch (cause) {
    throw new CacheStoreError('ERR_CACHE_STORE_CONFIG', 'The certificates or the key cannot be used', {
      cause,
      hint: 'ca, cert and key are PEM texts, not the names of files, and the key belongs to the certificate',
    })
  }
  return new HttpsAgent({ ...pool, ...tls })
}
