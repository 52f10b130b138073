/**
 * A store that others may read and we must not write.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'
import { assertIngestName, assertRefName, assertScope } from '../names.ts'
import type { RefStore } from '../ref-store.ts'
import type { Store, Tier } from '../store.ts'

/**
 * Passes reads on and never writes: blobs and records are `skipped`; what has no such answer rejects.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_UNWRITABLE` from `ingest`, `delete` and `refs.update`.
 */
export function readOnly(store: Store): Store
export function readOnly(store: Tier): Tier
export function readOnly(store: Tier & Partial<Store>): Tier & Partial<Store> {
  const { blobs, actions, refs } = store
  return {
    blobs: {
      missing: (digests, options) => blobs.missing(digests, options),
      get: (digest, options) => blobs.get(digest, options),
      put: async (_digest, _source, options) => {
        options?.signal?.throwIfAborted()
        return 'skipped'
      },
      ingest: async (ref, options) => {
        options?.signal?.throwIfAborted()
        assertIngestName(ref)
        throw refused()
      },
      delete: async (_digest, options) => {
        options?.signal?.throwIfAborted()
        throw refused()
      },
    },
    actions: {
      get: (key, scopes, options) => actions.get(key, scopes, options),
      put: async (_record, { scope, signal }) => {
        signal?.throwIfAborted()
        assertScope(scope)
        return 'skipped'
      },
    },
    ...(refs && { refs: readOnlyRefs(refs) }),
  }
}

function readOnlyRefs(refs: RefStore): RefStore {
  return {
    read: (name, options) => refs.read(name, options),
    update: async (name, _merge, options) => {
      options?.signal?.throwIfAborted()
      assertRefName(name)
      throw refused()
    },
    list: (prefix, options) => refs.list(prefix, options),
  }
}

function refused(): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_UNWRITABLE', 'The store is for reading only')
}
