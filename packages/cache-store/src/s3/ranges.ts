/**
 * Ranges of an object, each resumed where its connection was cut.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { pause } from '../pause.ts'
import type { Objects, OpenObject } from './objects.ts'

/** How objects are read. */
export interface RangeSettings {
  readonly objects: Objects
  /** Cuts in a row that a read survives, without so much as {@link PROGRESS} bytes between them. */
  readonly attempts: number
}

/** Less than this between two cuts is no progress: a server that sends a byte at a time must come to an end. */
const PROGRESS = 256 * 1024

/** A pause after a cut; longer after each. */
const PAUSE_MS = 100

/** Fills `part` with the bytes from `start`. */
export async function fillRange(
  settings: RangeSettings,
  key: string,
  start: number,
  part: Uint8Array,
  signal: AbortSignal,
  pauseMs: number = PAUSE_MS,
): Promise<void> {
  let used = 0
  const cuts = countCuts(settings, key, pauseMs)
  while (used < part.byteLength) {
    const { body } = await openRange(settings, key, start + used, start + part.byteLength, signal)
    let cause: unknown
    try {
      await body.pump((chunk) => {
        // More than was asked for is of no use; whoever knows the digest finds out whether it was less.
        const wanted = chunk.subarray(0, part.byteLength - used)
        part.set(wanted, used)
        used += wanted.byteLength
      })
    } catch (error) {
      signal.throwIfAborted()
      cause = error
    }
    if (used < part.byteLength) await cuts.next(start + used, cause, signal)
  }
}

/** The bytes from `start` to `end`, no faster than they are taken. */
export async function* streamRange(
  settings: RangeSettings,
  key: string,
  start: number,
  end: number,
  signal: AbortSignal,
  pauseMs: number = PAUSE_MS,
): AsyncGenerator<Uint8Array, void, void> {
  let position = start
  const cuts = countCuts(settings, key, pauseMs)
  while (position < end) {
    const { body } = await openRange(settings, key, position, end, signal)
    const chunks = body.read()
    let cause: unknown
    try {
      for (;;) {
        const next = await chunks.next().catch((error: unknown) => {
          signal.throwIfAborted()
          cause = error
        })
        // Read to its end, even if all that was asked for has come, a body gives its connection back.
        if (next === undefined || next.done || position >= end) break
        const wanted = next.value.subarray(0, end - position)
        position += wanted.byteLength
        yield wanted
      }
    } finally {
      await chunks.return()
    }
    if (position < end) await cuts.next(position, cause, signal)
  }
}

async function openRange(
  { objects }: RangeSettings,
  key: string,
  start: number,
  end: number,
  signal: AbortSignal,
): Promise<OpenObject> {
  const object = await objects.open(key, start, end, withSignal(signal))
  // A shorter one is another object than the one that was looked at: damaged, or made anew.
  if (object !== undefined && object.size >= end) return object
  object?.body.discard()
  throw new CacheStoreError('ERR_CACHE_STORE_MISSING', 'A blob is no longer in the bucket', { path: key })
}

/** Waits before the request after a cut, unless there were too many without progress. */
function countCuts(
  { attempts }: RangeSettings,
  path: string,
  pauseMs: number,
): { next(position: number, cause: unknown, signal: AbortSignal): Promise<void> } {
  let cuts = 0
  let last = 0
  return {
    next: async (position, cause, signal) => {
      cuts = cuts > 0 && position - last < PROGRESS ? cuts + 1 : 1
      last = position
      if (cuts >= attempts) {
        throw new CacheStoreError(
          'ERR_CACHE_STORE_UNAVAILABLE',
          `The S3 server keeps cutting connections, the last one at byte ${position}`,
          { path, cause },
        )
      }
      await pause(pauseMs * cuts, signal)
    },
  }
}
