/**
 * Whose fault a failure is.
 *
 * Told by `code`, since two copies of a package have two classes of errors.
 *
 * @module
 */

/** Codes of those who asked for what no store can do. */
const MISUSE = new Set(['ERR_CACHE_STORE_NAME', 'ERR_CACHE_STORE_LIMIT', 'ERR_CACHE_STORE_KEY'])

/** The `code` of an error, such as `ERR_DIGEST_MISMATCH`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether bytes were not what they were said to be. */
export function isWrongBytes(error: unknown): boolean {
  return codeOf(error)?.startsWith('ERR_DIGEST_') ?? false
}

/** Whether a read failed because the blob is damaged or went away: for its reader, a miss. */
export function isLoss(error: unknown): boolean {
  return isWrongBytes(error) || codeOf(error) === 'ERR_CACHE_STORE_MISSING'
}

/** Whether a store only said that it is not to be written. */
export function isUnwritable(error: unknown): boolean {
  return codeOf(error) === 'ERR_CACHE_STORE_UNWRITABLE'
}

/** Whether the caller is to blame, and no store. */
export function isMisuse(error: unknown): boolean {
  return error instanceof TypeError || MISUSE.has(codeOf(error) ?? '')
}
