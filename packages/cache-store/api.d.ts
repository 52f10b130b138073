/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/cache-store

import { ByteSource, Descriptor, Digest, DigestAndSize } from '@varve/digest'

export interface ActionIndex {
  get(key: Digest, scopes: readonly Scope[], options?: LookupOptions): Promise<ActionRecord | undefined>;
  put(record: ActionRecord, options: RecordOptions): Promise<RecordOutcome>;
}

export interface ActionRecord {
  readonly kv: 1;
  readonly key: Digest;
  readonly keyDoc: Digest;
  readonly outputs: readonly Descriptor[];
  readonly diffIDs: readonly Digest[];
  readonly createdAt: string;
  readonly durationMs: number;
  readonly builder: string;
  readonly aliasOf?: Digest;
  readonly sig?: Signature;
}

export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

export interface BlobFiles {
  file(digest: Digest): Promise<string | undefined>;
}

export interface BlobStore {
  missing(digests: Iterable<Digest>, options?: StoreOptions): Promise<Set<Digest>>;
  get(digest: Digest, options?: StoreOptions): Promise<ByteSource | undefined>;
  put(digest: Digest, source: ByteSource, options?: StoreOptions): Promise<PutOutcome>;
  ingest(ref: string, options?: StoreOptions): Promise<Ingest>;
  delete(digest: Digest, options?: StoreOptions): Promise<boolean>;
}

export interface BreakerOptions {
  readonly failures?: number;
  readonly coolDownMs?: number;
}

export declare class CacheStoreError extends Error {
  readonly code: CacheStoreErrorCode;
  readonly path: string | undefined;
  readonly status: number | undefined;
  readonly hint: string | undefined;
  constructor(code: CacheStoreErrorCode, message: string, options?: CacheStoreErrorOptions);
}

export type CacheStoreErrorCode = 'ERR_CACHE_STORE_FORMAT' | 'ERR_CACHE_STORE_UNSAFE' | 'ERR_CACHE_STORE_UNWRITABLE' | 'ERR_CACHE_STORE_UNREADABLE' | 'ERR_CACHE_STORE_FULL' | 'ERR_CACHE_STORE_NAME' | 'ERR_CACHE_STORE_LIMIT' | 'ERR_CACHE_STORE_CORRUPT' | 'ERR_CACHE_STORE_MISSING' | 'ERR_CACHE_STORE_BUSY' | 'ERR_CACHE_STORE_KEY' | 'ERR_CACHE_STORE_UNAVAILABLE' | 'ERR_CACHE_STORE_DENIED' | 'ERR_CACHE_STORE_CONFIG' | 'ERR_CACHE_STORE_CLOCK' | 'ERR_CACHE_STORE_DEPENDENCY';

export interface CacheStoreErrorOptions extends ErrorOptions {
  readonly path?: string;
  readonly status?: number;
  readonly hint?: string;
}

export interface ChaosOptions {
  readonly seed?: number;
  readonly slow?: number;
  readonly latencyMs?: number;
  readonly failing?: number;
  readonly codes?: readonly CacheStoreErrorCode[];
  readonly hanging?: number;
  readonly truncating?: number;
  readonly corrupting?: number;
  readonly lying?: number;
  readonly operations?: readonly OperationName[];
}

export type CollectionEvent = {
  readonly kind: 'scan';
  readonly count: number;
  readonly bytes: number;
} | {
  readonly kind: 'remove';
  readonly what: 'blob' | 'record' | 'leftover';
  readonly path: string;
  readonly bytes: number;
};

export interface CollectionOptions extends StoreOptions {
  readonly dryRun?: boolean;
  readonly onProgress?: (event: CollectionEvent) => void;
}

export interface CollectionPolicy {
  readonly maxBytes?: number;
  readonly minFreeBytes?: number;
  readonly maxAgeMs?: number;
  readonly graceMs?: number;
}

export interface CollectionReport {
  readonly dryRun: boolean;
  readonly busy: boolean;
  readonly before: Amount;
  readonly after: Amount;
  readonly removed: {
    readonly blobs: Amount;
    readonly records: Amount;
    readonly leftovers: Amount;
  };
  readonly kept: {
    readonly pins: ReadonlyArray<Amount & {
      readonly name: string;
    }>;
    readonly leased: Amount;
    readonly recent: Amount;
  };
  readonly overBudget: boolean;
}

