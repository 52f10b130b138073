/**
 * The tar writer: ustar where it can say everything, else a PAX extended header before it.
 *
 * Never GNU long names, base-256 numbers or sparse files. Equal entries give equal bytes; the bytes are part of this
 * package's contract, since they decide diffIDs.
 *
 * @module
 */
import type { Entry } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { baseOf, encodePath, hasRawBytes, isAscii, isCleanPath } from '../path.ts'
import { BLOCK, type HeaderFields, padded, writeHeader } from './header.ts'
import { formatPax, formatTime, isKnownKey, XATTR_PREFIX } from './pax.ts'

/** Options of {@link encodeMember}. */
export interface EncodeOptions {
  /** Writes times to the nanosecond, at the price of an extended header. Default: whole seconds. */
  readonly nanoseconds?: boolean
}

const TYPE_FLAGS = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const

const NOTHING: HeaderFields = {
  name: '',
  prefix: '',
  type: '',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  linkname: '',
  devMajor: 0,
  devMinor: 0,
}

/** What octal digits can hold: seven of them, and eleven for sizes and times. */
const MAX_SEVEN = 0o7777777
const MAX_ELEVEN = 0o77777777777
const MAX_ID = 2 ** 32 - 2
const SLASH = 0x2f

/**
 * The header blocks of a member; its content, padded to whole blocks, has to follow.
 *
 * The name of a directory gets a trailing slash, and the root becomes `./`.
 *
 * @throws {LayerError} `ERR_LAYER_ENTRY` if a value is out of range or cannot be stored; `ERR_LAYER_PATH` if a name is
 *   not clean or holds a NUL byte.
 */
export function encodeMember(entry: Entry, options: EncodeOptions = {}): Uint8Array {
  const simple = Buffer.alloc(BLOCK)
  if (writeSimpleMember(entry, simple, 0, options)) return simple
  checkEntry(entry)
  const records = recordsFor(entry, options)
  const header = fallbackFields(entry)
  if (records.size === 0) {
    writeHeader(simple, 0, header)
    return simple
  }
  const body = formatPax(records)
  const all = Buffer.alloc(BLOCK + padded(body.byteLength) + BLOCK)
  const name = `PaxHeaders/${asciiOf(baseOf(entry.path)).slice(0, 89)}`
  writeHeader(all, 0, { ...NOTHING, name, type: 'x', mode: 0o644, size: body.byteLength })
  all.set(body, BLOCK)
  writeHeader(all, all.length - BLOCK, header)
  return all
}

/** Writes the header of a member that fits in one block; returns `false`, having written nothing, if it does not. */
export function writeSimpleMember(entry: Entry, block: Buffer, at: number, options: EncodeOptions): boolean {
  const { path, type, mode, uid, gid, mtime, linkname } = entry
  const size = sizeOf(entry)
  const fits =
    path.length < 255 &&
    isOctal(uid, MAX_SEVEN) &&
    isOctal(gid, MAX_SEVEN) &&
    isOctal(mode, 0o7777) &&
    isOctal(size, MAX_ELEVEN) &&
    isOctal(mtime, MAX_ELEVEN) &&
    (entry.mtimeNs === 0 || options.nanoseconds !== true) &&
    (entry.xattrs === undefined || entry.xattrs.size === 0) &&
    (entry.pax === undefined || entry.pax.size === 0) &&
    (linkname === '' || fitsLink(linkname)) &&
    (isPlain(path) || (path === '' && type === 'directory')) &&
    (type === 'file' || type === 'directory' || (type === 'symlink' && linkname !== ''))
  if (!fits) return false
  const name = nameOf(entry)
  const slash = name.length <= 100 ? -1 : prefixEnd(name)
  if (slash === 0) return false
  // Written out: spreading one object into another here costs ten times all the rest (measured).
  writeHeader(block, at, {
    name: slash === -1 ? name : name.slice(slash + 1),
    prefix: slash === -1 ? '' : name.slice(0, slash),
    type: TYPE_FLAGS[type],
    mode,
    uid,
    gid,
    size,
    mtime,
    linkname: type === 'symlink' ? linkname : '',
    devMajor: 0,
    devMinor: 0,
  })
  return true
}

/** Bytes of content that follow the header. */
export function sizeOf(entry: Entry): number {
  return entry.type === 'file' ? entry.size : 0
}

function recordsFor(entry: Entry, options: EncodeOptions): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>()
  const name = nameOf(entry)
  const linkname = linkOf(entry)
  const set = (key: string, value: string | number): void => void records.set(key, encodePath(String(value)))
  if (splitName(name) === undefined) set('path', name)
  if (linkname !== '' && !fitsLink(linkname)) set('linkpath', linkname)
  // "The name is in no character set that is known": without it bsdtar takes names that are not UTF-8 for an error.
  if (hasRawBytes(name) || hasRawBytes(linkname)) set('hdrcharset', 'BINARY')
  if (entry.uid > MAX_SEVEN) set('uid', entry.uid)
  if (entry.gid > MAX_SEVEN) set('gid', entry.gid)
  if (sizeOf(entry) > MAX_ELEVEN) set('size', sizeOf(entry))
  const nanoseconds = options.nanoseconds === true ? entry.mtimeNs : 0
  if (nanoseconds !== 0 || !isOctal(entry.mtime, MAX_ELEVEN))
    set('mtime', formatTime(entry.mtime, nanoseconds))
  for (const [key, value] of entry.xattrs ?? []) records.set(checkKey(entry, XATTR_PREFIX + key), value)
  for (const [key, value] of entry.pax ?? []) {
    if (isKnownKey(key)) throw refused(entry, `its PAX record ${quoted(key)} is a field of its own`)
    records.set(checkKey(entry, key), value)
  }
  return records
}

