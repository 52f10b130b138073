/**
 * PAX extended headers: POSIX.1-2017 pax, "pax Extended Header", and the keys that star and GNU tar added.
 *
 * @module
 */
import { LayerError, quoted } from '../errors.ts'
import { decodeBytes, encodePath } from '../path.ts'

/** Records by key, values as bytes. */
export type PaxRecords = ReadonlyMap<string, Uint8Array>

/** Extended attributes, as star began it and everybody reads it. */
export const XATTR_PREFIX = 'SCHILY.xattr.'

/** Keys of GNU's sparse formats 0.0, 0.1 and 1.0: GNU tar manual, "Storing Sparse Files". */
export const SPARSE_PREFIX = 'GNU.sparse.'

/** Keys that are fields of an entry, or that are known and left out on purpose. */
const KNOWN: ReadonlySet<string> = new Set([
  'path',
  'linkpath',
  'size',
  'uid',
  'gid',
  'mtime',
  // Numeric owners win and names "should be ignored" (image-spec layer.md); the other times would not reproduce;
  // names are taken as bytes, whatever the character set is said to be.
  'uname',
  'gname',
  'atime',
  'ctime',
  'hdrcharset',
  'charset',
])

/** Whether the key means something here; all others travel in {@link Entry.pax}. */
export function isKnownKey(key: string): boolean {
  return KNOWN.has(key) || key.startsWith(XATTR_PREFIX) || key.startsWith(SPARSE_PREFIX)
}

/**
 * Reads the records of an extended header; of equal keys the last wins.
 *
 * @throws {LayerError} `ERR_LAYER_TAR` if a record is malformed, or a NUL byte is in a key or in a name.
 */
export function parsePax(body: Buffer, offset: number): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>()
  const sparse: string[] = []
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at)
    const digits = body.toString('latin1', at, Math.min(space === -1 ? at : space, at + 9))
    const end = at + Number(digits)
    const equals = body.indexOf(0x3d, space + 1)
    const wellFormed = /^[0-9]+$/.test(digits) && end <= body.length && equals > space + 1 && equals < end - 1
    if (space === -1 || !wellFormed || body[end - 1] !== 0x0a) throw malformed('record', offset + at)
    const key = decodeBytes(body, space + 1, equals)
    const value = Uint8Array.prototype.slice.call(body, equals + 1, end - 1)
    if (key.includes('\0') || (isName(key) && value.includes(0)))
      throw malformed(`record ${quoted(key)}`, offset + at)
    // Format 0.0 of GNU repeats two keys; they become the one key of format 0.1.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      if ((sparse.length % 2 === 0) !== (key === 'GNU.sparse.offset'))
        throw malformed('sparse map', offset + at)
      sparse.push(Buffer.from(value).toString('latin1'))
    } else records.set(key, value)
    at = end
  }
  if (sparse.length > 0) records.set('GNU.sparse.map', Buffer.from(sparse.join(','), 'latin1'))
  return records
}

/** Writes records, sorted by the bytes of their keys so that equal records give equal bytes. */
export function formatPax(records: PaxRecords): Uint8Array {
  const parts: Uint8Array[] = []
  const encoded = [...records].map(([key, value]) => ({ name: encodePath(key), value }))
  for (const { name, value } of encoded.toSorted((a, b) => Buffer.compare(a.name, b.name))) {
    // A record's length counts its own digits: " ", "=" and "\n" are three bytes more.
    const rest = name.byteLength + value.byteLength + 3
    let length = rest + String(rest).length
    if (String(length).length + rest !== length) length = rest + String(length).length
    parts.push(Buffer.from(`${length} `), name, Buffer.from('='), value, Buffer.from('\n'))
  }
  return Buffer.concat(parts)
}

/** Reads a record that is a non-negative integer, in decimal and nothing else. */
export function paxInteger(key: string, value: Uint8Array, offset: number): number {
  const text = Buffer.from(value).toString('latin1')
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(number)) throw malformed(`${key} ${quoted(text)}`, offset)
  return number
}

/** Seconds, rounded down, and the nanoseconds that are left. */
export interface PaxTime {
  readonly seconds: number
  readonly nanoseconds: number
}

/** Reads a time: seconds as a decimal, possibly negative, possibly with a fraction, which may stand alone. */
export function paxTime(key: string, value: Uint8Array, offset: number): PaxTime {
  const text = Buffer.from(value).toString('latin1')
  const [, sign, whole = '', fraction = ''] = /^(-?)([0-9]{0,16})(?:\.([0-9]*))?$/.exec(text) ?? []
  const seconds = Number(whole)
  if (sign === undefined || whole + fraction === '' || !Number.isSafeInteger(seconds)) {
    throw malformed(`${key} ${quoted(text)}`, offset)
  }
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'))
  // Digits below a nanosecond still move a negative time down.
  const below = sign === '-' && /[1-9]/.test(fraction.slice(9)) ? 1 : 0
  if (sign !== '-') return { seconds, nanoseconds }
  const total = nanoseconds + below
  return total === 0
    ? { seconds: 0 - seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - total }
}

/** Writes a time the way {@link paxTime} reads it, with no more digits than it needs. */
export function formatTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds)
  const digits = (part: number): string => String(part).padStart(9, '0').replace(/0+$/, '')
  if (seconds >= 0) return `${seconds}.${digits(nanoseconds)}`
  return `-${-seconds - 1}.${digits(1e9 - nanoseconds)}`
}

function isName(key: string): boolean {
  return key === 'path' || key === 'linkpath' || key === 'GNU.sparse.name'
}

function malformed(what: string, offset: number): LayerError {
  return new LayerError('ERR_LAYER_TAR', `Malformed extended header at byte ${offset}: ${what}`, { offset })
}
