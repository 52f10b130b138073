/**
 * Action records as objects.
 *
 * @module
 */
import type { ActionIndex } from '../action-index.ts'
import type { BlobStore, StoreOptions } from '../blob-store.ts'
import { MAX_RECORD } from '../record.ts'
import { createRecordIndex } from '../record-index.ts'
import { unseal } from '../seal.ts'
import type { Trust } from '../trust.ts'
import type { Access } from './access.ts'
import { kindOf } from './failure.ts'
import type { Keys } from './keys.ts'
import type { Objects } from './objects.ts'
import type { S3Capabilities } from './options.ts'
import type { Renewal } from './renewal.ts'
import { bodyOf, readSmall, type SmallObject, writeOwn } from './small.ts'
import { createTurns } from './turns.ts'

/** What records are made of. */
export interface RecordSettings {
  readonly objects: Objects
  readonly keys: Keys
  readonly access: Access
  readonly renewal: Renewal
  readonly capabilities: S3Capabilities
}

/** The records of a bucket, over the blobs that they name. */
export function createS3Actions(settings: RecordSettings, blobs: BlobStore, trust: Trust = {}): ActionIndex {
  const { objects, keys, access, capabilities } = settings
  const turns = createTurns()

  /** Where creation is not atomic: within this process it is, between processes the last of those at once stays. */
  const createByLooking = (key: string, bytes: Uint8Array, options: StoreOptions): Promise<boolean> =>
    turns.run(key, async () => {
      if ((await objects.head(key, options)) !== undefined) return false
      await objects.write(key, bodyOf(bytes), undefined, options)
      return true
    })

  const index = createRecordIndex(
    {
      read: async (scope, key, options = {}) => {
        const record = await readSmall(objects, keys.record(scope, key), MAX_RECORD, options)
        if (record !== undefined) await renew(settings, keys.record(scope, key), record, options)
        return record?.bytes
      },
      create: async (scope, key, bytes, options = {}) => {
        const name = keys.record(scope, key)
        if (!capabilities.atomicCreate) return createByLooking(name, bytes, options)
        return (await writeOwn(objects, name, bytes, 'absent', options)) !== undefined
      },
      replace: async (scope, key, bytes, options = {}) =>
        void (await objects.write(keys.record(scope, key), bodyOf(bytes), undefined, options)),
    },
    blobs,
    trust,
  )

  return {
    get: (key, scopes, options) => index.get(key, scopes, options),
    put: async (record, options) => {
      options.signal?.throwIfAborted()
      if (access.isReadOnly()) return 'skipped'
      try {
        return await index.put(record, options)
      } catch (error) {
        if (kindOf(error) === 'denied' && access.isReadOnly()) return 'skipped'
        throw error
      }
    },
  }
}

/** A copy onto itself could bring back what was replaced meanwhile, so the same bytes are written under a condition. */
async function renew(
  { objects, access, renewal, capabilities }: RecordSettings,
  key: string,
  { bytes, size, tag, ageMs }: SmallObject,
  { signal }: StoreOptions,
): Promise<void> {
  if (!renewal.isDue(ageMs) || unseal(bytes) === undefined) return
  try {
    if (capabilities.ifMatch === false) await renewal.renew(key, size, {})
    else await writeOwn(objects, key, bytes, { tag })
  } catch (error) {
    signal?.throwIfAborted()
    access.warn('renew', error)
  }
}
