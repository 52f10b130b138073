/**
 * Answers by key: what a step produced, and from what.
 *
 * @module
 */
import type { Descriptor, Digest } from '@varve/digest'
import type { BlobStore, StoreOptions } from './blob-store.ts'
import type { Signature } from './trust.ts'

/**
 * A set of writers that trust each other's records, such as `main` or `pr-17`: letters, digits, `.`, `_`, `-`, at
 * most 64. Blobs are shared between scopes, records are not.
 */
export type Scope = string

/** What a step produced. Written once, never changed. */
export interface ActionRecord {
  /** Version of this document. */
  readonly kv: 1
  readonly key: Digest
  /** The stored key document; its bytes hash to `key`. */
  readonly keyDoc: Digest
  /** Every blob the record needs to be of use. */
  readonly outputs: readonly Descriptor[]
  /** The whole chain of uncompressed layer digests, base first. */
  readonly diffIDs: readonly Digest[]
  /** RFC 3339. */
  readonly createdAt: string
  readonly durationMs: number
  /** Who made it, such as `varve/0.1.0`. */
  readonly builder: string
  /** The content key that this definition key led to. */
  readonly aliasOf?: Digest
  /** Made by the index if it has a signer; covers everything above and the scope. */
  readonly sig?: Signature
}

/**
 * What became of a record: `conflict` means another outcome is already recorded, which is non-determinism found;
 * `skipped` means that the store has no room or is read-only, and the caller goes on without it.
 */
export type RecordOutcome = 'created' | 'same' | 'conflict' | 'skipped'

/** Where the blobs of a record are looked for. */
export interface CompletenessOptions extends StoreOptions {
  /** Default: the blobs of the same store. Several tiers together have what one of them lacks. */
  readonly blobs?: Pick<BlobStore, 'missing'>
}

/** Narrows a lookup. */
export interface LookupOptions extends CompletenessOptions {
  /** Records older than this many milliseconds are misses. */
  readonly maxAgeMs?: number
}

/** Where a record goes, and whether it may replace one. */
export interface RecordOptions extends CompletenessOptions {
  readonly scope: Scope
  /** Default `create`. `replace` overwrites whatever is there. */
  readonly mode?: 'create' | 'replace'
  /**
   * The record comes from elsewhere, such as another tier: it keeps the signature that it has, and gets none from us if
   * it has none, since that would vouch for what somebody else has written.
   */
  readonly asIs?: boolean
}

/** Records by key and scope. */
export interface ActionIndex {
  /**
   * The record of the first scope that has one. Only a whole answer is a hit: self-checksum, key, scope, signature
   * where the index asks for one, and every output present; any other record is a miss.
   */
  get(key: Digest, scopes: readonly Scope[], options?: LookupOptions): Promise<ActionRecord | undefined>
  /**
   * Writes a record once; its blobs must be stored before. `same` and `conflict` compare outputs and diffIDs, and leave
   * the first record; one that could never be a hit, being damaged, not trusted or without its outputs, is replaced,
   * which is `created`.
   *
   * @throws {TypeError} if it is not a record. `ERR_CACHE_STORE_NAME`, `ERR_CACHE_STORE_LIMIT`,
   *   `ERR_CACHE_STORE_UNWRITABLE`.
   */
  put(record: ActionRecord, options: RecordOptions): Promise<RecordOutcome>
}
