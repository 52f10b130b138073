/**
 * Making Dockerfile errors, and telling them where they happened.
 *
 * The small parsers know what is wrong but not where; whoever drives them adds the place with {@link locate}.
 *
 * @module
 */
import { BuilderError, type SourceLocation } from '../errors.ts'

/** Makes an `ERR_BUILDER_DOCKERFILE` error that does not know its place yet. */
export function problem(message: string, hint?: string): BuilderError {
  return new BuilderError('ERR_BUILDER_DOCKERFILE', message, hint === undefined ? {} : { hint })
}

/** Runs `parse` and gives any {@link BuilderError} it throws a location and the instruction's text. */
export function locate<T>(location: SourceLocation | undefined, instruction: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    const placed = !(error instanceof BuilderError) || error.location !== undefined
    if (placed || location === undefined) throw error
    const { code, message, hint } = error
    throw new BuilderError(code, message, {
      location,
      instruction,
      ...(hint === undefined ? {} : { hint }),
    })
  }
}
