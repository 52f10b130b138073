/**
 * A token server to embed: Docker's "Token Authentication Specification", with tokens that only it can read.
 *
 * With passwords alone (Basic) Docker's daemon either always logs in or never; with tokens everybody may pull and some
 * may push.
 *
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { isRepositoryName } from '../repository-name.ts'
import type { Access, Authorize, Verdict } from './access.ts'
import { type BasicCredentials, basicCredentialsOf, bearerAuthorizer, scopeOf } from './authorizers.ts'
import { Fault, faultResponse } from './fault.ts'

/** Whom a token server trusts, and with what. */
export interface TokenServiceOptions {
  /** The URL at which `issue` is reached, or how to tell it from a request. */
  readonly realm: string | ((request: Request) => string)
  /** The name of the registry that tokens are for. */
  readonly service: string
  /**
   * Decides about a caller, and about one without credentials: for `/v2/`, whether he is known; for anything else, whether
   * a token covers it. Asked once for each action of a scope.
   */
  readonly verify: (credentials: BasicCredentials | undefined, access: Access) => Verdict | Promise<Verdict>
  /** How long a token is good. Default 5 minutes; what is taken from a caller is his until then. */
  readonly lifetimeMs?: number
  /** Signs tokens, so that servers of the same service that share it take each other's. At least 32 bytes; default: random. */
  readonly key?: Uint8Array
  /** Clock in milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/** A token server, and the hook that takes its tokens. */
export interface TokenService {
  /** For `createRegistryHandler`. */
  readonly authorize: Authorize
  /** Answers requests to the realm. */
  readonly issue: (request: Request) => Promise<Response>
}

interface Token {
  readonly scopes: readonly string[]
  readonly expiresAt: number
}

/** Scopes of one request, and their characters: an image and the sources of its mounts. */
const [MAX_SCOPES, MAX_SCOPE] = [32, 400]

/**
 * Makes a token server with its hook.
 *
 * @throws {TypeError} if the key is too short.
 * @example
 * const tokens = createTokenService({ realm: 'https://registry.example.com/token', service: 'ours', verify })
 * const registry = createRegistryHandler({ blobs, refs, authorize: tokens.authorize })
 * await listen((request) => (new URL(request.url).pathname === '/token' ? tokens.issue(request) : registry(request)))
 */
export function createTokenService(options: TokenServiceOptions): TokenService {
  const {
    realm,
    service,
    verify,
    lifetimeMs = 5 * 60 * 1000,
    key = randomBytes(32),
    now = Date.now,
  } = options
  if (key.byteLength < 32) throw new TypeError('The key of a token server has at least 32 bytes')

  // Of the service as well: registries that share a key may not be open to the same people.
  const sign = (payload: string): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([service, payload]))
      .digest()

  const encode = (token: Token): string => {
    const payload = Buffer.from(JSON.stringify(token)).toString('base64url')
    return `${payload}.${sign(payload).toString('base64url')}`
  }

  const decode = (text: string): Token | undefined => {
    const [payload = '', signature = ''] = text.split('.')
    const [given, expected] = [Buffer.from(signature, 'base64url'), sign(payload)]
    if (given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected)) return undefined
    const token = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Token
    return now() < token.expiresAt ? token : undefined
  }

  const covers = (text: string | undefined, access: Access): Verdict => {
    const token = text === undefined ? undefined : decode(text)
    const scope = scopeOf(access)
    return token !== undefined && (scope === undefined || token.scopes.includes(scope))
      ? 'allow'
      : 'challenge'
  }

  return {
    authorize: (access, request) => {
      const url = typeof realm === 'string' ? realm : realm(request)
      return bearerAuthorizer({ realm: url, service, verify: covers })(access, request)
    },

    async issue(request) {
      // Clients that begin with the POST of OAuth2 fall back to GET.
      if (request.method !== 'GET') return refusal(405, 'UNSUPPORTED', 'Tokens are given for GET')
      const credentials = basicCredentialsOf(request)
      const isNamed = credentials !== undefined || request.headers.has('authorization')
      const base = { repository: undefined, action: 'pull' } as const
      if (isNamed && (credentials === undefined || (await verify(credentials, base)) !== 'allow')) {
        return refusal(401, 'UNAUTHORIZED', 'These credentials are not known')
      }
      const scopes: string[] = []
      for (const access of accessesOf(new URL(request.url))) {
        const scope = scopeOf(access)
        if (scope !== undefined && (await verify(credentials, access)) === 'allow') scopes.push(scope)
      }
      const issuedAt = now()
      const token = encode({ scopes, expiresAt: issuedAt + lifetimeMs })
      const document = {
        token,
        access_token: token,
        expires_in: Math.floor(lifetimeMs / 1000),
        issued_at: new Date(issuedAt).toISOString(),
      }
      const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
      return new Response(JSON.stringify(document), { headers })
    },
  }
}

/** What `scope=repository:NAME:pull,push`, once or several times, asks for. What nobody can have is left out. */
function accessesOf(url: URL): Access[] {
  return url.searchParams
    .getAll('scope')
    .flatMap((scopes) => scopes.split(' '))
    .slice(0, MAX_SCOPES)
    .flatMap((scope): Access[] => {
      if (scope === 'registry:catalog:*') return [{ repository: undefined, action: 'list' }]
      const [, repository = '', actions = ''] =
        /^repository:([^:]+):([a-z,*]+)$/.exec(scope.slice(0, MAX_SCOPE)) ?? []
      if (!isRepositoryName(repository)) return []
      const wanted = new Set(actions.split(','))
      return (['pull', 'push', 'delete'] as const)
        .filter((action) => wanted.has(action) || wanted.has('*'))
        .map((action) => ({ repository, action }))
    })
}

function refusal(status: 401 | 405, code: 'UNAUTHORIZED' | 'UNSUPPORTED', message: string): Response {
  return faultResponse(new Fault(status, code, message))
}
