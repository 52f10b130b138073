/**
 * One after the other, for what concerns the same thing.
 *
 * @module
 */
import { untilAborted } from './until-aborted.ts'

/**
 * Runs work when all that came before it under the same key has ended. Who gives up while waiting is not held; work
 * that has begun is still waited for by those behind it.
 */
export type InTurn = <Result>(
  key: string,
  work: () => Promise<Result>,
  signal?: AbortSignal,
) => Promise<Result>

/** Nobody waits yet. */
export function createTurns(): InTurn {
  const last = new Map<string, Promise<unknown>>()
  return (key, work, signal) => {
    const before = last.get(key)
    const begin = async () => {
      await before?.catch(() => undefined)
      signal?.throwIfAborted()
      return work()
    }
    const mine = begin().finally(() => {
      if (last.get(key) === mine) last.delete(key)
    })
    last.set(key, mine)
    return untilAborted(mine, signal)
  }
}
