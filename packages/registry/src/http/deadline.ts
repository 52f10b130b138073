/**
 * A signal that also fires by itself.
 *
 * `AbortSignal.any` with `AbortSignal.timeout` would do, but neither can be called off: thousands of small requests
 * would leave as many timers behind.
 *
 * @module
 */

/** A time limit of one request. */
export interface Deadline {
  readonly signal: AbortSignal
  /** Sets the time that is left from now on. */
  limit(milliseconds: number): void
  /** To be called when the request is over. Idempotent. */
  clear(): void
}

/** Follows `signal`, and aborts with a `TimeoutError` after so many milliseconds, if any. */
export function createDeadline(milliseconds: number | undefined, signal: AbortSignal | undefined): Deadline {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(signal?.reason)
  const onTime = (): void => controller.abort(new DOMException('The request took too long', 'TimeoutError'))
  let timer: NodeJS.Timeout | undefined
  const limit = (left: number): void => {
    clearTimeout(timer)
    // A request keeps the process alive by its connection; its time limit alone must not.
    timer = setTimeout(onTime, left).unref()
  }
  if (milliseconds !== undefined) limit(milliseconds)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    limit,
    clear() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}
