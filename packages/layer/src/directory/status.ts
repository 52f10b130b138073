/**
 * What `lstat` tells of a file, as plain numbers.
 *
 * Node gives times as floating-point milliseconds, or everything as bigints. A double is `seconds * 1000 + nanoseconds /
 * 1e6`, rounded to a quarter of a microsecond, which is exact enough but for one case: what is within 122 ns below a
 * whole second is rounded up into it. Only there the bigints are needed. Files out of an archive all have whole seconds,
 * so after one of them the bigints are asked for at once: one such call costs much less than two calls (measured).
 *
 * @module
 */
import { type BigIntStats, lstatSync } from 'node:fs'
import type { EntryType } from '../entry.ts'
import type { Location } from '../location.ts'

/** The fields of `lstat` that matter here. */
export interface Status {
  readonly dev: number
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  /** What the doubles were made of, if it is known. */
  readonly exact?: BigIntStats
}

/** A time in two parts, as entries have it. */
export interface Time {
  readonly mtime: number
  readonly mtimeNs: number
}

/** Reads statuses, and guesses which call is the cheaper one. */
export class StatusReader {
  #whole = false

  read(location: Location): Status {
    return this.#whole ? new ExactStatus(lstatSync(location, BIGINT)) : lstatSync(location)
  }

  /** The time of modification to the microsecond, or to the nanosecond. */
  time(status: Status, location: Location, nanoseconds: boolean): Time {
    if (status.exact !== undefined) {
      const time = exactTime(status.exact, nanoseconds ? 1 : 1000)
      this.#whole = nanoseconds || time.mtimeNs === 0
      if (this.#whole) return time
    }
    const { mtimeMs } = status
    const mtime = Math.floor(mtimeMs / 1000)
    const rest = mtimeMs - mtime * 1000
    this.#whole ||= nanoseconds || rest === 0
    if (nanoseconds || rest === 0) return exactTime(exactStats(status, location), nanoseconds ? 1 : 1000)
    return { mtime, mtimeNs: Math.min(999_999, Math.round(rest * 1000)) * 1000 }
  }
}

/** Device and inode, exactly: an inode can be beyond 2^53. */
export function fileKey(status: Status, location: Location): string {
  const { dev, ino } =
    Number.isSafeInteger(status.dev) && Number.isSafeInteger(status.ino)
      ? status
      : exactStats(status, location)
  return `${dev}:${ino}`
}

/** The kind of file by its mode; `undefined` for a socket and what is unknown. */
export function typeOf({ mode }: Status): EntryType | undefined {
  return TYPES[(mode & 0o170_000) >>> 12]
}

/** Whether it is a socket. */
export function isSocket({ mode }: Status): boolean {
  return (mode & 0o170_000) === 0o140_000
}

/** By the number in the upper bits of a mode: inode(7). */
const TYPES: readonly (EntryType | undefined)[] = (() => {
  const types = Array.from<EntryType | undefined>({ length: 16 })
  types[0o01] = 'fifo'
  types[0o02] = 'char'
  types[0o04] = 'directory'
  types[0o06] = 'block'
  types[0o10] = 'file'
  types[0o12] = 'symlink'
  return types
})()

const BIGINT = { bigint: true } as const

/** In nanoseconds. */
const SECOND = 1_000_000_000

function exactStats(status: Status, location: Location): BigIntStats {
  return status.exact ?? lstatSync(location, BIGINT)
}

/** The same out of bigints; what few ask for only when they do. */
class ExactStatus implements Status {
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly exact: BigIntStats

  constructor(exact: BigIntStats) {
    this.mode = Number(exact.mode)
    this.nlink = Number(exact.nlink)
    this.uid = Number(exact.uid)
    this.gid = Number(exact.gid)
    this.size = Number(exact.size)
    this.exact = exact
  }

  get dev(): number {
    return Number(this.exact.dev)
  }

  get ino(): number {
    return Number(this.exact.ino)
  }

  get rdev(): number {
    return Number(this.exact.rdev)
  }

  get mtimeMs(): number {
    return toMilliseconds(this.exact.mtimeMs, this.exact.mtimeNs)
  }

  get ctimeMs(): number {
    return toMilliseconds(this.exact.ctimeMs, this.exact.ctimeNs)
  }
}

/** As Node computes it from the two parts, to the bit: stamps of either call must be equal. */
function toMilliseconds(milliseconds: bigint, nanoseconds: bigint): number {
  const { mtime, mtimeNs } = divide(milliseconds, nanoseconds)
  return mtime * 1000 + mtimeNs / 1_000_000
}

function exactTime(exact: BigIntStats, unit: number): Time {
  const { mtime, mtimeNs } = divide(exact.mtimeMs, exact.mtimeNs)
  return { mtime, mtimeNs: mtimeNs - (mtimeNs % unit) }
}

/**
 * Seconds and what they leave of a time that is given twice: in milliseconds cut towards zero, and in nanoseconds.
 *
 * Dividing bigints costs more than all the rest of an entry (measured). The two differ by less than a million, so the
 * lowest 32 bits of both give the difference.
 */
function divide(milliseconds: bigint, nanoseconds: bigint): Time {
  const whole = Number(milliseconds)
  const rest = (Number(BigInt.asIntN(32, nanoseconds)) - Math.imul(whole, 1_000_000)) | 0
  const mtime = Math.floor(whole / 1000)
  const mtimeNs = (whole - mtime * 1000) * 1_000_000 + rest
  return mtimeNs < 0 ? { mtime: mtime - 1, mtimeNs: mtimeNs + SECOND } : { mtime, mtimeNs }
}
