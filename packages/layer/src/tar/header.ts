/**
 * The 512-byte header block: POSIX.1-2017 pax, "ustar Interchange Format", and what GNU tar put in its place.
 *
 * @module
 */
import { LayerError, quoted } from '../errors.ts'
import { decodeBytes } from '../path.ts'

/** Everything in a tar is a multiple of this. */
export const BLOCK = 512

/** Where a field lies, and how long it is. */
export interface Field {
  readonly name: string
  readonly at: number
  readonly length: number
}

/** Fields of the ustar header, POSIX.1-2017 pax, table "ustar Header Block". */
export const FIELDS = {
  name: { name: 'name', at: 0, length: 100 },
  mode: { name: 'mode', at: 100, length: 8 },
  uid: { name: 'uid', at: 108, length: 8 },
  gid: { name: 'gid', at: 116, length: 8 },
  size: { name: 'size', at: 124, length: 12 },
  mtime: { name: 'mtime', at: 136, length: 12 },
  checksum: { name: 'chksum', at: 148, length: 8 },
  linkname: { name: 'linkname', at: 157, length: 100 },
  devMajor: { name: 'devmajor', at: 329, length: 8 },
  devMinor: { name: 'devminor', at: 337, length: 8 },
  prefix: { name: 'prefix', at: 345, length: 155 },
  /** Of star: a shorter prefix, since its times follow. */
  starPrefix: { name: 'prefix', at: 345, length: 131 },
} as const

const TYPE_AT = 156
const DOT = 0x2e
const SLASH = 0x2f
const ZERO = 0x30
const MAGIC_AT = 257
/** `ustar`, NUL, version `00`. */
const USTAR_MAGIC = Buffer.from('ustar\x0000', 'latin1')
const STAR_TRAILER_AT = 508

/** Sum of the bytes of a block; zero means the block is the end marker. */
export function sumBlock(block: Buffer, at: number): number {
  let sum = 0
  for (let next = at, end = at + BLOCK; next < end; next++) sum += block[next]!
  return sum
}

/** {@link sumBlock} of words of four bytes, from the word `at` on: a third of its time (measured). */
export function sumWords(words: Int32Array, at: number): number {
  // Two sums of 16 bits in each: 128 bytes of 255 do not fill one.
  let even = 0
  let odd = 0
  for (let next = at, end = at + BLOCK / 4; next < end; next++) {
    const word = words[next]!
    even += word & 0x00ff_00ff
    odd += (word >>> 8) & 0x00ff_00ff
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16)
}

/**
 * Checks the checksum: the sum of all bytes with the field itself taken as spaces. Some old archivers summed signed
 * bytes; that is accepted, as everybody does.
 *
 * @throws {LayerError} `ERR_LAYER_TAR`
 */
export function checkSum(block: Buffer, at: number, sum: number, offset: number): void {
  let expected = sum
  const start = at + FIELDS.checksum.at
  for (let next = start; next < start + FIELDS.checksum.length; next++) expected += 0x20 - block[next]!
  const stated = readNumber(block, at, FIELDS.checksum, offset)
  if (stated === expected) return
  let high = 0
  for (let next = at; next < at + BLOCK; next++) if (block[next]! >= 0x80) high++
  for (let next = start; next < start + FIELDS.checksum.length; next++) if (block[next]! >= 0x80) high--
  if (stated !== expected - 256 * high) {
    throw new LayerError('ERR_LAYER_TAR', `Not a tar header at byte ${offset}: its checksum is wrong`, {
      offset,
    })
  }
}

/** The type flag; NUL, of archives older than POSIX, reads as itself. */
export function readType(block: Buffer, at: number): string {
  return String.fromCharCode(block[at + TYPE_AT]!)
}

/**
 * Reads an octal number, or one of GNU's base-256 numbers (high bit of the first byte set, two's complement).
 *
 * @throws {LayerError} `ERR_LAYER_TAR` if it is neither, or does not fit in a JavaScript integer.
 */
export function readNumber(
  block: Buffer,
  at: number,
  { name, at: start, length }: Field,
  offset: number,
): number {
  let next = at + start
  const end = next + length
  if ((block[next]! & 0x80) !== 0) return readBinary(block, next, end, name, offset)
  while (next < end && (block[next] === 0x20 || block[next] === 0)) next++
  let value = 0
  for (; next < end; next++) {
    const digit = block[next]! - 0x30
    if (digit < 0 || digit > 7) break
    value = value * 8 + digit
  }
  // Octal of twelve digits is below 2^36: no overflow. What follows must be padding.
  for (; next < end; next++) {
    const byte = block[next]!
    if (byte === 0) break
    if (byte !== 0x20) throw malformed(name, block.toString('latin1', at + start, end), offset)
  }
  return value
}

/** Reads a NUL-terminated name; a field filled to its end has no terminator. */
export function readString(block: Buffer, at: number, { at: start, length }: Field): string {
  const from = at + start
  let end = from
  while (end < from + length && block[end] !== 0) end++
  return decodeBytes(block, from, end)
}

/** The name with its prefix, where the header is a ustar one; GNU headers keep other things there. */
export function readName(block: Buffer, at: number): string {
  const name = readString(block, at, FIELDS.name)
  if (block[at + FIELDS.prefix.at] === 0 || !isUstar(block, at)) return name
  const star = block.toString('latin1', at + STAR_TRAILER_AT, at + STAR_TRAILER_AT + 4) === 'tar\0'
  const prefix = readString(block, at, star ? FIELDS.starPrefix : FIELDS.prefix)
  return prefix === '' ? name : `${prefix}/${name}`
}

