/**
 * Anonymous bearer tokens: distribution, "Token Authentication Specification".
 *
 * A registry that answers 401 names a realm, which hands out tokens. The realm comes from the reply, so it is guarded
 * like a redirect: it may not be a private address, and not plain HTTP, unless it is the registry.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { type Challenge, parseChallenges } from './challenge.ts'
import { RegistryError } from '../errors.ts'
import { connectionFailure, replyFailure } from '../http/failure.ts'
import { follow } from '../http/follow.ts'
import type { HostPolicy } from '../hosts/policy.ts'
import { appendQuery } from '../http/location.ts'
import { redactUrl } from '../http/redact.ts'
import { readJsonReply } from '../http/reply-body.ts'
import type { Transport } from '../http/transport.ts'
import type { Authorizer } from './authorizer.ts'

interface Token {
  readonly authorization: string
  readonly expiresAt: number
}

const MAX_BODY = 128 * 1024
const MIN_LIFE_S = 60
const MARGIN_MS = 5000
/** Visible ASCII: nothing that could end a header. */
const TOKEN = /^[\x21-\x7e]+$/

/** Asks realms without credentials. A token is kept for its registry and scope until it expires; asked for once at a time. */
export function createAnonymousAuthorizer(transport: Transport, hosts: HostPolicy): Authorizer {
  const tokens = new Map<string, Token>()
  const pending = new Map<string, Promise<Token>>()

  const known = (registry: string, scope: string): string | undefined => {
    const token = tokens.get(`${registry} ${scope}`)
    return token !== undefined && token.expiresAt - MARGIN_MS > Date.now() ? token.authorization : undefined
  }

  return {
    authorization: async ({ host, scopes }) => known(host.origin, scopes.join(' ')),
    async answer({ host, scopes, headers, sent }, signal) {
      const { origin: registry } = host
      const scope = scopes.join(' ')
      const key = `${registry} ${scope}`
      // Somebody else may have got a better one while this request was on its way.
      const current = known(registry, scope)
      if (current !== undefined && current !== sent) return true
      const url = tokenUrl(parseChallenges(headers.get('www-authenticate') ?? []), scope)
      if (url === undefined) return false
      hosts.assertTarget(url, registry, registry)
      const flight = `${registry} ${url}`
      const request = pending.get(flight) ?? fetchToken(transport, hosts, registry, url, signal)
      pending.set(flight, request)
      try {
        const token = await request
        tokens.set(key, token)
        return token.authorization !== sent
      } finally {
        if (pending.get(flight) === request) pending.delete(flight)
      }
    },
  }
}

/** The realm with its parameters. The scope that the registry misses goes first, since some realms read only one. */
function tokenUrl(challenges: readonly Challenge[], wanted: string): string | undefined {
  const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'))
  const realm = bearer?.parameters.get('realm')
  if (bearer === undefined || realm === undefined) return undefined
  if (!/^https?:\/\/[\x21-\x5b\x5d-\x7e]+$/i.test(realm) || !URL.canParse(realm)) {
    throw new RegistryError(
      'ERR_REGISTRY_REFUSED',
      'The registry names a token realm that is not a web address',
    )
  }
  const service = bearer.parameters.get('service')
  const missing = bearer.parameters.get('scope')
  let [url = ''] = realm.split('#', 1)
  if (service !== undefined) url = appendQuery(url, 'service', service)
  for (const scope of new Set([missing, wanted])) if (scope) url = appendQuery(url, 'scope', scope)
  return url
}

async function fetchToken(
  transport: Transport,
  hosts: HostPolicy,
  registry: string,
  url: string,
  signal: AbortSignal | undefined,
): Promise<Token> {
  const summary = { method: 'GET', url: redactUrl(url) }
  const headers = { accept: 'application/json', 'accept-encoding': 'identity' }
  try {
    const response = await follow(transport, hosts, {
      method: 'GET',
      url,
      headers,
      registry,
      ...withSignal(signal),
    })
    if (response.status !== 200) throw await replyFailure(response, summary)
    return parseToken(await readJsonReply(response, MAX_BODY, 'The answer of the token realm'))
  } catch (error) {
    signal?.throwIfAborted()
    throw connectionFailure(error, summary)
  }
}

function parseToken(fields: ReadonlyMap<string, unknown>): Token {
  const token = fields.get('token') || fields.get('access_token')
  if (typeof token !== 'string' || !TOKEN.test(token)) {
    throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The token realm gave no token')
  }
  const expiresIn = fields.get('expires_in')
  const lifetime = typeof expiresIn === 'number' ? expiresIn : MIN_LIFE_S
  const issued = Date.parse(String(fields.get('issued_at')))
  // A clock that is ahead of ours must not keep a token alive for longer than it said.
  const issuedAt = Math.min(Number.isNaN(issued) ? Infinity : issued, Date.now())
  return { authorization: `Bearer ${token}`, expiresAt: issuedAt + Math.max(MIN_LIFE_S, lifetime) * 1000 }
}
