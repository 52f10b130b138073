/**
 * What an apply could not do, and what it did beside the layer's own entries.
 *
 * @module
 */
import type { Digest } from '@varve/digest'

/** Something of an entry that was not set. */
export interface UnsupportedAttribute {
  readonly path: string
  /** `mtime`: it is before 1970, and was set to 1970. `device`: the whole file is missing. */
  readonly attribute: 'xattrs' | 'device' | 'owner' | 'mtime'
  /** The extended attributes that were not set, where the adapter says which. */
  readonly names?: readonly string[]
}

/** The outcome of {@link apply}. */
export interface ApplyReport {
  /** Digest of the uncompressed archive, bytes after its end marker included. */
  readonly diffID: Digest
  /** Bytes of the uncompressed archive. */
  readonly size: number
  /** Members, whiteouts included. */
  readonly entries: number
  /** What was left out, in the order of the archive. */
  readonly unsupported: readonly UnsupportedAttribute[]
  /** Entries for whose sake something that was no directory was replaced by one. */
  readonly replaced: readonly string[]
}
