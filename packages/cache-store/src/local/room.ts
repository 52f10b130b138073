/**
 * The budget, while a store is written.
 *
 * Whoever is about to write takes room first. Room is taken from the shared sum in portions, so that most writes cost
 * nothing; the sum is of what has been taken, so that all processes together stay within the budget. When it
 * is used up, one collection is run, and if that does not help the write is not made.
 *
 * @module
 */
import type { CollectionReport } from '../collection.ts'
import { pause } from '../pause.ts'
import { inBlocks } from './blocks.ts'
import { breathing } from './breath.ts'
import type { Demand } from './collect.ts'
import { countStore } from './count.ts'
import { freeBytes } from './files.ts'
import type { Place } from './place.ts'
import type { Limits } from './policy.ts'
import { readUsage, rewriteUsage, usageInode, type UsageMark } from './usage-file.ts'

/** Room for what is written. All sizes in bytes. */
export interface Room {
  /** Takes room, for which it may have to collect. `false`: there is none. At once, if that is possible. */
  take(bytes: number): boolean | Promise<boolean>
  /** Ends a write: so much was taken for it, and so much of that is used now. */
  settle(taken: number, used: number): void
  /** So much was deleted. */
  release(bytes: number): void
  /** So much was written that could not be refused, or taken away if it is negative. */
  charge(bytes: number): void
  /** The disk is full: collects, and tells whether it helped. */
  makeSpace(bytes: number): Promise<boolean>
}

/** Runs a collection under the limits of the store. */
export type CollectFor = (demand: Demand) => Promise<CollectionReport>

/** Largest portion that is taken at once. */
const MAX_PORTION = 4 * 1024 * 1024

/** How long a process may go on without looking whether the sum was begun anew. */
const LOOK_MS = 20

/** After a collection that did not help, nobody tries again for so long. */
const FUTILE_MS = 10_000

/** How long somebody else's collection is waited for. */
const PATIENCE_MS = 5_000

/** Room in a place that is kept within limits by `collectFor`. */
export function createRoom(place: Place, limits: Limits, collectFor: CollectFor): Room {
  return new LocalRoom(place, limits, collectFor)
}

class LocalRoom implements Room {
  readonly #place: Place
  readonly #limits: Limits
  readonly #collectFor: CollectFor
  readonly #portion: number
  /** Taken from the sum and not yet by a write. */
  #reserve = 0
  /** Taken by writes that have not ended: no count of files includes them for certain. */
  #pending = 0
  /** Taken since the file was looked at. */
  #unseen = 0
  #lookedAt = -Infinity
  #mark: UsageMark | undefined
  #counting: Promise<void> | undefined
  #collecting: Promise<boolean> | undefined
  #futileUntil = -Infinity

  constructor(place: Place, limits: Limits, collectFor: CollectFor) {
    this.#place = place
    this.#limits = limits
    this.#collectFor = collectFor
    this.#portion = Math.min(MAX_PORTION, inBlocks(limits.maxBytes / 256))
  }

