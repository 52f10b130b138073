/**
 * Re-openable bytes.
 *
 * A body that can be opened again, at any offset, can be retried, resumed and verified; that is why everything in
 * varve that moves bytes takes a {@link ByteSource} and not a stream.
 *
 * @module
 */
import { DigestError } from './errors.ts'

/** Which part to open, and how to stop. */
export interface OpenOptions {
  /** First byte, counted from 0. Default 0; beyond the end gives nothing. */
  readonly start?: number
  /** First byte that is not wanted. Default: to the end. */
  readonly end?: number
  /** Ends the read; the iteration rejects with `signal.reason`. */
  readonly signal?: AbortSignal
}

/** Bytes that can be read any number of times, from any offset, also at once. */
export interface ByteSource {
  /** Length in bytes where it is known beforehand. */
  readonly size: number | undefined
  /** Starts a read. A yielded chunk belongs to the reader and is not touched again. */
  open(options?: OpenOptions): AsyncIterable<Uint8Array>
  /**
   * Starts reads in any order that wait for nothing, into memory of the reader: what a local file can offer beside
   * `open`, for those who would pass over most of it. `undefined`, or absent, where the bytes cannot be had so; a
   * source that verifies what passes never has it.
   */
  openBlocks?(): BlockReader | undefined
}

/** Blocks of a {@link ByteSource}, in any order and at once. The one who opened it closes it. */
export interface BlockReader {
  /** Length in bytes. */
  readonly size: number
  /**
   * Reads from `position` until `target` is full or the bytes end; returns how many it read.
   *
   * Fails as a read of `open` does.
   */
  read(target: Uint8Array, position: number): number
  close(): void
}

/** The bytes of an array; they are not copied, so do not change them. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    async *open({ start = 0, end = bytes.byteLength, signal }: OpenOptions = {}) {
      signal?.throwIfAborted()
      const part = bytes.subarray(start, Math.max(start, end))
      if (part.byteLength > 0) yield part
    },
  }
}

/**
 * The bytes of a stream that can be started again from its beginning.
 *
 * `start` is called when a read begins and gets the signal. A read at an offset costs the bytes before it.
 */
export function streamSource(
  start: (signal?: AbortSignal) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size?: number,
): ByteSource {
  return {
    size,
    open: (options: OpenOptions = {}) => cut(start, options),
  }
}

/** Bytes `[start, end)` of another source; where that one does not know its size, `end` is taken at its word. */
export function sliceSource(
  source: ByteSource,
  start: number,
  end: number | undefined = source.size,
): ByteSource {
  return new SliceSource(source, start, Math.max(start, Math.min(end ?? Infinity, source.size ?? Infinity)))
}

/** A class, since an archive has one for each of its files: without closures it takes a third of the memory. */
class SliceSource implements ByteSource {
  readonly size: number | undefined
  readonly #source: ByteSource
  readonly #start: number

  constructor(source: ByteSource, start: number, bound: number) {
    this.size = bound === Infinity ? undefined : bound - start
    this.#source = source
    this.#start = start
  }

  open({ start = 0, end = Infinity, ...rest }: OpenOptions = {}): AsyncIterable<Uint8Array> {
    const first = this.#start
    const last = first + Math.min(end, this.size ?? Infinity)
    return this.#source.open({ ...rest, start: first + start, ...(last === Infinity ? {} : { end: last }) })
  }

  openBlocks(): BlockReader | undefined {
    const { size } = this
    const start = this.#start
    const reader = size === undefined ? undefined : this.#source.openBlocks?.()
    if (size === undefined || reader === undefined) return undefined
    return {
      size,
      read: (target, position) => {
        const room = Math.max(0, size - position)
        return reader.read(target.byteLength <= room ? target : target.subarray(0, room), start + position)
      },
      close: () => reader.close(),
    }
  }
}

/** Several sources, one after the other. An offset skips whole parts, but reads the ones of unknown size. */
export function concatSources(parts: readonly ByteSource[]): ByteSource {
  const sizes = parts.map((part) => part.size)
  const size = sizes.every((each) => each !== undefined)
    ? sizes.reduce((sum, each) => sum + each, 0)
    : undefined
  return {
    size,
    async *open({ start = 0, end = Infinity, signal }: OpenOptions = {}) {
      signal?.throwIfAborted()
      let position = 0
      for (const part of parts) {
        if (position >= end) return
        const length = part.size
        if (length !== undefined && position + length <= start) {
          position += length
          continue
        }
        // Only reading tells where a part of unknown size ends, so that one is read from its beginning.
        let read = length === undefined ? 0 : Math.max(0, start - position)
        const to = end === Infinity ? {} : { end: end - position }
        for await (const chunk of part.open({ start: read, ...to, ...withSignal(signal) })) {
          const skipped = Math.max(0, start - position - read)
          read += chunk.byteLength
          if (skipped < chunk.byteLength) yield chunk.subarray(skipped)
        }
        position += length ?? read
      }
    },
  }
}

/**
 * Collects a stream into one array of at most `limit` bytes.
 *
 * @throws {DigestError} `ERR_DIGEST_LIMIT` as soon as there are more; what follows is not read.
 */
export async function readAll(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of source) {
    size += chunk.byteLength
    if (size > limit) {
      throw new DigestError('ERR_DIGEST_LIMIT', `More than ${limit} bytes`, { expected: limit, actual: size })
    }
    chunks.push(chunk)
  }
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const all = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.byteLength
  }
  return all
}

/** Spreads a signal into options under `exactOptionalPropertyTypes`. */
export function withSignal(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

async function* cut(
  begin: (signal?: AbortSignal) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { start = 0, end = Infinity, signal }: OpenOptions,
): AsyncGenerator<Uint8Array, void, void> {
  let position = 0
  signal?.throwIfAborted()
  if (start >= end) return
  for await (const chunk of begin(signal)) {
    signal?.throwIfAborted()
    const from = Math.max(0, start - position)
    const to = Math.min(chunk.byteLength, end - position)
    position += chunk.byteLength
    if (from < to) yield chunk.subarray(from, to)
    if (position >= end) return
  }
}
