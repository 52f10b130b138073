/**
 * Removing what no root of a layout needs.
 *
 * Everything that `index.json` reaches is marked, under the lock, so that no name changes meanwhile; the rest goes if
 * it is old enough. Writers do not lock: they touch what they rely on, and a blob that was touched stays.
 *
 * @module
 */
import { compareDigests, type Digest, withSignal } from '@varve/digest'
import { lstat, rename, unlink } from 'node:fs/promises'
import type { ContentOptions } from '../content.ts'
import { OciManifestError } from '../errors.ts'
import { blobPath } from './blobs.ts'
import { fileSize, isSystemError, removeAbandoned, system, temporaryPath } from './files.ts'
import { readIndexFile, withIndexLock } from './index-file.ts'
import type { Lock } from './lock.ts'
import { findReachable } from './reachable.ts'
import { blobDigests, createStoredDocuments, type StoredDocuments } from './stored-documents.ts'

/** What to remove. */
export interface CollectOptions extends ContentOptions {
  /** Only tells what would go. Default false. */
  readonly dryRun?: boolean
  /**
   * Blobs younger than this stay, since somebody may be writing an image that is not named yet; it must be longer than
   * that takes. 0 is for those who know that nobody does. Default one day.
   */
  readonly graceMs?: number
  /** As in `openLayout`. Default 30 s. */
  readonly lockTimeoutMs?: number
  /** As in `openLayout`. Default 10 s. */
  readonly lockStaleMs?: number
}

/** What a collection did, or would do. */
export interface Collection {
  /** Blobs left. */
  readonly kept: number
  /** Blobs removed, sorted. */
  readonly removed: readonly Digest[]
  /** Of what was removed, unfinished files included. */
  readonly bytes: number
}

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Removes blobs that no root needs, and files that were never finished.
 *
 * A root needs what its documents refer to at any depth, their subjects, and the referrers of all of these. Files that
 * are not called by a digest of SHA-256 or SHA-512 are left alone. Nothing is removed if a document that is needed
 * cannot be read.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_LOCKED`; `_LAYOUT` if the directory is none; `_INVALID`, `_LIMIT` or
 *   `_UNSUPPORTED` if a document is not understood.
 * @throws {DigestError} if a document is damaged.
 */
export async function collectLayout(
  layout: { readonly directory: string },
  options: CollectOptions = {},
): Promise<Collection> {
  const { signal, dryRun = false, graceMs = DAY_MS, lockTimeoutMs = 30_000, lockStaleMs = 10_000 } = options
  const root = layout.directory
  const documents = createStoredDocuments(root)
  // Once without the lock, so that most is read, and remembered, before anybody has to wait.
  await reachable(documents, signal)
  const lock = { timeoutMs: lockTimeoutMs, staleMs: lockStaleMs, ...withSignal(signal) }
  return withIndexLock(root, lock, async (held) => {
    const needed = await reachable(documents, signal)
    const removed: Digest[] = []
    let kept = 0
    let bytes = await removeAbandoned(root, { maxAgeMs: graceMs, dryRun })
    for await (const digest of blobDigests(root)) {
      signal?.throwIfAborted()
      const size = needed.has(digest) ? undefined : await removeBlob(root, digest, { graceMs, dryRun, held })
      if (size === undefined) {
        kept += 1
        continue
      }
      removed.push(digest)
      bytes += size
    }
    return { kept, removed: removed.toSorted(compareDigests), bytes }
  })
}

async function reachable(
  documents: StoredDocuments,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<Digest>> {
  const index = await readIndexFile(documents.root)
  if (index === undefined) {
    const what = `${JSON.stringify(documents.root)} is not an image layout: index.json is missing`
    throw new OciManifestError('ERR_OCI_MANIFEST_LAYOUT', what)
  }
  const { manifests, subject } = index.value
  return findReachable(documents, subject === undefined ? manifests : [...manifests, subject], signal)
}

/** Tells the size of what was removed; `undefined` if it stays, or is gone already. */
async function removeBlob(
  root: string,
  digest: Digest,
  { graceMs, dryRun, held }: { readonly graceMs: number; readonly dryRun: boolean; readonly held: Lock },
): Promise<number | undefined> {
  const path = blobPath(root, digest)
  const size = await fileSize(path)
  if (size === undefined || !(await isOlder(path, graceMs))) return undefined
  if (dryRun) return size
  if (!held.isHeld()) {
    throw new OciManifestError('ERR_OCI_MANIFEST_LOCKED', 'The lock was taken away during a collection')
  }
  // Aside first: who touches it before finds it young there, and who looks for it after finds it gone.
  const aside = temporaryPath(root)
  try {
    await rename(path, aside)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    await system(Promise.reject(error))
  }
  if (await isOlder(aside, graceMs)) {
    await system(unlink(aside))
    return size
  }
  await system(rename(aside, path))
  return undefined
}

async function isOlder(path: string, ageMs: number): Promise<boolean> {
  // Not compared then: the clock of the file system may be ahead by a tick.
  if (ageMs === 0) return true
  const found = await lstat(path).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs >= ageMs
}
