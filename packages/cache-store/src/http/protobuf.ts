/**
 * As much of the protocol buffers wire format as one small message needs.
 *
 * https://protobuf.dev/programming-guides/encoding/
 *
 * @module
 */
import { joined } from '../chunks.ts'

/** One field as it lies in a message: a number, or bytes that are a view of the message. */
export interface Field {
  readonly number: number
  /** Bytes of a length-delimited field; `undefined` for the others. */
  readonly bytes?: Uint8Array
  /** Value of a varint, exact below 2^53; `undefined` for the others. */
  readonly value?: number
}

const VARINT = 0
const FIXED_64 = 1
const LENGTH_DELIMITED = 2
const FIXED_32 = 5

/** The longest varint, one of 64 bits. */
const MAX_VARINT = 10

/** A record of {@link MAX_RECORD} bytes names far fewer outputs; a message of tiny fields is there to keep us busy. */
const MAX_FIELDS = 100_000

/** A varint field. Zero is the default of proto3 and takes no bytes. */
export function varintField(number: number, value: number): Uint8Array {
  return value === 0 ? new Uint8Array() : joined([varint(number * 8 + VARINT), varint(value)])
}

/** A length-delimited field: bytes, a string in UTF-8 or a message. */
export function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  return joined([varint(number * 8 + LENGTH_DELIMITED), varint(bytes.byteLength), bytes])
}

/** The fields of a message in their order, or `undefined` if it is none, or has too many. */
export function readFields(message: Uint8Array): Field[] | undefined {
  const fields: Field[] = []
  for (let at = 0; at < message.byteLength;) {
    const tag = readVarint(message, at)
    if (tag === undefined || fields.length === MAX_FIELDS) return undefined
    const number = Math.floor(tag.value / 8)
    if (number === 0) return undefined
    const read = readValue(message, tag.end, tag.value % 8)
    if (read === undefined) return undefined
    fields.push({ number, ...read.content })
    at = read.end
  }
  return fields
}

/** What follows a tag. Groups, which nobody has used for a decade, are no fields. */
function readValue(
  message: Uint8Array,
  at: number,
  wireType: number,
): { readonly content: Omit<Field, 'number'>; readonly end: number } | undefined {
  switch (wireType) {
    case VARINT: {
      const read = readVarint(message, at)
      return read && { content: { value: read.value }, end: read.end }
    }
    case LENGTH_DELIMITED: {
      const length = readVarint(message, at)
      if (length === undefined || length.value > message.byteLength - length.end) return undefined
      const end = length.end + length.value
      return { content: { bytes: message.subarray(length.end, end) }, end }
    }
    case FIXED_64:
    case FIXED_32: {
      const end = at + (wireType === FIXED_64 ? 8 : 4)
      return end > message.byteLength ? undefined : { content: {}, end }
    }
    default:
      return undefined
  }
}

/** Reads up to 64 bits; large ones lose their last bits, but never become small. */
function readVarint(
  message: Uint8Array,
  start: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let length = 0; length < MAX_VARINT; length += 1) {
    const byte = message[start + length]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * length)
    if (byte < 0x80) return { value, end: start + length + 1 }
  }
  return undefined
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}
