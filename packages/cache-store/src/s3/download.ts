/**
 * The bytes of an object: in parts side by side, each resumed where its connection was cut.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { pause } from '../pause.ts'
import type { Objects } from './objects.ts'

/** How objects are read. */
export interface DownloadSettings {
  readonly objects: Objects
  readonly partSize: number
  /** Parts in flight. */
  readonly concurrency: number
  /** Cuts in a row that a part survives, without so much as {@link PROGRESS} bytes between them. */
  readonly attempts: number
}

/** Less than this between two cuts is no progress: a server that sends a byte at a time must come to an end. */
const PROGRESS = 256 * 1024

/** A pause after a cut. */
const PAUSE_MS = 100

/** Size of a chunk: what hashes it lets others run in between. */
const CHUNK = 512 * 1024

/**
 * The bytes from `start` to `end` in order. At most `concurrency` parts are in memory, of which one is being read.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_MISSING` if the object is gone.
 */
export async function* download(
  settings: DownloadSettings,
  key: string,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const { concurrency } = settings
  // Of the parts of an upload somebody else keeps the next one; here they are all ours.
  const partSize = Math.ceil(settings.partSize / 2)
  const stop = new AbortController()
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const parts: Promise<Uint8Array>[] = []
  // New memory for each part would be collected at the price of hashing it (measured).
  const spare: Uint8Array[] = []
  let next = start
  const begin = (): void => {
    if (next >= end) return
    const length = Math.min(partSize, end - next)
    const target = spare.pop() ?? new Uint8Array(length)
    const part = readPart(settings, key, next, target.subarray(0, length), stopped)
    // Its failure is met when its turn comes; until then it must not count as unhandled.
    part.catch(() => undefined)
    parts.push(part)
    next += length
  }
  try {
    for (let number = 0; number < concurrency; number += 1) begin()
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const bytes = await part
      for (let at = 0; at < bytes.byteLength; at += CHUNK) yield bytes.slice(at, at + CHUNK)
      spare.push(bytes)
      begin()
    }
  } finally {
    stop.abort()
  }
}

/** Fills `part` with the bytes from `start`, by one request after the other, each from where the one before ended. */
async function readPart(
  { objects, attempts }: DownloadSettings,
  key: string,
  start: number,
  part: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const end = start + part.byteLength
  let used = 0
  for (let cuts = 0; ;) {
    const before = used
    const object = await objects.open(key, start + used, end, withSignal(signal))
    if (object === undefined) throw missing(key)
    let cause: unknown
    try {
      await object.body.pump((chunk) => {
        // More than was asked for is of no use; whoever knows the digest finds out whether it was less.
        const wanted = chunk.subarray(0, part.byteLength - used)
        part.set(wanted, used)
        used += wanted.byteLength
      })
    } catch (error) {
      signal.throwIfAborted()
      cause = error
    }
    if (used === part.byteLength) return part
    // Another object than the one that was looked at: shorter, so damaged or made anew.
    if (object.size < end) throw missing(key)
    cuts = used - before >= PROGRESS ? 1 : cuts + 1
    if (cuts >= attempts) throw cutOff(key, start + used, cause)
    await pause(PAUSE_MS * cuts, signal)
  }
}

function missing(path: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_MISSING', 'A blob is no longer in the bucket', { path })
}

function cutOff(path: string, position: number, cause: unknown): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_UNAVAILABLE',
    `The S3 server keeps cutting connections, the last one at byte ${position}`,
    { path, cause },
  )
}
