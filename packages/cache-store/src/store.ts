/**
 * What a cache is made of.
 *
 * @module
 */
import type { ActionIndex } from './action-index.ts'
import type { BlobStore } from './blob-store.ts'
import type { RefStore } from './ref-store.ts'

/** Bytes by digest and answers by key: all that a tier below the first needs. */
export interface Tier {
  readonly blobs: BlobStore
  readonly actions: ActionIndex
}

/** Blobs, the records that name them, and the refs that name both. */
export interface Store extends Tier {
  readonly refs: RefStore
}
