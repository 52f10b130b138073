/**
 * What an apply knows about a directory on disk.
 *
 * @module
 */
import type { Owner } from '../directory.ts'
import type { Location } from '../location.ts'
import { joinPath } from '../path.ts'
import { type Birthplace, newBirthplace } from './birth.ts'

/** Metadata to be set when nothing more is written into the directory. */
export interface DirectoryAttributes {
  /** As in the layer, not yet mapped; absent if the owner stays. */
  readonly uid?: number
  readonly gid?: number
  readonly mode?: number
  readonly mtime: number
  readonly mtimeNs: number
}

/** The directory that is made where an archive has none. */
export const DEFAULT_DIRECTORY: DirectoryAttributes = { uid: 0, gid: 0, mode: 0o755, mtime: 0, mtimeNs: 0 }

/** How a directory is reached; the business of {@link DirectoryHandles} alone. */
export interface DirectoryHandle {
  /** What names in it begin with; `undefined` while it is closed. */
  prefix: Location | undefined
  /** The open directory, if it is reached by one. */
  fd: number
  /** Whether `fd` can do more than name things. */
  readable: boolean
  /** Which directory it was when it was closed. */
  device: number | undefined
  inode: number | undefined
}

/**
 * A real directory inside the root, reached without following a symlink. Nodes hang together as the directories do, so
 * dropping one drops all that was known below it.
 */
export class DirectoryNode {
  readonly parent: DirectoryNode | undefined
  readonly name: string
  readonly handle: DirectoryHandle = {
    prefix: undefined,
    fd: -1,
    readable: false,
    device: undefined,
    inode: undefined,
  }
  readonly children: Map<string, DirectoryNode> = new Map()
  /** Names of all else that this layer wrote here. */
  readonly written: Set<string> = new Set()
  /** What is made in it is like what was seen here. */
  birthplace: Birthplace
  /** Its owner and mode at present, where they are known: of what this apply made. */
  owner: Owner | undefined
  mode: number | undefined
  /** It may have extended attributes. */
  attributed = true
  /** The layer has an entry for it. */
  explicit = false
  /** The layer wrote something at or below it. */
  touched = false
  /** Nothing of the layers below is left in it. */
  cleared: boolean
  /** A name was added or removed, which changed its time. */
  disturbed = false
  /** All of its metadata is as it has to be in the end. */
  settled = false
  /** Some of it could not be set, and the report has it. */
  reported = false
  attributes: DirectoryAttributes

  constructor(
    parent: DirectoryNode | undefined,
    name: string,
    attributes: DirectoryAttributes,
    cleared: boolean,
    birthplace: Birthplace = newBirthplace(),
  ) {
    this.birthplace = birthplace
    this.parent = parent
    this.name = name
    this.attributes = attributes
    this.cleared = cleared
  }

  /** Where it lies in the root: no component of it is a symlink. */
  get path(): string {
    const names = [this.name]
    for (let above = this.parent; above !== undefined; above = above.parent) names.push(above.name)
    // The root has no name.
    return names.toReversed().slice(1).join('/')
  }

  /** {@link DirectoryNode.path} of something in it. */
  pathOf(name: string): string {
    return joinPath(this.path, name)
  }

  /** Whether it is there because of this layer, and so survives every whiteout. */
  get isOurs(): boolean {
    return this.explicit || this.touched
  }

  /** Notes that it is no longer as it has to be in the end. */
  disturb(): void {
    this.disturbed = true
    this.settled = false
  }

  /** Notes that this layer wrote into it. */
  touch(): void {
    this.disturb()
    markTouched(this)
  }
}

function markTouched(from: DirectoryNode): void {
  for (let node: DirectoryNode | undefined = from; node !== undefined && !node.touched; node = node.parent) {
    node.touched = true
  }
}
