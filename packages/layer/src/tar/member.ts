/**
 * One member of an archive: its entry, as the header, the extended headers and the GNU long names before it say.
 *
 * @module
 */
import { createEntry, type Entry, type EntryType, NO_XATTRS } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { decodePath, encodePath, normalizePath } from '../path.ts'
import { type Field, FIELDS, readName, readNumber, readPlainName, readString, readType } from './header.ts'
import { limitError, type Limits } from './limits.ts'
import { isKnownKey, paxInteger, type PaxRecords, paxTime, SPARSE_PREFIX, XATTR_PREFIX } from './pax.ts'
import { parseSparseList, readRealSize, type SparseMap } from './sparse.ts'

/** A member without its bytes. */
export interface MemberHead {
  readonly entry: Entry
  /** Where the stored body begins in the uncompressed archive. */
  readonly offset: number
  /** Bytes of the stored body: as many as `entry.size`, except where `sparse` leaves out holes. */
  readonly storedSize: number
  readonly sparse: SparseMap | undefined
}

/** What came before a header and speaks about it. */
export interface Preamble {
  readonly local: PaxRecords | undefined
  readonly global: PaxRecords | undefined
  readonly longName: string | undefined
  readonly longLink: string | undefined
}

/** Where the map of a sparse member is stored: in its records, in and after its header, or before its body. */
export type SparseForm = 'listed' | 'header' | 'body'

/** A header read; the body offset, and some sparse maps, are known only later. */
export interface ParsedMember {
  readonly entry: Entry
  readonly storedSize: number
  /** Absent if the member is not sparse. */
  readonly form: SparseForm | undefined
  readonly map: number[]
}

/** `7` is "contiguous", which is a file; `S` is GNU's sparse file; NUL is a file of the time before POSIX. */
const TYPES: ReadonlyMap<string, EntryType> = new Map<string, EntryType>([
  ...(['0', '\0', '7', 'S'].map((flag) => [flag, 'file']) as [string, EntryType][]),
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'char'],
  ['4', 'block'],
  ['5', 'directory'],
  ['6', 'fifo'],
])

/** The largest id: the one above is "no change" to chown(2). */
const MAX_ID = 2 ** 32 - 2
const MAX_DEVICE = 2 ** 32 - 1
const NO_RECORDS: PaxRecords = new Map()
/** Of files that are not sparse; never added to. */
const NO_MAP: number[] = []

/** Reads a header block in the light of its preamble. */
export function parseMember(
  block: Buffer,
  at: number,
  offset: number,
  preamble: Preamble,
  limits: Limits,
): ParsedMember {
  const local = preamble.local ?? NO_RECORDS
  const flag = readType(block, at)
  const headerType = TYPES.get(flag)
  if (headerType === undefined) throw malformed(`unknown type ${quoted(flag)}`, offset)

  const plain =
    preamble.local === undefined &&
    preamble.longName === undefined &&
    flag !== '\0' &&
    limits.pathBytes >= 100
      ? readPlainName(block, at)
      : undefined
  const rawName = plain ?? nameOf(block, at, preamble)
  if (rawName === '') throw malformed('an empty name', offset)
  // Before POSIX a directory was a file whose name ends with a slash.
  const type = flag === '\0' && rawName.endsWith('/') ? 'directory' : headerType
  const path = plain === undefined ? cleanName(rawName, limits) : checkDepth(plain, rawName, limits)
  if (path === '' && type !== 'directory') {
    throw new LayerError('ERR_LAYER_UNSAFE', `The root cannot be a ${type}: ${quoted(rawName)}`, {
      path: rawName,
      offset,
    })
  }

  const linked = type === 'symlink' || type === 'hardlink'
  const rawLink = linked
    ? (preamble.longLink ?? text(local, 'linkpath') ?? readString(block, at, FIELDS.linkname))
    : ''
  if (linked && rawLink === '') throw malformed(`a ${type} without a target`, offset)
  const linkname = type === 'hardlink' ? cleanName(rawLink, limits) : checkLength(rawLink, limits)

  const device = type === 'char' || type === 'block'
  const { global } = preamble
  const uid = inRange('uid', numberOf(block, at, FIELDS.uid, local, global, offset), MAX_ID, offset)
  const gid = inRange('gid', numberOf(block, at, FIELDS.gid, local, global, offset), MAX_ID, offset)
  const size = numberOf(block, at, FIELDS.size, local, undefined, offset)
  // Links, directories, devices and FIFOs have no body, whatever their size says: as Go reads them.
  const storedSize = type === 'file' ? inRange('size', size, Number.MAX_SAFE_INTEGER, offset) : 0
  const timeRecord = local.get('mtime') ?? global?.get('mtime')
  const time = isSet(timeRecord) ? paxTime('mtime', timeRecord, offset) : undefined

  const file = type === 'file'
  const sparse =
    file && (local.size > 0 || flag === 'S') ? findSparse(block, at, offset, flag, local) : undefined
  return {
    entry: createEntry({
      path,
      type,
      mode: readNumber(block, at, FIELDS.mode, offset) & 0o7777,
      uid,
      gid,
      size: sparse?.realSize ?? storedSize,
      mtime: time?.seconds ?? readNumber(block, at, FIELDS.mtime, offset),
      mtimeNs: time?.nanoseconds ?? 0,
      linkname,
      devMajor: device
        ? inRange('devmajor', readNumber(block, at, FIELDS.devMajor, offset), MAX_DEVICE, offset)
        : 0,
      devMinor: device
        ? inRange('devminor', readNumber(block, at, FIELDS.devMinor, offset), MAX_DEVICE, offset)
        : 0,
      xattrs: xattrsOf(global, local),
      pax: unknownOf(local),
    }),
    storedSize,
    form: sparse?.form,
    map: sparse?.map ?? NO_MAP,
  }
}

