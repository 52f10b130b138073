/**
 * Action records as files.
 *
 * @module
 */
import type { ActionIndex, Scope } from '../action-index.ts'
import type { Digest } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import { CacheStoreError } from '../errors.ts'
import { createRecordIndex } from '../record-index.ts'
import { MAX_RECORD } from '../record.ts'
import type { Trust } from '../trust.ts'
import { BLOCK } from './blocks.ts'
import { systemCode } from './failure.ts'
import {
  ensureDirectory,
  isSafeDirectory,
  publish,
  publishNew,
  readSmallFile,
  statusOf,
  touch,
  writeTemporary,
} from './files.ts'
import { openOutlay, withSpace } from './outlay.ts'
import { type Place, recordDirectories, recordPath } from './place.ts'
import type { Room } from './room.ts'

/** A collector takes empty directories away, and may do so between our making one and our using it. */
const TRIES = 20

/** The records of a place, over the blobs that they name. */
export function createLocalActions(
  place: Place,
  blobs: BlobStore,
  room: Room,
  trust: Trust = {},
): ActionIndex {
  /** `settle` gives the temporary file its name and tells whether it did. */
  const write = async (
    scope: Scope,
    key: Digest,
    bytes: Uint8Array,
    settle: (temporary: string, target: string) => boolean,
  ): Promise<boolean> => {
    const target = recordPath(place, scope, key)
    const directories = recordDirectories(place, scope, key)
    const outlay = openOutlay(room, target)
    // A directory takes as much as most records.
    const most = bytes.byteLength + directories.length * BLOCK
    let used: number | undefined
    try {
      await outlay.cover(most)
      return await withSpace(room, most, async () => {
        let made = 0
        const isWritten = inDirectories(
          place,
          directories,
          () => settle(writeTemporary(place, bytes), target),
          () => (made += 1),
        )
        used = (isWritten ? bytes.byteLength : 0) + made * BLOCK
        return isWritten
      })
    } finally {
      outlay.end(used)
    }
  }

  const index = createRecordIndex(
    {
      read: async (scope, key) => {
        const path = recordPath(place, scope, key)
        const status = statusOf(path)
        if (status === undefined || !recordDirectories(place, scope, key).every(isSafeDirectory)) {
          return undefined
        }
        return touch(place, path, status) ? readSmallFile(path, MAX_RECORD) : undefined
      },
      create: (scope, key, bytes) =>
        write(scope, key, bytes, (temporary, target) => publishNew(place, temporary, target)),
      replace: async (scope, key, bytes) => {
        await write(scope, key, bytes, (temporary, target) => {
          publish(place, temporary, target)
          return true
        })
      },
    },
    blobs,
    trust,
  )
  return {
    get: (key, scopes, options) => index.get(key, scopes, options),
    put: async (record, options) => {
      if (place.readOnly) return 'skipped'
      const outcome = await index.put(record, options)
      // A collector that goes by times alone must not find the blobs much older than their record.
      await blobs.missing([record.keyDoc, ...record.outputs.map(({ digest }) => digest)])
      return outcome
    },
  }
}

function inDirectories<Result>(
  place: Place,
  directories: readonly string[],
  write: () => Result,
  onMade: () => void,
): Result {
  for (let tries = 1; ; tries += 1) {
    try {
      for (const directory of directories) if (ensureDirectory(place, directory)) onMade()
      return write()
    } catch (error) {
      const isGone = error instanceof CacheStoreError && systemCode(error.cause) === 'ENOENT'
      if (!isGone || tries === TRIES) throw error
    }
  }
}
