/**
 * Trying again: when, how often, after how long.
 *
 * @module
 */

/** How stubborn to be. */
export interface RetryPolicy {
  /** Attempts after the first. */
  readonly retries: number
  /** Told before each wait. */
  readonly onRetry?: (attempt: number, delayMs: number, error: unknown) => void
}

const BASE_MS = 250
const MAX_MS = 30_000
/** Also keeps a hostile `Retry-After` from overflowing a timer, which would then fire at once. */
const MAX_RETRY_AFTER_MS = 60_000

/** Errors worth another try, and how long the registry asked us to wait. Not on the error: it is no fact about it. */
const hints = new WeakMap<object, { readonly afterMs: number | undefined }>()

/** Marks an error as one that may pass, and returns it. */
export function retryable<E extends object>(error: E, afterMs?: number): E {
  hints.set(error, { afterMs })
  return error
}

/** Whether the error may pass. */
function isRetryable(error: unknown): error is object {
  return typeof error === 'object' && error !== null && hints.has(error)
}

/** Runs `operation` until it succeeds, fails for good, or has been tried often enough; then its last error is thrown. */
export async function withRetries<T>(
  policy: RetryPolicy,
  operation: (attempt: number) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await operation(attempt)
    } catch (error) {
      await waitToRetry(policy, attempt, error, signal)
    }
  }
}

/** Waits as long as attempt `attempt` deserves after `error`, or throws `error` if there must be no other. */
export async function waitToRetry(
  policy: RetryPolicy,
  attempt: number,
  error: unknown,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted()
  if (!isRetryable(error)) throw error
  const { afterMs } = hints.get(error) ?? {}
  if (attempt >= policy.retries) {
    // Whoever asked for this has its own patience, which must not multiply ours.
    hints.delete(error)
    throw error
  }
  const delay = afterMs ?? backOff(attempt)
  policy.onRetry?.(attempt + 1, delay, error)
  await sleep(delay, signal)
}

/** Doubles from 250 ms to 30 s, each time between a half and the whole, so that clients do not march in step. */
export function backOff(attempt: number, random: number = Math.random()): number {
  const whole = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(attempt, 16))
  return Math.round(whole * (0.5 + random / 2))
}

/** `Retry-After` in milliseconds, from seconds or a date, at most a minute: RFC 9110 §10.2.3. */
export function parseRetryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value === undefined) return undefined
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(0, wait), MAX_RETRY_AFTER_MS)
}

/** Rejects with `signal.reason` when aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error)
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
