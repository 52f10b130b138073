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

export declare class CacheStoreError extends Error {
  readonly code: CacheStoreErrorCode;
  readonly path: string | undefined;
  constructor(code: CacheStoreErrorCode, message: string, options?: CacheStoreErrorOptions);
}

export type CacheStoreErrorCode = 'ERR_CACHE_STORE_FORMAT' | 'ERR_CACHE_STORE_UNSAFE' | 'ERR_CACHE_STORE_UNWRITABLE' | 'ERR_CACHE_STORE_UNREADABLE' | 'ERR_CACHE_STORE_FULL' | 'ERR_CACHE_STORE_NAME' | 'ERR_CACHE_STORE_LIMIT' | 'ERR_CACHE_STORE_CORRUPT' | 'ERR_CACHE_STORE_MISSING' | 'ERR_CACHE_STORE_BUSY' | 'ERR_CACHE_STORE_KEY';

export interface CacheStoreErrorOptions extends ErrorOptions {
  readonly path?: string;
}

export interface Ingest {
  readonly offset: number;
  write(chunk: Uint8Array): Promise<void>;
  commit(expected?: Partial<DigestAndSize>): Promise<DigestAndSize>;
  abort(): Promise<void>;
}

export interface KeyContent {
  readonly kv: 1;
  readonly kind: string;
  readonly fields: Readonly<Record<string, KeyValue>>;
}

export interface KeyDifference {
  readonly path: readonly string[];
  readonly before?: KeyValue;
  readonly after?: KeyValue;
}

export interface KeyDocument extends KeyContent {
  readonly step: string;
}

export type KeyValue = string | readonly KeyValue[] | {
  readonly [name: string]: KeyValue;
};

export interface LookupOptions extends StoreOptions {
  readonly maxAgeMs?: number;
}

export type PutOutcome = 'stored' | 'existed' | 'healed' | 'skipped';

export interface RecordOptions extends StoreOptions {
  readonly scope: Scope;
  readonly mode?: 'create' | 'replace';
}

export type RecordOutcome = 'created' | 'same' | 'conflict' | 'skipped';

export interface RefStore {
  read(name: string, options?: StoreOptions): Promise<Uint8Array | undefined>;
  update(name: string, merge: (old: Uint8Array | undefined) => Uint8Array | undefined, options?: StoreOptions): Promise<void>;
  list(prefix: string, options?: StoreOptions): Promise<string[]>;
}

export type Scope = string;

export interface Store {
  readonly blobs: BlobStore;
  readonly actions: ActionIndex;
  readonly refs: RefStore;
}

export interface StoreOptions {
  readonly signal?: AbortSignal;
}

export declare function createMemoryActionIndex(blobs: BlobStore): ActionIndex;

export declare function createMemoryBlobStore(): BlobStore;

export declare function createMemoryRefStore(): RefStore;

export declare function createMemoryStore(): Store;

export declare function decodeKeyDocument(bytes: Uint8Array): KeyContent;

export declare function encodeKeyDocument(document: KeyContent): Uint8Array;

export declare function explainKeys(missed: KeyContent, earlier: KeyContent): KeyDifference[];

export declare function formatDifference({ path, before, after }: KeyDifference): string;

export declare function keyOf(document: KeyContent): Digest;

// ---- @varve/cache-store/local

import { BlobFiles, BlobStore, Store } from '@varve/cache-store'

export interface LocalStore extends Store {
  readonly blobs: BlobStore & BlobFiles;
}

export interface LocalStoreOptions {
  readonly directory: string;
  readonly durability?: 'full' | 'rename';
  readonly readOnly?: boolean;
}

export declare function createLocalStore(options: LocalStoreOptions): Promise<LocalStore>;

// ---- @varve/cache-store/conformance

import { BlobStore, RefStore, Store } from '@varve/cache-store'

export declare const ACTION_CHECKS: readonly ConformanceCheck<Store>[];

export declare const BLOB_CHECKS: readonly ConformanceCheck<BlobStore>[];

export interface ConformanceCheck<Subject> {
  readonly name: string;
  run(subject: Subject): Promise<void>;
}

export declare const INGEST_CHECKS: readonly ConformanceCheck<BlobStore>[];

export declare const REF_CHECKS: readonly ConformanceCheck<RefStore>[];

export declare const STORE_CHECKS: readonly ConformanceCheck<Store>[];
