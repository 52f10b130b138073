/**
 * Requests until they succeed: the one layer that tries again.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'
import { pause } from '../pause.ts'
import { SourceFailure } from './attempt.ts'
import { createLimit } from './limit.ts'
import { classify, errorOf, type Failure } from './failure.ts'
import type { Sdk, SdkClient } from './sdk.ts'
import { type Answer, type Call, exchange } from './wire.ts'

/** How a request is made. */
export interface RequestOptions {
  readonly signal?: AbortSignal
  /** Try no second time. */
  readonly once?: boolean
}

/** Sends requests. */
export interface Requester {
  /**
   * Rejects with a `CacheStoreError` of a kind, with what the source of the body rejected with, or with the reason of
   * the signal. A condition that does not hold may be our own doing, if an earlier try came through and its answer was
   * lost: `wasRetried` tells.
   */
  send(call: Call, options?: RequestOptions): Promise<Answer>
}

/** What a requester is made of. */
export interface RequesterSettings {
  readonly sdk: Sdk
  readonly client: SdkClient
  readonly timeoutMs: number
  readonly attempts: number
  readonly requestBudget: number
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000

/** A server that asks for more than this is as good as not there. */
const LONGEST_RETRY_AFTER_MS = 30_000

/** Tries in a row that an ill server costs us, whatever the number of requests; each success gives one back. */
const RETRY_TOKENS = 100

/** Requests at once. What waits for a connection inside of the SDK would be timed as if the server were slow. */
export const LINES = 48

/** Makes requests within the limits of the settings. */
export function createRequester(settings: RequesterSettings): Requester {
  const { sdk, client, timeoutMs, attempts } = settings
  const lines = createLimit(LINES)
  let left = settings.requestBudget
  let tokens = RETRY_TOKENS

  const mayRetry = (failure: Failure, tried: number): boolean => {
    if (tried >= attempts || tokens <= 0) return false
    if ((failure.retryAfterMs ?? 0) > LONGEST_RETRY_AFTER_MS) return false
    // The SDK learns the server's clock from the first refusal.
    if (failure.kind === 'clock') return tried === 1
    return failure.kind === 'transient' || failure.kind === 'conflict'
  }

  const rest = async (failure: Failure, tried: number, signal: AbortSignal | undefined): Promise<void> => {
    tokens -= 1
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** (tried - 1), LONGEST_PAUSE_MS)
    await pause(Math.max(failure.retryAfterMs ?? 0, longest * (0.5 + Math.random() / 2)), signal)
  }

  return {
    send: async (call, { signal, once = false } = {}) => {
      const { operation } = call
      const path = call.input['Key'] as string | undefined
      const exchanged = (): Promise<Answer> => exchange(sdk, client, call, timeoutMs, signal)
      for (let tried = 1; ; tried += 1) {
        signal?.throwIfAborted()
        if (left <= 0) throw overBudget(settings.requestBudget)
        left -= 1
        try {
          const answer = await lines.run(exchanged, signal)
          tokens = Math.min(tokens + 1, RETRY_TOKENS)
          return answer
        } catch (error) {
          signal?.throwIfAborted()
          if (error instanceof SourceFailure) throw error.cause
          const failure = classify(error, operation)
          // To complete an upload after a conflict, its parts have to be sent again.
          const isFinal = once || (failure.kind === 'conflict' && operation === 'CompleteMultipartUpload')
          if (isFinal || !mayRetry(failure, tried))
            throw errorOf(failure, error, { operation, ...(path !== undefined && { path }), tries: tried })
          await rest(failure, tried, signal)
        }
      }
    },
  }
}

function overBudget(requests: number): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_UNAVAILABLE',
    `The ${requests} requests that this store may make are made`,
    { hint: 'Raise requestBudget' },
  )
}
