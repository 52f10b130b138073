/**
 * Keeps bytes and answers: content-addressed blobs and action records.
 *
 * @packageDocumentation
 */
export type {
  ActionIndex,
  ActionRecord,
  CompletenessOptions,
  LookupOptions,
  RecordOptions,
  RecordOutcome,
  Scope,
} from './action-index.ts'
export type { BlobFiles, BlobStore, Ingest, PutOutcome, StoreOptions } from './blob-store.ts'
export type {
  Amount,
  CollectionEvent,
  CollectionOptions,
  CollectionPolicy,
  CollectionReport,
} from './collection.ts'
export { chaos, type ChaosOptions } from './decorators/chaos.ts'
export { deduped } from './decorators/deduped.ts'
export { existenceCached, type ExistenceCacheOptions } from './decorators/existence-cached.ts'
export { type Counters, createMeter, type Meter, type MeterSnapshot } from './decorators/meter.ts'
export { metered, type StoreOperation } from './decorators/metered.ts'
export type { OperationName } from './decorators/operation.ts'
export { readOnly } from './decorators/read-only.ts'
export {
  type BreakerOptions,
  type FlushReport,
  type PlacedTier,
  type QueueOptions,
  type TierConflict,
  tiered,
  type TieredOptions,
  type TieredStore,
  type TierEvent,
  type TierLoss,
  type TierSubject,
  type TierWriteMode,
} from './decorators/tiered.ts'
export { verifying } from './decorators/verifying.ts'
export { explainKeys, formatDifference, type KeyDifference } from './explain.ts'
export {
  createFlight,
  type Flight,
  type FlightOptions,
  type FlightResult,
  type FlightTask,
} from './flight.ts'
export type { FlightEntry, FlightTable } from './flight-table.ts'
export {
  decodeKeyDocument,
  encodeKeyDocument,
  type KeyContent,
  type KeyDocument,
  keyOf,
  type KeyValue,
} from './key-document.ts'
export { createKeyHistory, type KeyExplanation, type KeyHistory } from './key-history.ts'
export { CacheStoreError, type CacheStoreErrorCode, type CacheStoreErrorOptions } from './errors.ts'
export {
  createMemoryActionIndex,
  createMemoryBlobStore,
  createMemoryFlightTable,
  createMemoryRefStore,
  createMemoryStore,
  type MemoryStoreOptions,
} from './memory.ts'
export type { Lease, Pins } from './pins.ts'
export type { RefStore } from './ref-store.ts'
export {
  createSteps,
  type FindOptions,
  KEY_DOCUMENT_MEDIA_TYPE,
  type RecordStepOptions,
  type StepKey,
  type StepResult,
  type StepRun,
  type Steps,
  type StepsOptions,
} from './steps.ts'
export type { Store, Tier } from './store.ts'
export type { RecordSigner, RecordVerifier, Signature, Trust } from './trust.ts'
