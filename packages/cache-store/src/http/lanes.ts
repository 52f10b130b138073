/**
 * How many requests a server gets at once.
 *
 * Questions, downloads and uploads do not wait for each other: a caller may hold downloads open while it asks or
 * uploads something, and would otherwise wait for itself.
 *
 * @module
 */

/** Kinds of requests that are counted apart. */
export const LANES: readonly ['question', 'download', 'upload'] = ['question', 'download', 'upload']

/** One of {@link LANES}. */
export type Lane = (typeof LANES)[number]

/** Slots, so many in each lane. */
export interface Lanes {
  /** Waits for a slot, first come, first served. The function it gives frees the slot; a second call does nothing. */
  enter(lane: Lane, signal?: AbortSignal): Promise<() => void>
}

interface Queue {
  free: number
  readonly waiting: Set<() => void>
}

/** `concurrency` slots in each lane. */
export function createLanes(concurrency: number): Lanes {
  const queues = new Map<Lane, Queue>(LANES.map((lane) => [lane, { free: concurrency, waiting: new Set() }]))
  return {
    enter: async (lane, signal) => {
      signal?.throwIfAborted()
      const queue = queues.get(lane)!
      if (queue.free > 0) queue.free -= 1
      else await turn(queue, signal)
      let held = true
      return () => {
        if (!held) return
        held = false
        // The slot goes from hand to hand, so that nobody slips in between.
        const [next] = queue.waiting
        if (next === undefined) queue.free += 1
        else next()
      }
    },
  }
}

function turn(queue: Queue, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      queue.waiting.delete(onTurn)
      signal?.removeEventListener('abort', onAbort)
    }
    const onTurn = (): void => {
      leave()
      resolve()
    }
    const onAbort = (): void => {
      leave()
      reject(signal?.reason as Error)
    }
    queue.waiting.add(onTurn)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
