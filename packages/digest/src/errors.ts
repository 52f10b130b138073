/**
 * The one error class of this package.
 *
 * @module
 */

/**
 * Codes a {@link DigestError} can carry. The set is public API: adding a code is a minor release, renaming or
 * removing one is a major release.
 */
export type DigestErrorCode =
  /** Not a digest, or not one of its algorithm. */
  | 'ERR_DIGEST_INVALID'
  /** A well-formed digest of an algorithm that is not accepted here. */
  | 'ERR_DIGEST_UNSUPPORTED'
  /** The bytes hash to something else. */
  | 'ERR_DIGEST_MISMATCH'
  /** There were more or fewer bytes than announced. */
  | 'ERR_DIGEST_SIZE'
  /** A read went over the limit that its caller had set. */
  | 'ERR_DIGEST_LIMIT'

/** Options of {@link DigestError}: the standard `cause`, and what was compared. */
export interface DigestErrorOptions extends ErrorOptions {
  readonly expected?: string | number
  readonly actual?: string | number
}

/**
 * The only error this package throws on purpose.
 *
 * Branch on `code`, never on `message`. `instanceof` fails when two copies of the package are installed; `code`
 * does not.
 */
export class DigestError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'DigestError' })
  }

  readonly code: DigestErrorCode
  /** The digest, or the number of bytes, that was announced. */
  readonly expected: string | number | undefined
  /** The digest, or the number of bytes, that was found; a lower bound when reading stopped early. */
  readonly actual: string | number | undefined

  constructor(code: DigestErrorCode, message: string, options: DigestErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.expected = options.expected
    this.actual = options.actual
  }
}
