/**
 * Work in the background: bounded, a few at a time, by name.
 *
 * @module
 */
import { within } from '../../patience.ts'

/** How much may wait, and how much is done at once. */
export interface QueueOptions {
  /** Jobs that wait; whoever brings one more waits until there is room. Default 1,000. */
  readonly entries?: number
  /** Jobs at once. Default 4. */
  readonly concurrency?: number
}

/** Runs jobs in the order in which they came, each name once at a time. */
export class Queue {
  readonly #entries: number
  readonly #concurrency: number
  readonly #waiting = new Map<string, () => Promise<void>>()
  readonly #running = new Map<string, Promise<void>>()
  /** Those who wait for a change. */
  #watchers: (() => void)[] = []

  constructor({ entries = 1_000, concurrency = 4 }: QueueOptions = {}) {
    this.#entries = Math.max(1, entries)
    this.#concurrency = Math.max(1, concurrency)
  }

  /** Whether {@link add} would not wait. */
  get hasRoom(): boolean {
    return this.#waiting.size < this.#entries
  }

  /**
   * Takes a job, which never rejects, and is fulfilled once there was room for it. A job of the same name that has not
   * begun is replaced; one that has begun is finished first.
   */
  async add(name: string, job: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    while (!this.hasRoom && !this.#waiting.has(name)) {
      await within(Infinity, signal, () => this.#change())
    }
    this.#waiting.set(name, job)
    this.#begin()
  }

  /** Drops the job of this name if it has not begun, and waits for it if it has. */
  async drop(name: string): Promise<void> {
    this.#waiting.delete(name)
    this.#notify()
    await this.#running.get(name)
  }

  /** Fulfilled when nothing is to be done. */
  async idle(signal?: AbortSignal): Promise<void> {
    while (this.#waiting.size + this.#running.size > 0) {
      await within(Infinity, signal, () => this.#change())
    }
  }

  #begin(): void {
    for (const [name, job] of this.#waiting) {
      if (this.#running.size >= this.#concurrency) return
      if (this.#running.has(name)) continue
      this.#waiting.delete(name)
      const run = job().finally(() => {
        this.#running.delete(name)
        this.#begin()
        this.#notify()
      })
      this.#running.set(name, run)
      this.#notify()
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#watchers.push(resolve))
  }

  #notify(): void {
    const watchers = this.#watchers
    this.#watchers = []
    for (const watcher of watchers) watcher()
  }
}
