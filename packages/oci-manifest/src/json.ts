/**
 * Strict JSON: one reading of the bytes, the same in every language.
 *
 * `JSON.parse` keeps the last of two equal keys, rounds numbers and accepts what other parsers refuse or repair. A
 * document with a digest must not mean two things, so whatever could be read in two ways is an error here: RFC 8259
 * with the restrictions of RFC 7493 (I-JSON), and a limit on everything.
 *
 * @module
 */
import { invalid, OciManifestError } from './errors.ts'

/** A number as it was written; documents with a digest must not have theirs rounded. */
export class JsonNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** An object, keys in the order of the text. A map, so that no key means anything to the runtime. */
export type JsonObject = ReadonlyMap<string, JsonValue>

/** What {@link parseJson} gives. */
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject

/** Limits of a parse. */
export interface JsonLimits {
  /** Bytes. Default 8 MiB. */
  readonly maxBytes?: number
  /** Levels of arrays and objects. Default 64. */
  readonly maxDepth?: number
}

/** The default of {@link JsonLimits}; twice what registries must accept. */
export const MAX_DOCUMENT_BYTES: number = 8 * 1024 * 1024

const MAX_DEPTH = 64
const MAX_NUMBER = 256
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/
const SURROGATE = /\p{Cs}/u
const LITERALS: ReadonlyMap<string, readonly [text: string, value: null | boolean]> = new Map([
  ['n', ['null', null]],
  ['t', ['true', true]],
  ['f', ['false', false]],
])

/** A parse in progress. */
interface Cursor {
  readonly text: string
  readonly maxDepth: number
  /** Keys and positions that lead to the value being read. */
  readonly path: (string | number)[]
  position: number
}

/**
 * Reads a JSON text.
 *
 * Refused besides what is not JSON: a byte order mark, bytes after the value, bad UTF-8, lone surrogates, an object
 * with the same key twice.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` or `ERR_OCI_MANIFEST_LIMIT`
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonValue {
  const { maxBytes = MAX_DOCUMENT_BYTES, maxDepth = MAX_DEPTH } = limits
  if (bytes.byteLength > maxBytes) {
    throw new OciManifestError(
      'ERR_OCI_MANIFEST_LIMIT',
      `A document of ${bytes.byteLength} bytes; ${maxBytes} are allowed`,
    )
  }
  const cursor: Cursor = { text: decode(bytes), maxDepth, path: [], position: 0 }
  const value = readValue(cursor)
  skipSpace(cursor)
  if (cursor.position < cursor.text.length) throw malformed(cursor, 'Something follows the JSON value')
  return value
}

/** Extends a place by a key, as `at` of an error shows it. */
export function memberAt(at: string, key: string): string {
  if (!/^[A-Za-z_][\w.]{0,79}$/.test(key))
    return `${at}[${JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key)}]`
  return at === '' ? key : `${at}.${key}`
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw invalid('', 'The document is not UTF-8', { cause })
  }
}

function readValue(cursor: Cursor): JsonValue {
  skipSpace(cursor)
  const first = cursor.text[cursor.position]
  if (first === '"') return readString(cursor)
  if (first === '{') return nested(cursor, readObject)
  if (first === '[') return nested(cursor, readArray)
  if (first === undefined) throw malformed(cursor, 'The document ends too early')
  const literal = LITERALS.get(first)
  if (literal === undefined) return readNumber(cursor)
  const [text, value] = literal
  if (!cursor.text.startsWith(text, cursor.position)) throw malformed(cursor, 'Not a JSON value')
  cursor.position += text.length
  return value
}

function nested<T>(cursor: Cursor, read: (cursor: Cursor) => T): T {
  if (cursor.path.length >= cursor.maxDepth) {
    throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `More than ${cursor.maxDepth} levels of JSON`, {
      at: placeOf(cursor),
    })
  }
  cursor.position += 1
  return read(cursor)
}

function readObject(cursor: Cursor): JsonObject {
  const object = new Map<string, JsonValue>()
  if (accepts(cursor, '}')) return object
  do {
    skipSpace(cursor)
    if (cursor.text[cursor.position] !== '"') throw malformed(cursor, 'Expected a key')
    const key = readString(cursor)
    cursor.path.push(key)
    if (object.has(key)) throw malformed(cursor, 'The same key twice')
    if (!accepts(cursor, ':')) throw malformed(cursor, 'Expected a colon')
    object.set(key, readValue(cursor))
    cursor.path.pop()
  } while (accepts(cursor, ','))
  if (!accepts(cursor, '}')) throw malformed(cursor, 'Expected a comma or the end of the object')
  return object
}

function readArray(cursor: Cursor): readonly JsonValue[] {
  const array: JsonValue[] = []
  if (accepts(cursor, ']')) return array
  do {
    cursor.path.push(array.length)
    array.push(readValue(cursor))
    cursor.path.pop()
  } while (accepts(cursor, ','))
  if (!accepts(cursor, ']')) throw malformed(cursor, 'Expected a comma or the end of the array')
  return array
}

function readString(cursor: Cursor): string {
  const { text } = cursor
  const start = cursor.position
  let escaped = false
  let end = start + 1
  for (; ; end += 1) {
    const code = text.charCodeAt(end)
    // NaN, past the end, fails every comparison.
    if (!(code >= 0x20)) throw malformed(cursor, 'A control character in a string, or no end of it')
    if (code === 0x22) break
    if (code === 0x5c) {
      escaped = true
      end += 1
    }
  }
  cursor.position = end + 1
  return escaped ? unescaped(cursor, text.slice(start, end + 1)) : text.slice(start + 1, end)
}

function unescaped(cursor: Cursor, literal: string): string {
  let value: string
  try {
    value = JSON.parse(literal) as string
  } catch (cause) {
    throw malformed(cursor, 'A bad escape in a string', cause)
  }
  // Go puts U+FFFD in its place, JavaScript keeps it: two readings.
  if (SURROGATE.test(value)) throw malformed(cursor, 'Half a surrogate pair in a string')
  return value
}

function readNumber(cursor: Cursor): JsonNumber {
  const start = cursor.position
  let end = start
  while (end - start <= MAX_NUMBER && '+-.0123456789eE'.includes(cursor.text[end] ?? ' ')) end += 1
  const text = cursor.text.slice(start, end)
  if (text.length > MAX_NUMBER || !NUMBER.test(text)) throw malformed(cursor, 'Not a JSON value')
  cursor.position = end
  return new JsonNumber(text)
}

function accepts(cursor: Cursor, character: string): boolean {
  skipSpace(cursor)
  if (cursor.text[cursor.position] !== character) return false
  cursor.position += 1
  return true
}

function skipSpace(cursor: Cursor): void {
  for (;;) {
    const code = cursor.text.charCodeAt(cursor.position)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
    cursor.position += 1
  }
}

function malformed(cursor: Cursor, what: string, cause?: unknown): OciManifestError {
  return invalid(
    placeOf(cursor),
    `${what}, at character ${cursor.position}`,
    cause === undefined ? {} : { cause },
  )
}

function placeOf(cursor: Cursor): string {
  let at = ''
  for (const step of cursor.path) at = typeof step === 'number' ? `${at}[${step}]` : memberAt(at, step)
  return at
}
