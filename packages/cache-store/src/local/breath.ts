/**
 * Long work that lets others have their turn, can be stopped, and keeps its lock.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'
import type { Lock } from './lock.ts'

const RENEW_MS = 5_000

/**
 * Gives a function to call every few milliseconds of work.
 *
 * It rejects with the reason of the signal, or with `ERR_CACHE_STORE_BUSY` if the lock was taken over.
 */
export function breathing(signal: AbortSignal | undefined, lock?: Lock): () => Promise<void> {
  let renewed = performance.now()
  return async () => {
    await new Promise(setImmediate)
    signal?.throwIfAborted()
    if (lock === undefined || performance.now() - renewed < RENEW_MS) return
    renewed = performance.now()
    if (lock.renew()) return
    throw new CacheStoreError('ERR_CACHE_STORE_BUSY', 'Another collector took over')
  }
}
