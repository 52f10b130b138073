/**
 * Single-flight across processes and machines: of many who want one key, one computes and the others wait for its
 * record.
 *
 * It is advice and nothing more. Whoever cannot tell, or has waited long enough, computes; records are written once,
 * so that a leader which was believed dead can do no harm. It saves work while the table works, and costs only work
 * when it does not.
 *
 * @module
 */
import { type Digest, hexOf, withSignal } from '@varve/digest'
import type { Scope } from './action-index.ts'
import type { StoreOptions } from './blob-store.ts'
import type { FlightEntry, FlightTable } from './flight-table.ts'
import { decodeMark, encodeMark, type Mark, newNonce } from './flight/mark.ts'
import { pause } from './pause.ts'

/** One computation that others may want too. */
export interface FlightTask<Result> {
  readonly key: Digest
  readonly scope: Scope
  /** Looks for what somebody else has recorded. */
  find(): Promise<Result | undefined>
  /** Computes and records. `isLost` tells that another leader has taken over meanwhile: finish, and expect a conflict. */
  build(leader: { isLost(): boolean }): Promise<Result>
  /** How long it took last time, in milliseconds; others wait half as long again before they compute as well. */
  readonly expectedMs?: number
}

/** What came of a task, and who did it. */
export interface FlightResult<Result> {
  readonly value: Result
  /** `hit`: it was there; `joined`: somebody else computed it while we waited; `built`: we did. */
  readonly how: 'hit' | 'joined' | 'built'
}

/** Runs tasks so that, if all goes well, each is computed once. */
export interface Flight {
  /** Rejects with what `find` or `build` reject with; whatever is wrong with the table only costs work. */
  run<Result>(task: FlightTask<Result>, options?: StoreOptions): Promise<FlightResult<Result>>
}

/** How patient a flight is, in milliseconds. */
export interface FlightOptions {
  /** A leader whose mark is older is believed dead; it renews the mark three times as often. Default 15,000. */
  readonly ttlMs?: number
  /** Longest wait for somebody else. Default 600,000. */
  readonly maxWaitMs?: number
  /** Shortest and longest time between two looks. Default 200 and 5,000. */
  readonly pollMs?: readonly [number, number]
  /** Told of what is wrong with the table. */
  readonly onWarning?: (error: unknown) => void
}

type Settings = Required<FlightOptions>

/** Single-flight over the marks in a table; without a table everybody computes. */
export function createFlight(table: FlightTable | undefined, options: FlightOptions = {}): Flight {
  const settings: Settings = {
    ttlMs: options.ttlMs ?? 15_000,
    maxWaitMs: options.maxWaitMs ?? 600_000,
    pollMs: options.pollMs ?? [200, 5_000],
    onWarning: options.onWarning ?? (() => undefined),
  }
  return {
    run: async (task, { signal } = {}) => {
      signal?.throwIfAborted()
      const known = await task.find()
      if (known !== undefined) return { value: known, how: 'hit' }
      if (table === undefined) return { value: await task.build({ isLost: () => false }), how: 'built' }
      return new Contender(table, settings, task, signal).run()
    },
  }
}

/** One who wants a key: first a follower or the leader at once, in the end one of both. */
class Contender<Result> {
  readonly #table: FlightTable
  readonly #settings: Settings
  readonly #task: FlightTask<Result>
  readonly #signal: AbortSignal | undefined
  readonly #name: string
  readonly #nonce = newNonce()

  constructor(
    table: FlightTable,
    settings: Settings,
    task: FlightTask<Result>,
    signal: AbortSignal | undefined,
  ) {
    this.#table = table
    this.#settings = settings
    this.#task = task
    this.#signal = signal
    this.#name = `${task.scope}/${hexOf(task.key)}`
  }

