/**
 * Decompression of layers from outside.
 *
 * @module
 */
import { limitError, type Limits, RATIO_FLOOR, resolveLimits } from '../tar/limits.ts'
import { type Compression, detectCompression, MAGIC_LENGTH } from './detect.ts'
import { gunzip } from './gunzip.ts'
import { unzstd } from './unzstd.ts'

/** Options of {@link decompress}. */
export interface DecompressOptions {
  /** Default `auto`: by the first bytes. */
  readonly algorithm?: Compression | 'auto'
  /** `bytes` bounds what comes out, `ratio` what comes out for what went in. */
  readonly limits?: Partial<Limits>
  readonly signal?: AbortSignal
}

/**
 * Decompresses a stream; yielded chunks belong to the reader.
 *
 * gzip may have several members and zero padding after them; anything else there is an error, as is a stream that ends
 * early. zstd may have several frames, skippable ones among them, and nothing after them; windows are limited to 128 MiB,
 * and to 8 MiB where `node:zlib` has no zstd (before Node 22.15).
 *
 * @throws {LayerError} `ERR_LAYER_COMPRESSION` if it is damaged; `ERR_LAYER_LIMIT` if it unfolds beyond the limits or a
 *   zstd frame needs too large a window (`window`); `ERR_LAYER_UNSUPPORTED` for a zstd frame that needs a dictionary
 */
export async function* decompress(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { algorithm = 'auto', signal } = options
  signal?.throwIfAborted()
  const limits = resolveLimits(options.limits)
  const input = new CountedInput(chunks, signal)
  try {
    const found = algorithm === 'auto' ? detectCompression(await input.peek(MAGIC_LENGTH)) : algorithm
    let produced = 0
    for await (const chunk of found === 'gzip' ? gunzip(input) : found === 'zstd' ? unzstd(input) : input) {
      signal?.throwIfAborted()
      produced += chunk.byteLength
      if (produced > limits.bytes) throw limitError(limits, 'bytes', 'A large layer')
      if (produced > RATIO_FLOOR && produced > input.consumed * limits.ratio) {
        throw limitError(limits, 'ratio', 'A layer that unfolds suspiciously')
      }
      yield chunk
    }
  } finally {
    await input.close()
  }
}

/** Counts what was taken from the input, and lets its beginning be seen first. */
class CountedInput implements AsyncIterable<Uint8Array> {
  consumed = 0
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  readonly #signal: AbortSignal | undefined
  #head: Uint8Array[] = []
  #done = false

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, signal: AbortSignal | undefined) {
    this.#iterator =
      Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]()
    this.#signal = signal
  }

  async peek(length: number): Promise<Uint8Array> {
    let head: Uint8Array = new Uint8Array()
    while (head.byteLength < length) {
      const chunk = await this.#pull()
      if (chunk === undefined) break
      this.#head.push(chunk)
      head = Buffer.concat(this.#head)
    }
    return head
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    const head = this.#head
    this.#head = []
    for (const chunk of head) {
      this.consumed += chunk.byteLength
      yield chunk
    }
    for (let chunk = await this.#pull(); chunk !== undefined; chunk = await this.#pull()) {
      this.consumed += chunk.byteLength
      yield chunk
    }
  }

  async close(): Promise<void> {
    if (!this.#done) await this.#iterator.return?.()
    this.#done = true
  }

  async #pull(): Promise<Uint8Array | undefined> {
    if (this.#done) return undefined
    this.#signal?.throwIfAborted()
    const { value, done } = await this.#iterator.next()
    if (done === true) this.#done = true
    return done === true ? undefined : value
  }
}
