/**
 * A network of our own, where any host can be anybody, and a client of it.
 *
 * @module
 */
import { readAll } from '@varve/digest'
import { createAuthorizer } from '../src/auth/authorizer.ts'
import type { Credential, CredentialQuery, CredentialSource } from '../src/credentials/credential.ts'
import { createHostPolicy } from '../src/hosts/policy.ts'
import { createExchange } from '../src/http/exchange.ts'
import { createLimiter } from '../src/http/limiter.ts'
import type { Transport } from '../src/http/transport.ts'

/** What was asked. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly body: string
}

/** What is answered. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
}

/** The network. */
export interface FakeNetwork {
  readonly transport: Transport
  /** Everything that was asked so far. */
  readonly sent: Sent[]
}

export function fakeNetwork(answer: (request: Sent) => Reply | Promise<Reply>): FakeNetwork {
  const sent: Sent[] = []
  return {
    sent,
    transport: {
      async send({ method, url, headers, body, signal }) {
        signal?.throwIfAborted()
        const bytes = body === undefined ? new Uint8Array() : await readAll(body.open(), 1_000_000)
        const request = {
          method,
          url,
          authorization: headers['authorization'],
          body: new TextDecoder().decode(bytes),
        }
        sent.push(request)
        const reply = await untilAborted(answer(request), signal)
        return {
          status: reply.status,
          headers: new Map(
            Object.entries(reply.headers ?? {}).map(([name, value]) => [
              name,
              typeof value === 'string' ? [value] : value,
            ]),
          ),
          body: (async function* () {
            yield new TextEncoder().encode(reply.body ?? '')
          })(),
          discard: async () => undefined,
        }
      },
      close: async () => undefined,
    },
  }
}

async function untilAborted<T>(answer: T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error))
  })
  aborted.catch(() => undefined)
  return Promise.race([answer, aborted])
}

/** How a client is made. */
export interface ClientOptions {
  readonly credentials?: CredentialSource | undefined
  readonly trustedRealms?: readonly string[]
  readonly insecure?: readonly string[]
}

/** A request of a client. */
export interface Call {
  readonly host?: string
  readonly repository?: string
  readonly scopes?: readonly string[]
  readonly method?: string
  readonly signal?: AbortSignal
}

/** A client that sends single requests. */
export interface Client {
  readonly sent: Sent[]
  /** Gives the status, or throws. */
  readonly call: (options?: Call) => Promise<number>
}

export function openClient(
  answer: (request: Sent) => Reply | Promise<Reply>,
  { credentials, trustedRealms = [], insecure = [] }: ClientOptions = {},
): Client {
  const { transport, sent } = fakeNetwork(answer)
  const hosts = createHostPolicy(insecure)
  const exchange = createExchange({
    transport,
    hosts,
    authorizer: createAuthorizer({
      transport,
      hosts,
      credentials,
      trustedRealms: () => trustedRealms,
      userAgent: 'test',
    }),
    limiter: createLimiter(16),
    retry: { retries: 0 },
    userAgent: 'test',
  })
  return {
    sent,
    async call({ host = 'reg.example.com', repository = 'x', scopes, method = 'GET', signal } = {}) {
      const at = hosts.hostOf(host)
      const response = await exchange.send({
        method,
        host: at,
        repository,
        url: `${at.origin}/v2/${repository}/thing`,
        scopes: scopes ?? [`repository:${repository}:pull`],
        expect: [200],
        signal,
      })
      await response.discard()
      return response.status
    },
  }
}

export const OK: Reply = { status: 200 }

export const USER: Credential = { kind: 'basic', username: 'user', password: 'p:ä:ss' }
/** `user:p:ä:ss`, by `printf 'user:p:ä:ss' | base64`. */
export const USER_BASIC = 'Basic dXNlcjpwOsOkOnNz'

/** Always the same credential; also tells what it was asked. */
export function sourceOf(
  ...credentials: readonly (Credential | undefined)[]
): CredentialSource & { readonly asked: CredentialQuery[] } {
  const asked: CredentialQuery[] = []
  return {
    asked,
    async find(query) {
      asked.push(query)
      return credentials[Math.min(asked.length, credentials.length) - 1]
    },
  }
}

export function unauthorized(...challenges: readonly string[]): Reply {
  return { status: 401, headers: { 'www-authenticate': challenges } }
}

export function bearer(realm: string, rest = 'service="s",scope="repository:x:pull"'): Reply {
  return unauthorized(`Bearer realm="${realm}",${rest}`)
}

export function token(fields: Readonly<Record<string, unknown>>): Reply {
  return { status: 200, body: JSON.stringify(fields) }
}
