/**
 * What goes on during one try of a request: bytes out, bytes in, and the time in which nothing moves.
 *
 * @module
 */
import { Readable } from 'node:stream'

/** Bytes to send. They are opened anew for every try. */
export interface RequestBody {
  readonly size: number
  /** Hexadecimal; signed with the request, so that a server can refuse what is not these bytes. */
  readonly sha256: string
  /** The bytes, or what gives them; a failure of it fails the request for good. */
  readonly source: Uint8Array | ((signal: AbortSignal) => AsyncIterable<Uint8Array>)
}

/** Bytes that come in. */
export interface ResponseBody {
  /** Once. The chunks, no faster than they are taken. Leaving the loop early ends the request. */
  read(): AsyncGenerator<Uint8Array, void, void>
  /** Or, also once, gives each chunk to `sink` as soon as it comes; a failure of `sink` ends the request. */
  pump(sink: (chunk: Uint8Array) => void): Promise<void>
  /** For whoever does not want them: a body that is neither read nor discarded holds a connection. */
  discard(): void
}

/** What went wrong with the source of a body, as `cause`: no reason to try again. */
export class SourceFailure extends Error {}

/** A bigger piece than this says too seldom that something moves. */
const SLICE = 256 * 1024

/** How often it is looked, within the longest time without any progress, whether there was some. */
const LOOKS = 4

/** One try. */
export class Attempt {
  readonly #controller = new AbortController()
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  readonly #follow = (): void => this.#fail(this.#signal?.reason)
  readonly #timer: NodeJS.Timeout
  /** Since when we wait for the network, if we do. */
  #waitingSince: number | undefined
  #failure: { readonly reason: unknown } | undefined
  #sending: Readable | undefined
  #receiving: Readable | undefined

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs
    this.#signal = signal
    if (signal?.aborted) this.#follow()
    else signal?.addEventListener('abort', this.#follow, { once: true })
    this.#expect()
    // One timer that looks now and then costs less than one for each chunk.
    this.#timer = setInterval(() => this.#look(), Math.max(1, timeoutMs / LOOKS))
    this.#timer.unref()
  }

  /** Ends the request. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why it was given up, if it was, rather than what the network made of that. */
  reasonFor(error: unknown): unknown {
    return this.#failure === undefined ? error : this.#failure.reason
  }

  /** A stream of the bytes, with an eye on both ends. */
  send(body: RequestBody): Readable {
    const readable = Readable.from(this.#pieces(body), { objectMode: true, highWaterMark: 1 })
    readable.on('error', (error) => this.#fail(error))
    this.#sending = readable
    return readable
  }

  /** The bytes of an answer; the try goes on until they are read or discarded. */
  receive(readable: Readable): ResponseBody {
    this.#relax()
    this.#receiving = readable
    // An error after the reader has gone is nobody's.
    readable.on('error', () => undefined)
    return {
      read: () => this.#chunks(readable),
      pump: (sink) => this.#pump(readable, sink),
      discard: () => this.close(),
    }
  }

  /** Nothing of it goes on any more. */
  close(): void {
    clearInterval(this.#timer)
    this.#signal?.removeEventListener('abort', this.#follow)
    this.#receiving?.destroy()
    // An answer may come before all is sent: the rest is not wanted then.
    if (this.#sending === undefined) return
    this.#sending.destroy()
    this.#controller.abort()
  }

  async *#pieces(body: RequestBody): AsyncGenerator<Uint8Array, void, void> {
    const { source } = body
    try {
      this.#relax()
      for await (const chunk of source instanceof Uint8Array ? [source] : source(this.#controller.signal)) {
        for (let at = 0; at < chunk.byteLength; at += SLICE) {
          // From now on it is for the network to take it.
          this.#expect()
          yield chunk.byteLength <= SLICE ? chunk : chunk.subarray(at, at + SLICE)
          this.#relax()
        }
      }
      this.#sending = undefined
      this.#expect()
    } catch (cause) {
      this.#fail(new SourceFailure('The source of a body failed', { cause }))
    }
  }

  async *#chunks(readable: Readable): AsyncGenerator<Uint8Array, void, void> {
    try {
      this.#expect()
      for await (const chunk of readable as AsyncIterable<Uint8Array>) {
        this.#relax()
        yield chunk
        this.#expect()
      }
    } catch (error) {
      throw this.reasonFor(error)
    } finally {
      this.close()
    }
  }

  async #pump(readable: Readable, sink: (chunk: Uint8Array) => void): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        // By events: a promise for each chunk would cost as much as to hash it (measured).
        readable.on('data', (chunk: Uint8Array) => {
          this.#expect()
          try {
            sink(chunk)
          } catch (error) {
            this.#fail(error)
            reject(error)
          }
        })
        readable.on('end', resolve)
        readable.on('error', reject)
        readable.on('close', () => reject(new Error('The connection was closed too soon')))
        this.#expect()
      })
    } catch (error) {
      throw this.reasonFor(error)
    } finally {
      this.close()
    }
  }

  #fail(reason: unknown): void {
    this.#failure ??= { reason }
    this.#controller.abort()
    this.#receiving?.destroy()
  }

  #expect(): void {
    this.#waitingSince = performance.now()
  }

  #relax(): void {
    this.#waitingSince = undefined
  }

  #look(): void {
    const waited = performance.now() - (this.#waitingSince ?? Infinity)
    if (waited >= this.#timeoutMs) this.#fail(timeout(this.#timeoutMs))
  }
}

function timeout(ms: number): Error {
  const error = new Error(`Nothing moved for ${ms} ms`)
  return Object.defineProperty(error, 'name', { value: 'TimeoutError' })
}
