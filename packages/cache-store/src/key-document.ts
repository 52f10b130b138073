/**
 * Key documents: what a step's result depends on, spelled out, in one canonical encoding.
 *
 * The digest of the encoding is the cache key, and the document is stored beside the record, so that a miss can be
 * explained. The encoding is bencode (BEP 3, "bencoding"): every string and every name carries its length, so no
 * bytes can move from one field into another and leave the key as it was.
 *
 * @module
 */
import { type Digest, digestOf } from '@varve/digest'
import { joined } from './chunks.ts'
import { CacheStoreError } from './errors.ts'
import { bytesOfText, compareBytes, textOfBytes } from './text-bytes.ts'

/** Text, a list, or named values. Numbers and booleans are written as text by whoever makes the document. */
export type KeyValue = string | readonly KeyValue[] | { readonly [name: string]: KeyValue }

/** The part of a key document that the key is made of. */
export interface KeyContent {
  /** Version of the encoding and of the meaning of the fields. */
  readonly kv: 1
  /** What sort of key this is, such as `run` or `copy`. */
  readonly kind: string
  /** Never holds the value of a secret: the document is stored, and may be shared. */
  readonly fields: Readonly<Record<string, KeyValue>>
}

/** A key document with the place it belongs to. */
export interface KeyDocument extends KeyContent {
  /** The slot, such as `Dockerfile:5 RUN`: for people, and no part of the key. */
  readonly step: string
}

/** Deepest nesting of values below `fields`. */
const MAX_DEPTH = 32
/** Largest encoding in bytes; a COPY of a hundred thousand files needs about ten million. */
export const MAX_KEY_DOCUMENT: number = 64 * 1024 * 1024

const encoder = new TextEncoder()

const COLON = 0x3a
const END = 0x65
const DICTIONARY = 0x64
const LIST = 0x6c

/**
 * The canonical bytes of a document, without its `step`.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_KEY` if it is nested or large beyond the limits.
 * @throws {TypeError} if a value is neither text, list nor object.
 */
export function encodeKeyDocument(document: KeyContent): Uint8Array {
  const { kind, fields } = document
  const parts: Uint8Array[] = []
  // By hand: `kv` is a number in the encoding, and the names are in order of bytes.
  parts.push(ascii('d6:fields'))
  encodeValue(fields, 0, parts)
  parts.push(ascii('4:kind'))
  encodeValue(kind, 0, parts)
  parts.push(ascii('2:kvi1ee'))
  const bytes = joined(parts)
  if (bytes.byteLength > MAX_KEY_DOCUMENT) throw refused(`has ${bytes.byteLength} bytes`)
  return bytes
}

/** The cache key of a document: the sha256 of its encoding. */
export function keyOf(document: KeyContent): Digest {
  return digestOf(encodeKeyDocument(document))
}

/**
 * The document of these bytes. Objects in it have no prototype, whatever names the bytes hold.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_KEY` unless they are exactly what {@link encodeKeyDocument} writes.
 */
export function decodeKeyDocument(bytes: Uint8Array): KeyContent {
  if (bytes.byteLength > MAX_KEY_DOCUMENT) throw refused(`has ${bytes.byteLength} bytes`)
  const cursor: Cursor = { bytes, at: 0 }
  take(cursor, 'd6:fields')
  const fields = decodeValue(cursor, 0)
  if (typeof fields === 'string' || isList(fields)) throw refused('has fields that are no dictionary')
  take(cursor, '4:kind')
  const kind = decodeText(cursor)
  take(cursor, '2:kvi1ee')
  if (cursor.at !== bytes.byteLength) throw refused('goes on after its end')
  return { kv: 1, kind, fields }
}

/** Tells lists from dictionaries, which `Array.isArray` cannot for read-only ones. */
export function isList(value: KeyValue): value is readonly KeyValue[] {
  return Array.isArray(value)
}

