/**
 * Writing a file while its bytes still come in.
 *
 * Chunks off a network are small, and each write costs a trip to another thread: they are gathered to large ones, of
 * which one is written while the next is gathered and hashed.
 *
 * @module
 */
import type { FileHandle } from 'node:fs/promises'

/** A file that grows. */
export interface Appender {
  /** Takes a chunk, which must not be changed any more; waits where the disk cannot keep up. */
  append(chunk: Uint8Array): Promise<void>
  /** Waits until all is written. To be called also after an error, before the file is closed. */
  finish(): Promise<void>
}

/** Enough to make the cost of a write small. */
const GATHERED_BYTES = 1024 * 1024

/** Appends from `start` on. */
export function createAppender(handle: FileHandle, start: number): Appender {
  let position = start
  let gathered: Uint8Array[] = []
  let size = 0
  let writing: Promise<void> = Promise.resolve()

  const flush = async (): Promise<void> => {
    await writing
    const chunks = gathered
    writing = writeWhole(handle, chunks, position)
    // Whoever comes next waits for it, and gets its error then.
    writing.catch(() => undefined)
    position += size
    gathered = []
    size = 0
  }
  return {
    async append(chunk) {
      gathered.push(chunk)
      size += chunk.byteLength
      if (size >= GATHERED_BYTES) await flush()
    },
    async finish() {
      if (size > 0) await flush()
      await writing
    },
  }
}

async function writeWhole(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = chunks
  let at = position
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev([...rest], at)
    at += bytesWritten
    rest = withoutFirst(rest, bytesWritten)
  }
}

/** What a write that stopped early has left. */
function withoutFirst(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skipped = bytes
  for (const [index, chunk] of chunks.entries()) {
    if (skipped < chunk.byteLength) return [chunk.subarray(skipped), ...chunks.slice(index + 1)]
    skipped -= chunk.byteLength
  }
  return []
}
