/**
 * A source that remembers what became of it, for those who hand it to a store and want to know whom to blame.
 *
 * @module
 */
import type { ByteSource, OpenOptions } from '@varve/digest'
import { isWrongBytes } from './failure.ts'

/** Passes the bytes of another source on, and counts them. */
export class WatchedSource implements ByteSource {
  readonly size: number | undefined
  readonly #source: ByteSource
  #bytes = 0
  #hasFailed = false

  constructor(source: ByteSource) {
    this.size = source.size
    this.#source = source
  }

  /** Bytes handed out so far, by all reads together. */
  get bytes(): number {
    return this.#bytes
  }

  async *open(options: OpenOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    try {
      for await (const chunk of this.#source.open(options)) {
        this.#bytes += chunk.byteLength
        yield chunk
      }
    } catch (error) {
      // A read that its reader has stopped did not fail.
      if (!options.signal?.aborted) this.#hasFailed = true
      throw error
    }
  }

  /** Whether a read failed, other than by being stopped. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Whether a store that failed with `error` did so because the source failed, or gave wrong bytes. */
  isToBlame(error: unknown): boolean {
    return this.#hasFailed || isWrongBytes(error)
  }
}
