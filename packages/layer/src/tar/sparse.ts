/**
 * Sparse files: read in every format GNU tar has written, never written (image-spec layer.md, "Sparse Files").
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import { type Field, readNumber } from './header.ts'

/** Stored pieces of a file with holes: offset and length in turn, ascending. What lies between is zeros. */
export type SparseMap = readonly number[]

/** Entries of the map of an old GNU header, and of each block that continues it: GNU tar manual, "Basic Tar". */
const HEADER_MAP = { at: 386, entries: 4, extendedAt: 482 } as const
const EXTENSION_MAP = { at: 0, entries: 21, extendedAt: 504 } as const
const REAL_SIZE: Field = { name: 'realsize', at: 483, length: 12 }

/** Reads the map of an old GNU sparse header (type `S`) or, with `extension`, of a block that continues it. */
export function readSparseBlock(
  block: Buffer,
  at: number,
  extension: boolean,
  map: number[],
  offset: number,
): { readonly extended: boolean } {
  const layout = extension ? EXTENSION_MAP : HEADER_MAP
  for (let index = 0; index < layout.entries; index++) {
    const start = layout.at + index * 24
    if (block[at + start] === 0) break
    map.push(readNumber(block, at, { name: 'sparse offset', at: start, length: 12 }, offset))
    map.push(readNumber(block, at, { name: 'sparse length', at: start + 12, length: 12 }, offset))
  }
  return { extended: block[at + layout.extendedAt] !== 0 }
}

/** The expanded size an old GNU sparse header states. */
export function readRealSize(block: Buffer, at: number, offset: number): number {
  return readNumber(block, at, REAL_SIZE, offset)
}

/** Reads the comma-separated map of the PAX formats 0.0 and 0.1. */
export function parseSparseList(text: string, offset: number): number[] {
  const map = text === '' ? [] : text.split(',').map((digits) => decimal(digits, offset))
  if (map.length % 2 !== 0) throw malformed(offset)
  return map
}

/**
 * Reads the map of format 1.0, which stands at the start of the body: a count, then offsets and lengths, one a line.
 *
 * How long a map is, only its first line says, so nothing is allocated by it.
 */
export class SparseMapReader {
  readonly map: number[] = []
  /** Bytes read so far; the map is padded to whole blocks. */
  length = 0
  #count = -1
  #digits = ''

  get complete(): boolean {
    return this.#count !== -1 && this.map.length >= this.#count * 2
  }

  /** Takes bytes from `at` up to `end` or the end of the map; returns where it stopped. */
  read(buffer: Buffer, at: number, end: number, offset: number): number {
    let next = at
    for (; next < end && !this.complete; next++) {
      const byte = buffer[next]!
      if (byte !== 0x0a) {
        this.#digits += String.fromCharCode(byte)
        if (this.#digits.length > 16) throw malformed(offset)
        continue
      }
      const value = decimal(this.#digits, offset)
      this.#digits = ''
      if (this.#count === -1) this.#count = value
      else this.map.push(value)
    }
    this.length += next - at
    return next
  }
}

/**
 * Checks that the pieces ascend, lie within the file, and are exactly what is stored.
 *
 * @throws {LayerError} `ERR_LAYER_TAR`
 */
export function checkSparseMap(map: SparseMap, realSize: number, stored: number, offset: number): void {
  let position = 0
  let total = 0
  for (let index = 0; index < map.length; index += 2) {
    const start = map[index]!
    const length = map[index + 1]!
    if (start < position || length < 0 || start + length > realSize) throw malformed(offset)
    position = start + length
    total += length
  }
  if (total !== stored || realSize < 0) throw malformed(offset)
}

function decimal(digits: string, offset: number): number {
  const value = /^[0-9]{1,16}$/.test(digits) ? Number(digits) : NaN
  if (!Number.isSafeInteger(value)) throw malformed(offset)
  return value
}

function malformed(offset: number): LayerError {
  return new LayerError('ERR_LAYER_TAR', `Malformed sparse map at byte ${offset}`, { offset })
}
