/**
 * Takes blobs and records away, each only after a second look.
 *
 * @module
 */
import { relative, sep } from 'node:path'
import type { Digest } from '@varve/digest'
import type { Amount, CollectionOptions } from '../collection.ts'
import { CacheStoreError } from '../errors.ts'
import { plusOne } from './amount.ts'
import { statusOf } from './files.ts'
import type { Place } from './place.ts'
import type { Protection } from './protection.ts'
import type { Entry } from './scan.ts'
import { empty, moveToTrash, putBack, type Trashed } from './trash.ts'

/** What goes, by what it is. */
export type Kind = 'blob' | 'record' | 'leftover'

/** A run of a collector. */
export interface Run {
  readonly place: Place
  /** Keeps what several collectors move to the trash apart. */
  readonly id: string
  readonly options: CollectionOptions
  readonly removed: Record<Kind, Amount>
  /** Lets other work run; rejects if the run was stopped, or has lost its lock. */
  readonly breathe: () => Promise<void>
}

/** Notes that something went, or would go. */
export function noteRemoval({ place, options, removed }: Run, what: Kind, path: string, bytes: number): void {
  removed[what] = plusOne(removed[what], bytes)
  options.onProgress?.({ kind: 'remove', what, path: relative(place.root, path).replaceAll(sep, '/'), bytes })
}

/**
 * Removes the entries of which `goes` is true; `spare` is called for one that turned out to be used or wanted, before it
 * is put back.
 */
export async function sweep(
  run: Run,
  protection: Protection,
  what: Kind,
  batches: Iterable<readonly Entry[]>,
  goes: (entry: Entry) => boolean,
  spare: (path: string) => void,
): Promise<void> {
  for (const batch of batches) {
    const doomed = batch.filter(goes)
    if (run.options.dryRun === true) for (const { path, bytes } of doomed) noteRemoval(run, what, path, bytes)
    else await remove(run, protection, what, doomed, spare)
    await run.breathe()
  }
}

interface Moved {
  readonly entry: Entry
  readonly trashed: Trashed
}

async function remove(
  run: Run,
  protection: Protection,
  what: Kind,
  doomed: readonly Entry[],
  spare: (path: string) => void,
): Promise<void> {
  let moved: Moved[] = []
  const finish = async (): Promise<void> => {
    if (moved.length === 0) return
    const places = new Map<Digest, string>()
    for (const { entry, trashed } of moved) if (entry.digest) places.set(entry.digest, trashed.path)
    await protection.refresh(places)
    for (let each = moved.shift(); each !== undefined; each = moved.shift()) {
      const { entry, trashed } = each
      if (isStillDoomed(entry, trashed, protection)) {
        empty(trashed)
        noteRemoval(run, what, entry.path, entry.bytes)
      } else {
        spare(trashed.path)
        putBack(trashed)
      }
    }
  }
  try {
    for (const entry of doomed) {
      const trashed = await moveAway(run, entry, finish)
      if (trashed !== undefined) moved.push({ entry, trashed })
    }
    await finish()
  } catch (error) {
    for (const { trashed } of moved) putBack(trashed)
    throw error
  }
}

/** On a full disk the trash cannot even grow by names: it is emptied first. */
async function moveAway(run: Run, entry: Entry, finish: () => Promise<void>): Promise<Trashed | undefined> {
  try {
    return moveToTrash(run.place, entry.path, run.id)
  } catch (error) {
    if (!(error instanceof CacheStoreError && error.code === 'ERR_CACHE_STORE_FULL')) throw error
    await finish()
    return moveToTrash(run.place, entry.path, run.id)
  }
}

function isStillDoomed(entry: Entry, { path }: Trashed, protection: Protection): boolean {
  const isUsed = statusOf(path)?.mtimeMs !== entry.mtimeMs || protection.isNewlyLeased(entry.mtimeMs)
  return !isUsed && !(entry.digest !== undefined && protection.isRooted(entry.digest))
}
