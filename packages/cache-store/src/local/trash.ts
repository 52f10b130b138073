/**
 * Deleting in two steps: a file is moved away, looked at once more, and then deleted or put back.
 *
 * Between a look at a file and its deletion somebody may use it. Whoever does so through its name either is before the
 * move, and the second look shows it, or after it, and finds nothing. What an interrupted collector leaves in the trash
 * is put back by the next one, and judged anew.
 *
 * @module
 */
import { linkSync, renameSync, rmSync, unlinkSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { systemCode, writing } from './failure.ts'
import { isSafeDirectory, statusOf } from './files.ts'
import { isAlgorithm, isBlobName, isPair, isRecordName, isScope, namesIn } from './listing.ts'
import { type Place, trashDirectory } from './place.ts'

/** Something in the trash. */
export interface Trashed {
  /** Where it is. */
  readonly path: string
  /** Where it was. */
  readonly origin: string
}

/** Directories without directories, so that a `~` in what they hold is of its name. */
const FLAT = new Set(['flight', 'leases', 'refs'])

/**
 * Moves a file away; `undefined` if there is none. `run` keeps what several collectors move apart.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_FULL` if the directory cannot grow, `ERR_CACHE_STORE_UNWRITABLE`
 */
export function moveToTrash(place: Place, origin: string, run: string): Trashed | undefined {
  const name = relative(place.root, origin).replaceAll(sep, '~')
  const path = join(trashDirectory(place), `${name}~${run}`)
  return writing(origin, () => {
    try {
      renameSync(origin, path)
      return { path, origin }
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      throw error
    }
  })
}

/** Puts a file back where it was; if somebody has made it anew meanwhile, theirs stays. */
export function putBack({ path, origin }: Trashed): void {
  writing(origin, () => {
    try {
      linkSync(path, origin)
    } catch (error) {
      // ENOENT: another collector did it, or its directory is gone, and with it who would want it.
      if (!['EEXIST', 'ENOENT'].includes(systemCode(error) ?? '')) throw error
    }
    rmSync(path, { force: true })
  })
}

/**
 * Deletes a file for good unless it changed since `mtimeMs`; tells whether it is gone by this.
 *
 * @throws as {@link moveToTrash}
 */
export function discard(place: Place, origin: string, mtimeMs: number, run: string): boolean {
  const trashed = moveToTrash(place, origin, run)
  if (trashed === undefined) return false
  if (statusOf(trashed.path)?.mtimeMs === mtimeMs) {
    empty(trashed)
    return true
  }
  putBack(trashed)
  return false
}

/** Deletes what was moved away. */
export function empty({ path }: Trashed): void {
  writing(path, () => {
    try {
      unlinkSync(path)
    } catch (error) {
      // A directory, or gone; this way costs another look at each.
      if (systemCode(error) !== 'ENOENT') rmSync(path, { recursive: true, force: true })
    }
  })
}

/** What is in the trash and says where it comes from. */
export function* trashOf(place: Place): Generator<Trashed, void, void> {
  if (!isSafeDirectory(trashDirectory(place))) return
  for (const name of namesIn(trashDirectory(place))) {
    const origin = originOf(place, name)
    if (origin !== undefined) yield { path: join(trashDirectory(place), name), origin }
  }
}

function originOf(place: Place, name: string): string | undefined {
  const [directory = '', ...rest] = name.split('~').slice(0, -1)
  const [first = '', second = '', third = ''] = rest
  if (FLAT.has(directory) && rest.length > 0) return join(place.root, directory, rest.join('~'))
  const isBlob = directory === 'blobs' && rest.length === 2 && isAlgorithm(first) && isBlobName(first, second)
  const isRecord =
    directory === 'ac' && rest.length === 3 && isScope(first) && isPair(second) && isRecordName(third)
  return isBlob || isRecord ? join(place.root, directory, ...rest) : undefined
}
