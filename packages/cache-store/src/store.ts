/**
 * What a cache is made of.
 *
 * @module
 */
import type { ActionIndex } from './action-index.ts'
import type { BlobStore } from './blob-store.ts'
import type { RefStore } from './ref-store.ts'

/** Blobs, the records that name them, and the refs that name both. */
export interface Store {
  readonly blobs: BlobStore
  readonly actions: ActionIndex
  readonly refs: RefStore
}
