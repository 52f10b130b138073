/**
 * Streams cut anew, and memory that is filled again.
 *
 * @module
 */

/** Memory of chunks, to be filled again when they have been used: fresh pages are not free (measured). */
export class ChunkPool {
  readonly #make: () => Buffer
  readonly #free: Buffer[] = []
  readonly #taken = new Map<ArrayBufferLike, Buffer>()

  constructor(make: () => Buffer) {
    this.#make = make
  }

  /** Memory that is the caller's until it is released. */
  allocate(): Buffer {
    const chunk = this.#free.pop() ?? this.#make()
    this.#taken.set(chunk.buffer, chunk)
    return chunk
  }

  /** Takes memory back by any part of it; what is not from here is left alone. */
  release({ buffer }: Uint8Array): void {
    const chunk = this.#taken.get(buffer)
    if (chunk === undefined) return
    this.#taken.delete(buffer)
    this.#free.push(chunk)
  }
}

/** Where {@link rechunk} gets memory, and what it does with chunks that it has copied. */
export interface RechunkMemory {
  readonly allocate?: (() => Uint8Array) | undefined
  readonly release?: ((chunk: Uint8Array) => void) | undefined
}

/**
 * Cuts a stream into chunks of `size` bytes, the last one shorter. Chunks that are just right pass without a copy, as
 * do whole pieces of longer ones.
 */
export async function* rechunk(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
  memory: RechunkMemory = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { allocate = () => new Uint8Array(size), release } = memory
  let target: Uint8Array | undefined
  let used = 0
  for await (const chunk of chunks) {
    let copied = true
    for (let at = 0; at < chunk.byteLength;) {
      const length = Math.min(size - used, chunk.byteLength - at)
      if (length === size) {
        copied = false
        yield chunk.subarray(at, at + size)
      } else {
        target ??= allocate()
        target.set(chunk.subarray(at, at + length), used)
        used += length
        if (used === size) {
          yield target.subarray(0, size)
          target = undefined
          used = 0
        }
      }
      at += length
    }
    if (copied) release?.(chunk)
  }
  if (target !== undefined && used > 0) yield target.subarray(0, used)
}
