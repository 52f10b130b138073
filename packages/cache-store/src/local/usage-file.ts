/**
 * About how much a store uses, known to all its processes: a file of numbers whose sum it is.
 *
 * Everybody appends what they are about to write before they write it, so that the sum is never too small; a collection
 * counts what is really there and begins the file anew. Whatever is wrong with the file, counting mends it.
 *
 * @module
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { systemCode } from './failure.ts'
import { publish, publishNew, statusOf, writeTemporary } from './files.ts'
import { type Place, usagePath } from './place.ts'

/** A file of this size is begun anew by the next collection, which is due then. */
const MAX_FILE = 1024 * 1024

const NUMBERS = /^(?:[+-]\d{1,16}\n)*$/

const APPEND = constants.O_RDWR | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0)

/** How far a reader has got. */
export interface UsageMark {
  /** Tells a file from the one before it. */
  readonly inode: number
  readonly offset: number
  readonly sum: number
}

/** What is known after the file was looked at. */
export type UsageState =
  | { readonly state: 'known'; readonly mark: UsageMark }
  /** Nobody has counted yet, or the file is damaged or too long. */
  | { readonly state: 'unknown' }
  /** It may not be read or written: nothing is known, and nothing can be done about it. */
  | { readonly state: 'closed' }

/** Reads what was added since `since`, after adding `delta` if it is not 0. */
export function readUsage(place: Place, since: UsageMark | undefined, delta = 0): UsageState {
  let fd: number
  try {
    fd = openSync(usagePath(place), APPEND)
  } catch (error) {
    return { state: ['ENOENT', 'ELOOP', 'EISDIR'].includes(systemCode(error) ?? '') ? 'unknown' : 'closed' }
  }
  try {
    // One that was emptied must not look like one that was just begun.
    if (fstatSync(fd).size === 0) return { state: 'unknown' }
    if (delta !== 0) writeSync(fd, `${delta > 0 ? '+' : ''}${delta}\n`)
    const { ino, size } = fstatSync(fd)
    if (size > MAX_FILE) return { state: 'unknown' }
    const known = since !== undefined && since.inode === ino && since.offset <= size ? since : undefined
    const { offset, sum } = known ?? { offset: 0, sum: 0 }
    const added = sumOf(textBetween(fd, offset, size))
    if (added === undefined) return { state: 'unknown' }
    return { state: 'known', mark: { inode: ino, offset: size, sum: sum + added } }
  } catch {
    // A full disk, above all: what is to be written will fail by itself.
    return { state: 'closed' }
  } finally {
    closeSync(fd)
  }
}

/** Which file it is now; `undefined` if there is none. */
export function usageInode(place: Place): number | undefined {
  return statusOf(usagePath(place))?.ino
}

/**
 * Begins the file anew with what was counted, and with what was added since `since`, when the counting began: that may
 * have been counted or not. Best effort.
 */
export function rewriteUsage(place: Place, counted: number, since: UsageState): void {
  const unflushed = { ...place, durable: false }
  try {
    const now = since.state === 'known' ? readUsage(place, since.mark) : since
    const meanwhile =
      since.state === 'known' && now.state === 'known' && now.mark.inode === since.mark.inode
        ? Math.max(0, now.mark.sum - since.mark.sum)
        : 0
    const bytes = new TextEncoder().encode(`+${counted + meanwhile}\n`)
    const temporary = writeTemporary(unflushed, bytes, 0o664)
    if (statusOf(usagePath(place)) === undefined) publishNew(unflushed, temporary, usagePath(place))
    else publish(unflushed, temporary, usagePath(place))
  } catch {
    // The old sum is too large at worst, and counted again when it is reached.
  }
}

function textBetween(fd: number, start: number, end: number): string {
  const bytes = new Uint8Array(end - start)
  const length = end > start ? readSync(fd, bytes, 0, bytes.byteLength, start) : 0
  return new TextDecoder().decode(bytes.subarray(0, length))
}

/** `undefined` for what nobody wrote, such as half a number. */
function sumOf(text: string): number | undefined {
  if (!NUMBERS.test(text)) return undefined
  let sum = 0
  for (const line of text.split('\n')) sum += Number(line)
  return Number.isSafeInteger(sum) ? sum : undefined
}
