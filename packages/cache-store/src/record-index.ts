/**
 * The rules of an {@link ActionIndex}, over anything that keeps small files by scope and key.
 *
 * @module
 */
import { type Digest, withSignal } from '@varve/digest'
import type {
  ActionIndex,
  ActionRecord,
  CompletenessOptions,
  LookupOptions,
  RecordOptions,
  RecordOutcome,
  Scope,
} from './action-index.ts'
import type { BlobStore, StoreOptions } from './blob-store.ts'
import { CacheStoreError } from './errors.ts'
import { assertScope } from './names.ts'
import { decodeRecord, encodeRecord, sameResult, signedBytes } from './record.ts'
import type { Trust } from './trust.ts'

/** Where records lie. What is created or replaced appears whole or not at all. */
export interface RecordFiles {
  read(scope: Scope, key: Digest, options?: StoreOptions): Promise<Uint8Array | undefined>
  /** Tells `false`, and writes nothing, if there is a file already. */
  create(scope: Scope, key: Digest, bytes: Uint8Array, options?: StoreOptions): Promise<boolean>
  replace(scope: Scope, key: Digest, bytes: Uint8Array, options?: StoreOptions): Promise<void>
}

/** Looks up and writes records in `files`; their outputs are looked for in `blobs`. */
export function createRecordIndex(files: RecordFiles, blobs: BlobStore, trust: Trust = {}): ActionIndex {
  const read = async (
    scope: Scope,
    key: Digest,
    options: StoreOptions,
  ): Promise<ActionRecord | undefined> => {
    const bytes = await files.read(scope, key, options)
    const record = bytes && decodeRecord(bytes, key, scope)
    return record && (await isTrusted(record, scope, trust)) ? record : undefined
  }

  const isWhole = async (record: ActionRecord, options: CompletenessOptions): Promise<boolean> => {
    const needed = [record.keyDoc, ...record.outputs.map((output) => output.digest)]
    return (await (options.blobs ?? blobs).missing(needed, withSignal(options.signal))).size === 0
  }

  const create = async (
    record: ActionRecord,
    bytes: Uint8Array,
    options: RecordOptions,
  ): Promise<RecordOutcome> => {
    const { scope } = options
    const { key } = record
    if (await files.create(scope, key, bytes, options)) return 'created'
    const earlier = await read(scope, key, options)
    if (earlier && sameResult(earlier, record)) return 'same'
    if (earlier && (await isWhole(earlier, options))) return 'conflict'
    // A record that is damaged, not trusted or without its outputs can never be a hit: left in place it would make
    // this key a miss for ever.
    await files.replace(scope, key, bytes, options)
    return 'created'
  }

  return {
    get: async (key, scopes, options: LookupOptions = {}) => {
      for (const scope of scopes) assertScope(scope)
      for (const scope of scopes) {
        options.signal?.throwIfAborted()
        const record = await read(scope, key, options)
        if (record && isRecent(record, options.maxAgeMs) && (await isWhole(record, options))) return record
      }
      return undefined
    },

    put: async (record, options: RecordOptions) => {
      const { scope, mode = 'create', asIs = false, signal } = options
      signal?.throwIfAborted()
      assertScope(scope)
      const bytes = encodeRecord(asIs ? record : await signed(record, scope, trust), scope)
      try {
        if (mode === 'create') return await create(record, bytes, options)
        await files.replace(scope, record.key, bytes, options)
        return 'created'
      } catch (error) {
        if (error instanceof CacheStoreError && error.code === 'ERR_CACHE_STORE_FULL') return 'skipped'
        throw error
      }
    },
  }
}

/** A record that came with a signature keeps it: a tier hands on what another machine has signed. */
async function signed(record: ActionRecord, scope: Scope, { signer }: Trust): Promise<ActionRecord> {
  if (signer === undefined || record.sig !== undefined) return record
  return { ...record, sig: await signer.sign(signedBytes(record, scope)) }
}

async function isTrusted(record: ActionRecord, scope: Scope, { verifier }: Trust): Promise<boolean> {
  if (verifier === undefined) return true
  return record.sig !== undefined && (await verifier.verify(signedBytes(record, scope), record.sig))
}

function isRecent(record: ActionRecord, maxAgeMs: number | undefined): boolean {
  return maxAgeMs === undefined || Date.now() - Date.parse(record.createdAt) <= maxAgeMs
}