/**
 * The name as a clean path, if that takes one look at each byte: ASCII, without a prefix, and with nothing to clean but
 * `./` before it and `/` after it. `undefined` says nothing about the name but that it has to be read in full.
 */
export function readPlainName(block: Buffer, at: number): string | undefined {
  if (block[at + FIELDS.prefix.at] !== 0 && isUstar(block, at)) return undefined
  const start = block[at] === DOT && block[at + 1] === SLASH ? at + 2 : at
  const limit = at + FIELDS.name.length
  let component = start
  let next = start
  for (; next < limit; next++) {
    const byte = block[next]!
    if (byte === 0) break
    if (byte >= 0x80) return undefined
    if (byte !== SLASH) continue
    if (!isPlainComponent(block, component, next)) return undefined
    component = next + 1
  }
  if (component === next) return next === start ? undefined : block.toString('latin1', start, next - 1)
  return isPlainComponent(block, component, next) ? block.toString('latin1', start, next) : undefined
}

/** Whether a component is neither empty nor `.` nor `..`. */
function isPlainComponent(block: Buffer, start: number, end: number): boolean {
  return end - start > 2 || (end > start && (block[start] !== DOT || block[end - 1] !== DOT))
}

/** What {@link writeHeader} puts in a block. Strings must be ASCII and, like the numbers, fit their fields. */
export interface HeaderFields {
  readonly name: string
  readonly prefix: string
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: number
  readonly linkname: string
  readonly devMajor: number
  readonly devMinor: number
}

/** A header without a name, and with all numbers zero but those that are always written. */
const BLANK_HEADER = blankHeader()
const BLANK_SUM = BLANK_HEADER.reduce((sum, byte) => sum + byte, 0)

/**
 * Writes a ustar header over a block; user and group names stay empty (image-spec layer.md, "File Attributes").
 *
 * The checksum is summed up on the way: a second look at all 512 bytes would cost as much again (measured).
 */
export function writeHeader(block: Buffer, at: number, fields: HeaderFields): void {
  block.set(BLANK_HEADER, at)
  let sum = BLANK_SUM + fields.type.charCodeAt(0)
  sum += writeAscii(block, at, fields.name)
  sum += writeOctal(block, at, FIELDS.mode, fields.mode)
  sum += writeOctal(block, at, FIELDS.uid, fields.uid)
  sum += writeOctal(block, at, FIELDS.gid, fields.gid)
  sum += writeOctal(block, at, FIELDS.size, fields.size)
  sum += writeOctal(block, at, FIELDS.mtime, fields.mtime)
  block[at + TYPE_AT] = fields.type.charCodeAt(0)
  sum += writeAscii(block, at + FIELDS.linkname.at, fields.linkname)
  sum += writeOctal(block, at, FIELDS.devMajor, fields.devMajor)
  sum += writeOctal(block, at, FIELDS.devMinor, fields.devMinor)
  sum += writeAscii(block, at + FIELDS.prefix.at, fields.prefix)
  writeSum(block, at, sum)
}

/** Six digits, NUL, space: the one field with its own form. */
function writeSum(block: Buffer, at: number, sum: number): void {
  const digits = at + FIELDS.checksum.at
  for (let next = digits + 5, rest = sum; next >= digits; next--, rest >>= 3) block[next] = ZERO + (rest & 7)
  block[digits + 6] = 0
}

/** Rounds up to whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK
}

function isUstar(block: Buffer, at: number): boolean {
  // Only `ustar` and NUL: the version is not written alike by everyone. GNU's magic has a space there.
  for (let next = 0; next < 6; next++) if (block[at + MAGIC_AT + next] !== USTAR_MAGIC[next]) return false
  return true
}

/** Writes digits over zeros, up to the terminating NUL; returns by how much the sum of the field grew. */
function writeOctal(block: Buffer, at: number, { at: start, length }: Field, value: number): number {
  let sum = 0
  let rest = value
  let next = at + start + length - 2
  // Bit operations see 32 bits; sizes and times may have 33.
  for (; rest > 0x7fff_ffff; next--) {
    const digit = rest % 8
    block[next] = ZERO + digit
    sum += digit
    rest = Math.floor(rest / 8)
  }
  for (; rest > 0; next--) {
    block[next] = ZERO + (rest & 7)
    sum += rest & 7
    rest >>= 3
  }
  return sum
}

function blankHeader(): Buffer {
  const header = Buffer.alloc(BLOCK)
  const { mode, uid, gid, size, mtime, checksum, devMajor, devMinor } = FIELDS
  for (const { at, length } of [mode, uid, gid, size, mtime, devMajor, devMinor])
    header.fill(ZERO, at, at + length - 1)
  // The checksum field counts as eight spaces.
  header.fill(0x20, checksum.at, checksum.at + checksum.length)
  USTAR_MAGIC.copy(header, MAGIC_AT)
  return header
}

/** Names are short: a call into C++ for each costs more than the loop (measured). */
function writeAscii(block: Buffer, at: number, text: string): number {
  let sum = 0
  for (let index = 0; index < text.length; index++) sum += block[at + index] = text.charCodeAt(index)
  return sum
}

function readBinary(block: Buffer, start: number, end: number, name: string, offset: number): number {
  const negative = (block[start]! & 0x40) !== 0
  let value = negative ? (block[start]! & 0x7f) - 0x80 : block[start]! & 0x7f
  for (let next = start + 1; next < end; next++) {
    value = value * 256 + block[next]!
    if (!Number.isSafeInteger(value)) throw malformed(name, block.toString('hex', start, end), offset)
  }
  return value
}

function malformed(name: string, value: string, offset: number): LayerError {
  return new LayerError('ERR_LAYER_TAR', `Malformed ${name} at byte ${offset}: ${quoted(value)}`, { offset })
}