  async run(): Promise<FlightResult<Result>> {
    const { maxWaitMs, pollMs } = this.#settings
    const { expectedMs } = this.#task
    const patience = Math.min(
      expectedMs === undefined ? Infinity : Math.max(1_000, expectedMs * 1.5),
      maxWaitMs,
    )
    const deadline = performance.now() + patience
    for (let wait = pollMs[0]; ; wait = Math.min(wait * 1.5, pollMs[1])) {
      const tag = await this.#takeOff(wait === pollMs[0])
      if (tag !== undefined) return this.#lead(tag)
      if (performance.now() >= deadline) return this.#build({ isLost: () => true }, 'built')
      // Jitter, so that followers do not ask in step.
      await pause(
        Math.min(wait * (0.5 + Math.random()), Math.max(1, deadline - performance.now())),
        this.#signal,
      )
      const value = await this.#task.find()
      if (value !== undefined) return { value, how: 'joined' }
    }
  }

  /** The tag of our mark if we lead now: the name was free, its leader is dead, or it said that it failed. */
  async #takeOff(isLikely: boolean): Promise<string | undefined> {
    const [name, mark, options] = [this.#name, this.#mark('building'), withSignal(this.#signal)]
    try {
      // To write costs more than to look, so only the first try writes without looking.
      const created = isLikely ? await this.#table.create(name, mark, options) : undefined
      if (created !== undefined) return created
      const entry = await this.#table.read(name, options)
      if (entry === undefined) return isLikely ? undefined : await this.#table.create(name, mark, options)
      return isOver(entry) ? await this.#table.replace(name, entry.tag, mark, options) : undefined
    } catch (error) {
      this.#signal?.throwIfAborted()
      // Without a table nobody can wait for anybody.
      this.#settings.onWarning(error)
      return ''
    }
  }

  async #lead(first: string): Promise<FlightResult<Result>> {
    // Somebody may have published between our look and our mark.
    const heart = this.#beat(first)
    try {
      const known = await this.#task.find()
      const result =
        known === undefined ? await this.#build(heart, 'built') : { value: known, how: 'hit' as const }
      await this.#land(await heart.stop(), undefined)
      return result
    } catch (error) {
      await this.#land(await heart.stop(), this.#mark('failed'))
      throw error
    }
  }

  async #build(leader: { isLost(): boolean }, how: 'built'): Promise<FlightResult<Result>> {
    return { value: await this.#task.build(leader), how }
  }

  /** Renews the mark while the leader works. */
  #beat(first: string): { isLost(): boolean; stop(): Promise<string | undefined> } {
    let tag: string | undefined = first
    let beating: Promise<void> = Promise.resolve()
    const renew = async (): Promise<void> => {
      if (tag === undefined || tag === '') return
      try {
        tag = await this.#table.replace(this.#name, tag, this.#mark('building'))
      } catch (error) {
        // It may have come through or not: the next one tells.
        this.#settings.onWarning(error)
      }
    }
    const timer = setInterval(() => {
      beating = beating.then(renew)
    }, this.#settings.ttlMs / 3)
    timer.unref()
    return {
      isLost: () => tag === undefined,
      stop: async () => {
        clearInterval(timer)
        await beating
        return tag
      },
    }
  }

  /** Takes the mark away, or leaves word that the build failed, so that the next one starts at once. */
  async #land(tag: string | undefined, failed: Uint8Array | undefined): Promise<void> {
    if (tag === undefined || tag === '') return
    try {
      if (failed === undefined) await this.#table.remove(this.#name, tag)
      else await this.#table.replace(this.#name, tag, failed)
    } catch (error) {
      // It expires by itself.
      this.#settings.onWarning(error)
    }
  }

  #mark(state: Mark['state']): Uint8Array {
    return encodeMark({ state, nonce: this.#nonce, ttlMs: this.#settings.ttlMs })
  }
}

function isOver({ bytes, ageMs }: FlightEntry): boolean {
  const mark = decodeMark(bytes)
  return mark === undefined || mark.state === 'failed' || ageMs > mark.ttlMs
}
