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
import { type Digest, hexOf } from '@varve/digest'
import type { Scope } from './action-index.ts'
import type { StoreOptions } from './blob-store.ts'
import type { FlightEntry, FlightTable } from './flight-table.ts'
import { decodeMark, encodeMark, type Mark, newNonce } from './flight/mark.ts'
import { within } from './patience.ts'
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

type Settings = Required<FlightOptions> & {
  /** Called when the table does not answer at all. */
  readonly onIllness: () => void
}

type TableUse<Answer> = (table: FlightTable, name: string, options: StoreOptions) => Promise<Answer>

/** Single-flight over the marks in a table; without a table everybody computes. */
export function createFlight(table: FlightTable | undefined, options: FlightOptions = {}): Flight {
  const { ttlMs = 15_000 } = options
  // While it is left alone nobody waits for a table that does not answer.
  let illUntil = 0
  const settings: Settings = {
    ttlMs,
    maxWaitMs: options.maxWaitMs ?? 600_000,
    pollMs: options.pollMs ?? [200, 5_000],
    onWarning: options.onWarning ?? (() => undefined),
    onIllness: () => {
      illUntil = performance.now() + ttlMs
    },
  }
  return {
    run: async (task, { signal } = {}) => {
      signal?.throwIfAborted()
      const known = await task.find()
      if (known !== undefined) return { value: known, how: 'hit' }
      if (table === undefined || performance.now() < illUntil) {
        return { value: await task.build({ isLost: () => false }), how: 'built' }
      }
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
    const mark = this.#mark('building')
    const create: TableUse<string | undefined> = (table, name, options) => table.create(name, mark, options)
    try {
      // To write costs more than to look, so only the first try writes without looking.
      const created = isLikely ? await this.#use(create, this.#signal) : undefined
      if (created !== undefined) return created
      const entry = await this.#look(this.#signal)
      if (entry === undefined) return isLikely ? undefined : await this.#use(create, this.#signal)
      const { tag } = entry
      if (!isOver(entry)) return this.#ownTag(entry)
      return await this.#use((table, name, options) => table.replace(name, tag, mark, options), this.#signal)
    } catch (error) {
      this.#signal?.throwIfAborted()
      this.#settings.onWarning(error)
      return this.#takeOffBlind()
    }
  }

  /** After a write whose answer got lost: we lead if our mark is there, and follow if it is somebody's who lives. */
  async #takeOffBlind(): Promise<string | undefined> {
    try {
      const entry = await this.#look(this.#signal)
      if (entry !== undefined && !isOver(entry)) return this.#ownTag(entry)
    } catch {
      this.#signal?.throwIfAborted()
      this.#settings.onIllness()
    }
    // Without a table nobody can wait for anybody.
    return ''
  }

  /** An operation of the table. One that hangs is one that failed: nobody is to wait for advice. */
  #use<Answer>(run: TableUse<Answer>, signal?: AbortSignal): Promise<Answer> {
    return within(this.#settings.ttlMs / 3, signal, (patience) =>
      run(this.#table, this.#name, { signal: patience.signal }),
    )
  }

  #look(signal?: AbortSignal): Promise<FlightEntry | undefined> {
    return this.#use((table, name, options) => table.read(name, options), signal)
  }

  #ownTag({ bytes, tag }: FlightEntry): string | undefined {
    return decodeMark(bytes)?.nonce === this.#nonce ? tag : undefined
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
        const [known, mark] = [tag, this.#mark('building')]
        const renewed = await this.#use((table, name, options) => table.replace(name, known, mark, options))
        // The answer to the last one may have got lost, so that our own mark has another tag.
        const entry = renewed === undefined ? await this.#look() : undefined
        tag = renewed ?? (entry && this.#ownTag(entry))
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
      // Without the signal of a caller who may have gone away: others are waiting.
      if (failed === undefined) await this.#use((table, name, options) => table.remove(name, tag, options))
      else await this.#use((table, name, options) => table.replace(name, tag, failed, options))
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