export interface CompletenessOptions extends StoreOptions {
  readonly blobs?: Pick<BlobStore, 'missing'>;
}

export interface Counters {
  readonly count: number;
  readonly hits: number;
  readonly misses: number;
  readonly errors: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly milliseconds: number;
}

export interface ExistenceCacheOptions {
  readonly posTtlMs?: number;
  readonly negTtlMs?: number;
  readonly limit?: number;
}

export interface FindOptions extends StoreOptions {
  readonly maxAgeMs?: number;
}

export interface Flight {
  run<Result>(task: FlightTask<Result>, options?: StoreOptions): Promise<FlightResult<Result>>;
}

export interface FlightEntry {
  readonly bytes: Uint8Array;
  readonly tag: string;
  readonly ageMs: number;
}

export interface FlightOptions {
  readonly ttlMs?: number;
  readonly maxWaitMs?: number;
  readonly pollMs?: readonly [
    number,
    number
  ];
  readonly onWarning?: (error: unknown) => void;
}

export interface FlightResult<Result> {
  readonly value: Result;
  readonly how: 'hit' | 'joined' | 'built';
}

export interface FlightTable {
  create(name: string, bytes: Uint8Array, options?: StoreOptions): Promise<string | undefined>;
  read(name: string, options?: StoreOptions): Promise<FlightEntry | undefined>;
  replace(name: string, tag: string, bytes: Uint8Array, options?: StoreOptions): Promise<string | undefined>;
  remove(name: string, tag: string, options?: StoreOptions): Promise<boolean>;
}

export interface FlightTask<Result> {
  readonly key: Digest;
  readonly scope: Scope;
  find(): Promise<Result | undefined>;
  build(leader: {
    isLost(): boolean;
  }): Promise<Result>;
  readonly expectedMs?: number;
}

export interface FlushReport {
  readonly written: {
    readonly blobs: number;
    readonly records: number;
    readonly bytes: number;
  };
  readonly lost: readonly TierLoss[];
  readonly unlisted: number;
  readonly conflicts: readonly TierConflict[];
}

export interface Ingest {
  readonly offset: number;
  write(chunk: Uint8Array): Promise<void>;
  commit(expected?: Partial<DigestAndSize>): Promise<DigestAndSize>;
  abort(): Promise<void>;
}

export declare const KEY_DOCUMENT_MEDIA_TYPE = "application/vnd.varve.key.v1";

export interface KeyContent {
  readonly kv: 1;
  readonly kind: string;
  readonly fields: Readonly<Record<string, KeyValue>>;
}

export interface KeyDifference {
  readonly path: readonly string[];
  readonly within?: string;
  readonly before?: KeyValue;
  readonly after?: KeyValue;
}

export interface KeyDocument extends KeyContent {
  readonly step: string;
}

export type KeyExplanation = {
  readonly reason: 'first';
} | {
  readonly reason: 'gone';
} | {
  readonly reason: 'changed';
  readonly nearest: Digest;
  readonly differences: readonly KeyDifference[];
};

export interface KeyHistory {
  add(step: string, key: Digest): void;
  save(options?: StoreOptions): Promise<void>;
  explain(step: string, missed: KeyContent, parts?: readonly KeyContent[], options?: StoreOptions): Promise<KeyExplanation>;
}

export type KeyValue = string | readonly KeyValue[] | {
  readonly [name: string]: KeyValue;
};

