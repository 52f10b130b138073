/**
 * Action records as files.
 *
 * @module
 */
import type { ActionIndex, Scope } from '../action-index.ts'
import type { Digest } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import { createRecordIndex } from '../record-index.ts'
import { MAX_RECORD } from '../record.ts'
import type { Trust } from '../trust.ts'
import {
  ensureDirectory,
  publish,
  publishNew,
  readSmallFile,
  statusOf,
  touch,
  writeTemporary,
} from './files.ts'
import { type Place, recordDirectories, recordPath } from './place.ts'

/** The records of a place, over the blobs that they name. */
export function createLocalActions(place: Place, blobs: BlobStore, trust: Trust = {}): ActionIndex {
  const temporaryFor = (scope: Scope, key: Digest, bytes: Uint8Array): string => {
    for (const directory of recordDirectories(place, scope, key)) ensureDirectory(place, directory)
    return writeTemporary(place, bytes)
  }
  const index = createRecordIndex(
    {
      read: async (scope, key) => {
        const path = recordPath(place, scope, key)
        const status = statusOf(path)
        if (status === undefined) return undefined
        touch(place, path, status)
        return readSmallFile(path, MAX_RECORD)
      },
      create: async (scope, key, bytes) =>
        publishNew(place, temporaryFor(scope, key, bytes), recordPath(place, scope, key)),
      replace: async (scope, key, bytes) =>
        publish(place, temporaryFor(scope, key, bytes), recordPath(place, scope, key)),
    },
    blobs,
    trust,
  )
  return place.readOnly ? { ...index, put: async () => 'skipped' } : index
}
