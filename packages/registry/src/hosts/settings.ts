/**
 * What a user may say about hosts, and the reading of it.
 *
 * Hosts are found by host name and port together, exactly: `ghcr.io` says nothing about `ghcr.io:5000`, nor about
 * `evil-ghcr.io`.
 *
 * @module
 */
import { hasTlsSettings } from '../http/certificates.ts'
import { isLoopback } from './addresses.ts'

/** Settings of one registry or mirror. */
export interface HostSettings {
  /** Spoken to over plain HTTP. Default: loopback without certificates here is, and nobody else. */
  readonly insecure?: boolean
  /** Certificates of authorities, PEM, beside those of the system. */
  readonly ca?: string | readonly string[]
  /** Client certificates, PEM, each with the key at the same place of `key`. Never shown to another host. */
  readonly cert?: string | readonly string[]
  readonly key?: string | readonly string[]
  /** Accepts any certificate. For tests only. */
  readonly skipVerify?: boolean
  /** Requests at once; see the client's option. */
  readonly concurrency?: number
  /** Refuses every request, also those that others lead to. */
  readonly blocked?: boolean
  /** Tried before the registry, in order of priority, for reads only. */
  readonly mirrors?: readonly MirrorSettings[]
  /** Hosts of token realms that may be given credentials, beside those of the registry's own domain. */
  readonly trustedRealms?: readonly string[]
}

/** A mirror of a registry. */
export interface MirrorSettings {
  /** `host[:port][/prefix]`. Its own settings are those of its host. */
  readonly location: string
  /** Lower goes first; equals keep their order. Default 0. */
  readonly priority?: number
  /** Asked for digests only, never for tags. */
  readonly byDigestOnly?: boolean
  /** A proxy for many registries, told which one by `ns=`. Default false. */
  readonly isProxy?: boolean
}

/** Where a host of a reference answers. */
export interface HostAddress {
  readonly name: string
  readonly origin: string
}

/** The settings of a client. */
export interface HostTable {
  /** Where the host answers that a reference calls `name`. */
  addressOf(name: string): HostAddress
  /** The settings of whoever answers at a URL. */
  settingsAt(url: URL): HostSettings | undefined
  /** Whether the user has named whoever answers at a URL. */
  isNamed(url: URL): boolean
  /** Whether plain HTTP was said to be right for whoever answers at a URL. */
  isInsecure(url: URL): boolean
}

/** Docker Hub is called one name and answers under another. */
const HUB_DOMAINS: readonly string[] = ['docker.io', 'index.docker.io']
const HUB_ORIGIN = 'https://registry-1.docker.io'

/**
 * Reads the settings of hosts, and the list of insecure ones. Names are spelled as in references: `host` or
 * `host:port`, compared as a whole.
 *
 * @throws {TypeError} for what is not a host, and for two settings of one.
 */
export function createHostTable(
  insecure: readonly string[] = [],
  settings: Readonly<Record<string, HostSettings>> = {},
): HostTable {
  const entries = Object.entries(settings)
  const plain = new Set(insecure.map((name) => spelled(name)))
  const secure = new Set<string>()
  for (const [name, value] of entries) {
    if (value.insecure === true) plain.add(spelled(name))
    else if (value.insecure === false || hasTlsSettings(value)) secure.add(spelled(name))
  }

  const addressOf = (name: string): HostAddress => {
    if (HUB_DOMAINS.includes(name)) return { name: 'docker.io', origin: HUB_ORIGIN }
    const host = spelled(name)
    const { hostname } = new URL(`http://${host}`)
    const isPlain = plain.has(host) || (isLoopback(hostname) && !secure.has(host))
    const scheme = isPlain ? 'http' : 'https'
    return { name: host, origin: new URL(`${scheme}://${host}`).origin }
  }
  const placeOf = (name: string): string => hostAndPort(new URL(addressOf(name).origin))

  const byPlace = new Map<string, HostSettings>()
  for (const [name, value] of entries) {
    const place = placeOf(name)
    if (byPlace.has(place)) throw new TypeError(`Two settings of one host: ${JSON.stringify(name)}`)
    byPlace.set(place, value)
  }
  const insecurePlaces = new Set([...plain].map((name) => placeOf(name)))
  const mirrors = entries
    .flatMap(([, value]) => value.mirrors ?? [])
    .map(({ location }) => mirrorHost(location))
  const named = new Set([...byPlace.keys(), ...insecurePlaces, ...mirrors.map((name) => placeOf(name))])
  return {
    addressOf,
    settingsAt: (url) => byPlace.get(hostAndPort(url)),
    isNamed: (url) => named.has(hostAndPort(url)),
    isInsecure: (url) => insecurePlaces.has(hostAndPort(url)),
  }
}

/** What ends a host in a URL, or what URL parsers leave out without a word. */
const NOT_IN_HOSTS = /[/?#@\\%\s\p{Cc}]/u

/** Whether `text` can be the name of a host. */
export function isHost(text: string): boolean {
  const url = `http://${text}`
  return !NOT_IN_HOSTS.test(text) && URL.canParse(url) && new URL(url).hostname !== ''
}

/** The part of a mirror's location before the first slash. */
export function mirrorHost(location: string): string {
  return location.split('/', 1)[0] ?? ''
}

function hostAndPort({ protocol, hostname, port }: URL): string {
  return `${hostname.replace(/\.$/, '')}:${port || (protocol === 'http:' ? 80 : 443)}`
}

/** `host[:port]` in the one spelling that URLs have; `80` is the default of both sides of a comparison. */
function spelled(entry: string): string {
  if (!isHost(entry)) throw new TypeError(`Not a host: ${JSON.stringify(entry)}`)
  const { host } = new URL(`http://${entry}`)
  // `new URL` drops `:80`, which over HTTPS is a port like any other.
  return entry.endsWith(':80') && !host.endsWith(':80') ? `${host}:80` : host
}
