/**
 * Counts what is in a store.
 *
 * @module
 */
import type { Amount } from '../collection.ts'
import { NONE, plus, plusOne } from './amount.ts'
import { asideOf, type Leftover, restOf } from './leftovers.ts'
import type { Place } from './place.ts'
import { blobBatches, type Entry, recordBatches } from './scan.ts'

/** What a store holds; bytes are those on the disk. */
export interface StoreUsage {
  readonly blobs: Amount
  readonly records: Amount
  /** Writes on their way or given up, what was found damaged, leases, marks and locks. */
  readonly leftovers: Amount
  /** Refs, pins, the store's own files and its directories; the directories are not counted, but for their bytes. */
  readonly rest: Amount
  readonly total: Amount
}

/** Told of each as it is counted. */
export interface Counting {
  readonly breathe: () => Promise<void>
  readonly onEntry?: (entry: Entry) => void
  readonly onAside?: (leftover: Leftover) => void
  readonly onBatch?: (soFar: Amount) => void
}

/** Entries that count as being in their places, though they are not. */
export interface Extra {
  readonly blobs: readonly Entry[]
  readonly records: readonly Entry[]
}

/** Looks at every file of the store once. */
export async function countStore(place: Place, counting: Counting, extra?: Extra): Promise<StoreUsage> {
  const { breathe, onEntry, onAside, onBatch } = counting
  let [leftovers, rest, seen] = [NONE, NONE, NONE]
  for (const leftover of asideOf(place)) {
    leftovers = plusOne(leftovers, leftover.bytes)
    onAside?.(leftover)
    if (leftovers.count % 500 === 0) await breathe()
  }
  for (const { count, bytes } of restOf(place)) rest = plus(rest, { count, bytes })

  const countBatches = async (batches: Iterable<readonly Entry[]>): Promise<Amount> => {
    let sum = NONE
    for (const batch of batches) {
      for (const entry of batch) {
        sum = plusOne(sum, entry.bytes)
        onEntry?.(entry)
      }
      onBatch?.(plus(seen, sum))
      await breathe()
    }
    seen = plus(seen, sum)
    return sum
  }
  const records = plus(
    await countBatches(recordBatches(place)),
    await countBatches(extra === undefined ? [] : [extra.records]),
  )
  const blobs = plus(
    await countBatches(blobBatches(place)),
    await countBatches(extra === undefined ? [] : [extra.blobs]),
  )
  return { blobs, records, leftovers, rest, total: plus(blobs, records, leftovers, rest) }
}
