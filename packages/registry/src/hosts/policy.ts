/**
 * Which URL a registry has, and where its replies may send us.
 *
 * A reply can name other URLs: redirects, upload locations, token realms, next pages. Each is a chance to make the
 * client talk to somebody it should not, such as the metadata service of a cloud, or to say in the clear what was
 * promised a secret.
 *
 * @module
 */
import { RegistryError } from '../errors.ts'
import { redactUrl } from '../http/redact.ts'
import { isRepositoryName } from '../repository-name.ts'
import { isInternalName, isPrivateHost } from './addresses.ts'
import type { Host } from './host.ts'
import { createHostTable, type HostSettings, mirrorHost, type MirrorSettings } from './settings.ts'

/** A mirror of a registry, as a host. */
export interface MirrorHost {
  readonly host: Host
  readonly byDigestOnly: boolean
}

/** What is allowed, for all hosts of a client. */
export interface HostPolicy {
  /** The registry that references call `domain`. */
  hostOf(domain: string): Host
  /** Its mirrors, in the order they are asked in. */
  mirrorsOf(registry: Host): readonly MirrorHost[]
  /** What was said about whoever answers at a URL; nothing is an empty object. */
  settingsAt(url: string): HostSettings
  /** Whether the user has named whoever answers at a URL, in settings or as a mirror. */
  isNamed(url: string): boolean
  /**
   * Refuses a URL that a registry must not send us to.
   *
   * @throws {RegistryError} `ERR_REGISTRY_REFUSED`
   */
  assertTarget(target: string, from: string, registry: string): void
}

const NOTHING: HostSettings = {}

/**
 * Makes a policy: HTTPS, except for loopback and hosts that are said to be insecure.
 *
 * @throws {TypeError} for what is not a host or not a mirror.
 */
export function createHostPolicy(
  insecure: readonly string[] = [],
  hosts: Readonly<Record<string, HostSettings>> = {},
): HostPolicy {
  const table = createHostTable(insecure, hosts)
  const settingsAt = (url: string): HostSettings => table.settingsAt(new URL(url)) ?? NOTHING
  const mirrors = new Map<string, readonly MirrorHost[]>()
  for (const [name, { mirrors: list = [] }] of Object.entries(hosts)) {
    const registry = table.addressOf(name)
    const sorted = list.toSorted((one, other) => (one.priority ?? 0) - (other.priority ?? 0))
    mirrors.set(
      registry.origin,
      sorted.map((mirror) => mirrorOf(registry.name, mirror)),
    )
  }

  function mirrorOf(registry: string, { location, byDigestOnly = false, isProxy = false }: MirrorSettings) {
    const host = mirrorHost(location)
    const prefix = location.slice(host.length + 1)
    if (location.includes('/') && !isRepositoryName(prefix)) {
      throw new TypeError(`Not a mirror: ${JSON.stringify(location)}`)
    }
    return {
      byDigestOnly,
      host: {
        ...table.addressOf(host),
        pathPrefix: prefix === '' ? '' : `${prefix}/`,
        namespace: isProxy ? registry : undefined,
      },
    }
  }

  return {
    hostOf: (domain) => ({ ...table.addressOf(domain), pathPrefix: '', namespace: undefined }),
    mirrorsOf: ({ origin }) =>
      (mirrors.get(origin) ?? []).filter(({ host }) => settingsAt(host.origin).blocked !== true),
    settingsAt,
    isNamed: (url) => table.isNamed(new URL(url)),
    assertTarget(target, from, registry) {
      const to = new URL(target)
      const home = new URL(registry)
      const refuse = (why: string): never => {
        throw new RegistryError('ERR_REGISTRY_REFUSED', `The registry leads to ${redactUrl(target)}: ${why}`)
      }
      if (to.protocol !== 'https:' && to.protocol !== 'http:') refuse('neither HTTP nor HTTPS')
      if (to.username !== '' || to.password !== '') refuse('it holds user information')
      if (table.settingsAt(to)?.blocked === true) {
        throw new RegistryError('ERR_REGISTRY_REFUSED', `${to.host} is blocked by the settings of the client`)
      }
      const before = new URL(from)
      if (to.origin === home.origin && before.origin === home.origin) return
      const isHome = to.hostname === home.hostname
      if (to.protocol === 'http:' && (before.protocol === 'https:' || !(isHome || table.isInsecure(to)))) {
        refuse('not over HTTPS')
      }
      if (isHome || table.isNamed(to)) return
      if (isPrivateHost(to.hostname)) refuse('an address inside a private network')
      if (isInternalName(to.hostname) && !isInternalName(home.hostname))
        refuse('a name inside a private network')
    },
  }
}
