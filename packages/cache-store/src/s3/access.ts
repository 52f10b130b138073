/**
 * What these credentials turn out to be allowed, and what the caller is told of it, once.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'

/** What is found out while a store is used. */
export interface Access {
  /** Whether a write was denied: then no more are tried. */
  isReadOnly(): boolean
  denyWrites(error: unknown): void
  /** Tells the caller of a kind of trouble the first time that it is met. */
  warn(kind: string, error: unknown): void
}

/** Everything allowed, nothing said. */
export function createAccess(onWarning: ((error: unknown) => void) | undefined): Access {
  const told = new Set<string>()
  let isDenied = false
  const warn: Access['warn'] = (kind, error) => {
    if (told.has(kind)) return
    told.add(kind)
    onWarning?.(error)
  }
  return {
    isReadOnly: () => isDenied,
    denyWrites: (error) => {
      isDenied = true
      warn('write', error)
    },
    warn,
  }
}

/** What a write that has no `skipped` to answer with is told. */
export function readOnly(): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_UNWRITABLE', 'The credentials may only read the bucket')
}
