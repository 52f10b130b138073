/**
 * How long one waits for somebody else.
 *
 * @module
 */
import { CacheStoreError } from './errors.ts'

/** Time for somebody else's answer. It ends by itself or with the caller's signal; {@link Patience.end} frees it. */
export class Patience {
  readonly #ms: number
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal | undefined
  readonly #give = (): void => this.#controller.abort(this.#caller?.reason)
  #timer: NodeJS.Timeout | undefined
  #check: NodeJS.Immediate | undefined
  #holds = 0

  /** Starts the clock. `Infinity` milliseconds leave only the signal. */
  constructor(ms: number, signal: AbortSignal | undefined) {
    this.#ms = ms
    this.#caller = signal
    if (signal?.aborted) this.#give()
    else signal?.addEventListener('abort', this.#give, { once: true })
    this.#wind()
  }

  /** Aborted when patience ends, for those who listen. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * What `promise` comes to, whether it listens to the signal or not.
   *
   * @throws {CacheStoreError} `ERR_CACHE_STORE_UNAVAILABLE` when the time is up; the reason of the caller's signal.
   */
  wait<Result>(promise: Promise<Result>): Promise<Result> {
    const { signal } = this
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error)
      const settle = (): void => signal.removeEventListener('abort', stop)
      promise.finally(settle).then(resolve, reject)
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop, { once: true })
    })
  }

  /** Stops the clock while it is not the other one's turn. Holds add up. */
  hold(): void {
    this.#holds += 1
    this.#stop()
  }

  /** Takes back one hold; after the last one the clock starts anew. */
  resume(): void {
    this.#holds -= 1
    this.#wind()
  }

  /** Nothing is awaited any more. */
  end(): void {
    this.#holds = Infinity
    this.#stop()
    this.#caller?.removeEventListener('abort', this.#give)
  }

  #wind(): void {
    if (this.#holds > 0 || this.#ms === Infinity || this.#controller.signal.aborted) return
    this.#stop()
    this.#timer = setTimeout(() => {
      // If it was we who stood still, what came meanwhile is read first, in this turn of the event loop.
      this.#check = setImmediate(() => {
        const message = `No answer within ${this.#ms} ms`
        this.#controller.abort(new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', message))
      })
    }, this.#ms)
  }

  #stop(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#check)
  }
}

/** Runs an operation of somebody else's with {@link Patience}. */
export async function within<Result>(
  ms: number,
  signal: AbortSignal | undefined,
  run: (patience: Patience) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted()
  const patience = new Patience(ms, signal)
  try {
    return await patience.wait(run(patience))
  } finally {
    patience.end()
  }
}
