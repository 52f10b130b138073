/**
 * What an apply knows about a directory on disk.
 *
 * @module
 */
import { joinLocation, type Location } from '../location.ts'

/** Metadata to be set when nothing more is written into the directory. */
export interface DirectoryAttributes {
  readonly owner?: { readonly uid: number; readonly gid: number }
  readonly mode?: number
  readonly mtime: number
  readonly mtimeNs: number
}

/** The directory that is made where an archive has none. */
export const DEFAULT_DIRECTORY = { uid: 0, gid: 0, mode: 0o755, mtime: 0, mtimeNs: 0 } as const

/**
 * A real directory inside the root, reached without following a symlink. Nodes hang together as the directories do, so
 * dropping one drops all that was known below it.
 */
export class DirectoryNode {
  readonly parent: DirectoryNode | undefined
  readonly location: Location
  /** Whether `location` is an open directory: then its last component is a symlink of `/proc`. */
  readonly anchored: boolean
  readonly children: Map<string, DirectoryNode> = new Map()
  /** Names of all else that this layer wrote here. */
  readonly written: Set<string> = new Set()
  /** The layer has an entry for it. */
  explicit = false
  /** The layer wrote something at or below it. */
  touched = false
  /** Nothing of the layers below is left in it. */
  cleared: boolean
  /** A name was added or removed, which changed its time. */
  disturbed = false
  attributes: DirectoryAttributes

  constructor(
    parent: DirectoryNode | undefined,
    place: { readonly location: Location; readonly anchored: boolean },
    attributes: DirectoryAttributes,
    cleared: boolean,
  ) {
    this.parent = parent
    this.location = place.location
    this.anchored = place.anchored
    this.attributes = attributes
    this.cleared = cleared
  }

  /** Where a name in it lies. */
  at(name: string): Location {
    return joinLocation(this.location, name)
  }

  /** Where it lies itself, for calls that do not follow symlinks. */
  get self(): Location {
    return this.anchored ? joinLocation(this.location, '.') : this.location
  }

  /** Whether it is there because of this layer, and so survives every whiteout. */
  get isOurs(): boolean {
    return this.explicit || this.touched
  }

  /** Notes that this layer wrote into it. */
  touch(): void {
    this.disturbed = true
    markTouched(this)
  }
}

function markTouched(from: DirectoryNode): void {
  for (let node: DirectoryNode | undefined = from; node !== undefined && !node.touched; node = node.parent) {
    node.touched = true
  }
}
