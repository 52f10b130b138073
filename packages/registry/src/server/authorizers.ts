/**
 * Hooks that ask for credentials: RFC 7617 (Basic), RFC 6750 (Bearer), and the token authentication of Docker's
 * registry.
 *
 * @module
 */
import type { Access, Authorize, Verdict } from './access.ts'
import { Fault, faultResponse } from './fault.ts'

/** Who somebody claims to be. */
export interface BasicCredentials {
  readonly username: string
  readonly password: string
}

/** How names and passwords are checked. */
export interface BasicAuthorizerOptions {
  /** Told to people who are asked for a password. Default `registry`. */
  readonly realm?: string
  /** Decides about a caller, and about one without credentials. */
  readonly verify: (credentials: BasicCredentials | undefined, access: Access) => Verdict | Promise<Verdict>
}

/** How tokens are checked. */
export interface BearerAuthorizerOptions {
  /** URL of the token server. */
  readonly realm: string
  /** The name by which the token server knows this registry. */
  readonly service: string
  /** Decides about a token, and about a caller without one. */
  readonly verify: (token: string | undefined, access: Access) => Verdict | Promise<Verdict>
}

/** No password is longer, and no token: request headers are bounded by the server as well. */
const MAX_CREDENTIALS = 64 * 1024

/**
 * Makes an `authorize` hook that takes user names and passwords. Use it over TLS only.
 *
 * Whoever comes to `/v2/` without credentials is challenged in any case, since clients learn there that they may have to
 * log in.
 *
 * @example
 * const authorize = basicAuthorizer({
 *   verify: (caller, { action }) => (action === 'pull' || caller?.password === secret ? 'allow' : 'challenge'),
 * })
 */
export function basicAuthorizer({ realm = 'registry', verify }: BasicAuthorizerOptions): Authorize {
  const challenge = `Basic realm=${quoted(realm)}, charset="UTF-8"`
  return async (access, request) => {
    const credentials = basicCredentialsOf(request)
    return respond(await verdictOf(access, credentials, verify), challenge)
  }
}

/**
 * Makes an `authorize` hook that takes tokens of a token server. The challenge names the scope that is needed.
 *
 * @example
 * const authorize = bearerAuthorizer({
 *   realm: 'https://auth.example.com/token',
 *   service: 'registry.example.com',
 *   verify: (token, access) => (token !== undefined && covers(token, access) ? 'allow' : 'challenge'),
 * })
 */
export function bearerAuthorizer({ realm, service, verify }: BearerAuthorizerOptions): Authorize {
  const server = `Bearer realm=${quoted(realm)},service=${quoted(service)}`
  return async (access, request) => {
    const token = parameterOf(request, 'bearer')
    const scope = scopeOf(access)
    const challenge = [
      server,
      ...(scope === undefined ? [] : [`scope=${quoted(scope)}`]),
      ...(token === undefined
        ? []
        : [`error="${scope === undefined ? 'invalid_token' : 'insufficient_scope'}"`]),
    ].join(',')
    return respond(await verdictOf(access, token, verify), challenge)
  }
}

/** What a token must say to cover an access: Docker's "Token Scope Documentation". None is needed for `/v2/`. */
export function scopeOf({ repository, action }: Access): string | undefined {
  if (action === 'list') return 'registry:catalog:*'
  if (repository === undefined) return undefined
  return `repository:${repository}:${action === 'push' ? 'pull,push' : action}`
}

async function verdictOf<Credentials>(
  access: Access,
  credentials: Credentials | undefined,
  verify: (credentials: Credentials | undefined, access: Access) => Verdict | Promise<Verdict>,
): Promise<Verdict> {
  const isBase = access.repository === undefined && access.action === 'pull'
  if (isBase && credentials === undefined) return 'challenge'
  const verdict = await verify(credentials, access)
  // Who has shown nothing is not told that it would be in vain.
  return verdict === 'deny' && credentials === undefined ? 'challenge' : verdict
}

function respond(verdict: Verdict, challenge: string): Response | undefined {
  switch (verdict) {
    case 'allow':
      return undefined
    case 'deny':
      return faultResponse(new Fault(403, 'DENIED', 'You may not do this'))
    default: {
      const headers = { 'WWW-Authenticate': challenge }
      return faultResponse(new Fault(401, 'UNAUTHORIZED', 'This needs authentication', { headers }))
    }
  }
}

/** What follows the scheme in `Authorization`, if it is this scheme. */
function parameterOf(request: Request, scheme: 'basic' | 'bearer'): string | undefined {
  const header = request.headers.get('authorization') ?? ''
  if (header.length > MAX_CREDENTIALS) return undefined
  const [, name = '', parameter = ''] = /^([A-Za-z]+) +([\w.~+/-]+=*) *$/.exec(header) ?? []
  return name.toLowerCase() === scheme && parameter !== '' ? parameter : undefined
}

/** Names hold no colon, passwords may. */
export function basicCredentialsOf(request: Request): BasicCredentials | undefined {
  const parameter = parameterOf(request, 'basic')
  const text = parameter === undefined ? '' : Buffer.from(parameter, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** A quoted-string of RFC 9110 §5.6.4. */
export function quoted(text: string): string {
  if (!/^[\t\x20-\x7e]*$/.test(text)) throw new TypeError(`Not a text for a header: ${JSON.stringify(text)}`)
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
