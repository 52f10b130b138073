/**
 * The one error class of this package.
 *
 * @module
 */

/**
 * Codes an {@link OciManifestError} can carry. The set is public API: adding a code is a minor release, renaming or
 * removing one is a major release.
 */
export type OciManifestErrorCode =
  /** A document is not what its specification says; `at` tells where. */
  | 'ERR_OCI_MANIFEST_INVALID'
  /** A document is larger, longer or deeper than allowed. */
  | 'ERR_OCI_MANIFEST_LIMIT'
  /** Not an image reference, or not a name that may be written into a layout. */
  | 'ERR_OCI_MANIFEST_REFERENCE'
  /** Not a platform, or an image has nothing for it; `available` lists what it has. */
  | 'ERR_OCI_MANIFEST_PLATFORM'
  /** An image is not built on the base it should be moved from, or its new base is for another platform. */
  | 'ERR_OCI_MANIFEST_BASE'
  /** A tag or a blob is not there. */
  | 'ERR_OCI_MANIFEST_NOT_FOUND'
  /** A directory is not an image layout, or not one that is safe to use. */
  | 'ERR_OCI_MANIFEST_LAYOUT'
  /** Another process holds the lock of a layout for too long; `owner` tells who. */
  | 'ERR_OCI_MANIFEST_LOCKED'
  /** A file is not an image archive, or not one that is safe to use. */
  | 'ERR_OCI_MANIFEST_ARCHIVE'
  /** Well formed, but of a kind or version that is not handled here. */
  | 'ERR_OCI_MANIFEST_UNSUPPORTED'

/** Facts an {@link OciManifestError} carries beside its message. */
export interface OciManifestErrorOptions extends ErrorOptions {
  /** Place in a JSON document, such as `layers[3].digest`; empty for the document itself. */
  readonly at?: string
  /** Digest of what is missing or wrong. */
  readonly digest?: string
  /** Platforms, tags or digests that could have been chosen. */
  readonly available?: readonly string[]
  /** Who holds the lock, as written into it. */
  readonly owner?: string
}

/**
 * The only error this package throws on purpose, beside the `DigestError` of a verified read.
 *
 * Branch on `code`, never on `message`.
 */
export class OciManifestError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'OciManifestError' })
  }

  readonly code: OciManifestErrorCode
  readonly at: string | undefined
  readonly digest: string | undefined
  readonly available: readonly string[] | undefined
  readonly owner: string | undefined

  constructor(code: OciManifestErrorCode, message: string, options: OciManifestErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.at = options.at
    this.digest = options.digest
    this.available = options.available
    this.owner = options.owner
  }
}

/** An `ERR_OCI_MANIFEST_INVALID` whose message ends with the place. */
export function invalid(at: string, what: string, options: ErrorOptions = {}): OciManifestError {
  const place = at === '' ? '' : `, at ${at}`
  return new OciManifestError('ERR_OCI_MANIFEST_INVALID', `${what}${place}`, { ...options, at })
}

/** Keeps messages short whatever a hostile document holds. */
export function quoted(input: string): string {
  return JSON.stringify(input.length > 160 ? `${input.slice(0, 160)}…` : input)
}
