/**
 * Takes out of repositories what nothing there needs: the first half of garbage collection. The second is that of the
 * store, which takes bytes that no repository holds.
 *
 * @module
 */
import type { BlobStore, RefStore, StoreOptions } from '@varve/cache-store'
import { type Digest, readAll, withSignal } from '@varve/digest'
import type { BlobRow, ManifestRow } from './catalog.ts'
import { decodeDocument, encodeDocument } from './document.ts'
import { digestDocumentOf, repositoryKey, ROOT } from './document-name.ts'
import { type ManifestFacts, readManifestFacts } from './manifest-facts.ts'
import type { MemberRow } from './member-table.ts'

/** What is pruned, and how. */
export interface PruneOptions extends StoreOptions {
  readonly blobs: BlobStore
  readonly refs: RefStore
  /**
   * What was pushed within this time stays: its manifest may be on its way. More than a minute, unless nobody pushes.
   * Default 24 hours.
   */
  readonly graceMs?: number
  /** Also takes manifests that no tag leads to, neither by an index nor by a subject. Default false. */
  readonly untagged?: boolean
  /** Finds out what would go, and changes nothing. */
  readonly dryRun?: boolean
  /** Clock in milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/** What went, or would go: numbers of members, and the bytes that repositories no longer hold. */
export interface PruneReport {
  readonly manifests: { readonly count: number; readonly bytes: number }
  readonly blobs: { readonly count: number; readonly bytes: number }
}

const DAY_MS = 86_400_000

/** Documents of one repository, by what they are about. */
type Documents = ReadonlyMap<string, readonly string[]>

interface Manifest {
  readonly row: ManifestRow
  readonly facts: ManifestFacts
}

type Manifests = ReadonlyMap<Digest, Manifest>

/**
 * Removes blobs that no manifest of their repository names, and, if asked to, manifests without a tag.
 *
 * Pushes may go on meanwhile. One that relies on a blob that is old and in no manifest may be told
 * `MANIFEST_BLOB_UNKNOWN`, and has to push it again. A repository with a manifest that cannot be read loses nothing.
 */
export async function pruneRepositories(options: PruneOptions): Promise<PruneReport> {
  const { refs, signal, dryRun = false, now = Date.now } = options
  const all = await refs.list(`${ROOT}/`, withSignal(signal))
  const removed = { manifests: { count: 0, bytes: 0 }, blobs: { count: 0, bytes: 0 } }
  const before = now() - (options.graceMs ?? DAY_MS)
  for (const [key, documents] of byRepository(all)) {
    const manifests = await readManifests(options, documents)
    if (manifests === undefined) continue
    const kept = options.untagged === true ? await findLive(options, documents, manifests, before) : manifests
    let isStill = true
    for (const { row } of fromTheTop(manifests, kept)) {
      signal?.throwIfAborted()
      isStill = dryRun || (await removeManifest(refs, key, row))
      if (!isStill) break
      note(removed.manifests, row)
    }
    // Somebody relies on what nothing led to before; what that needs is left for another time.
    if (!isStill) continue
    const needed = new Set([...kept.values()].flatMap(({ facts }) => facts.blobs))
    for (const name of documents.get('blobs') ?? []) {
      signal?.throwIfAborted()
      const row = await readRow<BlobRow>(refs, name)
      if (row === undefined || needed.has(row.digest) || row.at >= before) continue
      if (dryRun || (await removeRow(refs, name, row))) note(removed.blobs, row)
    }
  }
  if (!dryRun) await removeHolders(refs, all, signal)
  return removed
}

function byRepository(names: readonly string[]): ReadonlyMap<string, Documents> {
  const repositories = new Map<string, Map<string, string[]>>()
  for (const name of names) {
    const [, key = '', kind = '', last] = name.split('/')
    if (key === 'holders' || last === undefined) continue
    const documents = repositories.get(key) ?? new Map<string, string[]>()
    repositories.set(key, documents)
    addTo(documents, kind, name)
  }
  return repositories
}

/** `undefined` if one of them cannot be read, so that nobody knows what it names. */
async function readManifests(
  { refs, blobs, signal }: PruneOptions,
  documents: Documents,
): Promise<Manifests | undefined> {
  const manifests = new Map<Digest, Manifest>()
  for (const name of documents.get('manifests') ?? []) {
    signal?.throwIfAborted()
    const row = await readRow<ManifestRow>(refs, name)
    if (row === undefined) continue
    try {
      const source = await blobs.get(row.digest, withSignal(signal))
      if (source === undefined) return undefined
      const bytes = await readAll(source.open(withSignal(signal)), row.size)
      manifests.set(row.digest, { row, facts: readManifestFacts(row.mediaType, bytes) })
    } catch {
      signal?.throwIfAborted()
      return undefined
    }
  }
  return manifests
}

/** What tags lead to, and what is recent. */
async function findLive(
  { refs }: PruneOptions,
  documents: Documents,
  manifests: Manifests,
  before: number,
): Promise<Manifests> {
  const referrers = referrersOf(manifests)
  const waiting = [...manifests].filter(([, { row }]) => row.at >= before).map(([digest]) => digest)
  for (const name of documents.get('tags') ?? []) {
    const bytes = await refs.read(name)
    const tags = bytes === undefined ? [] : (decodeDocument(bytes) as (readonly [string, Digest])[])
    waiting.push(...tags.map(([, digest]) => digest))
  }
  const live = new Map<Digest, Manifest>()
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    const manifest = manifests.get(digest)
    if (manifest === undefined || live.has(digest)) continue
    live.set(digest, manifest)
    waiting.push(...manifest.facts.manifests, ...(referrers.get(digest) ?? []))
  }
  return live
}

