/**
 * Patience with the other side of a connection, step by step.
 *
 * @module
 */

/** Runs while it is the other side's turn; our own slowness, or the caller's, never counts. */
export interface Clock {
  /** Begins a step of at most so many milliseconds; a step that was under way is over. */
  start(milliseconds: number): void
  /** Ends the step. */
  stop(): void
  /** Ends all of it, for good. */
  finish(): void
}

/** Calls `onLate` with an `ETIMEDOUT` for a step that takes too long. */
export function createClock(onLate: (error: Error) => void): Clock {
  let timer: NodeJS.Timeout | undefined
  let check: NodeJS.Immediate | undefined
  let set = 0
  let isRunning = false
  let isFinished = false
  const late = (): void => {
    // If it was we who stood still, what came meanwhile is read first, in this turn of the event loop.
    check = setImmediate(() => {
      if (isRunning) onLate(Object.assign(new Error(`Nothing came for ${set} ms`), { code: 'ETIMEDOUT' }))
    })
  }
  return {
    start(milliseconds) {
      if (isFinished) return
      isRunning = true
      clearImmediate(check)
      if (timer !== undefined && set === milliseconds) {
        // A body has thousands of steps: one timer serves them all.
        timer.refresh()
        return
      }
      clearTimeout(timer)
      set = milliseconds
      // A request keeps the process alive by its connection; its time limit alone must not.
      timer = setTimeout(late, milliseconds).unref()
    },
    stop() {
      isRunning = false
    },
    finish() {
      isRunning = false
      isFinished = true
      clearTimeout(timer)
    },
  }
}
