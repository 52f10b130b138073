/**
 * The one error class of this package.
 *
 * @module
 */

/**
 * Codes a {@link BuilderError} can carry. The set is public API: adding a code is a minor release, renaming or
 * removing one is a major release.
 */
export type BuilderErrorCode =
  /** The command line or an option is wrong. */
  | 'ERR_BUILDER_USAGE'
  /** The Dockerfile does not parse, or uses an instruction wrongly. */
  | 'ERR_BUILDER_DOCKERFILE'
  /** `.dockerignore` holds a pattern that is not one. */
  | 'ERR_BUILDER_IGNORE'
  /** The build context is missing or cannot be read. */
  | 'ERR_BUILDER_CONTEXT'
  /** A file named by COPY or ADD does not exist, or cannot be placed where it should go. */
  | 'ERR_BUILDER_COPY'
  /** A base image cannot be found, read or matched to the platform. */
  | 'ERR_BUILDER_BASE'
  /** A blob that an image or a record names is nowhere to be found. */
  | 'ERR_BUILDER_BLOB'
  /** A registry gave other bytes than were asked for. */
  | 'ERR_BUILDER_FETCH'
  /** A RUN process ended with a status other than zero. */
  | 'ERR_BUILDER_RUN'
  /** No way to run processes on this machine. */
  | 'ERR_BUILDER_RUNNER'
  /** The store, an output directory or an archive cannot be written. */
  | 'ERR_BUILDER_OUTPUT'
  /** Files are not what a list of digests says. */
  | 'ERR_BUILDER_MISMATCH'
  /** Something asked for is valid, but not implemented. */
  | 'ERR_BUILDER_UNSUPPORTED'

/** A place in a text file; `line` counts from 1. */
export interface SourceLocation {
  readonly file: string
  readonly line: number
}

/** Facts a {@link BuilderError} carries beside its message. */
export interface BuilderErrorOptions extends ErrorOptions {
  readonly location?: SourceLocation
  /** The instruction as written, for messages. */
  readonly instruction?: string
  /** Exit status of the process of a failed RUN. */
  readonly exitCode?: number
  /** What the user can do about it, one sentence. */
  readonly hint?: string
}

/**
 * The only error this package throws on purpose.
 *
 * Branch on `code`, never on `message`. The message begins with `file:line: ` when `location` is known.
 */
export class BuilderError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'BuilderError' })
  }

  readonly code: BuilderErrorCode
  readonly location: SourceLocation | undefined
  readonly instruction: string | undefined
  readonly exitCode: number | undefined
  readonly hint: string | undefined

  constructor(code: BuilderErrorCode, message: string, options: BuilderErrorOptions = {}) {
    const { location } = options
    super(location === undefined ? message : `${location.file}:${location.line}: ${message}`, options)
    this.code = code
    this.location = location
    this.instruction = options.instruction
    this.exitCode = options.exitCode
    this.hint = options.hint
  }
}
