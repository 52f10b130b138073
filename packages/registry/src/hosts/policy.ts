/**
 * Which URL a registry has, and where its replies may send us.
 *
 * A reply can name other URLs: redirects, upload locations, token realms, next pages. Each is a chance to make the
 * client talk to somebody it should not, such as the metadata service of a cloud, or to say in the clear what was
 * promised a secret.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'
import { RegistryError } from '../errors.ts'
import type { Host } from './host.ts'
import { redactUrl } from '../http/redact.ts'

/** What is allowed, for all hosts of a client. */
export interface HostPolicy {
  /** The registry that references call `domain`. */
  hostOf(domain: string): Host
  /**
   * Refuses a URL that a registry must not send us to.
   *
   * @throws {RegistryError} `ERR_REGISTRY_REFUSED`
   */
  assertTarget(target: string, from: string, registry: string): void
}

/** Docker Hub is called one name and answers under another. */
const HUB_DOMAINS: readonly string[] = ['docker.io', 'index.docker.io']
const HUB_ORIGIN = 'https://registry-1.docker.io'

/**
 * Makes a policy: HTTPS, except for loopback and the hosts in `insecure`, which are spelled as in a reference:
 * `host` or `host:port`, compared as a whole.
 */
export function createHostPolicy(insecure: readonly string[] = []): HostPolicy {
  const plain = new Set(insecure.map((entry) => hostOf(entry)))
  return {
    hostOf(domain) {
      if (HUB_DOMAINS.includes(domain)) return registryAt('docker.io', HUB_ORIGIN)
      const host = hostOf(domain)
      const { hostname } = new URL(`http://${host}`)
      const scheme = plain.has(host) || isLoopback(hostname) ? 'http' : 'https'
      return registryAt(host, new URL(`${scheme}://${host}`).origin)
    },
    assertTarget(target, from, registry) {
      const to = new URL(target)
      const home = new URL(registry)
      const refuse = (why: string): never => {
        throw new RegistryError('ERR_REGISTRY_REFUSED', `The registry leads to ${redactUrl(target)}: ${why}`)
      }
      if (to.protocol !== 'https:' && to.protocol !== 'http:') refuse('neither HTTP nor HTTPS')
      if (to.username !== '' || to.password !== '') refuse('it holds user information')
      if (to.origin === home.origin && new URL(from).origin === home.origin) return
      const trusted = plain.has(to.host) || to.hostname === home.hostname
      if (to.protocol === 'http:' && (new URL(from).protocol === 'https:' || !trusted)) {
        refuse('not over HTTPS')
      }
      if (isPrivate(to.hostname) && !trusted) refuse('an address inside a private network')
    },
  }
}

function registryAt(name: string, origin: string): Host {
  return { name, origin, pathPrefix: '', namespace: undefined }
}

/** `host[:port]` in the one spelling that URLs have; `80` is the default of both sides of a comparison. */
function hostOf(entry: string): string {
  const text = `http://${entry}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== ''
  ) {
    throw new TypeError(`Not a host: ${JSON.stringify(entry)}`)
  }
  // `new URL` drops `:80`, which over HTTPS is a port like any other.
  return entry.endsWith(':80') && !url.host.endsWith(':80') ? `${url.host}:80` : url.host
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || contains(LOOPBACK, hostname)
}

/** Whether a host is spelled as an address that is not on the public internet, or as this machine. */
function isPrivate(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || contains(PRIVATE, hostname)
}

function contains(networks: BlockList, hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  const version = isIP(address)
  return version !== 0 && networks.check(address, version === 4 ? 'ipv4' : 'ipv6')
}

const LOOPBACK = blockList(['127.0.0.0/8', '::1/128'])

/** IANA's special-purpose registries; IPv4 inside IPv6 counts as private whatever it holds. */
const PRIVATE = blockList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
  '::/96',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
])

function blockList(prefixes: readonly string[]): BlockList {
  const list = new BlockList()
  for (const prefix of prefixes) {
    const [address = '', bits = ''] = prefix.split('/')
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}
