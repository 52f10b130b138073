/**
 * What garbage collection is told, and what it tells.
 *
 * @module
 */
import type { StoreOptions } from './blob-store.ts'

/** How much may stay. Every limit is enforced; nothing is a reservation. */
export interface CollectionPolicy {
  /** Real disk usage of blobs, records and everything else in the store, in bytes. Default 20 GiB. */
  readonly maxBytes?: number
  /** Free space of the file system that is to be left, in bytes. Default 0. */
  readonly minFreeBytes?: number
  /** What was not used for so long goes, whatever the budget. Default: however long. */
  readonly maxAgeMs?: number
  /**
   * What was written or used more recently stays, whatever the budget. Default two hours. Uses are noted at most once an
   * hour, so that one may count for up to an hour less; with less grace than that, only a lease keeps what is in use.
   */
  readonly graceMs?: number
}

/** How a run is made. */
export interface CollectionOptions extends StoreOptions {
  /** Find out what would go, and change nothing. */
  readonly dryRun?: boolean
  /** Told what is seen and what goes, or would go. */
  readonly onProgress?: (event: CollectionEvent) => void
}

/** What happens in a run: so much was looked at up to now; this is gone, or would be. */
export type CollectionEvent =
  | { readonly kind: 'scan'; readonly count: number; readonly bytes: number }
  | {
      readonly kind: 'remove'
      readonly what: 'blob' | 'record' | 'leftover'
      /** Relative to the store, with `/`. */
      readonly path: string
      readonly bytes: number
    }

/** A number of things and the bytes they take on the disk. */
export interface Amount {
  readonly count: number
  readonly bytes: number
}

/** What a run did, or would do. */
export interface CollectionReport {
  readonly dryRun: boolean
  /** Whether somebody else was collecting, so that nothing was looked at; all amounts are then 0. */
  readonly busy: boolean
  readonly before: Amount
  readonly after: Amount
  readonly removed: { readonly blobs: Amount; readonly records: Amount; readonly leftovers: Amount }
  /** What the limits would have taken and something else kept, by who kept it; a blob counts for the first. */
  readonly kept: {
    /** By name of the pin, of the ref (`ref NAME`), or `index.json`; the largest first. */
    readonly pins: ReadonlyArray<Amount & { readonly name: string }>
    readonly leased: Amount
    readonly recent: Amount
  }
  /** Whether what must be kept alone is over the budget: writes are `skipped` until pins or leases go. */
  readonly overBudget: boolean
}
