/**
 * The one error class of this package.
 *
 * @module
 */

/**
 * Codes a {@link LayerError} can carry. The set is public API: adding a code is a minor release, renaming or removing
 * one is a major release.
 */
export type LayerErrorCode =
  /** A name that cannot be a path in a tree: a NUL byte, an empty or dot component, a stray surrogate. */
  | 'ERR_LAYER_PATH'
  /** An entry that no archive of ours can hold: a number out of range, an attribute name with `=`, a missing body. */
  | 'ERR_LAYER_ENTRY'
  /** Two entries for one path. */
  | 'ERR_LAYER_DUPLICATE'
  /** The archive is malformed or truncated. */
  | 'ERR_LAYER_TAR'
  /** The compressed stream is damaged, truncated, or followed by something else. */
  | 'ERR_LAYER_COMPRESSION'
  /** A {@link Limits | limit} on untrusted input was exceeded; `limit` names it. */
  | 'ERR_LAYER_LIMIT'
  /** A name or link that leaves the root, loops, or would change what the root is. */
  | 'ERR_LAYER_UNSAFE'
  /** A `.wh.` name that is no valid whiteout, or a real file whose name would be read as one. */
  | 'ERR_LAYER_WHITEOUT'
  /** A hard link whose target is missing or cannot be linked to. */
  | 'ERR_LAYER_LINK'
  /** A directory to be read is missing, unreadable, or not a directory. */
  | 'ERR_LAYER_READ'
  /** A file changed or vanished while it was read, or a content was not as long as its entry says. */
  | 'ERR_LAYER_CHANGED'
  /** What a layer is to be unpacked to is there already. */
  | 'ERR_LAYER_EXISTS'
  /** A stored snapshot is damaged, or of another version. */
  | 'ERR_LAYER_SNAPSHOT'
  /** The file system refused something while a layer was applied; `cause` is its error. */
  | 'ERR_LAYER_APPLY'
  /** Valid, but not possible here: an algorithm this runtime lacks, or an attribute nothing can set. */
  | 'ERR_LAYER_UNSUPPORTED'

/** Facts a {@link LayerError} carries beside its message. */
export interface LayerErrorOptions extends ErrorOptions {
  readonly path?: string | undefined
  readonly offset?: number | undefined
  readonly limit?: string | undefined
}

/**
 * The only error this package throws on purpose, except that digests which do not match are a `DigestError`.
 *
 * Branch on `code`, never on `message`. `instanceof` fails when two copies of the package are installed; `code` does
 * not.
 */
export class LayerError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'LayerError' })
  }

  readonly code: LayerErrorCode
  /** The entry, or the file, it is about. */
  readonly path: string | undefined
  /** Where in the uncompressed archive the trouble was found. */
  readonly offset: number | undefined
  /** The name of the exceeded limit. */
  readonly limit: string | undefined

  constructor(code: LayerErrorCode, message: string, options: LayerErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.path = options.path
    this.offset = options.offset
    this.limit = options.limit
  }
}

/** Quotes a value for a message, and keeps it short whatever a hostile archive holds. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 160 ? `${value.slice(0, 160)}…` : value)
}

/** The `code` of an error of Node, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}
