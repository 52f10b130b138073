/**
 * Who we are at one repository of one host.
 *
 * Accounts are kept apart by repository, also where all of them ask the same realm: credentials of a namespace, and
 * the tokens they gave, must not serve a request outside of it.
 *
 * @module
 */
import { type Credential, type CredentialSource, isCredential } from '../credentials/credential.ts'
import { RegistryError } from '../errors.ts'
import type { WantedAccess } from './authorizer.ts'
import type { Flights } from './flights.ts'
import { createTokenStore, type TokenStore } from './token.ts'

/** The host wants tokens of a realm. */
export interface RealmLogin {
  readonly kind: 'realm'
  readonly realm: string
  readonly service: string | undefined
  /** Whether the realm may see credentials. */
  readonly isTrusted: boolean
}

/** The host takes the same from every request. */
export interface FixedLogin {
  readonly kind: 'fixed'
  readonly authorization: string
}

/** What is known of it so far. */
export interface Account {
  readonly key: string
  readonly access: Pick<WantedAccess, 'host' | 'repository'>
  readonly tokens: TokenStore
  /** The scopes that were asked for, by the scopes that were wanted: a registry may have missed others. */
  readonly asked: Map<string, readonly string[]>
  /** `undefined` until the host has asked. */
  login: RealmLogin | FixedLogin | undefined
  /** As found before; `undefined` before that, or after it was of no use. */
  found: { readonly credential: Credential | undefined } | undefined
}

/** An account of which nothing is known. */
export function createAccount({ host, repository }: WantedAccess): Account {
  return {
    key: accountKey({ host, repository }),
    access: { host, repository },
    tokens: createTokenStore(),
    asked: new Map(),
    login: undefined,
    found: undefined,
  }
}

/** No part can hold a space. */
export function accountKey({ host, repository }: Pick<WantedAccess, 'host' | 'repository'>): string {
  return `${host.origin} ${host.name} ${repository ?? ''}`
}

/**
 * The credential of an account, as known or from the source.
 *
 * @throws {RegistryError} `ERR_REGISTRY_CREDENTIALS` if the source fails.
 */
export async function findCredential(
  account: Account,
  source: CredentialSource | undefined,
  flights: Flights,
  signal: AbortSignal | undefined,
): Promise<Credential | undefined> {
  if (account.found !== undefined || source === undefined) return account.found?.credential
  const credential = await flights.join(
    `credential ${account.key}`,
    (joint) => ask(source, account.access, joint),
    signal,
  )
  account.found = { credential }
  return credential
}

async function ask(
  source: CredentialSource,
  { host, repository }: Account['access'],
  signal: AbortSignal,
): Promise<Credential | undefined> {
  const failed = (why: string, options?: ErrorOptions): RegistryError =>
    new RegistryError('ERR_REGISTRY_CREDENTIALS', `No credentials for ${host.name}: ${why}`, options)
  let credential: Credential | undefined
  try {
    credential = await source.find({ host: host.name, repository }, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    throw cause instanceof RegistryError ? cause : failed('their source has failed', { cause })
  }
  if (credential === undefined || isCredential(credential)) return credential
  throw failed('what their source gives cannot be sent')
}
