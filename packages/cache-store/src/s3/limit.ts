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
  const failures: { readonly error: unknown }[] = []
  const work = async (): Promise<void> => {
    while (failures.length === 0) {
      const { done, value } = iterator.next()
      if (done) return
      try {
        await operation(value)
      } catch (error) {
        failures.push({ error })
      }
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  const [first] = failures
  if (first !== undefined) throw first.error
}
