/**
 * What nobody will ask for again, and what else takes space in a store.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Amount } from '../collection.ts'
import { NONE } from './amount.ts'
import { writing } from './failure.ts'
import { isSafeDirectory, statusOf, TOUCH_AFTER_MS } from './files.ts'
import { leaseAt } from './leases.ts'
import { diskBytes, isLeaseName, isRandomName, isRefName, namesIn } from './listing.ts'
import {
  DIRECTORIES,
  flightDirectory,
  ingestDirectory,
  leasesDirectory,
  LOCK_SUFFIX,
  pinsDirectory,
  type Place,
  quarantineDirectory,
  refsDirectory,
} from './place.ts'
import { recordDirectoriesOf } from './scan.ts'
import { discard } from './trash.ts'

/** One of them. */
export interface Leftover {
  readonly path: string
  readonly mtimeMs: number
  readonly bytes: number
  /** An ingest, or a directory that was in the way of a file. */
  readonly isDirectory: boolean
}

/** However little grace there is, what was written to within the last hour may be on its way. */
const NEVER_BEFORE_MS = TOUCH_AFTER_MS

/** Files of the store itself; not those that count and collect, which come and go with it. */
const ROOT_FILES = ['oci-layout', 'index.json', 'CACHEDIR.TAG', 'store.json']

/** Everything that is on its way somewhere or was put aside, whether or not anybody needs it. */
export function* asideOf(place: Place): Generator<Leftover, void, void> {
  yield* filesOf(ingestDirectory(place), isRandomName)
  yield* filesOf(quarantineDirectory(place), (name) => isRandomName(name.slice(name.lastIndexOf('.') + 1)))
  yield* filesOf(flightDirectory(place), (name) =>
    isRefName(name.replace(/\+lock$/, '').replaceAll('~', '/')),
  )
  yield* filesOf(refsDirectory(place), (name) => name.endsWith(LOCK_SUFFIX))
  yield* filesOf(leasesDirectory(place), isLeaseName)
}

/** Whether something put aside is of no use to anybody: unused since `bound`, or a lease that has died. */
export function isLeftover(place: Place, { path, mtimeMs }: Leftover, bound: number): boolean {
  if (path.startsWith(leasesDirectory(place))) return leaseAt(place, path)?.isStale === true
  return mtimeMs < Math.min(bound, place.clock.now() - NEVER_BEFORE_MS)
}

/** Deletes a leftover unless it changed meanwhile; tells whether it is gone by this. */
export function removeLeftover(place: Place, leftover: Leftover, run: string): boolean {
  const { path, mtimeMs, isDirectory } = leftover
  if (!isDirectory) return discard(place, path, mtimeMs, run)
  if (newest(path) !== mtimeMs) return false
  writing(path, () => rmSync(path, { recursive: true, force: true }))
  return true
}

/** What is neither blob nor record nor aside: documents, the store's own files, and all directories. */
export function* restOf(place: Place): Generator<Amount, void, void> {
  for (const name of ROOT_FILES) yield amountOf(join(place.root, name))
  for (const name of ['.', ...DIRECTORIES, 'blobs/sha512', 'blobs/blake3'])
    yield amountOf(join(place.root, name))
  for (const directory of recordDirectoriesOf(place)) yield amountOf(directory)
  const documents = [
    ...filesOf(refsDirectory(place), (name) => isRefName(name.replaceAll('~', '/'))),
    ...filesOf(pinsDirectory(place), (name) => name.endsWith('.json')),
  ]
  for (const { bytes } of documents) yield { count: 1, bytes }
}

function* filesOf(directory: string, isOurs: (name: string) => boolean): Generator<Leftover, void, void> {
  if (!isSafeDirectory(directory)) return
  for (const name of namesIn(directory)) {
    const path = join(directory, name)
    const status = isOurs(name) ? statusOf(path) : undefined
    if (status === undefined) continue
    if (status.isDirectory()) yield { path, mtimeMs: newest(path), bytes: treeBytes(path), isDirectory: true }
    else yield { path, mtimeMs: status.mtimeMs, bytes: diskBytes(status), isDirectory: false }
  }
}

/** When a directory, or anything directly in it, was changed last. */
function newest(directory: string): number {
  const times = [...namesIn(directory)].map((name) => statusOf(join(directory, name))?.mtimeMs ?? 0)
  return Math.max(statusOf(directory)?.mtimeMs ?? 0, ...times)
}

function treeBytes(path: string): number {
  const status = statusOf(path)
  if (status === undefined) return 0
  let sum = diskBytes(status)
  if (status.isDirectory()) for (const name of namesIn(path)) sum += treeBytes(join(path, name))
  return sum
}

function amountOf(path: string): Amount {
  const status = statusOf(path)
  if (status === undefined) return NONE
  return { count: status.isDirectory() ? 0 : 1, bytes: diskBytes(status) }
}
