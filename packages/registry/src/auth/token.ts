/**
 * Access tokens: what realms answer, and for how long it is good.
 *
 * Distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
 *
 * @module
 */
import { RegistryError } from '../errors.ts'
import { coversScopes } from './scopes.ts'

/** What a realm gave. */
export interface Token {
  /** The `Authorization` it makes. */
  readonly authorization: string
  /** By our clock, in milliseconds. */
  readonly expiresAt: number
  /** What to ask with the next time, in place of the one that was sent. */
  readonly refreshToken: string | undefined
}

/** Where a token comes from, and what it is for. */
export interface TokenOrigin {
  readonly realm: string
  readonly service: string | undefined
  readonly scopes: readonly string[]
}

const MIN_LIFE_MS = 60_000
const MARGIN_MS = 5000
/** Visible ASCII: nothing that could end a header. */
const TOKEN = /^[\x21-\x7e]+$/

/** @throws {RegistryError} `ERR_REGISTRY_RESPONSE` if there is none. */
export function parseToken(fields: ReadonlyMap<string, unknown>, now: number = Date.now()): Token {
  const token = fields.get('token') || fields.get('access_token')
  if (!isToken(token)) {
    throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The token realm gave no token')
  }
  const refreshToken = fields.get('refresh_token')
  const expiresIn = fields.get('expires_in')
  const lifeMs = Math.max(MIN_LIFE_MS, typeof expiresIn === 'number' ? expiresIn * 1000 : 0)
  const issuedAt = Date.parse(String(fields.get('issued_at')))
  // A clock that is ahead of ours must not keep a token alive for longer than it said; one far behind would have us
  // ask before each request.
  const isPlausible = issuedAt <= now && issuedAt + lifeMs - MARGIN_MS > now
  return {
    authorization: `Bearer ${token}`,
    expiresAt: (isPlausible ? issuedAt : now) + lifeMs,
    refreshToken: isToken(refreshToken) ? refreshToken : undefined,
  }
}

/** The tokens of one repository. */
export interface TokenStore {
  /** The `Authorization` of a token that is good for all these scopes, and still will be when it arrives. */
  find(origin: TokenOrigin): string | undefined
  add(origin: TokenOrigin, token: Token): void
  /** Forgets the token that makes this `Authorization`. */
  drop(authorization: string): void
}

/** Keeps tokens until they expire. */
export function createTokenStore(): TokenStore {
  let tokens: readonly (TokenOrigin & Token)[] = []
  const prune = (): void => {
    tokens = tokens.filter(({ expiresAt }) => expiresAt - MARGIN_MS > Date.now())
  }
  return {
    find({ realm, service, scopes }) {
      prune()
      return tokens.find(
        (token) => token.realm === realm && token.service === service && coversScopes(token.scopes, scopes),
      )?.authorization
    },
    add(origin, token) {
      prune()
      tokens = [...tokens, { ...origin, ...token }]
    },
    drop(authorization) {
      tokens = tokens.filter((token) => token.authorization !== authorization)
    },
  }
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && TOKEN.test(value)
}
