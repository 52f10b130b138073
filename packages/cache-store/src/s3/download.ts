/**
 * The bytes of an object: in parts side by side, or as one stream where that is fast enough.
 *
 * One connection to S3 over a network gives less than a computer can take; one to a server near by gives more, and to
 * put parts together then costs more than it brings (measured: twice the time). The first part tells which it is.
 *
 * @module
 */
import { fillRange, type RangeSettings, streamRange } from './ranges.ts'

/** How objects are read. */
export interface DownloadSettings extends RangeSettings {
  readonly partSize: number
  /** Parts in flight. */
  readonly concurrency: number
}

/** Size of a chunk: what hashes it lets others run in between. */
const CHUNK = 512 * 1024

/** Bytes in a millisecond, from the request to the last of them, that make one connection enough: 200 MB/s. */
const FAST = 200_000

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
  signal?.throwIfAborted()
  const stop = new AbortController()
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  // Of the parts of an upload somebody else keeps the next one; here they are all ours.
  const partSize = Math.ceil(settings.partSize / 2)
  try {
    const first = new Uint8Array(Math.min(partSize, end - start))
    const begun = performance.now()
    await fillRange(settings, key, start, first, stopped)
    const isFast = first.byteLength / (performance.now() - begun) > FAST
    for (let at = 0; at < first.byteLength; at += CHUNK) yield first.subarray(at, at + CHUNK)
    const rest = start + first.byteLength
    if (isFast) yield* streamRange(settings, key, rest, end, stopped)
    else yield* inParts(settings, key, rest, end, partSize, stopped)
  } finally {
    stop.abort()
  }
}

async function* inParts(
  settings: DownloadSettings,
  key: string,
  start: number,
  end: number,
  partSize: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const parts: Promise<Uint8Array>[] = []
  // New memory for each part would be collected at the price of hashing it (measured).
  const spare: Uint8Array[] = []
  let next = start
  const begin = (): void => {
    if (next >= end) return
    const length = Math.min(partSize, end - next)
    const target = (spare.pop() ?? new Uint8Array(length)).subarray(0, length)
    const part = fillRange(settings, key, next, target, signal).then(() => target)
    // Its failure is met when its turn comes; until then it must not count as unhandled.
    part.catch(() => undefined)
    parts.push(part)
    next += length
  }
  for (let number = 0; number < settings.concurrency; number += 1) begin()
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    const bytes = await part
    for (let at = 0; at < bytes.byteLength; at += CHUNK) yield bytes.slice(at, at + CHUNK)
    spare.push(bytes)
    begin()
  }
}
