/**
 * Directories on record, so that finding what changed in one costs a single walk.
 *
 * A snapshot is a tree together with the stamp of every file (inode, size, mode, owner, times) and, where it is known,
 * the digest of its content. The next snapshot takes over the very entries whose stamps have not moved; comparing them
 * costs nothing. A stamp that moved is a suspicion and no change: where only the content can tell, it is hashed and
 * compared with the digest on record. No program can set the time of the last status change (`ctime`), so that a
 * rewritten file with its old size and time is found too.
 *
 * @module
 */
import { algorithmOf, type Digest } from '@varve/digest'
import { resolve } from 'node:path'
import type { DirectoryOptions } from './directory.ts'
import { StatusReader } from './directory/status.ts'
import { walkDirectory } from './directory/walk.ts'
import { toLocation } from './location.ts'
import { RecordedContent } from './snapshot/content.ts'
import { readMissing } from './snapshot/read-missing.ts'
import { Recorder } from './snapshot/recorder.ts'
import type { Stamps } from './snapshot/stamps.ts'
import { sortedTree, type Tree } from './tree.ts'
import type { Entry } from './entry.ts'

/** Options of {@link createSnapshot}. They must be the same each time, since entries are taken over as they are. */
export interface SnapshotOptions extends DirectoryOptions {
  /** An earlier snapshot of the same directory. */
  readonly previous?: Snapshot | undefined
  /** Digests of the files as they are now, by path, as `pack` and `apply` report them. */
  readonly digests?: ReadonlyMap<string, Digest> | undefined
}

/** A directory on record; made by {@link createSnapshot} or {@link decodeSnapshot}. */
export class Snapshot {
  /** Absolute path of the directory. */
  readonly root: string
  /** When the walk began, in milliseconds since 1970. */
  readonly time: number
  readonly tree: Tree
  /** @internal */
  readonly entries: readonly Entry[]
  /** @internal */
  readonly stamps: Stamps

  /** @internal */
  constructor(root: string, time: number, entries: readonly Entry[], stamps: Stamps) {
    this.root = root
    this.time = time
    this.entries = entries
    this.stamps = stamps
    this.tree = sortedTree(entries)
  }

  /** The digest on record of a file, whichever of its names is given. */
  digest(path: string): Digest | undefined {
    return this.#content(path)?.digest
  }

  /**
   * Puts the digest of a file on record, computed from bytes that were read after the snapshot was taken, as while its
   * tree was packed. Paths without a content are passed over. Only SHA-256: anything else is a `TypeError`.
   */
  learn(path: string, digest: Digest): void {
    if (algorithmOf(digest) !== 'sha256') throw new TypeError(`A snapshot takes SHA-256 only, not ${digest}`)
    const content = this.#content(path)
    if (content !== undefined) content.digest = digest
  }

  #content(path: string): RecordedContent | undefined {
    const entry = this.tree.get(path)
    const file = entry?.type === 'hardlink' ? this.tree.get(entry.linkname) : entry
    return file?.content instanceof RecordedContent ? file.content : undefined
  }
}

/**
 * Records a directory. With `previous` it costs one walk, and reading the files that need it: those whose stamp moved
 * while size and time stayed, and those that changed so shortly before the last snapshot that another change might not
 * show in a stamp. Such fresh files are read at once if their digest is not given, so that the next snapshot has
 * something to compare with.
 *
 * `diff(previous.tree, next.tree)` then gives the changes. The content of the older snapshot is gone by then, only
 * digests are left of it: a file without one whose stamp moved counts as changed.
 * The entries of the older tree that were taken over, and the digests, belong to both.
 *
 * @throws {LayerError} as {@link fromDirectory}; `ERR_LAYER_CHANGED` if a file changes while it is read.
 */
export async function createSnapshot(root: string, options: SnapshotOptions = {}): Promise<Snapshot> {
  const { previous, digests, signal } = options
  signal?.throwIfAborted()
  // Before anything is read: what changes from now on is found by its time.
  const time = Date.now()
  const directory = resolve(root)
  const location = toLocation(directory)
  const reader = new StatusReader()
  const recorder = new Recorder(location, reader, options, previous)
  await walkDirectory(location, reader, options, (path, type, here, status) =>
    recorder.record(path, type, here, status),
  )
  await recorder.readXattrs(directory, options)
  const snapshot = new Snapshot(directory, time, recorder.entries, recorder.stamps)
  if (digests !== undefined) for (const [path, digest] of digests) snapshot.learn(path, digest)
  await readMissing(recorder, time, signal)
  return snapshot
}
