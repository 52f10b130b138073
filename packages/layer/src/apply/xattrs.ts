/**
 * Extended attributes of the files of a layer, on their way to an adapter.
 *
 * Tools that set attributes are processes, so files wait for each other and go to the adapter together. They wait as
 * open descriptors: whatever becomes of a name, the attributes get to the file they belong to.
 *
 * @module
 */
import { closeSync, constants, openSync } from 'node:fs'
import { type Entry, NO_XATTRS } from '../entry.ts'
import type { Location } from '../location.ts'
import { portableValue, type XattrFilter } from '../xattrs/image-xattrs.ts'
import type { FileSystemAdapter, XattrTask } from './adapter.ts'
import type { UnsupportedAttribute } from './report.ts'

/** Files that wait at a time; each holds a descriptor. */
const BATCH = 64

/** Bytes of values that wait at a time. */
const BATCH_BYTES = 1024 * 1024

/** `O_PATH` of Linux, which `node:fs` does not name. */
const NAME_FLAGS = 0o10_000_000 | constants.O_NOFOLLOW

/** Where a file is that gets attributes. */
export interface XattrTarget {
  /** Good for now, and for calls that do not follow symlinks. */
  readonly location: Location
  /** It, open. */
  readonly fd?: number
  /** It may have attributes, which have to go. */
  readonly replace?: boolean
  /** What is to be done when they are set. */
  readonly settle?: () => void
}

interface Waiting extends XattrTask {
  readonly path: string
  readonly settle: (() => void) | undefined
}

/** Sets attributes, and reports those that could not be set. */
export class XattrWriter {
  readonly #adapter: FileSystemAdapter
  readonly #filter: XattrFilter
  readonly #unsupported: UnsupportedAttribute[]
  /** Whether a file waits as a descriptor, which is then closed here. */
  readonly defers: boolean
  #waiting: Waiting[] = []
  #bytes = 0

  constructor(
    adapter: FileSystemAdapter,
    filter: XattrFilter,
    unsupported: UnsupportedAttribute[],
    descriptors: boolean,
  ) {
    this.#adapter = adapter
    this.#filter = filter
    this.#unsupported = unsupported
    this.defers = descriptors && adapter.setXattrBatch !== undefined
  }

  /** What of an entry's attributes is to be set. */
  wanted({ xattrs }: Entry): ReadonlyMap<string, Uint8Array> {
    if (xattrs === undefined || xattrs.size === 0) return NO_XATTRS
    const wanted = new Map<string, Uint8Array>()
    for (const [name, value] of xattrs) if (this.#filter(name)) wanted.set(name, portableValue(name, value))
    return wanted
  }

  /** Sets the attributes of a file, now or later, and then settles it. */
  set(path: string, xattrs: ReadonlyMap<string, Uint8Array>, target: XattrTarget): void {
    const { settle, replace = false } = target
    if (!this.defers) {
      if (this.#adapter.setXattrs(target.location, xattrs) === 'unsupported') {
        this.#unsupported.push({ path, attribute: 'xattrs' })
      }
      return settle?.()
    }
    const fd = target.fd ?? openSync(target.location, NAME_FLAGS)
    this.#waiting.push({ path, fd, xattrs, replace, settle })
    for (const value of xattrs.values()) this.#bytes += value.byteLength
    if (this.#waiting.length >= BATCH || this.#bytes >= BATCH_BYTES) this.flush()
  }

  /** Has the adapter set all that waits. */
  flush(): void {
    const tasks = this.#waiting
    if (tasks.length === 0) return
    const refused = this.#adapter.setXattrBatch!(tasks, this.#filter)
    for (const [index, { path, settle }] of tasks.entries()) {
      const names = refused[index] ?? []
      if (names.length > 0) this.#unsupported.push({ path, attribute: 'xattrs', names })
      settle?.()
    }
    this.abandon()
  }

  /** Closes what waits. */
  abandon(): void {
    for (const { fd } of this.#waiting) closeSync(fd)
    this.#waiting = []
    this.#bytes = 0
  }
}