/** The ustar header; where a value does not fit, one for readers that know no extended headers. */
function fallbackFields(entry: Entry): HeaderFields {
  const { name, prefix } = splitName(nameOf(entry)) ?? {
    name: asciiOf(nameOf(entry)).slice(0, 100),
    prefix: '',
  }
  const linkname = linkOf(entry)
  const device = entry.type === 'char' || entry.type === 'block'
  return {
    name,
    prefix,
    type: TYPE_FLAGS[entry.type],
    mode: entry.mode,
    uid: entry.uid > MAX_SEVEN ? 0 : entry.uid,
    gid: entry.gid > MAX_SEVEN ? 0 : entry.gid,
    size: sizeOf(entry) > MAX_ELEVEN ? 0 : sizeOf(entry),
    mtime: isOctal(entry.mtime, MAX_ELEVEN) ? entry.mtime : 0,
    linkname: fitsLink(linkname) ? linkname : asciiOf(linkname).slice(0, 100),
    devMajor: device ? entry.devMajor : 0,
    devMinor: device ? entry.devMinor : 0,
  }
}

/** Cuts a long name at a slash into the two fields of ustar, as late as they allow; `undefined` if it cannot be. */
function splitName(path: string): { name: string; prefix: string } | undefined {
  if (!isAscii(path)) return undefined
  if (path.length <= 100) return { name: path, prefix: '' }
  const slash = prefixEnd(path)
  return slash === 0 ? undefined : { name: path.slice(slash + 1), prefix: path.slice(0, slash) }
}

/** Where the slash between prefix and name of a long ASCII name is; 0 if neither field could hold its part. */
function prefixEnd(path: string): number {
  const slash = path.lastIndexOf('/', Math.min(155, path.length - 2))
  return slash < 1 || path.length - slash - 1 > 100 ? 0 : slash
}

function nameOf({ path, type }: Entry): string {
  if (path === '') return './'
  return type === 'directory' ? `${path}/` : path
}

function linkOf({ type, linkname }: Entry): string {
  return type === 'symlink' || type === 'hardlink' ? linkname : ''
}

function fitsLink(linkname: string): boolean {
  return linkname.length <= 100 && isAscii(linkname) && !linkname.includes('\0')
}

/** Whether a path is clean and ASCII, in one pass: this is asked of every member (measured). */
function isPlain(path: string): boolean {
  let start = 0
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at)
    if (code === 0 || code >= 0x80) return false
    if (code !== SLASH) continue
    if (!isPlainComponent(path, start, at)) return false
    start = at + 1
  }
  return isPlainComponent(path, start, path.length)
}

/** Whether a component is neither empty nor `.` nor `..`: those are short, and all dots. */
function isPlainComponent(path: string, start: number, end: number): boolean {
  return end - start > 2 || (end > start && (path[start] !== '.' || path[end - 1] !== '.'))
}

function isOctal(value: number, max: number): boolean {
  return value >= 0 && value <= max && Number.isInteger(value)
}

/** What is left of a name for readers that know only ustar. */
function asciiOf(name: string): string {
  // oxlint-disable-next-line no-control-regex
  return name.replaceAll(/[^\0-\x7f]/g, '')
}

function checkEntry(entry: Entry): void {
  const { path, type, linkname } = entry
  if (!isCleanPath(path))
    throw new LayerError('ERR_LAYER_PATH', `Not a clean path: ${quoted(path)}`, { path })
  if (path === '' && type !== 'directory') throw refused(entry, 'the root is a directory')
  if ((type === 'symlink' || type === 'hardlink') && linkname === '')
    throw refused(entry, 'its target is empty')
  if (linkname.includes('\0')) throw refused(entry, 'its target holds a NUL byte')
  if (type === 'hardlink' && !isCleanPath(linkname))
    throw refused(entry, `its target ${quoted(linkname)} is not clean`)
  const ranges: readonly (readonly [keyof Entry, number, number])[] = [
    ['mode', 0, 0o7777],
    ['uid', 0, MAX_ID],
    ['gid', 0, MAX_ID],
    ['size', 0, Number.MAX_SAFE_INTEGER],
    ['mtime', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['mtimeNs', 0, 999_999_999],
    // PAX has no record for device numbers.
    ['devMajor', 0, MAX_SEVEN],
    ['devMinor', 0, MAX_SEVEN],
  ]
  for (const [field, min, max] of ranges) {
    const value = entry[field] as number
    if (!Number.isInteger(value) || value < min || value > max)
      throw refused(entry, `its ${field} is ${value}`)
  }
}

function checkKey(entry: Entry, key: string): string {
  if (key === '' || /[=\0]/.test(key)) throw refused(entry, `a PAX key cannot be ${quoted(key)}`)
  return key
}

function refused(entry: Entry, why: string): LayerError {
  return new LayerError('ERR_LAYER_ENTRY', `Cannot store ${quoted(entry.path)}: ${why}`, { path: entry.path })
}
