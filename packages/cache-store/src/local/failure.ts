/**
 * What the errors of the file system mean to a store.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'

/** The `code` of a Node error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Runs operations that write below `path`; what they throw becomes `ERR_CACHE_STORE_UNWRITABLE` or `_FULL`. */
export function writing<T>(path: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    throw writeFailure(path, error)
  }
}

/** As {@link writing}, for operations that take their time. */
export async function writingLater<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw writeFailure(path, error)
  }
}

/** The typed form of what a read of `path` threw. */
export function readFailure(path: string, cause: unknown): CacheStoreError {
  if (cause instanceof CacheStoreError) return cause
  return new CacheStoreError('ERR_CACHE_STORE_UNREADABLE', `Cannot read ${JSON.stringify(path)}`, {
    path,
    cause,
  })
}

/** What a store that was opened for reading says to a write. */
export function readOnly(path: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_UNWRITABLE', 'The store was opened for reading only', { path })
}

/** What a write is told that is beyond the budget, though the disk may have room. */
export function overBudget(path: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_FULL', 'The store has used up its budget', { path })
}

function writeFailure(path: string, cause: unknown): CacheStoreError {
  if (cause instanceof CacheStoreError) return cause
  const code = systemCode(cause)
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new CacheStoreError('ERR_CACHE_STORE_FULL', `No room to write ${JSON.stringify(path)}`, { path, cause })
    : new CacheStoreError('ERR_CACHE_STORE_UNWRITABLE', `Cannot write ${JSON.stringify(path)}`, {
        path,
        cause,
      })
}
