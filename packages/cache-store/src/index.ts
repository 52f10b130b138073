/**
 * Keeps bytes and answers: content-addressed blobs and action records.
 *
 * @packageDocumentation
 */
export type {
  ActionIndex,
  ActionRecord,
  LookupOptions,
  RecordOptions,
  RecordOutcome,
  Scope,
} from './action-index.ts'
export type { BlobFiles, BlobStore, Ingest, PutOutcome, StoreOptions } from './blob-store.ts'
export { explainKeys, formatDifference, type KeyDifference } from './explain.ts'
export {
  decodeKeyDocument,
  encodeKeyDocument,
  type KeyContent,
  type KeyDocument,
  keyOf,
  type KeyValue,
} from './key-document.ts'
export { CacheStoreError, type CacheStoreErrorCode, type CacheStoreErrorOptions } from './errors.ts'
export {
  createMemoryActionIndex,
  createMemoryBlobStore,
  createMemoryRefStore,
  createMemoryStore,
} from './memory.ts'
export type { RefStore } from './ref-store.ts'
export type { Store } from './store.ts'
