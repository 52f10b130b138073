/**
 * Codecs written in JavaScript, in threads of their own.
 *
 * A thread runs a few lines of CommonJS given as text, which load the codec from a resolved path: so it starts alike
 * from sources and from built files, without the loaders of the main thread.
 *
 * @module
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** What a thread runs: it answers each message with the bytes made of it, or throws. */
export interface CodecScript {
  /** CommonJS; `workerData` is {@link CodecScript.codec}. */
  readonly source: string
  /** Path of the module the script loads. */
  readonly codec: string
}

/** Idle threads end after so many milliseconds: long enough for the next of many small streams. */
const LINGER = 200

/** Who waits for a job. */
interface Job {
  resolve(bytes: Uint8Array): void
  reject(error: unknown): void
}

/** One thread, which does one job at a time. It keeps the process alive only while it works. */
export class CodecWorker {
  readonly #worker: Worker
  #job: Job | undefined
  #failure: unknown

  constructor({ source, codec }: CodecScript) {
    // Neither flags nor NODE_OPTIONS of the main thread: loaders would only slow it down.
    this.#worker = new Worker(source, { eval: true, workerData: codec, execArgv: [], env: {} })
    this.#worker.unref()
    this.#worker.on('message', (bytes: Uint8Array) => this.#finish((job) => job.resolve(bytes)))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('The thread of a codec has ended')))
  }

  /** Whether it can still work. */
  get alive(): boolean {
    return this.#failure === undefined
  }

  /** Runs one job; the message is copied. Rejects with what the thread threw, and every time after that. */
  async run(message: unknown): Promise<Uint8Array> {
    if (!this.alive) throw this.#failure
    return new Promise((resolve, reject) => {
      this.#job = { resolve, reject }
      this.#worker.ref()
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage(message)
    })
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#finish((job) => job.reject(error))
  }

  #finish(settle: (job: Job) => void): void {
    const job = this.#job
    this.#job = undefined
    this.#worker.unref()
    if (job !== undefined) settle(job)
  }
}

/** As many threads as there are processors, started when there is work and ended when there is none. */
export class CodecPool {
  readonly #script: CodecScript
  readonly #idle: CodecWorker[] = []
  readonly #waiting: ((worker: CodecWorker) => void)[] = []
  #size = 0
  #timer: NodeJS.Timeout | undefined

  constructor(script: CodecScript) {
    this.#script = script
  }

  /** Threads that exist. */
  get size(): number {
    return this.#size
  }

  /** Runs a job in the next thread that is free; rejects with what the thread threw. */
  async run(message: unknown): Promise<Uint8Array> {
    const worker = await this.#take()
    try {
      return await worker.run(message)
    } finally {
      this.#give(worker)
    }
  }

  #take(): CodecWorker | Promise<CodecWorker> {
    clearTimeout(this.#timer)
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    if (this.#size >= availableParallelism()) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#size++
    return new CodecWorker(this.#script)
  }

  #give(worker: CodecWorker): void {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      next(worker.alive ? worker : new CodecWorker(this.#script))
      return
    }
    if (worker.alive) this.#idle.push(worker)
    else this.#size--
    if (this.#idle.length === this.#size) {
      this.#timer = setTimeout(() => this.#endAll(), LINGER).unref()
    }
  }

  #endAll(): void {
    this.#size -= this.#idle.length
    for (const worker of this.#idle.splice(0)) void worker.end()
  }
}