/**
 * What is not kept, each after whatever leads to it: if one has to stay after all, so does all below it. In a circle,
 * which an index of referrers can close, nothing is above.
 */
function fromTheTop(manifests: Manifests, kept: Manifests): readonly Manifest[] {
  const doomed = [...manifests].filter(([digest]) => !kept.has(digest))
  const referrers = referrersOf(manifests)
  const belowOf = ([digest, { facts }]: (typeof doomed)[number]): Set<Digest> =>
    new Set([...facts.manifests, ...(referrers.get(digest) ?? [])])
  const above = new Map<Digest, number>(doomed.map(([digest]) => [digest, 0]))
  const count = (digest: Digest, more: number): number => {
    const number = (above.get(digest) ?? 0) + more
    if (above.has(digest)) above.set(digest, number)
    return number
  }
  for (const each of doomed) for (const digest of belowOf(each)) count(digest, 1)
  const ordered = new Map(doomed.filter(([digest]) => above.get(digest) === 0))
  // A map is walked through to its end, and that moves.
  for (const each of ordered) {
    for (const digest of belowOf(each)) {
      const manifest = manifests.get(digest)
      if (above.has(digest) && count(digest, -1) === 0 && manifest !== undefined)
        ordered.set(digest, manifest)
    }
  }
  return [...new Map([...ordered, ...doomed]).values()]
}

function referrersOf(manifests: Manifests): ReadonlyMap<Digest, readonly Digest[]> {
  const referrers = new Map<Digest, Digest[]>()
  for (const [digest, { facts }] of manifests) {
    if (facts.subject !== undefined) addTo(referrers, facts.subject, digest)
  }
  return referrers
}

/** The row goes last, as when a client deletes it. Tells whether it went. */
async function removeManifest(refs: RefStore, key: string, row: ManifestRow): Promise<boolean> {
  const { digest, subject } = row
  const listed = async (edit: (all: Set<Digest>) => void): Promise<void> => {
    if (subject === undefined) return
    await refs.update(digestDocumentOf(key, 'referrers', subject), (old) => {
      const all = new Set(old && (decodeDocument(old) as Digest[]))
      edit(all)
      return all.size === 0 ? undefined : encodeDocument([...all].toSorted())
    })
  }
  await listed((all) => void all.delete(digest))
  const isGone = await removeRow(refs, digestDocumentOf(key, 'manifests', digest), row)
  if (!isGone) await listed((all) => void all.add(digest))
  return isGone
}

/** Not one that was pushed again, or relied on, meanwhile. Tells whether it is gone. */
async function removeRow(refs: RefStore, name: string, row: MemberRow): Promise<boolean> {
  let isGone = false
  await refs.update(name, (old) => {
    isGone = old === undefined || (decodeDocument(old) as MemberRow).at === row.at
    return isGone ? undefined : old
  })
  return isGone
}

/** Names of repositories with a blob that none of them has any more. */
async function removeHolders(
  refs: RefStore,
  all: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const name of all) {
    const [, kind, key = ''] = name.split('/')
    if (kind !== 'holders') continue
    signal?.throwIfAborted()
    const bytes = await refs.read(name)
    const holders = bytes === undefined ? [] : (decodeDocument(bytes) as string[])
    const rows = await Promise.all(
      holders.map((holder) => refs.read(`${ROOT}/${repositoryKey(holder)}/blobs/${key}`)),
    )
    if (rows.some((row) => row !== undefined)) continue
    await refs.update(name, (old) => (old !== undefined && !isSame(old, bytes) ? old : undefined))
  }
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0
}

async function readRow<Row extends MemberRow>(refs: RefStore, name: string): Promise<Row | undefined> {
  const bytes = await refs.read(name)
  return bytes && (decodeDocument(bytes) as Row)
}

function addTo<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function note(amount: { count: number; bytes: number }, row: MemberRow): void {
  amount.count += 1
  amount.bytes += row.size
}
