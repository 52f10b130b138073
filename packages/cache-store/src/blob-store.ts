/**
 * Bytes by digest: the interface every driver and decorator implements.
 *
 * @module
 */
import type { ByteSource, Digest, DigestAndSize } from '@varve/digest'

/** Cancels an operation. */
export interface StoreOptions {
  readonly signal?: AbortSignal
}

/**
 * What became of a put: `stored`, nothing was there; `existed`, the same bytes were; `healed`, damaged bytes were
 * replaced; `skipped`, the store has no room or is read-only, and the caller goes on without it.
 */
export type PutOutcome = 'stored' | 'existed' | 'healed' | 'skipped'

/** Content-addressed bytes. Any algorithm of `@varve/digest` names them. */
export interface BlobStore {
  /** Which of the given digests are not here, in one batch. Extends the life of those that are. */
  missing(digests: Iterable<Digest>, options?: StoreOptions): Promise<Set<Digest>>
  /**
   * Bytes of known size, or `undefined`. A whole read is verified: it ends with an error, and the damaged blob is
   * taken out of the way, rather than with wrong bytes.
   */
  get(digest: Digest, options?: StoreOptions): Promise<ByteSource | undefined>
  /**
   * Stores the bytes under their digest; idempotent. Nothing is visible before it is whole and verified.
   *
   * @throws `ERR_DIGEST_MISMATCH`, `ERR_DIGEST_SIZE` if the source is not what it was said to be.
   */
  put(digest: Digest, source: ByteSource, options?: StoreOptions): Promise<PutOutcome>
  /** Starts or resumes a write whose digest is not known yet. `ref` names it: letters, digits, `.`, `_`, `-`. */
  ingest(ref: string, options?: StoreOptions): Promise<Ingest>
  /** Forgets a blob; tells whether it was there. */
  delete(digest: Digest, options?: StoreOptions): Promise<boolean>
}

/** A write in progress. Ends by `commit` or `abort`; a process that dies leaves it to be resumed under its ref. */
export interface Ingest {
  /** Bytes held so far; a resumed ingest starts here, not at 0. */
  readonly offset: number
  /** Appends. The chunk may be reused by the caller once the promise is fulfilled. */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Verifies what was written, where `expected` says something, and makes it a blob.
   *
   * @throws `ERR_DIGEST_MISMATCH`, `ERR_DIGEST_SIZE`; the ingest is then gone.
   */
  commit(expected?: Partial<DigestAndSize>): Promise<DigestAndSize>
  /** Throws the bytes away. Harmless after `commit`. */
  abort(): Promise<void>
}

/** The optional capability of a store whose blobs are files, for programs that must be given a path. */
export interface BlobFiles {
  /** An absolute path that may be read and must not be written, or `undefined`. The bytes are not verified. */
  file(digest: Digest): Promise<string | undefined>
}