function encodeValue(value: KeyValue, depth: number, parts: Uint8Array[]): void {
  if (depth > MAX_DEPTH) throw refused(`is nested more than ${MAX_DEPTH} deep`)
  if (typeof value === 'string') {
    encodeBytes(bytesOfText(value), parts)
    return
  }
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`Not a key value: ${JSON.stringify(value)}`)
  if (isList(value)) {
    parts.push(ascii('l'))
    for (const item of value) encodeValue(item, depth + 1, parts)
  } else {
    parts.push(ascii('d'))
    const members = Object.entries(value).map(([name, member]) => ({ name: bytesOfText(name), member }))
    for (const { name, member } of members.toSorted((a, b) => compareBytes(a.name, b.name))) {
      encodeBytes(name, parts)
      encodeValue(member, depth + 1, parts)
    }
  }
  parts.push(ascii('e'))
}

function encodeBytes(bytes: Uint8Array, parts: Uint8Array[]): void {
  parts.push(ascii(`${bytes.byteLength}:`), bytes)
}

/** Where reading stands; beyond the end every byte is `undefined` and matches nothing. */
interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

function decodeValue(cursor: Cursor, depth: number): KeyValue {
  if (depth > MAX_DEPTH) throw refused(`is nested more than ${MAX_DEPTH} deep`)
  switch (cursor.bytes[cursor.at]) {
    case LIST: {
      cursor.at += 1
      const items: KeyValue[] = []
      while (!ended(cursor)) items.push(decodeValue(cursor, depth + 1))
      return items
    }
    case DICTIONARY: {
      cursor.at += 1
      return decodeMembers(cursor, depth)
    }
    default:
      return decodeText(cursor)
  }
}

function decodeMembers(cursor: Cursor, depth: number): KeyValue {
  const members = Object.create(null) as Record<string, KeyValue>
  let last: Uint8Array | undefined
  while (!ended(cursor)) {
    const name = decodeBytes(cursor)
    if (last !== undefined && compareBytes(last, name) >= 0) throw refused('has names out of order')
    last = name
    members[toText(name)] = decodeValue(cursor, depth + 1)
  }
  return members
}

function decodeText(cursor: Cursor): string {
  return toText(decodeBytes(cursor))
}

function decodeBytes(cursor: Cursor): Uint8Array {
  const start = cursor.at
  let length = 0
  for (; ; cursor.at += 1) {
    const byte = cursor.bytes[cursor.at]
    if (byte === COLON) break
    if (byte === undefined || byte < 0x30 || byte > 0x39) throw refused(`has no value at byte ${start}`)
    length = length * 10 + byte - 0x30
    // A second digit after a zero is another spelling of the same number; the bound keeps numbers exact.
    if ((cursor.at > start && cursor.bytes[start] === 0x30) || length > MAX_KEY_DOCUMENT) {
      throw refused(`has a bad length at byte ${start}`)
    }
  }
  if (cursor.at === start) throw refused(`has no length at byte ${start}`)
  const from = cursor.at + 1
  if (from + length > cursor.bytes.byteLength) throw refused('ends in the middle of a text')
  cursor.at = from + length
  return cursor.bytes.subarray(from, cursor.at)
}

function ended(cursor: Cursor): boolean {
  if (cursor.bytes[cursor.at] !== END) return false
  cursor.at += 1
  return true
}

function take(cursor: Cursor, literal: string): void {
  const expected = ascii(literal)
  const found = cursor.bytes.subarray(cursor.at, cursor.at + expected.byteLength)
  if (compareBytes(found, expected) !== 0)
    throw refused(`lacks ${JSON.stringify(literal)} at byte ${cursor.at}`)
  cursor.at += expected.byteLength
}

function toText(bytes: Uint8Array): string {
  try {
    return textOfBytes(bytes)
  } catch (cause) {
    throw new CacheStoreError('ERR_CACHE_STORE_KEY', 'The key document has a text that is not UTF-8', {
      cause,
    })
  }
}

function ascii(text: string): Uint8Array {
  return encoder.encode(text)
}

function refused(what: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_KEY', `The key document ${what}`)
}
