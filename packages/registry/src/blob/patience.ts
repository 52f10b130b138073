/**
 * How long a transfer that breaks again and again is taken up again.
 *
 * The rule is that of containers/image: who gets on is forgiven. A blob of 10 GiB may break a hundred times, one that
 * stays where it is breaks as often as any other request.
 *
 * @module
 */
import { type RetryPolicy, waitToRetry } from '../http/retry.ts'

/** Counts the failures of one transfer. */
export interface Patience {
  /** Waits before another try at `position`, or throws `error` if there must be none. */
  after(error: unknown, position: number, signal: AbortSignal | undefined): Promise<void>
}

/** Progress that earns a clean slate at once. */
const PROGRESS = 1024 * 1024
/** Progress that earns it after a while; less is no progress, but a way to hold us. */
const SLOW_PROGRESS = 64 * 1024
const SLOW_MS = 60_000

/** Starts at `start`. What is sent or read a second time is no progress. */
export function createPatience(policy: RetryPolicy, start: number): Patience {
  let failures = 0
  let best = start
  let failedOn = performance.now()
  return {
    async after(error, position, signal) {
      const progress = position - best
      const isSlow = performance.now() - failedOn >= SLOW_MS
      if (progress >= PROGRESS || (isSlow && progress >= SLOW_PROGRESS)) failures = 0
      best = Math.max(best, position)
      failedOn = performance.now()
      await waitToRetry(policy, failures++, error, signal)
    },
  }
}
