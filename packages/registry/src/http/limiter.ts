/**
 * How many requests a host gets at once, and when it gets none.
 *
 * @module
 */
import { sleep } from './retry.ts'

/**
 * Small requests do not queue behind blobs: a blob can take an hour. Nor do pulls queue behind pushes: one whose bytes
 * come from another repository of the same host would wait for itself.
 */
export type Lane = 'document' | 'blob' | 'upload'

/** Slots per host and lane. */
export interface Limiter {
  /** Waits for a slot of a host, which is told by its origin. The function it gives frees the slot, and may be called more than once. */
  acquire(host: string, lane: Lane, signal?: AbortSignal): Promise<() => void>
  /** Gives a host that is overloaded, or does not answer, no new request for a while. */
  pause(host: string, milliseconds: number): void
}

interface Queue {
  active: number
  readonly waiting: (() => void)[]
}

/** `concurrency` slots in each lane of each host, unless `ofHost` knows better. */
export function createLimiter(
  concurrency: number,
  ofHost: (host: string) => number | undefined = () => undefined,
): Limiter {
  const queues = new Map<string, Queue>()
  const pausedUntil = new Map<string, number>()

  return {
    async acquire(host, lane, signal) {
      const key = `${lane} ${host}`
      const queue = queues.get(key) ?? { active: 0, waiting: [] }
      queues.set(key, queue)
      if (queue.active >= (ofHost(host) ?? concurrency)) await turn(queue, signal)
      else queue.active++
      let held = true
      const release = (): void => {
        if (!held) return
        held = false
        const next = queue.waiting.shift()
        // The slot goes from hand to hand, so nobody can slip in between.
        if (next !== undefined) next()
        // Replies can name any number of hosts, which must not be remembered for ever.
        else if (--queue.active === 0) queues.delete(key)
      }
      try {
        for (let wait = remaining(host); wait > 0; wait = remaining(host)) await sleep(wait, signal)
      } catch (error) {
        release()
        throw error
      }
      return release
    },
    pause(host, milliseconds) {
      pausedUntil.set(host, Math.max(pausedUntil.get(host) ?? 0, Date.now() + milliseconds))
    },
  }

  function remaining(host: string): number {
    const until = pausedUntil.get(host)
    if (until === undefined) return 0
    const wait = until - Date.now()
    if (wait <= 0) pausedUntil.delete(host)
    return wait
  }
}

function turn(queue: Queue, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onTurn = (): void => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    const onAbort = (): void => {
      queue.waiting.splice(queue.waiting.indexOf(onTurn), 1)
      reject(signal?.reason as Error)
    }
    if (signal?.aborted === true) return reject(signal.reason as Error)
    signal?.addEventListener('abort', onAbort, { once: true })
    queue.waiting.push(onTurn)
  })
}
