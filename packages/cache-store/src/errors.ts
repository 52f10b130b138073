/**
 * The one error class of this package.
 *
 * @module
 */

/**
 * Codes a {@link CacheStoreError} can carry. The set is public API: adding a code is a minor release, renaming or
 * removing one is a major release.
 */
export type CacheStoreErrorCode =
  /** The directory holds something else, or a store written by a newer version. */
  | 'ERR_CACHE_STORE_FORMAT'
  /** A directory of the store is a symbolic link, no directory, or writable by everybody. */
  | 'ERR_CACHE_STORE_UNSAFE'
  /** The store may not, or cannot, be written. */
  | 'ERR_CACHE_STORE_UNWRITABLE'
  /** Something in the store is there and cannot be read. */
  | 'ERR_CACHE_STORE_UNREADABLE'
  /** No room is left, where the operation has no `skipped` to answer with. */
  | 'ERR_CACHE_STORE_FULL'
  /** A scope, a ref or an ingest has a name that is not allowed. */
  | 'ERR_CACHE_STORE_NAME'
  /** A document is larger than its kind may be. */
  | 'ERR_CACHE_STORE_LIMIT'
  /** What was written is not what is there. */
  | 'ERR_CACHE_STORE_CORRUPT'
  /** A blob went away between `get` and the read; the same as a miss. */
  | 'ERR_CACHE_STORE_MISSING'
  /** Another writer holds what is needed, and did not let go in time. */
  | 'ERR_CACHE_STORE_BUSY'
  /** Bytes that are not a key document, or a key document beyond the limits. */
  | 'ERR_CACHE_STORE_KEY'
  /** A remote store does not answer, answers with a failure of its own, or has been given up on for a while. */
  | 'ERR_CACHE_STORE_UNAVAILABLE'
  /** A remote store has no credentials from us, or refuses them. */
  | 'ERR_CACHE_STORE_DENIED'
  /** A remote store is not what it was said to be: no such bucket, another region, not a cache server. */
  | 'ERR_CACHE_STORE_CONFIG'
  /** This computer's clock is too far from the server's for signed requests. */
  | 'ERR_CACHE_STORE_CLOCK'
  /** An optional package that this driver needs is not installed. */
  | 'ERR_CACHE_STORE_DEPENDENCY'

/** Facts a {@link CacheStoreError} carries beside its message. */
export interface CacheStoreErrorOptions extends ErrorOptions {
  /** The file or directory concerned. */
  readonly path?: string
  /** The HTTP status of a remote store's answer. */
  readonly status?: number
  /** What to do about it, in a sentence, where that can be told. */
  readonly hint?: string
}

/**
 * The only error this package throws on purpose; damaged bytes come as the `DigestError` of `@varve/digest`.
 *
 * Branch on `code`, never on `message`. `instanceof` fails when two copies of the package are installed; `code` does
 * not.
 */
export class CacheStoreError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'CacheStoreError' })
  }

  readonly code: CacheStoreErrorCode
  /** The file or directory concerned. */
  readonly path: string | undefined
  /** The HTTP status of a remote store's answer. */
  readonly status: number | undefined
  /** What to do about it. */
  readonly hint: string | undefined

  constructor(code: CacheStoreErrorCode, message: string, options: CacheStoreErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.path = options.path
    this.status = options.status
    this.hint = options.hint
  }
}
