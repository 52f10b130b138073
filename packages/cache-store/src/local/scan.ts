/**
 * Blobs and records as a collector sees them: names, times and sizes, in batches.
 *
 * Nothing is held but the batch at hand, so that a store of millions costs time and no memory. Links are not followed,
 * and directories through which they could be are passed over.
 *
 * @module
 */
import { join } from 'node:path'
import { type Digest, formatDigest } from '@varve/digest'
import { isSafeDirectory, statusOf } from './files.ts'
import { ALGORITHMS, diskBytes, isBlobName, isPair, isRecordName, isScope, namesIn } from './listing.ts'
import type { Place } from './place.ts'

/** A blob or a record. */
export interface Entry {
  readonly path: string
  /** Of a blob, or of the key of a record. */
  readonly name: string
  /** Only blobs have one. */
  readonly digest: Digest | undefined
  readonly mtimeMs: number
  /** On the disk. */
  readonly bytes: number
}

/** Between two batches other work can run: some milliseconds. */
const BATCH = 500

/** Every blob. */
export function* blobBatches(place: Place): Generator<readonly Entry[], void, void> {
  yield* batches(blobs(place))
}

/** Every record. */
export function* recordBatches(place: Place): Generator<readonly Entry[], void, void> {
  yield* batches(records(place))
}

/** Directories of records, each after those in it. */
export function* recordDirectoriesOf(place: Place): Generator<string, void, void> {
  for (const scope of directoriesIn(join(place.root, 'ac'), isScope)) {
    yield* directoriesIn(scope, isPair)
    yield scope
  }
}

/** Names of all blobs, whatever lies there by such a name. */
export function* blobNames(
  place: Place,
): Generator<{ path: string; name: string; digest: Digest }, void, void> {
  for (const algorithm of ALGORITHMS) {
    const directory = join(place.root, 'blobs', algorithm)
    if (!isSafeDirectory(directory)) continue
    for (const name of namesIn(directory)) {
      if (!isBlobName(algorithm, name)) continue
      yield { path: `${directory}/${name}`, name, digest: formatDigest(algorithm, name) }
    }
  }
}

function* blobs(place: Place): Generator<Entry, void, void> {
  for (const { path, name, digest } of blobNames(place)) {
    const entry = entryAt(path, name, digest)
    if (entry !== undefined) yield entry
  }
}

function* records(place: Place): Generator<Entry, void, void> {
  for (const scope of directoriesIn(join(place.root, 'ac'), isScope)) {
    for (const directory of directoriesIn(scope, isPair)) {
      for (const name of namesIn(directory)) {
        const entry = isRecordName(name) ? entryAt(`${directory}/${name}`, name, undefined) : undefined
        if (entry !== undefined) yield entry
      }
    }
  }
}

function* directoriesIn(parent: string, isOurs: (name: string) => boolean): Generator<string, void, void> {
  for (const name of namesIn(parent)) {
    const directory = join(parent, name)
    if (isOurs(name) && isSafeDirectory(directory)) yield directory
  }
}

/** `undefined` if it went away, or is no file. */
export function entryAt(path: string, name: string, digest: Digest | undefined): Entry | undefined {
  const status = statusOf(path)
  if (status === undefined || !status.isFile()) return undefined
  return { path, name, digest, mtimeMs: status.mtimeMs, bytes: diskBytes(status) }
}

function* batches(entries: Iterable<Entry>): Generator<readonly Entry[], void, void> {
  let batch: Entry[] = []
  for (const entry of entries) {
    batch.push(entry)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
