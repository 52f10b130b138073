/**
 * `certs.d`: certificates by host, as Docker and Podman keep them.
 *
 *     /etc/docker/certs.d/
 *       registry.example:5000/
 *         ca.crt                  an authority
 *         client.cert client.key  who we are
 *
 * @module
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { RegistryError } from '../errors.ts'
import { type HostSettings, isHost } from './settings.ts'

const MAX_FILE_BYTES = 1024 * 1024
const MAX_HOSTS = 1000

/**
 * Reads such a directory into settings for the client's option `hosts`. A directory that does not exist says nothing,
 * and neither does what is in it under a name that is not a host.
 *
 * @throws {RegistryError} `ERR_REGISTRY_SETTINGS` for what cannot be read, is too large, or is a client certificate
 *   without its key, or a key without its certificate. Names the file, and nothing of what it holds.
 * @example
 * const hosts = await readCertsDirectory('/etc/docker/certs.d')
 * const client = createRegistryClient({ hosts })
 */
export async function readCertsDirectory(
  directory: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Record<string, HostSettings>> {
  const names = (await namesIn(directory)).filter((name) => isHost(name)).slice(0, MAX_HOSTS)
  const settings: [string, HostSettings][] = []
  for (const name of names) {
    signal?.throwIfAborted()
    const read = await readHost(join(directory, name))
    if (read !== undefined) settings.push([name, read])
  }
  return Object.fromEntries(settings)
}

async function readHost(directory: string): Promise<HostSettings | undefined> {
  const names = await namesIn(directory)
  const [authorities, certificates, keys] = ['.crt', '.cert', '.key'].map((extension) =>
    names.filter((name) => name.endsWith(extension)),
  ) as [string[], string[], string[]]
  const partners = certificates.map((name) => name.replace(/cert$/, 'key'))
  assertPairs(directory, partners, keys, 'client certificate')
  assertPairs(directory, keys, partners, 'key')
  const texts = (files: readonly string[]): Promise<string[]> =>
    Promise.all(files.map((name) => readText(join(directory, name))))
  const [ca, cert, key] = await Promise.all([texts(authorities), texts(certificates), texts(partners)])
  if (ca.length + cert.length === 0) return undefined
  return { ...(ca.length === 0 ? {} : { ca }), ...(cert.length === 0 ? {} : { cert, key }) }
}

function assertPairs(
  directory: string,
  names: readonly string[],
  others: readonly string[],
  what: string,
): void {
  const alone = names.find((name) => !others.includes(name))
  if (alone === undefined) return
  const path = join(directory, alone)
  throw new RegistryError('ERR_REGISTRY_SETTINGS', `A ${what} has no partner: ${JSON.stringify(path)}`)
}

/** Sorted, so that settings do not depend on the file system. Nothing, if there is no such directory. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).toSorted()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw unreadable(directory, cause)
  }
}

async function readText(path: string): Promise<string> {
  try {
    const file = await open(path)
    try {
      const buffer = new Uint8Array(MAX_FILE_BYTES + 1)
      let length = 0
      for (let count = -1; count !== 0 && length < buffer.byteLength; length += count) {
        count = (await file.read(buffer, length)).bytesRead
      }
      if (length > MAX_FILE_BYTES) throw new RangeError(`Larger than ${MAX_FILE_BYTES} bytes`)
      return new TextDecoder().decode(buffer.subarray(0, length))
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function unreadable(path: string, cause: unknown): RegistryError {
  return new RegistryError('ERR_REGISTRY_SETTINGS', `Cannot read ${JSON.stringify(path)}`, { cause })
}
