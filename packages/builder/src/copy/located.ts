/**
 * Telling errors of copying which instruction they belong to.
 *
 * @module
 */
import { LayerError } from '@varve/layer'
import { BuilderError, type SourceLocation } from '../errors.ts'

/** Runs `copy`. Errors get the location they lack, and what is wrong with a tree becomes `ERR_BUILDER_COPY`. */
export function located<T>(location: SourceLocation | undefined, copy: () => T): T {
  try {
    return copy()
  } catch (error) {
    const place = location === undefined ? {} : { location }
    if (error instanceof LayerError) {
      throw new BuilderError('ERR_BUILDER_COPY', error.message, { ...place, cause: error })
    }
    if (!(error instanceof BuilderError) || error.location !== undefined) throw error
    const { code, message, hint } = error
    throw new BuilderError(code, message, { ...place, ...(hint !== undefined && { hint }) })
  }
}
