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

const CHECKSUM_DIGITS: Field = { ...FIELDS.checksum, length: 7 }
const TYPE_AT = 156
const MAGIC_AT = 257
/** `ustar`, NUL, version `00`. */
const USTAR_MAGIC = Buffer.from('ustar\x0000', 'latin1')
const MAGIC_SUM = USTAR_MAGIC.reduce((sum, byte) => sum + byte, 0)
/** The checksum field counts as eight spaces. */
const BLANK_CHECKSUM = 8 * 0x20
const STAR_TRAILER_AT = 508

/** Sum of the bytes of a block; zero means the block is the end marker. */
export function sumBlock(block: Buffer, at: number): number {
  let sum = 0
  for (let next = at, end = at + BLOCK; next < end; next++) sum += block[next]!
  return sum
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

/**
 * Writes a ustar header over a block; user and group names stay empty (image-spec layer.md, "File Attributes").
 *
 * The checksum is summed up on the way: a second look at all 512 bytes would cost as much again (measured).
 */
export function writeHeader(block: Buffer, at: number, fields: HeaderFields): void {
  block.fill(0, at, at + BLOCK)
  let sum = MAGIC_SUM + BLANK_CHECKSUM + fields.type.charCodeAt(0)
  sum += writeAscii(block, at, fields.name)
  sum += writeOctal(block, at, FIELDS.mode, fields.mode)
  sum += writeOctal(block, at, FIELDS.uid, fields.uid)
  sum += writeOctal(block, at, FIELDS.gid, fields.gid)
  sum += writeOctal(block, at, FIELDS.size, fields.size)
  sum += writeOctal(block, at, FIELDS.mtime, fields.mtime)
  block[at + TYPE_AT] = fields.type.charCodeAt(0)
  sum += writeAscii(block, at + FIELDS.linkname.at, fields.linkname)
  USTAR_MAGIC.copy(block, at + MAGIC_AT)
  sum += writeOctal(block, at, FIELDS.devMajor, fields.devMajor)
  sum += writeOctal(block, at, FIELDS.devMinor, fields.devMinor)
  sum += writeAscii(block, at + FIELDS.prefix.at, fields.prefix)
  // Six digits, NUL, space: the one field with its own form.
  writeOctal(block, at, CHECKSUM_DIGITS, sum)
  block[at + FIELDS.checksum.at + 7] = 0x20
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

/** Writes digits up to the terminating NUL; returns the sum of what it wrote. */
function writeOctal(block: Buffer, at: number, { at: start, length }: Field, value: number): number {
  let sum = 0
  let rest = value
  let next = at + start + length - 2
  // Bit operations see 32 bits; sizes and times may have 33.
  for (; rest > 0x7fff_ffff; next--) {
    sum += block[next] = 0x30 + (rest % 8)
    rest = Math.floor(rest / 8)
  }
  for (; next >= at + start; next--) {
    sum += block[next] = 0x30 + (rest & 7)
    rest >>>= 3
  }
  return sum
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
