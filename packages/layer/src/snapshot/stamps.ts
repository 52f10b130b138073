/**
 * Stamps: what `lstat` told of every file when a snapshot was taken.
 *
 * @module
 */
import type { Status } from '../directory/status.ts'

/** Numbers of a stamp. */
export const STAMP_LENGTH = 10

/** The stamps of a snapshot in the order of its tree: 80 bytes an entry. */
export class Stamps {
  #values: Float64Array
  #length = 0

  constructor(capacity: number = 1024) {
    this.#values = new Float64Array(Math.max(1, capacity) * STAMP_LENGTH)
  }

  get length(): number {
    return this.#length
  }

  push(status: Status): void {
    const at = this.#length * STAMP_LENGTH
    if (at === this.#values.length) {
      const larger = new Float64Array(at * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    const values = this.#values
    values[at] = status.ino
    values[at + 1] = status.dev
    values[at + 2] = status.mode
    values[at + 3] = status.nlink
    values[at + 4] = status.uid
    values[at + 5] = status.gid
    values[at + 6] = status.rdev
    values[at + 7] = status.size
    values[at + 8] = status.mtimeMs
    values[at + 9] = status.ctimeMs
    this.#length++
  }

  /** Whether nothing of a file has moved. */
  equals(index: number, status: Status): boolean {
    const at = index * STAMP_LENGTH
    const values = this.#values
    return (
      values[at + 9] === status.ctimeMs &&
      values[at + 8] === status.mtimeMs &&
      values[at] === status.ino &&
      values[at + 1] === status.dev &&
      values[at + 7] === status.size &&
      values[at + 2] === status.mode &&
      values[at + 3] === status.nlink &&
      values[at + 4] === status.uid &&
      values[at + 5] === status.gid &&
      values[at + 6] === status.rdev
    )
  }

  /**
   * Whether the file could have changed again, after `time`, without its stamp moving: it had changed just before, and
   * clocks of file systems are coarse. That of Linux ticks every 1 to 10 ms; a file system that keeps whole seconds, or
   * every second one, shows it by its times.
   */
  isRacy(index: number, time: number): boolean {
    const at = index * STAMP_LENGTH
    const mtime = this.#values[at + 8]!
    const ctime = this.#values[at + 9]!
    return Math.max(mtime, ctime) >= time - (ctime % 1000 === 0 ? COARSE : FINE)
  }

  /** The ten numbers of a stamp, for storage. */
  at(index: number): Float64Array {
    return this.#values.subarray(index * STAMP_LENGTH, (index + 1) * STAMP_LENGTH)
  }

  /** Adds a stamp that was stored. */
  append(numbers: readonly number[]): void {
    const [ino, dev, mode, nlink, uid, gid, rdev, size, mtimeMs, ctimeMs] = numbers as StampNumbers
    this.push({ ino, dev, mode, nlink, uid, gid, rdev, size, mtimeMs, ctimeMs })
  }
}

type StampNumbers = [number, number, number, number, number, number, number, number, number, number]

/** In milliseconds. */
const FINE = 100
const COARSE = 2100
