/**
 * A request to a registry with everything that belongs to it: a slot, a token, redirects, retries, typed errors.
 *
 * @module
 */
import { type ByteSource, DigestError, withSignal } from '@varve/digest'
import type { Authorizer } from '../auth/authorizer.ts'
import type { Host } from '../hosts/host.ts'
import { createDeadline } from './deadline.ts'
import { connectionFailure, replyFailure } from './failure.ts'
import { follow, type FollowedResponse } from './follow.ts'
import type { HostPolicy } from '../hosts/policy.ts'
import type { Lane, Limiter } from './limiter.ts'
import { DEFAULT_LIMITS, type ReadLimits } from './limits.ts'
import type { Notices } from './notices.ts'
import { redactUrl } from './redact.ts'
import { readReply } from './reply-body.ts'
import { parseRetryAfter, type RetryPolicy, withRetries } from './retry.ts'
import type { Transport } from './transport.ts'

/** A request in a registry's terms. */
export interface ExchangeRequest {
  readonly method: string
  /** Absolute. Need not be at the registry: uploads may go elsewhere. */
  readonly url: string
  readonly host: Host
  readonly repository: string | undefined
  /** What an access token must allow. */
  readonly scopes: readonly string[]
  /** Default false. True for what must not be told who asks, even where it is the registry itself. */
  readonly anonymous?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: ByteSource
  /** Statuses that are an answer. Anything else is an error. */
  readonly expect: readonly number[]
  /** Sees the headers of a reply that is about to become an error. */
  readonly onRefusal?: (response: FollowedResponse) => void
  /** Default `document`. */
  readonly lane?: Lane
  /** Default true. False where a repetition must begin further up. */
  readonly retry?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What requests have in common. */
export interface ExchangeOptions {
  readonly transport: Transport
  readonly hosts: HostPolicy
  readonly authorizer: Authorizer
  readonly limiter: Limiter
  readonly retry: RetryPolicy
  readonly userAgent: string
  /** Default: those of {@link ReadLimits}. */
  readonly limits?: ReadLimits
  /** Default: nobody is told. */
  readonly notices?: Notices
}

/**
 * Sends requests. The slot of a request is free once its body has been read or discarded; the answer to a GET for a
 * document comes already read.
 */
export interface Exchange {
  readonly hosts: HostPolicy
  readonly limits: ReadLimits
  /** For repetitions at one origin: before each, all requests to it wait, since it is in trouble. */
  retryAt(origin: string): RetryPolicy
  /** @throws {RegistryError} for any status that was not expected; `DigestError` of a body's own source. */
  send(request: ExchangeRequest): Promise<FollowedResponse>
}

const DOCUMENT_TIMEOUT_MS = 300_000
/** The words of an error are not worth more. */
const ERROR_TIMEOUT_MS = 10_000
/** An authorizer ends by itself; this is for one that does not. */
const MAX_ROUNDS = 4

/** Puts the parts together. */
export function createExchange(options: ExchangeOptions): Exchange {
  const { retry, hosts, limiter, limits = DEFAULT_LIMITS } = options
  const retryAt = (origin: string): RetryPolicy => ({
    ...retry,
    onRetry(attempt, delayMs, error) {
      limiter.pause(origin, delayMs)
      retry.onRetry?.(attempt, delayMs, error)
    },
  })
  return {
    hosts,
    limits,
    retryAt,
    send(request) {
      if (request.retry === false) return sendOnce(options, request)
      const { origin } = new URL(request.url)
      return withRetries(retryAt(origin), () => sendOnce(options, request), request.signal)
    },
  }
}

async function sendOnce(options: ExchangeOptions, request: ExchangeRequest): Promise<FollowedResponse> {
  const { limiter, limits = DEFAULT_LIMITS } = options
  const { signal, expect } = request
  const summary = { method: request.method, url: redactUrl(request.url) }
  const { origin } = new URL(request.url)
  const lane = request.lane ?? 'document'
  const isDocument = lane === 'document'
  const releaseSlot = await limiter.acquire(origin, lane, signal)
  // A document that drips in byte by byte must end some time; a blob may take as long as it keeps moving.
  const deadline = createDeadline(isDocument ? DOCUMENT_TIMEOUT_MS : undefined, signal)
  const release = (): void => {
    releaseSlot()
    deadline.clear()
  }
  try {
    const { response, authorization } = await authorized(options, { ...request, signal: deadline.signal })
    if (response.isFromRegistry) options.notices?.read(request.host.name, response.headers)
    if (expect.includes(response.status)) {
      if (!isDocument || request.method !== 'GET') return releasing(response, release, summary, signal)
      const whole = await readWhole(response, limits.documentBytes)
      release()
      return whole
    }
    if (response.status === 429 || response.status === 503) {
      const wait = parseRetryAfter(response.headers.get('retry-after')?.[0])
      if (wait !== undefined) limiter.pause(origin, wait)
    }
    request.onRefusal?.(response)
    deadline.limit(ERROR_TIMEOUT_MS)
    throw await replyFailure(response, summary, { maxBytes: limits.errorBytes, authorization })
  } catch (error) {
    release()
    signal?.throwIfAborted()
    throw error instanceof SourceFailure ? error.reason : connectionFailure(error, summary)
  }
}

/** Carries the error of a body's own source past those of the connection: no repetition will help against it. */
class SourceFailure {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

/** A reply, and with what it was asked for. */
interface Authorized {
  readonly response: FollowedResponse
  readonly authorization: string | undefined
}

/** Sends a request, and again while its challenges can be answered. */
async function authorized(options: ExchangeOptions, request: ExchangeRequest): Promise<Authorized> {
  const { authorizer } = options
  const { host, repository, scopes, signal } = request
  const access = { host, repository, scopes }
  if (request.anonymous === true) {
    return { response: await sendWith(options, request, undefined), authorization: undefined }
  }
  for (let round = 0; ; round++) {
    const authorization = await authorizer.authorization(access, signal)
    const response = await sendWith(options, request, authorization)
    // Whoever the registry has led us to may not ask for anything.
    if (response.status !== 401 || !response.isFromRegistry || round >= MAX_ROUNDS) {
      return { response, authorization }
    }
    const challenge = { ...access, headers: response.headers, sent: authorization, round }
    try {
      if (!(await authorizer.answer(challenge, signal))) return { response, authorization }
    } catch (error) {
      await response.discard()
      throw error
    }
    await response.discard()
  }
}

async function sendWith(
  { transport, hosts, userAgent }: ExchangeOptions,
  request: ExchangeRequest,
  authorization: string | undefined,
): Promise<FollowedResponse> {
  const body = request.body && watched(request.body)
  try {
    return await follow(transport, hosts, {
      method: request.method,
      url: request.url,
      registry: request.host.origin,
      authorization,
      headers: { 'accept-encoding': 'identity', 'user-agent': userAgent, ...request.headers },
      ...(body === undefined ? {} : { body }),
      ...withSignal(request.signal),
    })
  } catch (error) {
    // The transport reports a broken request; why its body ended is the better answer.
    throw body?.failure === undefined ? error : new SourceFailure(body.failure)
  }
}

/** A source that remembers why it failed. */
function watched(source: ByteSource): ByteSource & { failure: unknown } {
  const watch = {
    size: source.size,
    failure: undefined as unknown,
    async *open(options: Parameters<ByteSource['open']>[0]) {
      try {
        yield* source.open(options)
      } catch (error) {
        watch.failure = error
        throw error
      }
    },
  }
  return watch
}

/** Documents are read here, so that one which breaks off is asked for again. */
async function readWhole(response: FollowedResponse, limit: number): Promise<FollowedResponse> {
  const bytes = await readReply(response, limit, 'The reply')
  async function* body(): AsyncGenerator<Uint8Array, void, void> {
    yield bytes
  }
  return { ...response, body: body(), discard: async () => undefined }
}

/** Frees the slot when the body is done with, and gives its errors a code. */
function releasing(
  response: FollowedResponse,
  release: () => void,
  summary: { readonly method: string; readonly url: string },
  signal: AbortSignal | undefined,
): FollowedResponse {
  async function* body(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* response.body
    } catch (error) {
      signal?.throwIfAborted()
      throw error instanceof DigestError ? error : connectionFailure(error, summary)
    } finally {
      release()
    }
  }
  return {
    ...response,
    body: body(),
    async discard() {
      release()
      await response.discard()
    },
  }
}
