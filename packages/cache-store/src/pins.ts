/**
 * What garbage collection must leave alone.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import type { StoreOptions } from './blob-store.ts'

/** While it lives, nothing is collected that was written or used since it began. */
export interface Lease {
  /** Ends it. One whose process dies ends by itself, a time-to-live after its last heartbeat. */
  release(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Roots by name, and leases. */
export interface Pins {
  /** Begins a lease, before the first byte that it protects; it renews itself. Default: 60 seconds to live. */
  lease(options?: StoreOptions & { readonly ttlMs?: number }): Promise<Lease>
  /** Keeps these blobs, and whatever they name if they are manifests or indexes, until {@link unpin}. Replaces. */
  pin(name: string, roots: readonly Digest[], options?: StoreOptions): Promise<void>
  /** Tells whether there was such a pin. */
  unpin(name: string, options?: StoreOptions): Promise<boolean>
  /** Sorted by name. */
  list(
    options?: StoreOptions,
  ): Promise<ReadonlyArray<{ readonly name: string; readonly roots: readonly Digest[] }>>
}
