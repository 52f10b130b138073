/**
 * So much at once and no more.
 *
 * @module
 */

/** Runs operations, a limited number of them at a time, first come first served. */
export interface Limit {
  /** Waits for a turn, and gives what ends it. Rejects with the reason of the signal if that comes first. */
  enter(signal?: AbortSignal): Promise<() => void>
  /** Rejects with the reason of the signal if that comes before the turn does. */
  run<Result>(operation: () => Promise<Result>, signal?: AbortSignal): Promise<Result>
}

/** At most `width` operations run at a time. */
export function createLimit(width: number): Limit {
  let free = width
  const waiting = new Set<() => void>()
  const release = (): void => {
    const [next] = waiting
    if (next === undefined) free += 1
    else next()
  }
  const turn = (signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted()
    if (free > 0) {
      free -= 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        waiting.delete(go)
        reject(signal?.reason as Error)
      }
      const go = (): void => {
        waiting.delete(go)
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      waiting.add(go)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }
  return {
    enter: async (signal) => {
      await turn(signal)
      return release
    },
    run: async (operation, signal) => {
      await turn(signal)
      try {
        return await operation()
      } finally {
        release()
      }
    },
  }
}

/** Calls `operation` for each item, `width` at a time. The first failure stops the rest from being begun. */
export async function forEach<Item>(
  items: Iterable<Item>,
  width: number,
  operation: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failure: { readonly error: unknown } | undefined
  const work = async (): Promise<void> => {
    while (failure === undefined) {
      const { done, value } = iterator.next()
      if (done) return
      try {
        await operation(value)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error
}

/** Runs operations of one name one after the other. */
export interface Turns {
  run<Result>(name: string, operation: () => Promise<Result>): Promise<Result>
}

/** Turns by name; names are forgotten when nobody waits. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    run: (name, operation) => {
      const turn = (last.get(name) ?? Promise.resolve()).then(operation)
      const settled = turn.then(
        () => undefined,
        () => undefined,
      )
      last.set(name, settled)
      void settled.then(() => {
        if (last.get(name) === settled) last.delete(name)
      })
      return turn
    },
  }
}
