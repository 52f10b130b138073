/**
 * Deterministic JSON: the order of keys is the order given.
 *
 * `JSON.stringify` puts integer-like keys first, whatever their order; a document whose digest matters cannot have
 * that.
 *
 * @module
 */
import { JsonNumber } from './json.ts'

/**
 * What {@link writeJson} takes. A property that is `undefined` is left out. Maps keep any key in place; a plain object
 * is for known keys and may not have integer-like ones.
 */
export type JsonInput =
  | null
  | boolean
  | string
  | number
  | JsonNumber
  | readonly JsonInput[]
  | ReadonlyMap<string, JsonInput>
  | { readonly [key: string]: JsonInput | undefined }

const INTEGER_LIKE = /^(?:0|[1-9][0-9]*)$/

/**
 * Writes UTF-8 without any space. The same value gives the same bytes.
 *
 * @throws {TypeError} on a number that is not a safe integer, a string that is not well formed, or a plain object with
 *   an integer-like key.
 */
export function writeJson(value: JsonInput): Uint8Array {
  return new TextEncoder().encode(format(value))
}

/** Data keyed by the outside world, ready to be written: sorted by code unit, in a map. */
export function sortedMap<T>(record: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return new Map(
    Object.keys(record)
      .toSorted(compareText)
      .map((key) => [key, record[key] as T]),
  )
}

/** Orders by code unit, the same in every locale; a comparator for `sort`. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function format(value: JsonInput): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return formatString(value)
  if (typeof value === 'number') return formatNumber(value)
  if (value instanceof JsonNumber) return value.text
  if (isArray(value)) return `[${value.map(format).join(',')}]`
  return `{${entriesOf(value).map(formatMember).join(',')}}`
}

function formatMember([key, value]: readonly [key: string, value: JsonInput]): string {
  return `${formatString(key)}:${format(value)}`
}

function formatString(text: string): string {
  if (/\p{Cs}/u.test(text)) throw new TypeError(`Not a well-formed string: ${JSON.stringify(text)}`)
  return JSON.stringify(text)
}

function formatNumber(number: number): string {
  if (!Number.isSafeInteger(number)) throw new TypeError(`Not a safe integer: ${number}`)
  return String(number)
}

function entriesOf(
  value: ReadonlyMap<string, JsonInput> | { readonly [key: string]: JsonInput | undefined },
): (readonly [string, JsonInput])[] {
  if (value instanceof Map) return [...(value as ReadonlyMap<string, JsonInput>)]
  const entries: (readonly [string, JsonInput])[] = []
  for (const [key, member] of Object.entries(value as { readonly [key: string]: JsonInput | undefined })) {
    if (INTEGER_LIKE.test(key))
      throw new TypeError(`A plain object cannot keep the key ${key} in place; use a Map`)
    if (member !== undefined) entries.push([key, member])
  }
  return entries
}

function isArray(value: object): value is readonly JsonInput[] {
  return Array.isArray(value)
}
