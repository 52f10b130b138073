/**
 * Garbage collection of a bucket, by lists alone.
 *
 * Nothing can lock a bucket, so what protects a writer is the grace, and what protects a reader is that a blob which
 * went away is a miss. A blob counts as used when it was written or renewed, and when a record that names it was: so
 * no record outlives its blobs by the rules, and records are removed before blobs.
 *
 * @module
 */
import { type Digest, withSignal } from '@varve/digest'
import type { CollectionOptions, CollectionPolicy, CollectionReport } from '../collection.ts'
import { decodeRecord, MAX_RECORD } from '../record.ts'
import type { Access } from './access.ts'
import { abortUploads } from './unfinished.ts'
import { type Keys, type Named, parseKey } from './keys.ts'
import { forEach } from './limit.ts'
import type { ListedObject, Objects } from './objects.ts'
import type { S3Capabilities } from './options.ts'
import { all } from './ref-versions.ts'
import { readSmall } from './small.ts'

/** What a sweep works with. */
export interface SweepSettings {
  readonly objects: Objects
  readonly keys: Keys
  readonly access: Access
  readonly capabilities: S3Capabilities
  /** Requests at once. */
  readonly width: number
}

/** Default of `graceMs`: an hour. */
const GRACE_MS = 3_600_000

/** Marks and leftovers of probes are of no use to anybody after an hour. */
const LEFTOVER_MS = 3_600_000

type Kind = 'blobs' | 'records' | 'leftovers'

const WHAT = { blobs: 'blob', records: 'record', leftovers: 'leftover' } as const

interface Entry {
  readonly object: ListedObject
  readonly kind: Kind
  /** Milliseconds since it was of use. */
  idleMs: number
}

/**
 * Removes what the policy does not leave room for, oldest first; costs a list of everything, a GET for each record, and
 * two requests for each object that goes.
 */
export async function sweep(
  settings: SweepSettings,
  policy: CollectionPolicy,
  { dryRun = false, signal, onProgress = () => undefined }: CollectionOptions,
): Promise<CollectionReport> {
  const { maxBytes = Infinity, maxAgeMs = Infinity, graceMs = GRACE_MS } = policy
  signal?.throwIfAborted()
  const { entries, before } = await survey(settings, signal)
  onProgress({ kind: 'scan', ...before })
  // Oldest first; of equals the record, since its blobs must not go before it.
  entries.sort((a, b) => b.idleMs - a.idleMs || Number(a.kind === 'blobs') - Number(b.kind === 'blobs'))
  const removed = { blobs: amount(), records: amount(), leftovers: amount() }
  const recent = amount()
  const going: Entry[] = []
  let left = before.bytes
  for (const entry of entries) {
    const { object, kind, idleMs } = entry
    const isUnwanted = kind === 'leftovers' || idleMs > maxAgeMs || left > maxBytes
    if (!isUnwanted) continue
    if (idleMs < (kind === 'leftovers' ? LEFTOVER_MS : graceMs)) {
      if (kind !== 'leftovers') add(recent, object)
      continue
    }
    going.push(entry)
    left -= object.size
  }
  const after = { ...before }
  const remove = async ({ object, kind }: Entry): Promise<void> => {
    if (!dryRun && !(await removeUnchanged(settings, object, signal))) return
    add(removed[kind], object)
    after.count -= 1
    after.bytes -= object.size
    const path = object.key.slice(settings.keys.root.length)
    onProgress({ kind: 'remove', what: WHAT[kind], path, bytes: object.size })
  }
  removed.leftovers.count += await abortUploads(settings, dryRun, signal)
  const isBlob = (entry: Entry): boolean => entry.kind === 'blobs'
  for (const part of [going.filter((entry) => !isBlob(entry)), going.filter(isBlob)])
    await forEach(part, settings.width, remove)
  return {
    dryRun,
    busy: false,
    before,
    after,
    removed,
    kept: { pins: [], leased: amount(), recent },
    overBudget: after.bytes > maxBytes,
  }
}

/** All that lies there, and since when it is of no use. */
async function survey(
  { objects, keys, width }: SweepSettings,
  signal: AbortSignal | undefined,
): Promise<{ readonly entries: Entry[]; readonly before: { count: number; bytes: number } }> {
  const options = withSignal(signal)
  const before = amount()
  const entries: Entry[] = []
  const blobs = new Map<Digest, Entry>()
  const records: { readonly entry: Entry; readonly named: Named & { readonly kind: 'record' } }[] = []
  for await (const object of all(objects, keys.root, options)) {
    signal?.throwIfAborted()
    add(before, object)
    const named = parseKey(keys.root, object.key)
    const entry: Entry = { object, kind: kindOfEntry(named), idleMs: object.ageMs }
    // Refs are few and small, and what nobody knows is not ours.
    if (named.kind === 'ref' || named.kind === 'unknown') continue
    entries.push(entry)
    if (named.kind === 'blob') blobs.set(named.digest, entry)
    if (named.kind === 'record') records.push({ entry, named })
  }
  await forEach(records, width, async ({ entry, named }) => {
    const found = await readSmall(objects, entry.object.key, MAX_RECORD, options)
    const record = found && decodeRecord(found.bytes, named.key, named.scope)
    for (const digest of record ? [record.keyDoc, ...record.outputs.map((output) => output.digest)] : []) {
      const blob = blobs.get(digest)
      if (blob !== undefined) blob.idleMs = Math.min(blob.idleMs, entry.object.ageMs)
    }
  })
  return { entries, before }
}

function kindOfEntry({ kind }: Named): Kind {
  if (kind === 'blob') return 'blobs'
  return kind === 'record' ? 'records' : 'leftovers'
}

/** A last look, since the list may be minutes old: what was written or renewed since is of use to somebody. */
async function removeUnchanged(
  { objects, capabilities }: SweepSettings,
  { key, ageMs, tag }: ListedObject,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const now = await objects.head(key, withSignal(signal))
  if (now === undefined || now.tag !== tag || now.ageMs < ageMs) return false
  return objects.remove(key, capabilities.conditionalDelete ? now.tag : undefined, withSignal(signal))
}

function amount(): { count: number; bytes: number } {
  return { count: 0, bytes: 0 }
}

function add(sum: { count: number; bytes: number }, { size }: { readonly size: number }): void {
  sum.count += 1
  sum.bytes += size
}
