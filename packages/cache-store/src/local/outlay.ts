/**
 * The room that one write takes, and a second try where the disk was full.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'
import { spaceFor } from './blocks.ts'
import { overBudget } from './failure.ts'
import type { Room } from './room.ts'

/** What a write has taken so far. */
export interface Outlay {
  /** Takes what `size` bytes need beyond that. @throws {CacheStoreError} `ERR_CACHE_STORE_FULL` */
  cover(size: number): Promise<void>
  /** The write has ended with a file of this size, or none. */
  end(size: number | undefined): void
}

/** Begins with nothing; `path` is what the error names. */
export function openOutlay(room: Room, path: string): Outlay {
  let taken = 0
  return {
    cover: async (size) => {
      const more = spaceFor(size) - taken
      if (more <= 0) return
      const answer = room.take(more)
      if (!(answer === true || (await answer))) throw overBudget(path)
      taken += more
    },
    end: (size) => room.settle(taken, size === undefined ? 0 : Math.min(taken, spaceFor(size))),
  }
}

/** Runs a write of so many bytes; once more if the disk was full, and a collection has helped. */
export async function withSpace<Result>(
  room: Room,
  size: number,
  write: () => Promise<Result>,
): Promise<Result> {
  try {
    return await write()
  } catch (error) {
    if (isDiskFull(error) && (await room.makeSpace(spaceFor(size)))) return write()
    throw error
  }
}

/** Not the budget, which has been seen to already. */
function isDiskFull(error: unknown): boolean {
  return (
    error instanceof CacheStoreError && error.code === 'ERR_CACHE_STORE_FULL' && error.cause !== undefined
  )
}
