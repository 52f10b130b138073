/**
 * Which proxy a request goes through: the rules of Go's `golang.org/x/net/http/httpproxy`, which the tools around
 * registries share, and `ALL_PROXY` as curl has it.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { isLoopback, withoutBrackets } from '../hosts/addresses.ts'

/** Proxies. Loopback is never reached through one. */
export interface ProxySettings {
  /** For plain HTTP. A URL of scheme `http` or `https`, or `host:port`; may hold a user and password. */
  readonly http?: string
  /** For HTTPS: a tunnel, through which the proxy sees no more than the host. */
  readonly https?: string
  /**
   * Hosts that are reached directly, separated by commas: `example.com` (and all below), `.example.com` or
   * `*.example.com` (only below), an address, a network such as `10.0.0.0/8`, each but the last with `:port` if
   * wanted, or `*` for all.
   */
  readonly noProxy?: string
}

/**
 * Proxies as the environment tells them: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` for whichever is missing, and
 * `NO_PROXY`; the names may be lower-case. Under CGI, `HTTP_PROXY` is a header of the request (CVE-2016-5385) and
 * does not count.
 *
 * @example
 * const client = createRegistryClient({ proxy: proxyFromEnvironment(process.env) })
 */
export function proxyFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): ProxySettings {
  const read = (name: string): string | undefined =>
    environment[name] || environment[name.toLowerCase()] || undefined
  const isCgi = Boolean(environment['REQUEST_METHOD'])
  const http = (isCgi ? undefined : read('HTTP_PROXY')) ?? read('ALL_PROXY')
  const https = read('HTTPS_PROXY') ?? read('ALL_PROXY')
  const noProxy = read('NO_PROXY')
  return {
    ...(http === undefined ? {} : { http }),
    ...(https === undefined ? {} : { https }),
    ...(noProxy === undefined ? {} : { noProxy }),
  }
}

/** A proxy that was chosen. */
export interface Proxy {
  readonly origin: string
  /** For `Proxy-Authorization`. */
  readonly authorization: string | undefined
}

/** Gives the proxy for an origin, or `undefined` for a direct connection. */
export type ProxyChoice = (origin: string) => Proxy | undefined

/**
 * Reads settings.
 *
 * @throws {TypeError} for a proxy that is not a URL, or of a scheme that is not spoken here. The message does not
 *   quote it, since it may hold a password.
 */
export function createProxyChoice(settings: ProxySettings = {}): ProxyChoice {
  const proxies: Readonly<Record<string, Proxy | undefined>> = {
    'http:': parseProxy('http', settings.http),
    'https:': parseProxy('https', settings.https),
  }
  const isDirect = createBypass(settings.noProxy ?? '')
  return (origin) => {
    const url = new URL(origin)
    const proxy = proxies[url.protocol]
    return proxy === undefined || isDirect(url) ? undefined : proxy
  }
}

function parseProxy(option: string, text: string | undefined): Proxy | undefined {
  if (text === undefined || text === '') return undefined
  // `proxy.example:3128` parses as a URL of the scheme `proxy.example`.
  const full = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TypeError(`proxy.${option} must be a URL of scheme http or https`)
  }
  const { origin, username, password } = url
  if (username === '' && password === '') return { origin, authorization: undefined }
  const user = `${unescaped(username)}:${unescaped(password)}`
  return { origin, authorization: `Basic ${Buffer.from(user).toString('base64')}` }
}

/** A `%` that begins no escape is a `%`. */
function unescaped(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    Buffer.from(escapes.replaceAll('%', ''), 'hex').toString(),
  )
}

/** One entry of `NO_PROXY`. */
type Matcher = (hostname: string, port: string) => boolean

function createBypass(list: string): (url: URL) => boolean {
  const matchers = list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .map((entry) => (entry === '*' ? () => true : (networkMatcher(entry) ?? hostMatcher(entry))))
  return ({ protocol, hostname, port }) => {
    const name = withoutBrackets(hostname).replace(/\.$/, '')
    const number = port || (protocol === 'http:' ? '80' : '443')
    return isLoopback(name) || matchers.some((matches) => matches(name, number))
  }
}

function networkMatcher(entry: string): Matcher | undefined {
  const [, address = '', bits = ''] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? []
  const version = isIP(address)
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return undefined
  const network = new BlockList()
  network.addSubnet(address, Number(bits), family(version))
  return (name) => isIP(name) !== 0 && network.check(name, family(isIP(name)))
}

function hostMatcher(entry: string): Matcher {
  const [, bracketed, plain, wantedPort] = /^(?:\[(.*)\]|([^:]*))(?::(\d*))?$/.exec(entry) ?? []
  // What has more than one colon and no brackets is an IPv6 address, without a port.
  const host = bracketed ?? plain ?? entry
  const isPort = (port: string): boolean => !wantedPort || port === wantedPort
  if (isIP(host) !== 0) {
    const network = new BlockList()
    network.addAddress(host, family(isIP(host)))
    return (name, port) => isPort(port) && isIP(name) !== 0 && network.check(name, family(isIP(name)))
  }
  const isOnlyBelow = /^\*?\./.test(host)
  const domain = host.replace(/^\*?\./, '').replace(/\.$/, '')
  if (domain === '') return () => false
  const name = domainToASCII(domain) || domain
  return (asked, port) =>
    isPort(port) && isIP(asked) === 0 && (asked.endsWith(`.${name}`) || (!isOnlyBelow && asked === name))
}

function family(version: number): 'ipv4' | 'ipv6' {
  return version === 4 ? 'ipv4' : 'ipv6'
}
