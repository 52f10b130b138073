/**
 * Several ranges of a blob at once, given in order.
 *
 * One connection of a storage service is slower than most networks. The first range is passed on as it comes, and shows
 * whether the registry honours ranges at all; the ones after it are collected in memory meanwhile.
 *
 * @module
 */
import { download, type Reading } from './download.ts'
import type { Span } from './holder.ts'

/** Bytes of a range: enough for the cost of a request, little enough to be kept. */
const PART_BYTES = 8 * 1024 * 1024

/** Gives the bytes of a span, at most `parallel` ranges at once, with so many times 8 MiB of memory. */
export async function* downloadParts(
  reading: Reading,
  { start, end }: Span,
  parallel: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal?.reason)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', onAbort, { once: true })
  const pending: Promise<Uint8Array[]>[] = []
  let next = Math.min(start + PART_BYTES, end)
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
    for await (const chunk of download(reading, { start, end: next }, end, stop.signal)) {
      if (reading.ignoresRanges) next = end
      fill(parallel - 1)
      yield chunk
    }
    fill(parallel)
    for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
      const chunks = await part
      fill(parallel)
      // Each is given away as it is passed on, so that a part shrinks while it is read.
      for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk
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
