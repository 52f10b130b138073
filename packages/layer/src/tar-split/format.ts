/**
 * Skeletons as lines of JSON, as github.com/vbatts/tar-split stores them.
 *
 * Each line is an object: `type` 1 is a content with `name` (or, if that is not UTF-8, `name_raw` in base64), `size`,
 * and its CRC-64 as `payload`; `type` 2 is a literal with its bytes as `payload`; `position` counts the lines from 0.
 * The one addition is `sparse`, an array, on contents that the original cannot tell from whole ones: it would find that
 * their checksum is not that of the file.
 *
 * @module
 */
import { LayerError, quoted } from '../errors.ts'
import { decodePath, encodePath, hasRawBytes, normalizePath } from '../path.ts'
import { type Limits, resolveLimits } from '../tar/limits.ts'
import { checkSparseMap, type SparseMap } from '../tar/sparse.ts'
import type { TarContent, TarPart } from './split.ts'

const CONTENT = 1
const LITERAL = 2

/** Bytes of one line unless a caller says otherwise; ours have at most 1.4 MB. */
const LINE_BYTES = 16 * 1024 * 1024

/** Lines are handed on in pieces of about so many bytes. */
const CHUNK = 65_536

/** Writes a skeleton. Equal skeletons give equal bytes. */
export async function* formatTarSplit(
  skeleton: AsyncIterable<TarPart> | Iterable<TarPart>,
): AsyncGenerator<Uint8Array, void, void> {
  let lines = ''
  let position = 0
  for await (const part of skeleton) {
    lines += formatTarPart(part, position++)
    if (lines.length >= CHUNK) {
      yield Buffer.from(lines)
      lines = ''
    }
  }
  if (lines !== '') yield Buffer.from(lines)
}

/** One line, with its end. */
export function formatTarPart(part: TarPart, position: number): string {
  const line =
    part.type === 'literal'
      ? { type: LITERAL, payload: base64(part.bytes), position }
      : {
          type: CONTENT,
          ...nameOf(part.path),
          ...(part.size === 0 ? {} : { size: part.size }),
          payload: part.crc64 === undefined ? null : base64(Buffer.from(part.crc64, 'hex')),
          position,
          ...(part.sparse === undefined ? {} : { sparse: part.sparse }),
        }
  return `${JSON.stringify(line)}\n`
}

/** Options of {@link parseTarSplit}. */
export interface TarSplitOptions {
  /** `entries` bounds the contents, `bytes` the archive that is described, `paxBytes` sparse maps. */
  readonly limits?: Partial<Limits>
  /** Bytes of one line, default 16 MiB. */
  readonly lineBytes?: number
}

/**
 * Reads a skeleton that {@link formatTarSplit}, or another tar-split, has written; names are cleaned as in a tree.
 *
 * @throws {LayerError} `ERR_LAYER_TAR` for anything that is not such a file; `ERR_LAYER_LIMIT`; `ERR_LAYER_UNSAFE` or
 *   `ERR_LAYER_PATH` for a name that cannot be a path.
 */
export async function* parseTarSplit(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: TarSplitOptions = {},
): AsyncGenerator<TarPart, void, void> {
  const limits = resolveLimits(options.limits)
  let position = 0
  let contents = 0
  let bytes = 0
  for await (const line of splitLines(chunks, options.lineBytes ?? LINE_BYTES)) {
    const part = parsePart(line, position, limits)
    bytes += part.type === 'literal' ? part.bytes.byteLength : part.size
    if (part.type === 'content') contents++
    if (bytes > limits.bytes) throw exceeded('bytes', limits.bytes)
    if (contents > limits.entries) throw exceeded('entries', limits.entries)
    yield part
    position++
  }
}

/** Cuts at line ends; the last line may lack its own. */
async function* splitLines(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Buffer, void, void> {
  let held: Uint8Array[] = []
  let length = 0
  const hold = (bytes: Uint8Array): void => {
    length += bytes.byteLength
    if (length > limit) throw exceeded('lineBytes', limit)
    held.push(bytes)
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      hold(chunk.subarray(start, end))
      yield Buffer.concat(held)
      held = []
      length = 0
      start = end + 1
    }
    if (start < chunk.byteLength) hold(chunk.subarray(start))
  }
  if (length > 0) yield Buffer.concat(held)
}

function parsePart(line: Buffer, position: number, limits: Limits): TarPart {
  let value: unknown
  try {
    value = JSON.parse(line.toString('utf8'))
  } catch (cause) {
    throw malformed(position, 'is no JSON', cause)
  }
  if (typeof value !== 'object' || value === null) throw malformed(position, 'is no object')
  const fields = value as Readonly<Record<string, unknown>>
  if (fields['position'] !== position) throw malformed(position, 'has another position')
  const payload = parseBase64(fields['payload'] ?? '', position)
  if (fields['type'] === LITERAL) return { type: 'literal', bytes: payload }
  if (fields['type'] !== CONTENT) throw malformed(position, 'has an unknown type')
  const size = fields['size'] ?? 0
  if (!isSize(size)) throw malformed(position, 'has a size that is none')
  if (size > 0 ? payload.length !== 8 : payload.length % 8 !== 0 || payload.length > 8)
    throw malformed(position, 'has no CRC-64')
  const part: TarContent = {
    type: 'content',
    path: parseName(fields, position),
    size,
    crc64: size === 0 ? undefined : payload.toString('hex'),
  }
  const sparse = fields['sparse']
  return sparse === undefined || size === 0
    ? part
    : { ...part, sparse: parseSparse(sparse, size, position, limits) }
}

function parseName(fields: Readonly<Record<string, unknown>>, position: number): string {
  const { name = '', name_raw: raw = '' } = fields
  if (typeof name !== 'string') throw malformed(position, 'has a name that is none')
  const bytes = parseBase64(raw, position)
  if (bytes.length > 0 && name !== '') throw malformed(position, 'has two names')
  // Lone surrogates in JSON are nobody's bytes: they come as `name_raw`.
  if (hasRawBytes(name)) throw malformed(position, 'has a name that is not UTF-8')
  return normalizePath(bytes.length > 0 ? decodePath(bytes) : name)
}

function parseSparse(value: unknown, size: number, position: number, limits: Limits): SparseMap {
  if (!Array.isArray(value) || value.length % 2 !== 0 || !value.every(isSize))
    throw malformed(position, 'has a sparse map that is none')
  // A pair of numbers takes 24 bytes of a map in an archive.
  if (value.length * 12 > limits.paxBytes) throw exceeded('paxBytes', limits.paxBytes)
  checkSparseMap(value, Number.MAX_SAFE_INTEGER, size, position)
  return value
}

/** Node skips what is not base64, so what it reads is written again and compared. */
function parseBase64(value: unknown, position: number): Buffer {
  if (typeof value !== 'string') throw malformed(position, 'has a payload that is no string')
  const bytes = Buffer.from(value, 'base64')
  if (bytes.toString('base64') !== value) throw malformed(position, 'has a payload that is not base64')
  return bytes
}

function nameOf(path: string): { readonly name?: string; readonly name_raw?: string } {
  if (path === '') return {}
  return hasRawBytes(path) ? { name_raw: base64(encodePath(path)) } : { name: path }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function exceeded(limit: string, value: number): LayerError {
  return new LayerError('ERR_LAYER_LIMIT', `A large skeleton: over the limit of ${value} (${limit})`, {
    limit,
  })
}

function malformed(position: number, what: string, cause?: unknown): LayerError {
  return new LayerError('ERR_LAYER_TAR', `Malformed skeleton: line ${quoted(String(position))} ${what}`, {
    cause,
  })
}
