/**
 * The sweep that proves every blob and record, and heals what it can.
 *
 * @module
 */
import { basename, dirname } from 'node:path'
import { type Digest, parseDigest, withSignal } from '@varve/digest'
import type { ActionRecord, Scope } from '../action-index.ts'
import type { BlobStore, StoreOptions } from '../blob-store.ts'
import type { Amount } from '../collection.ts'
import { isEmptyDigest } from '../empty-blob.ts'
import { decodeRecord, MAX_RECORD, signedBytes } from '../record.ts'
import type { Trust } from '../trust.ts'
import { NONE, plusOne } from './amount.ts'
import { proveBlob, sizeOfBlob } from './blob-file.ts'
import { breathing } from './breath.ts'
import { quarantine, readSmallFile, statusOf } from './files.ts'
import { ALGORITHMS, diskBytes } from './listing.ts'
import { tryLock } from './lock.ts'
import { pinNames, readPin } from './pins.ts'
import { LOCK_SUFFIX, pinPath, type Place, randomName, refPath } from './place.ts'
import { readRef, refNames } from './refs.ts'
import { blobNames, type Entry, recordBatches } from './scan.ts'
import { discard } from './trash.ts'

/** How a store is checked. */
export interface CheckOptions extends StoreOptions {
  /** Where the bytes of damaged blobs are had from, such as another tier. Default: they are gone. */
  readonly repairFrom?: Pick<BlobStore, 'get'>
  /** Told so much was looked at up to now. */
  readonly onProgress?: (event: CheckEvent) => void
}

/** How far a check has got. */
export interface CheckEvent extends Amount {
  readonly kind: 'blobs' | 'records'
}

/** How many things are wrong in one way, and the names of the first hundred. */
export interface Findings {
  readonly count: number
  readonly names: readonly string[]
}

/** What a check has seen and found. Blobs are named by digest, records by `scope/key`, refs and pins by their names. */
export interface CheckReport {
  readonly checked: {
    readonly blobs: Amount
    readonly records: Amount
    readonly refs: number
    readonly pins: number
  }
  /** Blobs with wrong bytes; they are in quarantine. */
  readonly damaged: Findings
  /** Those of them that have the right bytes again. */
  readonly repaired: Findings
  /** Records that are damaged or in a wrong place; they are removed, as those of the next two kinds. */
  readonly undecodable: Findings
  /** Records without a signature that the store's verifier accepts. */
  readonly untrusted: Findings
  /** Records that name a blob which is not there. */
  readonly dangling: Findings
  /** Damaged refs; they are in quarantine. */
  readonly refs: Findings
  /** Damaged pins; they are in quarantine, and keep nothing any more. */
  readonly pins: Findings
}

const MAX_NAMES = 100

/**
 * Reads everything. No use is noted by it, so that a check does not keep what nobody uses from being collected. Only
 * one opened for reading is not changed.
 */
export async function checkStore(
  place: Place,
  blobs: BlobStore,
  trust: Trust,
  options: CheckOptions = {},
): Promise<CheckReport> {
  const { signal } = options
  signal?.throwIfAborted()
  const checkedBlobs = await checkBlobs(place, blobs, options)
  const checkedRecords = await checkRecords(place, trust, options)
  const [refs, pins] = [findings(), findings()]
  const [allRefs, allPins] = [refNames(place), pinNames(place)]
  for (const name of allRefs) if (!checkRef(place, name)) refs.add(name)
  for (const name of allPins) if (!checkPin(place, name)) pins.add(name)
  return {
    checked: {
      blobs: checkedBlobs.seen,
      records: checkedRecords.seen,
      refs: allRefs.length,
      pins: allPins.length,
    },
    damaged: plain(checkedBlobs.damaged),
    repaired: plain(checkedBlobs.repaired),
    undecodable: plain(checkedRecords.undecodable),
    untrusted: plain(checkedRecords.untrusted),
    dangling: plain(checkedRecords.dangling),
    refs: plain(refs),
    pins: plain(pins),
  }
}

