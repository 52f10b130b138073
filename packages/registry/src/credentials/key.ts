/**
 * Keys of credentials, as Docker and podman write them: a host, a namespace of a host, or a URL.
 *
 * Hosts and ports are compared as a whole: a key that is part of a name, or a part of it, is somebody else's.
 *
 * @module
 */
import type { CredentialQuery } from './credential.ts'

/** Docker Hub, by every name that it has or had. */
const HUB: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/** What Docker calls it in files and to helpers. */
export const HUB_SERVER = 'https://index.docker.io/v1/'

interface Key {
  readonly host: string
  /** Empty for the whole host. */
  readonly namespace: string
  readonly isUrl: boolean
}

/** The values whose keys fit a query, best first: the longest namespace, then the host, then URLs of the host. */
export function matchKeys<T>(entries: ReadonlyMap<string, T>, { host, repository }: CredentialQuery): T[] {
  const wanted = canonicalHost(host)
  return [...entries]
    .map(([text, value]) => ({ value, ...parseKey(text) }))
    .filter((key) => key.host === wanted && isInside(repository, key.namespace))
    .toSorted((one, other) => rank(other) - rank(one))
    .map(({ value }) => value)
}

/** Whether a host is Docker Hub. */
export function isHub(host: string): boolean {
  return HUB.has(host.toLowerCase())
}

function parseKey(text: string): Key {
  const [scheme = ''] = /^https?:\/\//i.exec(text) ?? []
  const rest = text.slice(scheme.length)
  const slash = rest.indexOf('/')
  const host = canonicalHost(slash === -1 ? rest : rest.slice(0, slash))
  const namespace = slash === -1 ? '' : rest.slice(slash + 1).replace(/\/$/, '')
  // The path of a URL is the one of an API, such as `v1/`, which Docker Hub has also without the scheme.
  const isUrl = scheme !== '' || (host === 'docker.io' && namespace === 'v1')
  return { host, namespace: isUrl ? '' : namespace, isUrl }
}

function canonicalHost(host: string): string {
  return isHub(host) ? 'docker.io' : host.toLowerCase()
}

function isInside(repository: string | undefined, namespace: string): boolean {
  return namespace === '' || `${repository ?? ''}/`.startsWith(`${namespace}/`)
}

function rank({ namespace, isUrl }: Key): number {
  return isUrl ? -1 : namespace.length
}
