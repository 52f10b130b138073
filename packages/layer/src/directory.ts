/**
 * Directories as trees.
 *
 * @module
 */
import { resolve } from 'node:path'
import { EntryMaker, type Owner } from './directory/entry-maker.ts'
import { StatusReader } from './directory/status.ts'
import { walkDirectory } from './directory/walk.ts'
import type { Entry } from './entry.ts'
import { toLocation } from './location.ts'
import { sortedTree, type Tree } from './tree.ts'
import { type FileXattrs, readXattrs, type UnknownXattrs } from './xattrs.ts'

export type { Owner } from './directory/entry-maker.ts'

/** Options of {@link fromDirectory}. */
export interface DirectoryOptions {
  /**
   * What belongs to the tree; not asked about the root. `false` for a directory leaves out all that is in it;
   * `'descend'` leaves out the directory, but not what is in it.
   */
  readonly filter?: (path: string, isDirectory: boolean) => boolean | 'descend'
  /** Times as they are (default), all set to these seconds, or none later than these (`SOURCE_DATE_EPOCH`). */
  readonly mtime?: 'keep' | number | { readonly clamp: number }
  /** Owners as they are (default), or mapped. */
  readonly owner?: 'keep' | Owner | ((uid: number, gid: number) => Owner)
  /** Reads times to the nanosecond. Default: to the microsecond, which is cheaper and all that Node can set. */
  readonly nanoseconds?: boolean
  /**
   * Extended attributes: `ignore` (default) leaves them unknown, since Node cannot read them; `read` runs `getfattr` once
   * for the whole directory, see {@link readXattrs}; a map has those that are known already.
   */
  readonly xattrs?: 'ignore' | 'read' | FileXattrs
  /** Told of files whose attributes were to be read and stay unknown. */
  readonly onUnknownXattrs?: UnknownXattrs
  /** Told of what a tar cannot hold. */
  readonly onSkip?: (path: string, reason: 'socket' | 'unknown') => void
  readonly signal?: AbortSignal
}

/**
 * Reads a directory and all that is in it; the root becomes the entry `''`.
 *
 * The result does not depend on the order in which the system lists names. Of several hard links to one file the first
 * in the order of the tree is the file, the others link to it. Contents are read when they are used, and must not
 * change until then.
 *
 * @throws {LayerError} `ERR_LAYER_READ` if `root` is not a directory (a symlink is not), or something in it cannot be
 *   read; `ERR_LAYER_CHANGED` if something vanished meanwhile.
 */
export async function fromDirectory(root: string, options: DirectoryOptions = {}): Promise<Tree> {
  options.signal?.throwIfAborted()
  const location = toLocation(resolve(root))
  const reader = new StatusReader()
  const maker = new EntryMaker(location, reader, options, await wantedXattrs(root, options))
  const entries: Entry[] = []
  await walkDirectory(location, reader, options, (path, type, here, status) => {
    entries.push(maker.make(path, type, here, status))
  })
  return sortedTree(entries)
}

/** The attributes that the options ask for; `undefined` where all are unknown. */
async function wantedXattrs(root: string, options: DirectoryOptions): Promise<FileXattrs | undefined> {
  const { xattrs = 'ignore', onUnknownXattrs: onUnknown, signal } = options
  if (xattrs === 'ignore') return undefined
  return xattrs === 'read' ? readXattrs(root, { onUnknown, signal }) : xattrs
}
