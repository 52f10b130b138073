/**
 * Objects made new before a rule of the bucket takes them.
 *
 * @module
 */
import type { StoreOptions } from '../blob-store.ts'
import type { Access } from './access.ts'
import { kindOf } from './failure.ts'
import type { Objects } from './objects.ts'

/** Decides what is old, and renews it. */
export interface Renewal {
  isDue(ageMs: number): boolean
  /** Copies an object that never changes onto itself; tells `false` if it is gone. Best effort otherwise. */
  renew(key: string, size: number, options: StoreOptions): Promise<boolean>
}

/** Largest object that one request can copy: Amazon S3 API Reference, "CopyObject". */
const LARGEST_COPY = 5 * 1024 ** 3

/** Renews what has lived for a third of `ttlMs`; nothing without it. */
export function createRenewal(objects: Objects, access: Access, ttlMs: number | undefined): Renewal {
  return {
    isDue: (ageMs) => ttlMs !== undefined && ageMs > ttlMs / 3 && !access.isReadOnly(),
    renew: async (Key, size, options) => {
      if (size > LARGEST_COPY) return true
      const source = `${objects.bucket}/${Key.split('/').map(encodeURIComponent).join('/')}`
      // A copy onto itself is refused unless something changes: the metadata, which is the same again.
      const input = {
        Bucket: objects.bucket,
        Key,
        CopySource: source,
        MetadataDirective: 'REPLACE',
        ContentType: 'application/octet-stream',
      }
      try {
        await objects.send({ operation: 'CopyObject', input }, options)
        return true
      } catch (error) {
        options.signal?.throwIfAborted()
        if (kindOf(error) === 'absent') return false
        access.warn('renew', error)
        return true
      }
    },
  }
}
