/**
 * The few things that change: small named documents under compare-and-swap.
 *
 * @module
 */
import type { StoreOptions } from './blob-store.ts'
import { CacheStoreError } from './errors.ts'

const MAX_DOCUMENT = 1024 * 1024

/** Named documents of at most 1 MiB. A name is made of `/`-separated parts of letters, digits, `.`, `_`, `-`. */
export interface RefStore {
  read(name: string, options?: StoreOptions): Promise<Uint8Array | undefined>
  /**
   * Replaces the document by `merge(old)`, which is called again if another writer came first: concurrent updates
   * all survive. `merge` returning `undefined` deletes the document.
   */
  update(
    name: string,
    merge: (old: Uint8Array | undefined) => Uint8Array | undefined,
    options?: StoreOptions,
  ): Promise<void>
  /** Names that begin with `prefix`, sorted by code unit. */
  list(prefix: string, options?: StoreOptions): Promise<string[]>
}

/**
 * For drivers: refuses a document that no store would take.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_LIMIT`
 */
export function assertRefSize(name: string, document: Uint8Array): void {
  if (document.byteLength <= MAX_DOCUMENT) return
  throw new CacheStoreError(
    'ERR_CACHE_STORE_LIMIT',
    `The ref ${JSON.stringify(name)} would have ${document.byteLength} bytes`,
  )
}
