/**
 * Asking a realm for a token: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
 *
 * @module
 */
import { bytesSource } from '@varve/digest'
import type { Credential } from '../credentials/credential.ts'
import { RegistryError, type RequestSummary } from '../errors.ts'
import { createDeadline } from '../http/deadline.ts'
import { connectionFailure, replyFailure } from '../http/failure.ts'
import { follow, type FollowedResponse } from '../http/follow.ts'
import { appendQuery } from '../http/location.ts'
import { redactUrl } from '../http/redact.ts'
import { readJsonReply } from '../http/reply-body.ts'
import type { Transport } from '../http/transport.ts'
import { basicAuthorization } from './basic.ts'
import { assertRealm, type RealmRules, refuse } from './realm.ts'
import { parseToken, type Token, type TokenOrigin } from './token.ts'

/** What a realm can be shown. */
export type RealmCredential = Exclude<Credential, { readonly kind: 'registry-token' }>

type RefreshToken = Extract<Credential, { readonly kind: 'identity-token' }>

/** Who asks which realm for what. */
export interface TokenRequest {
  readonly transport: Transport
  readonly userAgent: string
  readonly rules: RealmRules
  readonly origin: TokenOrigin
  /** The realm must be one that may see it. */
  readonly credential: RealmCredential | undefined
  /** How much of the answer is read. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

const TIMEOUT_MS = 60_000
/**
 * What realms without OAuth2 say to a POST: Google 404, JFrog 401, Azure 400, others 405. They take the refresh token
 * as the password of its user.
 */
const NOT_OAUTH: ReadonlySet<number> = new Set([400, 401, 404, 405])

/**
 * Gets a token.
 *
 * @throws {RegistryError} `ERR_REGISTRY_UNAUTHORIZED` if the credential is wrong; `ERR_REGISTRY_REFUSED` if the realm
 *   leads on to where it must not; whatever else may be wrong with a reply.
 */
export async function requestToken(request: TokenRequest): Promise<Token> {
  const { credential } = request
  if (credential === undefined) return askByGet(request, undefined)
  if (credential.kind === 'identity-token') return askByRefreshToken(request, credential)
  return askByGet(request, basicAuthorization(credential.username, credential.password))
}

/** One request to a realm. */
interface Ask {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly authorization?: string | undefined
  /** The body of a POST, which holds the refresh token. */
  readonly form?: string
}

function askByGet(request: TokenRequest, authorization: string | undefined): Promise<Token> {
  const { realm, service, scopes } = request.origin
  let url = realm
  if (service !== undefined) url = appendQuery(url, 'service', service)
  for (const scope of scopes) url = appendQuery(url, 'scope', scope)
  return exchange(request, { method: 'GET', url, authorization }, readToken)
}

async function askByRefreshToken(
  request: TokenRequest,
  { token: refreshToken, username }: RefreshToken,
): Promise<Token> {
  const { realm, service, scopes } = request.origin
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'varve' })
  if (service !== undefined) form.set('service', service)
  form.set('scope', scopes.join(' '))
  form.set('refresh_token', refreshToken)
  const ask: Ask = { method: 'POST', url: realm, form: form.toString() }
  const token = await exchange(request, ask, async (response) => {
    if (username === undefined || !NOT_OAUTH.has(response.status)) return readToken(response, ask, request)
    await response.discard()
    return undefined
  })
  return token ?? askByGet(request, basicAuthorization(username ?? '', refreshToken))
}

/** Sends a request and has its reply read, within a minute, with every hop guarded. */
async function exchange<T>(
  request: TokenRequest,
  ask: Ask,
  read: (response: FollowedResponse, ask: Ask, request: TokenRequest) => Promise<T>,
): Promise<T> {
  const { transport, userAgent, rules, signal } = request
  const { method, url, authorization, form } = ask
  const { origin } = new URL(url)
  const assertTarget = (target: string, from: string): void => {
    assertRealm(target, rules)
    const to = new URL(target)
    if (to.protocol === 'http:' && from.startsWith('https:')) refuse(target, 'not over HTTPS')
    // A form would be sent again as it is.
    if (form !== undefined && to.origin !== origin) refuse(target, 'it leads away with credentials')
  }
  const deadline = createDeadline(TIMEOUT_MS, signal)
  try {
    const response = await follow(
      transport,
      { ...rules.hosts, assertTarget },
      {
        method,
        url,
        // Credentials go to the origin of the realm and no further.
        registry: origin,
        authorization,
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': userAgent,
          ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        ...(form === undefined ? {} : { body: bytesSource(new TextEncoder().encode(form)) }),
        signal: deadline.signal,
      },
    )
    return await read(response, ask, request)
  } catch (error) {
    signal.throwIfAborted()
    throw connectionFailure(error, summaryOf(ask))
  } finally {
    deadline.clear()
  }
}

async function readToken(
  response: FollowedResponse,
  ask: Ask,
  { rules, maxBytes }: TokenRequest,
): Promise<Token> {
  const { status } = response
  if (status === 200) {
    return parseToken(await readJsonReply(response, maxBytes, 'The answer of the token realm'))
  }
  const request = summaryOf(ask)
  if (ask.authorization === undefined && ask.form === undefined) throw await replyFailure(response, request)
  // Whoever was given credentials may say them back, so nothing of what it says is kept.
  await response.discard()
  if (status === 401) {
    const message = `The token realm ${request.url} does not accept the credentials for ${rules.host.name}`
    throw new RegistryError('ERR_REGISTRY_UNAUTHORIZED', message, { status, request })
  }
  throw await replyFailure({ ...response, body: bytesSource(new Uint8Array()).open() }, request)
}

function summaryOf({ method, url }: Ask): RequestSummary {
  return { method, url: redactUrl(url) }
}