export interface Lease {
  release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LookupOptions extends CompletenessOptions {
  readonly maxAgeMs?: number;
}

export interface MemoryStoreOptions {
  readonly trust?: Trust;
}

export interface Meter {
  readonly onOperation: (operation: StoreOperation) => void;
  snapshot(): MeterSnapshot;
}

export interface MeterSnapshot {
  readonly total: Counters;
  readonly operations: ReadonlyArray<Counters & {
    readonly tier: string;
    readonly operation: OperationName;
  }>;
}

export type OperationName = 'missing' | 'get' | 'read' | 'put' | 'ingest' | 'commit' | 'delete' | 'record-get' | 'record-put' | 'ref-read' | 'ref-update' | 'ref-list';

export interface Pins {
  lease(options?: StoreOptions & {
    readonly ttlMs?: number;
  }): Promise<Lease>;
  pin(name: string, roots: readonly Digest[], options?: StoreOptions): Promise<void>;
  unpin(name: string, options?: StoreOptions): Promise<boolean>;
  list(options?: StoreOptions): Promise<ReadonlyArray<{
    readonly name: string;
    readonly roots: readonly Digest[];
  }>>;
}

export interface PlacedTier {
  readonly tier: Tier;
  readonly name?: string;
  readonly read?: boolean;
  readonly write?: TierWriteMode;
  readonly takes?: 'all' | 'recorded';
  readonly errors?: 'ignore' | 'reject';
}

export type PutOutcome = 'stored' | 'existed' | 'healed' | 'skipped';

export interface QueueOptions {
  readonly entries?: number;
  readonly concurrency?: number;
}

export interface RecordOptions extends CompletenessOptions {
  readonly scope: Scope;
  readonly mode?: 'create' | 'replace';
  readonly asIs?: boolean;
}

export type RecordOutcome = 'created' | 'same' | 'conflict' | 'skipped';

export interface RecordSigner {
  sign(payload: Uint8Array): Promise<Signature>;
}

export interface RecordStepOptions extends StoreOptions {
  readonly aliasOf?: Digest;
  readonly replace?: boolean;
}

export interface RecordVerifier {
  verify(payload: Uint8Array, signature: Signature): Promise<boolean>;
}

export interface RefStore {
  read(name: string, options?: StoreOptions): Promise<Uint8Array | undefined>;
  update(name: string, merge: (old: Uint8Array | undefined) => Uint8Array | undefined, options?: StoreOptions): Promise<void>;
  list(prefix: string, options?: StoreOptions): Promise<string[]>;
}

export type Scope = string;

export interface Signature {
  readonly algorithm: string;
  readonly keyId: string;
  readonly value: string;
}

export interface StepKey {
  readonly document: KeyDocument;
  readonly parts?: readonly KeyContent[];
}

export interface StepResult {
  readonly outputs: readonly Descriptor[];
  readonly diffIDs?: readonly Digest[];
  readonly durationMs: number;
}

export interface StepRun {
  readonly outputs: readonly Descriptor[];
  readonly how: 'hit' | 'joined' | 'built';
  readonly why?: KeyExplanation;
  readonly recorded?: RecordOutcome | 'failed';
}

export interface Steps {
  find(document: KeyContent, options?: FindOptions): Promise<ActionRecord | undefined>;
  record(key: StepKey, result: StepResult, options?: RecordStepOptions): Promise<RecordOutcome | 'failed'>;
  run(key: StepKey, work: () => Promise<StepResult>, options?: FindOptions): Promise<StepRun>;
  explain(key: StepKey, options?: StoreOptions): Promise<KeyExplanation>;
  remember(key: StepKey): void;
  save(options?: StoreOptions): Promise<void>;
}

export interface StepsOptions {
  readonly store: Store;
  readonly builder: string;
  readonly project: string;
  readonly scope?: Scope;
  readonly trusted?: readonly Scope[];
  readonly flight?: Flight;
  readonly disabled?: boolean;
  readonly onWarning?: (error: unknown) => void;
  readonly strict?: boolean;
}

export interface Store extends Tier {
  readonly refs: RefStore;
}

export interface StoreOperation {
  readonly tier: string;
  readonly operation: OperationName;
  readonly outcome: 'done' | 'failed' | 'stopped' | 'hit' | 'miss' | PutOutcome | RecordOutcome;
  readonly hits: number;
  readonly misses: number;
  readonly bytes: number;
  readonly milliseconds: number;
  readonly code?: string;
}

export interface StoreOptions {
  readonly signal?: AbortSignal;
}

export interface Tier {
  readonly blobs: BlobStore;
  readonly actions: ActionIndex;
}

export interface TierConflict {
  readonly tier: string;
  readonly key: Digest;
  readonly scope: Scope;
}

export type TierEvent = (TierSubject & {
  readonly type: 'found';
}) | (TierSubject & {
  readonly type: 'written';
  readonly outcome: PutOutcome | 'created' | 'same';
}) | (TierSubject & {
  readonly type: 'skipped';
}) | (TierLoss & {
  readonly type: 'lost';
}) | (TierConflict & {
  readonly type: 'conflict';
}) | {
  readonly type: 'failed';
  readonly tier: string;
  readonly operation: OperationName;
  readonly error: unknown;
} | {
  readonly type: 'breaker';
  readonly tier: string;
  readonly state: 'open' | 'trial' | 'closed';
};

export interface TierLoss extends TierSubject {
  readonly error: unknown;
}

export interface TierSubject {
  readonly tier: string;
  readonly what: 'blob' | 'record';
  readonly digest: Digest;
  readonly scope?: Scope;
}

export type TierWriteMode = 'back' | 'through' | 'none';

export interface TieredOptions {
  readonly write?: TierWriteMode;
  readonly errors?: 'ignore' | 'l0' | 'all';
  readonly timeoutMs?: number;
  readonly breaker?: BreakerOptions;
  readonly queue?: QueueOptions;
  readonly onEvent?: (event: TierEvent) => void;
}

export interface TieredStore extends Store {
  flush(options?: StoreOptions): Promise<FlushReport>;
  close(options?: StoreOptions): Promise<FlushReport>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Trust {
  readonly signer?: RecordSigner;
  readonly verifier?: RecordVerifier;
}

export declare function chaos(store: Store, faults: ChaosOptions): Store;
export declare function chaos(store: Tier, faults: ChaosOptions): Tier;

export declare function createFlight(table: FlightTable | undefined, options?: FlightOptions): Flight;

export declare function createKeyHistory({ blobs, refs }: Pick<Store, 'blobs' | 'refs'>, project: string): KeyHistory;

export declare function createMemoryActionIndex(blobs: BlobStore, trust?: Trust): ActionIndex;

export declare function createMemoryBlobStore(): BlobStore;

export declare function createMemoryFlightTable(): FlightTable;

export declare function createMemoryRefStore(): RefStore;

export declare function createMemoryStore({ trust }?: MemoryStoreOptions): Store;

export declare function createMeter(): Meter;

export declare function createSteps(options: StepsOptions): Steps;

export declare function decodeKeyDocument(bytes: Uint8Array): KeyContent;

export declare function deduped(blobs: BlobStore): BlobStore;

export declare function encodeKeyDocument(document: KeyContent): Uint8Array;

export declare function existenceCached(blobs: BlobStore, cache?: ExistenceCacheOptions): BlobStore;

export declare function explainKeys(missed: KeyContent, earlier: KeyContent): KeyDifference[];

export declare function formatDifference({ path, before, after }: KeyDifference): string;

export declare function keyOf(document: KeyContent): Digest;

export declare function metered(store: Store, onOperation: (operation: StoreOperation) => void, tier?: string): Store;
export declare function metered(store: Tier, onOperation: (operation: StoreOperation) => void, tier?: string): Tier;

export declare function readOnly(store: Store): Store;
export declare function readOnly(store: Tier): Tier;

export declare function tiered(tiers: readonly [
  first: Store,
  ...rest: ReadonlyArray<Tier | PlacedTier>
], options?: TieredOptions): TieredStore;

export declare function verifying(blobs: BlobStore): BlobStore;

// ---- @varve/cache-store/local

import { Amount, BlobFiles, BlobStore, CollectionOptions, CollectionPolicy, CollectionReport, FlightTable, Pins, Store, StoreOptions, Trust } from '@varve/cache-store'

export interface CheckEvent extends Amount {
  readonly kind: 'blobs' | 'records';
}

export interface CheckOptions extends StoreOptions {
  readonly repairFrom?: Pick<BlobStore, 'get'>;
  readonly onProgress?: (event: CheckEvent) => void;
}

export interface CheckReport {
  readonly checked: {
    readonly blobs: Amount;
    readonly records: Amount;
    readonly refs: number;
    readonly pins: number;
  };
  readonly damaged: Findings;
  readonly repaired: Findings;
  readonly undecodable: Findings;
  readonly untrusted: Findings;
  readonly dangling: Findings;
  readonly refs: Findings;
  readonly pins: Findings;
}

export interface Findings {
  readonly count: number;
  readonly names: readonly string[];
}

export interface LocalStore extends Store {
  readonly blobs: BlobStore & BlobFiles;
  readonly pins: Pins;
  readonly flights: FlightTable;
  collect(policy?: CollectionPolicy, options?: CollectionOptions): Promise<CollectionReport>;
  check(options?: CheckOptions): Promise<CheckReport>;
  usage(options?: StoreOptions): Promise<StoreUsage>;
}

export interface LocalStoreOptions {
  readonly directory: string;
  readonly durability?: 'full' | 'rename';
  readonly readOnly?: boolean;
  readonly trust?: Trust;
  readonly limits?: CollectionPolicy;
}

export interface StoreUsage {
  readonly blobs: Amount;
  readonly records: Amount;
  readonly leftovers: Amount;
  readonly rest: Amount;
  readonly total: Amount;
}

export declare function createLocalStore(options: LocalStoreOptions): Promise<LocalStore>;

// ---- @varve/cache-store/conformance

import { BlobStore, FlightTable, Pins, RefStore, Store } from '@varve/cache-store'

export declare const ACTION_CHECKS: readonly ConformanceCheck<Store>[];

export declare const BLOB_CHECKS: readonly ConformanceCheck<BlobStore>[];

export interface ConformanceCheck<Subject> {
  readonly name: string;
  run(subject: Subject): Promise<void>;
}

export declare const FLIGHT_TABLE_CHECKS: readonly ConformanceCheck<FlightTable>[];

export declare const INGEST_CHECKS: readonly ConformanceCheck<BlobStore>[];

export declare const PIN_CHECKS: readonly ConformanceCheck<Pins>[];

export declare const REF_CHECKS: readonly ConformanceCheck<RefStore>[];

export declare const STORE_CHECKS: readonly ConformanceCheck<Store>[];

// ---- @varve/cache-store/signing

import { RecordSigner, RecordVerifier } from '@varve/cache-store'

export declare function createEd25519Signer(privateKey: string): RecordSigner;

export declare function createEd25519Verifier(publicKeys: readonly string[]): RecordVerifier;

export declare function createSharedSecret(secret: Uint8Array | string, keyId?: string): RecordSigner & RecordVerifier;

export declare function markOfSecret(key: Uint8Array, value: Uint8Array | string): string;

// ---- @varve/cache-store/http

import { BlobStore, Tier, Trust } from '@varve/cache-store'

export type HttpCredentials = {
  readonly username: string;
  readonly password: string;
} | {
  readonly token: string;
};

export interface HttpTier extends Tier {
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface HttpTierOptions extends EndpointOptions {
  readonly timeoutMs?: number;
  readonly attempts?: number;
  readonly concurrency?: number;
  readonly readOnly?: boolean;
  readonly trust?: Trust;
  readonly spool?: BlobStore | string;
  readonly onWarning?: (error: unknown) => void;
}

export declare function createHttpTier(options: HttpTierOptions): HttpTier;

// not exported, but part of the types above

export interface EndpointOptions {
  readonly url: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly credentials?: HttpCredentials;
  readonly ca?: string | readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

// ---- @varve/cache-store/s3

import { BlobStore, CollectionOptions, CollectionPolicy, CollectionReport, FlightTable, Store, Trust } from '@varve/cache-store'

export interface S3Capabilities {
  readonly atomicCreate: boolean;
  readonly ifMatch: 'quoted' | 'unquoted' | false;
  readonly conditionalMultipart: boolean;
  readonly conditionalDelete: boolean;
  readonly checksPayload: boolean;
  readonly list: boolean;
  readonly tellsAbsence: boolean;
}

export interface S3ClientLike {
  send(command: never, options?: never): Promise<unknown>;
  destroy(): void;
  readonly middlewareStack: {
    clone(): unknown;
  };
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Options {
  readonly bucket: string;
  readonly prefix?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly pathStyle?: boolean;
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>);
  readonly client?: S3ClientLike;
  readonly trust?: Trust;
  readonly ttlMs?: number;
  readonly concurrency?: number;
  readonly partSize?: number;
  readonly timeoutMs?: number;
  readonly attempts?: number;
  readonly requestBudget?: number;
  readonly spool?: BlobStore | string;
  readonly capabilities?: Partial<S3Capabilities>;
  readonly onWarning?: (error: unknown) => void;
}

export interface S3Store extends Store {
  readonly flights: FlightTable | undefined;
  readonly capabilities: S3Capabilities;
  sweep(policy: CollectionPolicy, options?: CollectionOptions): Promise<CollectionReport>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export declare function createS3Store(options: S3Options): Promise<S3Store>;