  take(bytes: number): boolean | Promise<boolean> {
    if (bytes > this.#limits.maxBytes) return false
    this.#noticeSometimes()
    if (this.#reserve < bytes) return this.#takeMore(bytes)
    this.#use(bytes)
    return true
  }

  settle(taken: number, used: number): void {
    // A long write may have been overtaken by a collection that did not see all of it.
    this.#noticeSometimes()
    this.#pending -= taken
    if (used < taken) this.release(taken - used)
  }

  release(bytes: number): void {
    this.#noticeSometimes()
    this.#reserve += bytes
    const surplus = this.#reserve - 2 * this.#portion
    if (surplus <= 0 || this.#limits.maxBytes === Infinity) return
    this.#reserve -= surplus
    this.#look(-surplus)
  }

  charge(bytes: number): void {
    if (bytes < 0) this.release(-bytes)
    else this.#reserve -= bytes
  }

  async makeSpace(bytes: number): Promise<boolean> {
    const isDone = await this.#collect({ headroom: 0, atLeast: bytes })
    if (!isDone) this.#despair()
    return isDone
  }

  #use(bytes: number): void {
    this.#reserve -= bytes
    this.#pending += bytes
    this.#unseen += bytes
  }

  /** A look costs a twentieth of a small write (measured). */
  #noticeSometimes(): void {
    if (performance.now() - this.#lookedAt > LOOK_MS) this.#notice()
  }

  /** After somebody has begun the sum anew, what was taken from the old one counts no more. */
  #notice(): void {
    const unseen = Math.max(this.#unseen, this.#pending)
    this.#unseen = 0
    this.#lookedAt = performance.now()
    if (this.#mark === undefined || usageInode(this.#place) === this.#mark.inode) return
    this.#mark = undefined
    this.#reserve = 0
    if (unseen > 0) this.#look(unseen)
  }

  async #takeMore(bytes: number): Promise<boolean> {
    if (await this.#claim(bytes)) return true
    const headroom = Math.max(bytes, Math.floor(this.#limits.maxBytes / 10))
    if ((await this.#collect({ headroom, atLeast: 0 })) && (await this.#claim(bytes))) return true
    this.#despair()
    return false
  }

  /** A whole portion, or only what is needed. Added first and looked at then: the order in the file decides. */
  async #claim(bytes: number): Promise<boolean> {
    for (const isWhole of [true, false]) {
      this.#notice()
      const needed = Math.max(0, bytes - this.#reserve)
      const portion = isWhole ? Math.max(needed, this.#portion) : needed
      const { maxBytes, minFreeBytes } = this.#limits
      if (minFreeBytes > 0 && freeBytes(this.#place) - portion < minFreeBytes) continue
      if (maxBytes !== Infinity && (await this.#sumWith(0)) + portion > maxBytes) continue
      const sum = maxBytes === Infinity ? 0 : await this.#sumWith(portion)
      if (sum <= maxBytes) {
        this.#reserve += portion
        this.#use(bytes)
        return true
      }
      this.#look(-portion)
    }
    return false
  }

  /** The sum after `delta` was added; 0 if it cannot be told. */
  async #sumWith(delta: number): Promise<number> {
    const before = this.#look(delta)
    if (before !== 'unknown') return before
    await this.#count()
    const after = this.#look(delta)
    return after === 'unknown' ? 0 : after
  }

  #look(delta: number): number | 'unknown' {
    const usage = readUsage(this.#place, this.#mark, delta)
    if (usage.state === 'unknown') return 'unknown'
    if (usage.state === 'closed') return 0
    this.#mark = usage.mark
    return usage.mark.sum
  }

  /** Only where nobody has counted before, or the file is damaged. */
  async #count(): Promise<void> {
    this.#counting ??= (async () => {
      try {
        const { total } = await countStore(this.#place, { breathe: breathing(undefined) })
        rewriteUsage(this.#place, total.bytes + this.#pending, { state: 'unknown' })
      } finally {
        this.#counting = undefined
      }
    })()
    await this.#counting
  }

  /** One collection for all who wait. Tells whether it may have helped. */
  #collect(demand: Demand): Promise<boolean> {
    if (this.#collecting === undefined && performance.now() < this.#futileUntil) return Promise.resolve(false)
    this.#collecting ??= (async () => {
      const before = usageInode(this.#place)
      try {
        const { busy, removed } = await this.#collectFor(demand)
        if (busy) return await this.#waitForOther(before)
        const freed = removed.blobs.bytes + removed.records.bytes + removed.leftovers.bytes
        return freed > 0 && freed >= demand.atLeast
      } catch {
        // What is wrong with the store is told to whoever collects by himself; a write that finds no room is skipped.
        return false
      } finally {
        this.#collecting = undefined
        this.#notice()
      }
    })()
    return this.#collecting
  }

  async #waitForOther(before: number | undefined): Promise<boolean> {
    const deadline = performance.now() + PATIENCE_MS
    while (performance.now() < deadline) {
      await pause(50)
      if (usageInode(this.#place) !== before) return true
    }
    return false
  }

  #despair(): void {
    this.#futileUntil = performance.now() + FUTILE_MS
  }
}