async function checkBlobs(
  place: Place,
  blobs: BlobStore,
  { signal, repairFrom, onProgress }: CheckOptions,
): Promise<{ readonly seen: Amount; readonly damaged: Findings; readonly repaired: Findings }> {
  const breathe = breathing(signal)
  const [damaged, repaired] = [findings(), findings()]
  let seen = NONE
  for (const { path, digest } of blobNames(place)) {
    await breathe()
    const status = statusOf(path)
    const isRight = status && (await proveBlob(place, digest, signal, 'check'))
    if (isRight === undefined) continue
    seen = plusOne(seen, status === undefined ? 0 : diskBytes(status))
    onProgress?.({ kind: 'blobs', ...seen })
    if (isRight) continue
    damaged.add(digest)
    if (repairFrom && (await isRepaired(blobs, repairFrom, digest, signal))) repaired.add(digest)
  }
  return { seen, damaged, repaired }
}

async function isRepaired(
  blobs: BlobStore,
  from: Pick<BlobStore, 'get'>,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const source = await from.get(digest, withSignal(signal))
    return source !== undefined && (await blobs.put(digest, source, withSignal(signal))) !== 'skipped'
  } catch {
    // The other store is ill, or has no better bytes; this blob stays a miss.
    signal?.throwIfAborted()
    return false
  }
}

async function checkRecords(
  place: Place,
  { verifier }: Trust,
  { signal, onProgress }: CheckOptions,
): Promise<{ seen: Amount; undecodable: Findings; untrusted: Findings; dangling: Findings }> {
  const breathe = breathing(signal)
  const [undecodable, untrusted, dangling] = [findings(), findings(), findings()]
  const run = randomName()
  let seen = NONE

  const faultOf = async (entry: Entry, scope: Scope): Promise<ReturnType<typeof findings> | undefined> => {
    const bytes = readSmallFile(entry.path, MAX_RECORD)
    const record = bytes && decodeRecord(bytes, keyOf(entry.name), scope)
    if (record === undefined) return undecodable
    const isTrusted =
      verifier === undefined ||
      (record.sig !== undefined && (await verifier.verify(signedBytes(record, scope), record.sig)))
    if (!isTrusted) return untrusted
    return isWhole(place, record) ? undefined : dangling
  }

  for (const batch of recordBatches(place)) {
    for (const entry of batch) {
      const scope = basename(dirname(dirname(entry.path)))
      const fault = await faultOf(entry, scope)
      seen = plusOne(seen, entry.bytes)
      if (fault === undefined || statusOf(entry.path) === undefined) continue
      fault.add(`${scope}/${keyOf(entry.name)}`)
      if (!place.readOnly) discard(place, entry.path, entry.mtimeMs, run)
    }
    onProgress?.({ kind: 'records', ...seen })
    await breathe()
  }
  return { seen, undecodable, untrusted, dangling }
}

function isWhole(place: Place, record: ActionRecord): boolean {
  const needed = [record.keyDoc, ...record.outputs.map(({ digest }) => digest)]
  return needed.every((digest) => isEmptyDigest(digest) || sizeOfBlob(place, digest, 'check') !== undefined)
}

function keyOf(name: string): Digest {
  return parseDigest(name.includes('-') ? name.replace('-', ':') : `sha256:${name}`, ALGORITHMS)
}

/** Under the lock, so that nobody replaces the document while it is taken for damaged. */
function checkRef(place: Place, name: string): boolean {
  if (readRef(place, name) !== undefined) return true
  const path = refPath(place, name)
  if (place.readOnly) return statusOf(path) === undefined
  const lock = tryLock(place, path + LOCK_SUFFIX)
  if (lock === undefined) return true
  try {
    if (statusOf(path) === undefined || readRef(place, name) !== undefined) return true
    quarantine(place, path)
    return false
  } finally {
    lock.release()
  }
}

function checkPin(place: Place, name: string): boolean {
  const path = pinPath(place, name)
  if (readPin(place, name) !== undefined || statusOf(path) === undefined) return true
  quarantine(place, path)
  return false
}

function plain({ count, names }: Findings): Findings {
  return { count, names }
}

function findings(): Findings & { add(name: string): void } {
  const names: string[] = []
  const found = {
    count: 0,
    names,
    add: (name: string): void => {
      found.count += 1
      if (names.length < MAX_NAMES) names.push(name)
    },
  }
  return found
}
