/**
 * Arguments that the system cannot read.
 *
 * @module
 */
import { BuilderError } from '../errors.ts'

/** Says which argument it was that the system could not read. */
export async function named<T>(name: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    const { cause = error } = error as Error
    const { message, syscall } = cause as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw new BuilderError('ERR_BUILDER_USAGE', `Cannot read ${JSON.stringify(name)}: ${message}`, { cause })
  }
}
