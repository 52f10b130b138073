/**
 * Patience with a server, with an end.
 *
 * @module
 */

/** A timer that runs while it is the server's turn. */
export interface Watch {
  /** From now on the server is to do something. Starts anew each time. */
  start(): void
  /** It is our turn, or the caller's, who may take as long as they like. */
  stop(): void
}

/** How long a server may take. */
export interface Patience {
  readonly ms: number
  /** `each`, the default: for each step, such as the next part of a body. `all`: for everything together. */
  readonly per?: 'each' | 'all'
}

/** Calls `onTimeout` when patience is at its end; `finish` ends it before, for good. */
export function createWatch(
  { ms, per = 'each' }: Patience,
  onTimeout: (error: Error) => void,
): Watch & { finish(): void } {
  let timer: NodeJS.Timeout | undefined
  let check: NodeJS.Immediate | undefined
  let finished = false
  const late = (): void => {
    // If it was we who stood still, what came meanwhile is read first, in this turn of the event loop.
    check = setImmediate(() => {
      onTimeout(Object.assign(new Error(`The server took longer than ${ms} ms`), { code: 'ETIMEDOUT' }))
    })
  }
  const begin = (): void => {
    if (!finished) timer = setTimeout(late, ms)
  }
  const end = (): void => {
    clearTimeout(timer)
    clearImmediate(check)
    timer = undefined
  }
  return {
    start: () => {
      if (per === 'all' && timer !== undefined) return
      end()
      begin()
    },
    stop: () => {
      if (per === 'each') end()
    },
    finish: () => {
      finished = true
      end()
    },
  }
}
