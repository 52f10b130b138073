/**
 * Decoding by zstd-codec, for runtimes whose `node:zlib` has no zstd.
 *
 * @module
 */
import { damaged } from './engine.ts'
import { type DecompressStream, loadBinding, type ZstdCodecBinding } from './zstd-codec-binding.ts'

/** Instances that wait to be used again: each has 16 MiB, and takes some 20 ms to start (measured). */
const idle: ZstdCodecBinding[] = []
const MAXIMUM_IDLE = 1

/**
 * One instance of the codec, for one stream at a time: its memory has room for one window of 8 MiB. Frames with larger
 * windows must not get here.
 */
export class ZstdCodecDecoder {
  readonly #binding: ZstdCodecBinding
  #stream: DecompressStream | undefined
  #broken = false

  private constructor(binding: ZstdCodecBinding) {
    this.#binding = binding
  }

  /** Takes an instance, which must be released. */
  static async acquire(): Promise<ZstdCodecDecoder> {
    return new ZstdCodecDecoder(idle.pop() ?? (await loadBinding()).binding)
  }

  /** Begins a frame. */
  begin(): void {
    this.#run(() => {
      this.#stream = new this.#binding.ZstdDecompressStreamBinding()
      return this.#stream.begin()
    })
  }

  /** Decodes a part of the frame that holds at most one block, and gives what it makes. */
  decode(part: Uint8Array): Uint8Array[] {
    const output: Uint8Array[] = []
    this.#run(() => this.#stream!.transform(part, (bytes) => output.push(bytes)))
    return output
  }

  /** Ends a frame whose last part has been decoded. */
  end(): Uint8Array[] {
    const output: Uint8Array[] = []
    this.#run(() => this.#stream!.end((bytes) => output.push(bytes)))
    this.#close()
    return output
  }

  /** Gives the instance back, wherever its frame stands. */
  release(): void {
    if (!this.#broken) this.#close()
    if (!this.#broken && idle.length < MAXIMUM_IDLE) idle.push(this.#binding)
  }

  #close(): void {
    this.#run(() => {
      this.#stream?.delete()
      this.#stream = undefined
      return true
    })
  }

  /** An instance that has thrown has lost its memory; one that said no has not. */
  #run(step: () => boolean): void {
    let done
    try {
      done = step()
    } catch (error) {
      this.#broken = true
      throw damaged('A zstd frame that cannot be decoded', error)
    }
    if (!done) throw damaged('A damaged zstd frame')
  }
}
