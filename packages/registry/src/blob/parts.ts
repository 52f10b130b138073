/**
 * Several ranges of a blob at once, given in order.
 *
 * One connection of a storage service is slower than most networks; but where one is as fast as we can hash, more of
 * them only cost (measured on loopback: half as long again). So the first range is passed on as it comes, which shows
 * whether the registry honours ranges at all, and how fast it is.
 *
 * @module
 */
import type { TransferSettings } from './options.ts'
import { download, type Reading } from './download.ts'
import type { Span } from './holder.ts'

/** Bytes of a range: enough for the cost of a request, little enough to be kept. */
const PART_BYTES = 8 * 1024 * 1024

/** Gives the bytes of a span. Of the ranges, `parallelParts` are in memory at once. */
export async function* downloadParts(
  reading: Reading,
  { start, end }: Span,
  { parallelParts, parallelBelow }: TransferSettings,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const first = { start, end: Math.min(start + PART_BYTES, end) }
  const pace = { bytes: 0, waitedMs: 0 }
  yield* measured(download(reading, first, end, signal), pace)
  if (reading.ignoresRanges || first.end === end) return
  const rest = { start: first.end, end }
  const isSlow = (pace.bytes / pace.waitedMs) * 1000 < parallelBelow
  if (isSlow) yield* ahead(reading, rest, parallelParts, signal)
  else yield* download(reading, rest, end, signal)
}

/** Collects ranges in memory, and gives one while the ones after it come in. */
async function* ahead(
  reading: Reading,
  { start, end }: Span,
  parts: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal?.reason)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', onAbort, { once: true })
  const pending: Promise<Uint8Array[]>[] = []
  let next = start
  const fill = (room: number): void => {
    while (pending.length < room && next < end) {
      const span = { start: next, end: Math.min(next + PART_BYTES, end) }
      const part = collect(download(reading, span, span.end, stop.signal))
      // It is awaited when its turn comes, which may be never.
      part.catch(() => undefined)
      pending.push(part)
      next = span.end
    }
  }
  try {
    fill(parts)
    for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
      const chunks = await part
      // The part that is given counts until it is gone.
      fill(parts - 1)
      for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk
      fill(parts)
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    stop.abort(new DOMException('The read has ended', 'AbortError'))
  }
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return chunks
}

/** Counts what comes, and how long it was waited for; a slow reader is not a slow registry. */
async function* measured(
  bytes: AsyncIterable<Uint8Array>,
  pace: { bytes: number; waitedMs: number },
): AsyncGenerator<Uint8Array, void, void> {
  let since = performance.now()
  for await (const chunk of bytes) {
    pace.bytes += chunk.byteLength
    pace.waitedMs += performance.now() - since
    yield chunk
    since = performance.now()
  }
}
