/**
 * The table of contents that eStargz and zstd:chunked share: what is in an archive, and where in the compressed bytes.
 *
 * Fields: stargz-snapshotter, docs/estargz.md, "TOC and TOCEntries". The table is JSON, so it cannot hold names that are
 * not UTF-8. Its readers believe it rather than the archive; such a layer is therefore refused, not written with a table
 * that says something else.
 *
 * @module
 */
import { createDigester, type Digest, type Digester, digestOf } from '@varve/digest'
import type { Entry, EntryType } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { hasRawBytes } from '../path.ts'
import { type EncodeOptions, sizeOf } from '../tar/encode.ts'

/** One line of the table: a member, or a further chunk of the one before. Offsets are in the compressed bytes. */
export interface TocRow {
  readonly type: string
  readonly name: string
  readonly linkName?: string
  readonly mode?: number
  readonly size?: number
  readonly uid?: number
  readonly gid?: number
  readonly modtime?: string
  readonly devMajor?: number
  readonly devMinor?: number
  readonly xattrs?: Readonly<Record<string, string>>
  digest: Digest | undefined
  offset: number | undefined
  /** Of zstd:chunked: where the compressed content ends. */
  endOffset: number | undefined
  chunkOffset: number | undefined
  /** Absent from the last chunk, and if there is one only. */
  chunkSize: number | undefined
  chunkDigest: Digest | undefined
  /** Of zstd:chunked: `zeros` for a chunk that need not be fetched. */
  chunkType: string | undefined
}

/** A chunk and the member it belongs to; the same if it is the first. */
export interface ChunkRows {
  readonly row: TocRow
  readonly member: TocRow
}

/** "TOC MUST ... `version`: This value MUST be 1" */
const VERSION = 1

const TYPES: Readonly<Record<EntryType, string>> = {
  file: 'reg',
  directory: 'dir',
  symlink: 'symlink',
  hardlink: 'hardlink',
  char: 'char',
  block: 'block',
  fifo: 'fifo',
}

/** The years 0000 to 9999: RFC 3339 §1. */
const FIRST_TIME = -62_167_219_200
const LAST_TIME = 253_402_300_799

/**
 * What is learnt of a content bit by bit. All of it stands in a row from the beginning: when something is learnt depends
 * on how many parts are compressed at a time, and must not decide the order of fields.
 */
const UNKNOWN = {
  digest: undefined,
  offset: undefined,
  endOffset: undefined,
  chunkOffset: undefined,
  chunkSize: undefined,
  chunkDigest: undefined,
  chunkType: undefined,
} as const

/** A table in the making. */
export class TableOfContents {
  readonly rows: TocRow[] = []
  readonly #options: EncodeOptions
  /** Of the file whose chunks come; a file of one chunk needs no sum of its own. */
  #file: TocRow | undefined
  #digester: Digester | undefined

  constructor(options: EncodeOptions) {
    this.#options = options
  }

  /**
   * Begins a member.
   *
   * @throws {LayerError} `ERR_LAYER_UNSUPPORTED` for a name or time that JSON or RFC 3339 cannot say
   */
  member(entry: Entry): void {
    this.#file = rowOf(entry, this.#options)
    this.#digester = undefined
    this.rows.push(this.#file)
  }

  /** Adds the next chunk of the last member. */
  chunk({ path, size }: Entry, bytes: Uint8Array, start: number): ChunkRows {
    const member = this.#file!
    const row: TocRow = start === 0 ? member : { type: 'chunk', name: path, ...UNKNOWN, chunkOffset: start }
    if (start > 0) this.rows.push(row)
    const last = start + bytes.byteLength === size
    if (!last) row.chunkSize = bytes.byteLength
    row.chunkDigest = digestOf(bytes)
    if (start === 0 && last) member.digest = row.chunkDigest
    else {
      this.#digester ??= createDigester()
      this.#digester.update(bytes)
      if (last) member.digest = this.#digester.finish().digest
    }
    return { row, member }
  }

  /** The table as JSON, in pieces: all of it may be longer than a string can be. */
  *format(fields: Readonly<Record<string, unknown>> = {}): Generator<string, void, void> {
    const begin = JSON.stringify({ version: VERSION, ...fields, entries: [] })
    yield begin.slice(0, -2)
    let separator = ''
    for (const row of this.rows) {
      yield separator + JSON.stringify(row)
      separator = ','
    }
    yield ']}'
  }
}

function rowOf(entry: Entry, options: EncodeOptions): TocRow {
  const { path, type, linkname, mode, uid, gid, devMajor, devMinor } = entry
  const size = sizeOf(entry)
  const link = type === 'symlink' || type === 'hardlink'
  const device = type === 'char' || type === 'block'
  if (hasRawBytes(path)) throw unsupported(entry, 'its name is not UTF-8')
  if (link && hasRawBytes(linkname)) throw unsupported(entry, 'its target is not UTF-8')
  return {
    type: TYPES[type],
    // "the complete path stored in the tar file"
    name: type === 'directory' ? `${path === '' ? '.' : path}/` : path,
    ...(link ? { linkName: linkname } : {}),
    mode,
    ...(size > 0 ? { size } : {}),
    uid,
    gid,
    modtime: timeOf(entry, options),
    ...(device ? { devMajor, devMinor } : {}),
    ...(entry.xattrs === undefined || entry.xattrs.size === 0 ? {} : { xattrs: xattrsOf(entry) }),
    ...UNKNOWN,
  }
}

/** RFC 3339, as exact as the header says it. */
function timeOf(entry: Entry, { nanoseconds = false }: EncodeOptions): string {
  const { mtime, mtimeNs } = entry
  if (mtime < FIRST_TIME || mtime > LAST_TIME) throw unsupported(entry, `its time is ${mtime}`)
  const seconds = new Date(mtime * 1000).toISOString().slice(0, 19)
  const fraction = nanoseconds && mtimeNs > 0 ? `.${String(mtimeNs).padStart(9, '0')}` : ''
  return `${seconds}${fraction}Z`
}

function xattrsOf(entry: Entry): Record<string, string> {
  // A name may be any; `__proto__` is one.
  const found = Object.create(null) as Record<string, string>
  for (const [key, value] of [...entry.xattrs!].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (hasRawBytes(key)) throw unsupported(entry, 'an attribute has a name that is not UTF-8')
    found[key] = Buffer.from(value).toString('base64')
  }
  return found
}

function unsupported({ path }: Entry, why: string): LayerError {
  const message = `A table of contents cannot hold ${quoted(path)}: ${why}`
  return new LayerError('ERR_LAYER_UNSUPPORTED', message, { path })
}
