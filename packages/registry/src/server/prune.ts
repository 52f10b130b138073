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
  /** What was pushed within this time stays: its manifest may be on its way. Default 24 hours. */
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
    for (const [digest, { row }] of manifests) {
      if (kept.has(digest)) continue
      if (!dryRun) await removeManifest(refs, key, row)
      note(removed.manifests, row)
    }
    const needed = new Set([...kept.values()].flatMap(({ facts }) => facts.blobs))
    for (const name of documents.get('blobs') ?? []) {
      signal?.throwIfAborted()
      const row = await readRow<BlobRow>(refs, name)
      if (row === undefined || needed.has(row.digest) || row.at >= before) continue
      if (!dryRun) await removeRow(refs, name, row)
      note(removed.blobs, row)
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
    documents.set(kind, [...(documents.get(kind) ?? []), name])
    repositories.set(key, documents)
  }
  return repositories
}

/** `undefined` if one of them cannot be read, so that nobody knows what it names. */
async function readManifests(
  { refs, blobs, signal }: PruneOptions,
  documents: Documents,
): Promise<ReadonlyMap<Digest, Manifest> | undefined> {
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
  manifests: ReadonlyMap<Digest, Manifest>,
  before: number,
): Promise<ReadonlyMap<Digest, Manifest>> {
  const referrers = new Map<Digest, Digest[]>()
  const waiting: Digest[] = []
  for (const [digest, { row, facts }] of manifests) {
    if (row.at >= before) waiting.push(digest)
    if (facts.subject !== undefined) {
      referrers.set(facts.subject, [...(referrers.get(facts.subject) ?? []), digest])
    }
  }
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

/** The row goes last, as when a client deletes it. */
async function removeManifest(refs: RefStore, key: string, row: ManifestRow): Promise<void> {
  if (row.subject !== undefined) {
    await refs.update(digestDocumentOf(key, 'referrers', row.subject), (old) => {
      const all = old === undefined ? [] : (decodeDocument(old) as Digest[])
      const left = all.filter((digest) => digest !== row.digest)
      return left.length === 0 ? undefined : encodeDocument(left)
    })
  }
  await removeRow(refs, digestDocumentOf(key, 'manifests', row.digest), row)
}

/** Not one that was pushed again meanwhile. */
async function removeRow(refs: RefStore, name: string, row: MemberRow): Promise<void> {
  await refs.update(name, (old) => {
    return old !== undefined && (decodeDocument(old) as MemberRow).at !== row.at ? old : undefined
  })
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

function note(amount: { count: number; bytes: number }, row: MemberRow): void {
  amount.count += 1
  amount.bytes += row.size
}
