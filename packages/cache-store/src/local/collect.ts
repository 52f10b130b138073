/**
 * Garbage collection: what was not used for longest goes first, until everything fits.
 *
 * The time of a file is that of its last use. A use of a record is one of its blobs, noted after it, so that blobs are
 * never older than what names them, but for the hour in which a use is not noted: records go before their blobs without
 * being read. Only those within that hour of the cut are, and go if one of their blobs does.
 *
 * Everything is looked at twice, once to find the cut and once to remove what is before it, and nothing but numbers is
 * held in between. A run may end anywhere: what it has done is done, and what is in the trash is put back by the next.
 *
 * @module
 */
import { rmdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '@varve/digest'
import type { Amount, CollectionOptions, CollectionReport } from '../collection.ts'
import { minus, NONE, plus } from './amount.ts'
import { breathing } from './breath.ts'
import { type Census, createCensus, type Cut, earlierCut, isBefore, laterCut, NOTHING } from './census.ts'
import { countStore, type Extra } from './count.ts'
import { digestsIn } from './digests-in.ts'
import { readOnly } from './failure.ts'
import { assertSafe, freeBytes, setTime, statusOf, TOUCH_AFTER_MS } from './files.ts'
import { keptBy, ownerOf } from './kept.ts'
import { isLeftover, removeLeftover } from './leftovers.ts'
import { type Lock, tryLock } from './lock.ts'
import { blobPath, collectionLockPath, DIRECTORIES, type Place, randomName } from './place.ts'
import type { Limits } from './policy.ts'
import { protect, type Protection } from './protection.ts'
import { recoverTrash } from './recovery.ts'
import { blobBatches, type Entry, recordBatches, recordDirectoriesOf } from './scan.ts'
import { noteRemoval, type Run, sweep } from './sweep.ts'
import { readUsage, rewriteUsage } from './usage-file.ts'

/** What somebody who waits for space wants beyond what the limits say, in bytes. */
export interface Demand {
  /** To be left below the budget. */
  readonly headroom: number
  /** To be freed in any case. */
  readonly atLeast: number
}

/** A collector that was not heard of for so long is dead. */
const STALE_MS = 60_000

/** A time that is so far ahead is of no file system's clock, and would never grow old. */
const AHEAD_MS = 2_000

/**
 * Collects, or finds out what would go. If somebody else is collecting, the report says so and nothing more.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_UNWRITABLE`, `ERR_CACHE_STORE_UNSAFE`; `ERR_CACHE_STORE_UNREADABLE` if what
 *   has to stay cannot be read, and then nothing went; `ERR_CACHE_STORE_BUSY` if another collector took over, since this
 *   one was suspended.
 */
export async function collect(
  place: Place,
  limits: Limits,
  options: CollectionOptions = {},
  demand: Demand = { headroom: 0, atLeast: 0 },
): Promise<CollectionReport> {
  options.signal?.throwIfAborted()
  const isDry = options.dryRun === true
  if (place.readOnly && !isDry) throw readOnly(place.root)
  for (const name of DIRECTORIES) assertSafe(join(place.root, name))
  const lock = isDry ? undefined : acquire(place)
  if (lock === undefined && !isDry) return BUSY
  const run: Run = {
    place,
    id: randomName(),
    options,
    removed: { blob: NONE, record: NONE, leftover: NONE },
    breathe: breathing(options.signal, lock),
  }
  try {
    return await runUnder(run, limits, demand)
  } finally {
    lock?.release()
  }
}

async function runUnder(run: Run, limits: Limits, demand: Demand): Promise<CollectionReport> {
  const { place, options, removed } = run
  const isDry = options.dryRun === true
  const usage = readUsage(place, undefined)
  const extra = recoverTrash(run)
  const inTrash = removed.leftover
  const protection = await protect(place, limits.graceMs, run.breathe)
  const census = createCensus()
  const counted = await count(run, protection, census, extra)
  const before = plus(counted, inTrash)

  const used = before.bytes - removed.leftover.bytes
  const need = Math.max(
    used + demand.headroom - limits.maxBytes,
    limits.minFreeBytes === 0
      ? 0
      : limits.minFreeBytes - freeBytes(place) - (isDry ? removed.leftover.bytes : 0),
    // More than is asked for, so that the next one who finds the disk full does not have to collect again.
    demand.atLeast === 0 ? 0 : Math.max(demand.atLeast, used / 10),
  )
  const age: Cut = { time: protection.now - limits.maxAgeMs, prefix: 0 }
  const wanted = laterCut(census.cutFor(need, 'all'), age)
  const kept = keptBy(protection.roots, census, wanted)
  const cut = earlierCut(laterCut(census.cutFor(need, 'unkept'), age), { time: protection.bound, prefix: 0 })
  if (cut.time > NOTHING.time) await removeBefore(run, protection, cut, extra)

  const after = minus(before, plus(removed.blob, removed.record, removed.leftover))
  if (!isDry) {
    removeEmptyDirectories(place)
    rewriteUsage(place, after.bytes, usage)
  }
  return {
    dryRun: isDry,
    busy: false,
    before,
    after,
    removed: { blobs: removed.blob, records: removed.record, leftovers: removed.leftover },
    kept,
    overBudget: after.bytes > limits.maxBytes,
  }
}

/** Counts everything, and removes what nobody needs on the way. */
async function count(run: Run, protection: Protection, census: Census, extra: Extra): Promise<Amount> {
  const { place, options, breathe } = run
  const isDry = options.dryRun === true
  const { total } = await countStore(
    place,
    {
      breathe,
      onBatch: (soFar) => options.onProgress?.({ kind: 'scan', ...soFar }),
      onEntry: (entry) => {
        if (entry.mtimeMs > protection.now + AHEAD_MS && !isDry) setTime(entry.path, protection.now + 1)
        census.add(entry.mtimeMs, entry.name, entry.bytes, ownerOf(entry, protection))
      },
      onAside: (leftover) => {
        if (!isLeftover(place, leftover, protection.bound)) return
        if (!isDry && !removeLeftover(place, leftover, run.id)) return
        noteRemoval(run, 'leftover', leftover.path, leftover.bytes)
      },
    },
    extra,
  )
  return total
}

/** Records first: a reader goes from them to the blobs. */
async function removeBefore(run: Run, protection: Protection, cut: Cut, extra: Extra): Promise<void> {
  const { place } = run
  const paths = new Map(extra.blobs.map(({ digest, path }) => [digest, path]))
  const spared = new Set<Digest>()
  const isDoomed = (digest: Digest): boolean => {
    if (protection.isRooted(digest) || spared.has(digest)) return false
    const status = statusOf(paths.get(digest) ?? blobPath(place, digest))
    return status?.isFile() === true && isBefore(cut, status.mtimeMs, nameOf(digest))
  }
  const doesRecordGo = ({ path, mtimeMs, name }: Entry): boolean =>
    isBefore(cut, mtimeMs, name) ||
    (mtimeMs < cut.time + TOUCH_AFTER_MS && [...digestsIn(path)].some(isDoomed))
  const spare = (path: string): void => {
    for (const digest of digestsIn(path)) spared.add(digest)
  }
  await sweep(run, protection, 'record', withExtra(recordBatches(place), extra.records), doesRecordGo, spare)

  const doesBlobGo = ({ digest, mtimeMs, name }: Entry): boolean =>
    isBefore(cut, mtimeMs, name) &&
    !(digest !== undefined && (protection.isRooted(digest) || spared.has(digest)))
  await sweep(
    run,
    protection,
    'blob',
    withExtra(blobBatches(place), extra.blobs),
    doesBlobGo,
    () => undefined,
  )
}

function* withExtra(
  batches: Iterable<readonly Entry[]>,
  extra: readonly Entry[],
): Generator<readonly Entry[], void, void> {
  yield* batches
  if (extra.length > 0) yield extra
}

function nameOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** Twice, since the try that finds a stale lock only removes it. */
function acquire(place: Place): Lock | undefined {
  const [path, options] = [collectionLockPath(place), { staleMs: STALE_MS, evenIfFull: true }]
  return tryLock(place, path, options) ?? tryLock(place, path, options)
}

/** A writer that finds its directory gone makes it again. */
function removeEmptyDirectories(place: Place): void {
  for (const directory of recordDirectoriesOf(place)) {
    try {
      rmdirSync(directory)
    } catch {
      // Not empty, mostly.
    }
  }
}

const BUSY: CollectionReport = {
  dryRun: false,
  busy: true,
  before: NONE,
  after: NONE,
  removed: { blobs: NONE, records: NONE, leftovers: NONE },
  kept: { pins: [], leased: NONE, recent: NONE },
  overBudget: false,
}
