/**
 * Which token realms may be asked, and which of them may see credentials.
 *
 * The realm comes from a reply. A registry that could name any would learn what our network answers, and one that has
 * been broken into would have the credentials sent to its new owner.
 *
 * @module
 */
import { RegistryError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { isPrivateHost } from '../hosts/addresses.ts'
import type { HostPolicy } from '../hosts/policy.ts'
import { redactUrl } from '../http/redact.ts'

/** Realms in other domains than their registries, by the name of the registry. */
const KNOWN_REALMS: ReadonlyMap<string, string> = new Map([
  ['docker.io', 'auth.docker.io'],
  ['nvcr.io', 'authn.nvidia.com'],
])

/** Below it every name is another customer, but it is not on the public suffix list. */
const AZURE = /^([a-z0-9-]+)(?:\.[a-z0-9-]+\.geo)?\.azurecr\.io$/

/** The part after `//` must begin a host, and a backslash is a slash to URL parsers. */
const WEB_ADDRESS = /^https?:\/\/[^/?#\\][\x21-\x5b\x5d-\x7e]*$/i

/** Whose realm it is, and what the user has said. */
export interface RealmRules {
  readonly host: Host
  readonly hosts: HostPolicy
  /** Hosts that may see credentials whatever their domain, as `host` or `host:port`. */
  readonly trusted: readonly string[]
}

/**
 * Tells whether a realm, or where it leads on to, may see the credentials of its registry.
 *
 * @throws {RegistryError} as {@link assertRealm}
 */
export async function admitRealm(target: string, rules: RealmRules): Promise<boolean> {
  if (assertRealm(target, rules)) return true
  const realm = new URL(target)
  const { host } = rules
  return isOfSameOwner(hostnameOf(realm), realm.port, host.name, hostnameOf(new URL(host.origin)))
}

/**
 * Tells whether a realm is the registry itself, or one that the user trusts. Anonymously, others may be asked too.
 *
 * @throws {RegistryError} `ERR_REGISTRY_REFUSED` if it must not be asked at all.
 */
export function assertRealm(target: string, { host, hosts, trusted }: RealmRules): boolean {
  if (!WEB_ADDRESS.test(target) || !URL.canParse(target)) {
    throw refused('The registry names a token realm that is not a web address')
  }
  const realm = new URL(target)
  const registry = new URL(host.origin)
  if (realm.username !== '' || realm.password !== '') refuse(target, 'it holds user information')
  const isTrusted = trusted.some((entry) => authorityOf(realm) === withPort(entry, realm.protocol))
  const isRegistry = authorityOf(realm) === authorityOf(registry)
  const mayBePlain = registry.protocol === 'http:' && (isRegistry || isTrusted)
  if (realm.protocol === 'http:' && !mayBePlain) refuse(target, 'not over HTTPS')
  if (isRegistry || isTrusted) return true
  if (isPrivateHost(hostnameOf(realm))) refuse(target, 'an address inside a private network')
  hosts.assertTarget(target, host.origin, host.origin)
  return false
}

/** Refuses to be led on by a realm. */
export function refuse(target: string, why: string): never {
  throw refused(`The token realm ${redactUrl(target)} is refused: ${why}`)
}

function refused(message: string): RegistryError {
  return new RegistryError('ERR_REGISTRY_REFUSED', message)
}

async function isOfSameOwner(realm: string, port: string, name: string, registry: string): Promise<boolean> {
  if (port === '' && KNOWN_REALMS.get(name) === realm) return true
  const customer = AZURE.exec(registry)?.[1]
  if (customer !== undefined) return AZURE.exec(realm)?.[1] === customer
  // The list takes 20 ms to load (measured), and few registries have their realm elsewhere.
  suffixes ??= import('tldts')
  const { getDomain } = await suffixes
  // The registrable domain: one label below a public suffix. None for addresses and for suffixes themselves.
  const domainOf = (hostname: string): string | null =>
    getDomain(hostname, { allowPrivateDomains: true, extractHostname: false })
  const domain = domainOf(registry)
  return domain !== null && domainOf(realm) === domain
}

let suffixes: Promise<typeof import('tldts')> | undefined

/** With the port, also where it is the default of the scheme. */
function authorityOf(url: URL): string {
  return `${hostnameOf(url)}:${url.port || defaultPort(url.protocol)}`
}

/** `URL` keeps the dot of an absolute name, which leads to the same place. */
function hostnameOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, '')
}

function withPort(entry: string, protocol: string): string {
  const host = entry.toLowerCase()
  return /:\d+$/.test(host) ? host : `${host}:${defaultPort(protocol)}`
}

function defaultPort(protocol: string): string {
  return protocol === 'http:' ? '80' : '443'
}
