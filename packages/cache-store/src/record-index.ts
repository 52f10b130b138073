/**
 * The rules of an {@link ActionIndex}, over anything that keeps small files by scope and key.
 *
 * @module
 */
import { type Digest, withSignal } from '@varve/digest'
import type {
  ActionIndex,
  ActionRecord,
  LookupOptions,
  RecordOptions,
  RecordOutcome,
  Scope,
} from './action-index.ts'
import type { BlobStore, StoreOptions } from './blob-store.ts'
import { CacheStoreError } from './errors.ts'
import { assertScope } from './names.ts'
import { decodeRecord, encodeRecord, sameResult } from './record.ts'

/** Where records lie. What is created or replaced appears whole or not at all. */
export interface RecordFiles {
  read(scope: Scope, key: Digest): Promise<Uint8Array | undefined>
  /** Tells `false`, and writes nothing, if there is a file already. */
  create(scope: Scope, key: Digest, bytes: Uint8Array): Promise<boolean>
  replace(scope: Scope, key: Digest, bytes: Uint8Array): Promise<void>
}

/** Looks up and writes records in `files`; their outputs are looked for in `blobs`. */
export function createRecordIndex(files: RecordFiles, blobs: BlobStore): ActionIndex {
  const isWhole = async (record: ActionRecord, options: StoreOptions): Promise<boolean> => {
    const needed = [record.keyDoc, ...record.outputs.map((output) => output.digest)]
    return (await blobs.missing(needed, withSignal(options.signal))).size === 0
  }

  return {
    get: async (key, scopes, options: LookupOptions = {}) => {
      for (const scope of scopes) assertScope(scope)
      for (const scope of scopes) {
        options.signal?.throwIfAborted()
        const bytes = await files.read(scope, key)
        const record = bytes && decodeRecord(bytes, key, scope)
        if (record && isRecent(record, options.maxAgeMs) && (await isWhole(record, options))) return record
      }
      return undefined
    },

    put: async (record, options: RecordOptions) => {
      const { scope, mode = 'create', signal } = options
      signal?.throwIfAborted()
      assertScope(scope)
      const bytes = encodeRecord(record, scope)
      try {
        if (mode === 'create') return await create(record, scope, bytes, (found) => isWhole(found, options))
        await files.replace(scope, record.key, bytes)
        return 'created'
      } catch (error) {
        if (error instanceof CacheStoreError && error.code === 'ERR_CACHE_STORE_FULL') return 'skipped'
        throw error
      }
    },
  }

  async function create(
    record: ActionRecord,
    scope: Scope,
    bytes: Uint8Array,
    stillWhole: (found: ActionRecord) => Promise<boolean>,
  ): Promise<RecordOutcome> {
    if (await files.create(scope, record.key, bytes)) return 'created'
    const found = await files.read(scope, record.key)
    const earlier = found && decodeRecord(found, record.key, scope)
    if (earlier && sameResult(earlier, record)) return 'same'
    if (earlier && (await stillWhole(earlier))) return 'conflict'
    // A damaged record, or one whose outputs are gone, can never be a hit again: left in place it would make this key
    // a miss for ever.
    await files.replace(scope, record.key, bytes)
    return 'created'
  }
}

function isRecent(record: ActionRecord, maxAgeMs: number | undefined): boolean {
  return maxAgeMs === undefined || Date.now() - Date.parse(record.createdAt) <= maxAgeMs
}
