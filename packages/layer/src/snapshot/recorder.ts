/**
 * A walk merged with an earlier snapshot.
 *
 * @module
 */
import type { DirectoryOptions } from '../directory.ts'
import { EntryMaker } from '../directory/entry-maker.ts'
import type { Status, StatusReader } from '../directory/status.ts'
import { createEntry, type Entry, type EntryType } from '../entry.ts'
import type { Location } from '../location.ts'
import { comparePaths } from '../path.ts'
import type { Snapshot } from '../snapshot.ts'
import { readXattrs, xattrsOf } from '../xattrs.ts'
import { RecordedContent } from './content.ts'
import { Stamps } from './stamps.ts'

/** A file that is not known to be what it was. */
export interface Suspect {
  readonly index: number
  /** What the earlier snapshot has there. */
  readonly previous: Entry | undefined
  /** Whether the stamp is the earlier one's, which does not suffice. */
  readonly racy: boolean
}

/** Collects the entries of a snapshot: those of an earlier one where nothing moved. */
export class Recorder {
  readonly entries: Entry[] = []
  readonly stamps: Stamps
  readonly suspects: Suspect[] = []
  readonly #maker: EntryMaker
  readonly #previous: Snapshot | undefined
  #next = 0

  constructor(root: Location, reader: StatusReader, rules: DirectoryOptions, previous: Snapshot | undefined) {
    this.#previous = previous
    this.stamps = new Stamps(previous?.entries.length)
    const content = (base: Location, path: string, size: number): RecordedContent =>
      new RecordedContent(base, path, size)
    this.#maker = new EntryMaker(root, reader, rules, undefined, content)
  }

  /** Takes the next file of the walk. */
  record(path: string, type: EntryType, location: Location, status: Status): void {
    const file = this.#maker.fileOf(path, type, location, status)
    const at = this.#find(path)
    const earlier = at === -1 ? undefined : this.#previous!.entries[at]
    const still =
      earlier !== undefined && this.#previous!.stamps.equals(at, status) && fileNameOf(earlier) === file
    if (still && !this.#previous!.stamps.isRacy(at, this.#previous!.time)) this.entries.push(earlier)
    else {
      this.suspects.push({ index: this.entries.length, previous: earlier, racy: still })
      this.entries.push(this.#maker.make(path, type, location, status, file))
    }
    this.stamps.push(status)
  }

  /** Reads the attributes of what is not taken over. After the walk: what changes in between has a newer stamp. */
  async readXattrs(root: string, options: DirectoryOptions): Promise<void> {
    const { xattrs = 'ignore', onUnknownXattrs: onUnknown, signal } = options
    if (xattrs === 'ignore' || this.suspects.length === 0) return
    const found = xattrs === 'read' ? await readXattrs(root, { onUnknown, signal }) : xattrs
    if (found === undefined) return
    for (const { index } of this.suspects) {
      const entry = this.entries[index]!
      if (entry.type === 'hardlink') continue
      this.entries[index] = createEntry({ ...entry, xattrs: xattrsOf(found, entry.path) })
    }
  }

  /** Where a path is in the earlier snapshot. Both come in the same order. */
  #find(path: string): number {
    const entries = this.#previous?.entries
    if (entries === undefined) return -1
    for (; this.#next < entries.length; this.#next++) {
      const other = entries[this.#next]!.path
      if (other === path) return this.#next++
      if (comparePaths(other, path) > 0) return -1
    }
    return -1
  }
}

function fileNameOf({ type, path, linkname }: Entry): string {
  return type === 'hardlink' ? linkname : path
}
