/**
 * Docker's `config.json` and podman's `auth.json`, as far as they are about credentials.
 *
 * @module
 */
import { type JsonObject, type JsonValue, parseJson } from '@varve/oci-manifest'
import { RegistryError } from '../errors.ts'
import { type Credential, isCredential } from './credential.ts'

/** What a file says, by its keys. */
export interface DockerConfig {
  /** Entries without a credential, which only say that a helper has one, are left out. */
  readonly auths: ReadonlyMap<string, Credential>
  /** Names of helpers. */
  readonly helpers: ReadonlyMap<string, string>
  /** The helper for all other hosts. */
  readonly store: string | undefined
}

/** How a file is read. */
export interface DockerConfigOptions {
  /** Named in errors. */
  readonly name: string
  /** The form of `~/.dockercfg`, which is nothing but the entries. Default false. */
  readonly isLegacy?: boolean
}

export const MAX_CONFIG_BYTES: number = 1024 * 1024

/** The alphabet of RFC 4648 §4 with its padding; `Buffer.from` would skip whatever is not in it. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * Reads such a file.
 *
 * @throws {RegistryError} `ERR_REGISTRY_CREDENTIALS`, with the name of the file and nothing of its content.
 */
export function parseDockerConfig(bytes: Uint8Array, { name, isLegacy }: DockerConfigOptions): DockerConfig {
  const malformed = (why: string): RegistryError =>
    new RegistryError('ERR_REGISTRY_CREDENTIALS', `The credentials in ${name} cannot be read: ${why}`)
  let document: JsonValue
  try {
    document = parseJson(bytes, { maxBytes: MAX_CONFIG_BYTES })
  } catch {
    // The parser's message is left out: it quotes the text.
    throw malformed('not JSON that can be read in one way only, or too large')
  }
  const object = (value: JsonValue | undefined, what: string): JsonObject => {
    if (value === undefined || value === null) return new Map()
    if (value instanceof Map) return value
    throw malformed(`${what} is not an object`)
  }
  const text = (value: JsonValue | undefined, what: string): string | undefined => {
    if (value === undefined || value === null || value === '') return undefined
    if (typeof value === 'string') return value
    throw malformed(`${what} is not a string`)
  }
  const root = object(document, 'the document')
  const entries = isLegacy === true ? root : object(root.get('auths'), '"auths"')

  const credentialOf = (value: JsonValue): Credential | undefined => {
    const entry = object(value, 'an entry')
    const member = (key: string): string | undefined => text(entry.get(key), JSON.stringify(key))
    const [registryToken, identityToken] = [member('registrytoken'), member('identitytoken')]
    const pair = member('auth')
    const [username, password] = (pair === undefined ? undefined : splitPair(pair, malformed)) ?? [
      member('username'),
      member('password'),
    ]
    const credential = pick({ registryToken, identityToken, username, password })
    if (credential === undefined || isCredential(credential)) return credential
    throw malformed('an entry that cannot be sent')
  }

  const auths = new Map<string, Credential>()
  for (const [key, value] of entries) {
    const credential = credentialOf(value)
    if (credential !== undefined) auths.set(key, credential)
  }
  const helpers = new Map<string, string>()
  if (isLegacy === true) return { auths, helpers, store: undefined }
  for (const [key, value] of object(root.get('credHelpers'), '"credHelpers"')) {
    const helper = text(value, 'a name in "credHelpers"')
    if (helper !== undefined) helpers.set(key, helper)
  }
  return { auths, helpers, store: text(root.get('credsStore'), '"credsStore"') }
}

interface Secrets {
  readonly registryToken: string | undefined
  readonly identityToken: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
}

function pick({ registryToken, identityToken, username, password }: Secrets): Credential | undefined {
  if (registryToken !== undefined) return { kind: 'registry-token', token: registryToken }
  if (identityToken !== undefined) {
    return { kind: 'identity-token', token: identityToken, ...(username === undefined ? {} : { username }) }
  }
  return username === undefined ? undefined : { kind: 'basic', username, password: password ?? '' }
}

/** `user:password`; Docker has padded it with zeros. Nothing if there is no colon or no user. */
function splitPair(
  pair: string,
  malformed: (why: string) => RegistryError,
): readonly [username: string | undefined, password: string] | undefined {
  const encoded = pair.replace(/[\r\n]/g, '')
  if (!BASE64.test(encoded)) throw malformed('an "auth" is not base64')
  let decoded: string
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    decoded = decoder.decode(Buffer.from(encoded, 'base64')).replace(/\0+$/, '')
  } catch {
    throw malformed('an "auth" is not UTF-8')
  }
  const colon = decoded.indexOf(':')
  return colon < 1 ? undefined : [decoded.slice(0, colon), decoded.slice(colon + 1)]
}
