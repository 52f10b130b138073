/**
 * Answers to challenges: Bearer where a registry offers it, else Basic.
 *
 * Nothing is sent before a host has asked for it. After that each request carries what is known to work, and tokens
 * are renewed before they expire: a body need not be sent twice to learn that.
 *
 * @module
 */
import type { Credential, CredentialSource } from '../credentials/credential.ts'
import { RegistryError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import type { HostPolicy } from '../hosts/policy.ts'
import { redactUrl } from '../http/redact.ts'
import type { Transport, TransportHeaders } from '../http/transport.ts'
import { type Account, accountKey, createAccount, findCredential, type RealmLogin } from './account.ts'
import { basicAuthorization } from './basic.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { createFlights } from './flights.ts'
import { admitRealm, type RealmRules } from './realm.ts'
import { coversScopes, mergeScopes, splitScopes } from './scopes.ts'
import { createTokenSource } from './token-source.ts'

/** What a request needs to be allowed. */
export interface WantedAccess {
  readonly host: Host
  /** As the host calls it; `undefined` for a request that is about no repository. */
  readonly repository: string | undefined
  /** Such as `repository:library/ubuntu:pull`; the one the request is about first. */
  readonly scopes: readonly string[]
}

/** A 401 that came from the host itself. */
export interface Challenge401 extends WantedAccess {
  readonly headers: TransportHeaders
  /** The `Authorization` that was not good enough. */
  readonly sent: string | undefined
  /** How many challenges of this request have been answered before. */
  readonly round: number
}

/** What to send as `Authorization`. */
export interface Authorizer {
  /** What is known to work, or worth trying; `undefined` for nothing. */
  authorization(access: WantedAccess, signal?: AbortSignal): Promise<string | undefined>
  /**
   * Answers the challenges of a 401; tells whether to send the request again.
   *
   * @throws {RegistryError} `ERR_REGISTRY_REFUSED` if the realm must not be asked; whatever the realm's failure is.
   */
  answer(challenge: Challenge401, signal?: AbortSignal): Promise<boolean>
}

/** Whom an authorizer asks. */
export interface AuthorizerOptions {
  readonly transport: Transport
  readonly hosts: HostPolicy
  /** Default: anonymous. */
  readonly credentials?: CredentialSource | undefined
  /** Hosts of realms that may see credentials whatever their domain, as `host` or `host:port`. Default: none. */
  readonly trustedRealms?: (host: Host) => readonly string[]
  readonly userAgent: string
  /** How much of a realm's answer is read. Default 128 KiB. */
  readonly maxTokenBytes?: number
}

/** A client may live as long as a server and meet any number of repositories. */
const MAX_ACCOUNTS = 10_000

/** Makes an authorizer, which keeps what it learns for as long as it lives. */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const { hosts, credentials, trustedRealms = () => [] } = options
  const accounts = new Map<string, Account>()
  const flights = createFlights()
  const tokens = createTokenSource({ ...options, credentials, flights })

  const rulesOf = (host: Host): RealmRules => ({ host, hosts, trusted: trustedRealms(host) })

  /** What an account has without asking anybody. */
  const known = ({ login, tokens: store }: Account, scopes: readonly string[]): string | undefined =>
    login?.kind === 'realm' ? store.find({ ...login, scopes }) : login?.authorization

  const credentialOf = (account: Account, signal: AbortSignal | undefined): Promise<Credential | undefined> =>
    findCredential(account, credentials, flights, signal)

  const isWithheld = async (account: Account, login: RealmLogin, signal: AbortSignal | undefined) =>
    !login.isTrusted && (await credentialOf(account, signal)) !== undefined

  /** A new token. If a realm will not do without credentials that it must not see, that is the error. */
  const obtain = async (
    account: Account,
    login: RealmLogin,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<string> => {
    const { host } = account.access
    try {
      return await tokens.obtain(account, { ...login, scopes }, rulesOf(host), signal)
    } catch (error) {
      const isWanting = error instanceof RegistryError && (error.status === 401 || error.status === 403)
      if (!isWanting || !(await isWithheld(account, login, signal))) throw error
      throw withheld(host, login, { cause: error })
    }
  }

  /** Logs in with what needs no realm; tells whether that is news to the host. */
  const logIn = async (
    account: Account,
    { sent, round }: Challenge401,
    offered: readonly Challenge[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> => {
    for (let isSecond = false; ; isSecond = true) {
      const authorization = directAuthorization(await credentialOf(account, signal), offered)
      account.login = authorization === undefined ? undefined : { kind: 'fixed', authorization }
      if (authorization === undefined) return false
      if (authorization !== sent) return true
      // The passwords of some helpers live for hours only, so the source is asked for another one.
      account.found = undefined
      if (isSecond || round > 0) return false
    }
  }

  const askRealm = async (
    account: Account,
    { scopes, sent, round }: Challenge401,
    login: RealmLogin,
    missing: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> => {
    const wanted = scopes.join(' ')
    const asked = mergeScopes(missing, scopes)
    if (round > 0) {
      if (await isWithheld(account, login, signal)) throw withheld(account.access.host, login)
      // A scope that was not asked for is worth one more token, no matter what is missing after that.
      if (round > 1 || coversScopes(account.asked.get(wanted) ?? [], asked)) return false
    }
    if (sent !== undefined) account.tokens.drop(sent)
    account.login = login
    account.asked.set(wanted, asked)
    return (await obtain(account, login, asked, signal)) !== sent
  }

  return {
    async authorization(access, signal) {
      const account = accounts.get(accountKey(access))
      if (account?.login === undefined) return undefined
      const authorization = known(account, access.scopes)
      if (authorization !== undefined || account.login.kind === 'fixed') return authorization
      const scopes = account.asked.get(access.scopes.join(' ')) ?? mergeScopes(access.scopes)
      return obtain(account, account.login, scopes, signal)
    },

    async answer(challenge, signal) {
      const account = accountOf(accounts, challenge)
      // Somebody else may have got a better one while this request was on its way.
      const current = known(account, challenge.scopes)
      if (current !== undefined && current !== challenge.sent) return true
      const offered = parseChallenges(challenge.headers.get('www-authenticate') ?? [])
      const bearer = offered.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'))
      if (bearer === undefined) return logIn(account, challenge, offered, signal)
      const [realm = ''] = (bearer.parameters.get('realm') ?? '').split('#', 1)
      const isTrusted = await admitRealm(realm, rulesOf(challenge.host))
      const { kind } = (await credentialOf(account, signal)) ?? {}
      const isDirect =
        kind === 'registry-token' || (kind === 'basic' && !isTrusted && offers(offered, 'basic'))
      if (isDirect) return logIn(account, challenge, offered, signal)
      const login = { kind: 'realm', realm, service: bearer.parameters.get('service'), isTrusted } as const
      return askRealm(account, challenge, login, splitScopes(bearer.parameters.get('scope')), signal)
    },
  }
}

function accountOf(accounts: Map<string, Account>, access: WantedAccess): Account {
  const key = accountKey(access)
  const account = accounts.get(key) ?? createAccount(access)
  // The ones that were challenged last stay; whoever is forgotten is only asked to log in again.
  accounts.delete(key)
  accounts.set(key, account)
  const [oldest] = accounts.keys()
  if (accounts.size > MAX_ACCOUNTS && oldest !== undefined) accounts.delete(oldest)
  return account
}

/** What the host itself may be shown; a refresh token is for realms. */
function directAuthorization(
  credential: Credential | undefined,
  offered: readonly Challenge[],
): string | undefined {
  if (credential?.kind === 'registry-token' && offers(offered, 'bearer')) return `Bearer ${credential.token}`
  if (credential?.kind !== 'basic' || !offers(offered, 'basic')) return undefined
  return basicAuthorization(credential.username, credential.password)
}

function offers(offered: readonly Challenge[], scheme: string): boolean {
  return offered.some((challenge) => challenge.scheme === scheme)
}

function withheld(host: Host, { realm }: RealmLogin, options: ErrorOptions = {}): RegistryError {
  return new RegistryError(
    'ERR_REGISTRY_UNAUTHORIZED',
    `${host.name} wants credentials, which were kept from its token realm ${redactUrl(realm)}, of another domain: ` +
      'name it in `trustedRealms` if it may see them',
    { ...options, status: 401 },
  )
}