/** The name, whoever says it: GNU tar, the extended header or the block. */
function nameOf(block: Buffer, at: number, { local = NO_RECORDS, longName }: Preamble): string {
  return longName ?? text(local, 'GNU.sparse.name') ?? text(local, 'path') ?? readName(block, at)
}

/** A number from the records, where they have it, or from its field. */
function numberOf(
  block: Buffer,
  at: number,
  field: Field,
  local: PaxRecords,
  global: PaxRecords | undefined,
  offset: number,
): number {
  const record =
    local.size === 0 && global === undefined ? undefined : (local.get(field.name) ?? global?.get(field.name))
  return isSet(record) ? paxInteger(field.name, record, offset) : readNumber(block, at, field, offset)
}

/** What says that a file is sparse, if anything does. */
function findSparse(
  block: Buffer,
  at: number,
  offset: number,
  flag: string,
  local: PaxRecords,
): { readonly form: SparseForm; readonly map: number[]; readonly realSize: number } | undefined {
  const sizeOf = (...keys: string[]): number => {
    const key = keys.find((each) => local.has(each))
    if (key === undefined) throw malformed('a sparse file without a size', offset)
    return paxInteger(key, local.get(key)!, offset)
  }
  if (flag === 'S') {
    const realSize = inRange('size', readRealSize(block, at, offset), Number.MAX_SAFE_INTEGER, offset)
    return { form: 'header', map: [], realSize }
  }
  const list = text(local, 'GNU.sparse.map')
  if (list !== undefined) {
    return { form: 'listed', map: parseSparseList(list, offset), realSize: sizeOf('GNU.sparse.size') }
  }
  if (text(local, 'GNU.sparse.major') === '1' && text(local, 'GNU.sparse.minor') === '0') {
    return { form: 'body', map: [], realSize: sizeOf('GNU.sparse.realsize', 'GNU.sparse.size') }
  }
  // Any other version would be read wrongly: say so.
  if (local.has('GNU.sparse.major')) throw malformed('an unknown sparse format', offset)
  return undefined
}

/** An empty record takes a value back: POSIX.1-2017 pax, "pax Extended Header". */
function isSet(record: Uint8Array | undefined): record is Uint8Array {
  return record !== undefined && record.byteLength > 0
}

function text(records: PaxRecords, key: string): string | undefined {
  const record = records.get(key)
  return isSet(record) ? decodePath(record) : undefined
}

function cleanName(name: string, limits: Limits): string {
  return checkDepth(normalizePath(checkLength(name, limits)), name, limits)
}

function checkDepth(path: string, name: string, limits: Limits): string {
  // Most names are shorter than the depth allows; do not count their slashes.
  if (path.length >= limits.pathDepth && path.split('/').length > limits.pathDepth) {
    throw limitError(limits, 'pathDepth', `A path that is too deep: ${quoted(name)}`, name)
  }
  return path
}

function checkLength(name: string, limits: Limits): string {
  if (name.length * 3 > limits.pathBytes && encodePath(name).byteLength > limits.pathBytes) {
    throw limitError(limits, 'pathBytes', `A name that is too long: ${quoted(name)}`, name)
  }
  return name
}

function xattrsOf(global: PaxRecords | undefined, local: PaxRecords): ReadonlyMap<string, Uint8Array> {
  if (global === undefined && local.size === 0) return NO_XATTRS
  let found: Map<string, Uint8Array> | undefined
  for (const records of [global, local]) {
    for (const [key, value] of records ?? []) {
      if (key.startsWith(XATTR_PREFIX)) (found ??= new Map()).set(key.slice(XATTR_PREFIX.length), value)
    }
  }
  return found ?? NO_XATTRS
}

function unknownOf(local: PaxRecords): Map<string, Uint8Array> | undefined {
  if (local.size === 0) return undefined
  let found: Map<string, Uint8Array> | undefined
  for (const [key, value] of local) {
    if (!isKnownKey(key) && !key.startsWith(SPARSE_PREFIX)) (found ??= new Map()).set(key, value)
  }
  return found
}

function inRange(name: string, value: number, max: number, offset: number): number {
  if (value < 0 || value > max) throw malformed(`${name} ${value} out of range`, offset)
  return value
}

function malformed(what: string, offset: number): LayerError {
  return new LayerError('ERR_LAYER_TAR', `Malformed member at byte ${offset}: ${what}`, { offset })
}
