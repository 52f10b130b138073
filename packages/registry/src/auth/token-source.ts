/**
 * Tokens for accounts: one request at a time, with the credentials of the day.
 *
 * @module
 */
import type { CredentialSource } from '../credentials/credential.ts'
import { RegistryError } from '../errors.ts'
import { DEFAULT_LIMITS } from '../http/limits.ts'
import type { Transport } from '../http/transport.ts'
import { type Account, findCredential } from './account.ts'
import type { Flights } from './flights.ts'
import type { RealmRules } from './realm.ts'
import type { Token, TokenOrigin } from './token.ts'
import { type RealmCredential, requestToken } from './token-request.ts'

/** What token requests have in common. */
export interface TokenSourceOptions {
  readonly transport: Transport
  readonly credentials: CredentialSource | undefined
  readonly flights: Flights
  readonly userAgent: string
  /** How much of an answer is read. Default 128 KiB. */
  readonly maxTokenBytes?: number
}

/** Gets tokens. */
export interface TokenSource {
  /**
   * The `Authorization` of a new token, which the account keeps.
   *
   * @throws {RegistryError} whatever the realm's failure is.
   */
  obtain(account: Account, origin: RealmOrigin, rules: RealmRules, signal?: AbortSignal): Promise<string>
}

/** A realm, and whether it may see credentials. */
export interface RealmOrigin extends TokenOrigin {
  readonly isTrusted: boolean
}

/** Also keeps the refresh tokens that realms hand out in place of others. */
export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const { transport, credentials, flights, userAgent } = options
  const { maxTokenBytes: maxBytes = DEFAULT_LIMITS.tokenBytes } = options
  const newer = new Map<string, string>()

  const ask = async (
    origin: TokenOrigin,
    rules: RealmRules,
    credential: RealmCredential | undefined,
    signal: AbortSignal,
  ): Promise<Token> => {
    const request = { transport, userAgent, rules, origin, maxBytes, signal }
    if (credential?.kind !== 'identity-token') return requestToken({ ...request, credential })
    const key = JSON.stringify([origin.realm, origin.service, credential.token])
    try {
      const refreshToken = newer.get(key) ?? credential.token
      const token = await requestToken({ ...request, credential: { ...credential, token: refreshToken } })
      if (token.refreshToken !== undefined) newer.set(key, token.refreshToken)
      return token
    } catch (error) {
      if (isUnauthorized(error)) newer.delete(key)
      throw error
    }
  }

  const obtain = async (
    account: Account,
    origin: RealmOrigin,
    rules: RealmRules,
    signal: AbortSignal,
  ): Promise<string> => {
    const find = async () =>
      origin.isTrusted ? findCredential(account, credentials, flights, signal) : undefined
    const withCredential = async (credential: Awaited<ReturnType<typeof find>>): Promise<string> => {
      if (credential?.kind === 'registry-token') return `Bearer ${credential.token}`
      const token = await ask(origin, rules, credential, signal)
      account.tokens.add(origin, token)
      return token.authorization
    }
    const first = await find()
    try {
      return await withCredential(first)
    } catch (error) {
      if (!isUnauthorized(error)) throw error
      // The passwords of some helpers live for hours only, so the source is asked for another one.
      account.found = undefined
      const second = await find()
      if (JSON.stringify(second) === JSON.stringify(first)) throw error
      return withCredential(second)
    }
  }

  return {
    obtain: (account, origin, rules, signal) =>
      flights.join(
        JSON.stringify(['token', account.key, origin.realm, origin.service, origin.scopes]),
        (joint) => obtain(account, origin, rules, joint),
        signal,
      ),
  }
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 401
}
