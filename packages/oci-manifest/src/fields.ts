/**
 * Typed access to the members of a JSON object, with the place for every error.
 *
 * `null` counts as absent wherever a member is optional, as Go's decoder has it.
 *
 * @module
 */
import { type Digest, DigestError, parseDigest } from '@varve/digest'
import { invalid, OciManifestError, quoted } from './errors.ts'
import { JsonNumber, type JsonObject, type JsonValue, memberAt } from './json.ts'

/** An object and where it was found. */
export interface Fields {
  readonly object: JsonObject
  readonly at: string
}

/** Text keyed by the outside world: a null-prototype object. */
export type TextMap = Readonly<Record<string, string>>

/** `T` with `undefined` where a property is optional. */
type Loose<T> = { [K in keyof T]: object extends Pick<T, K> ? T[K] | undefined : T[K] }

// Date-time of RFC 3339 §5.6; a fraction of any length, and `t`/`z` as Go refuses them.
const DATE_TIME = /^\d{4}-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/
const SAFE_INTEGER = /^(?:0|[1-9][0-9]{0,15})$/

/**
 * Views a value as an object that knows the keys `known`.
 *
 * Go's decoder matches keys without regard to case, so a key that differs from a known one in case only would be read
 * by some and not by others; it is refused. U+017F and U+212A fold to `s` and `k`.
 */
export function objectFields(value: JsonValue | undefined, at: string, known: readonly string[]): Fields {
  if (!(value instanceof Map)) throw invalid(at, 'Expected an object')
  const object = value as JsonObject
  const folded = new Set(known.map(foldCase))
  const exact = new Set(known)
  for (const key of object.keys()) {
    if (folded.has(foldCase(key)) && !exact.has(key)) {
      throw invalid(memberAt(at, key), 'A key that differs from a known one in case only')
    }
  }
  return { object, at }
}

/** A member, `undefined` if absent or `null`. */
export function member({ object }: Fields, key: string): JsonValue | undefined {
  return object.get(key) ?? undefined
}

export function placeOf({ at }: Fields, key: string): string {
  return memberAt(at, key)
}

export function optionalString(fields: Fields, key: string): string | undefined {
  const value = member(fields, key)
  if (value === undefined || typeof value === 'string') return value
  throw invalid(placeOf(fields, key), 'Expected a string')
}

export function requiredString(fields: Fields, key: string): string {
  const value = optionalString(fields, key)
  if (value === undefined) throw invalid(placeOf(fields, key), 'Missing')
  return value
}

export function optionalBoolean(fields: Fields, key: string): boolean | undefined {
  const value = member(fields, key)
  if (value === undefined || typeof value === 'boolean') return value
  throw invalid(placeOf(fields, key), 'Expected a boolean')
}

/** Digits without a leading zero, at most 2^53 - 1. */
export function optionalInteger(fields: Fields, key: string): number | undefined {
  const value = member(fields, key)
  if (value === undefined) return undefined
  const text = value instanceof JsonNumber ? value.text : ''
  if (!SAFE_INTEGER.test(text) || !Number.isSafeInteger(Number(text))) {
    throw invalid(placeOf(fields, key), 'Expected an integer from 0 to 9007199254740991')
  }
  return Number(text)
}

/** A date-time of RFC 3339. */
export function optionalTime(fields: Fields, key: string): string | undefined {
  const value = optionalString(fields, key)
  if (value !== undefined && !isTime(value))
    throw invalid(placeOf(fields, key), `Not RFC 3339: ${quoted(value)}`)
  return value
}

/** Whether `text` is a date-time of RFC 3339 §5.6, on a day that exists. */
export function isTime(text: string): boolean {
  const [, month = 0, day = 0, hour = 24, minute = 60, second = 60] = DATE_TIME.exec(text)?.map(Number) ?? []
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return false
  const days = new Date(Date.UTC(Number(text.slice(0, 4)), month, 0)).getUTCDate()
  return day >= 1 && day <= days
}

export function optionalStrings(fields: Fields, key: string): readonly string[] | undefined {
  return optionalArray(fields, key)?.map((value, index) => {
    if (typeof value === 'string') return value
    throw invalid(`${placeOf(fields, key)}[${index}]`, 'Expected a string')
  })
}

export function optionalArray(fields: Fields, key: string): readonly JsonValue[] | undefined {
  const value = member(fields, key)
  if (value === undefined || isArray(value)) return value
  throw invalid(placeOf(fields, key), 'Expected an array')
}

/** An array of at most `limit` members. */
export function requiredArray(fields: Fields, key: string, limit: number): readonly JsonValue[] {
  const array = optionalArray(fields, key)
  if (array === undefined) throw invalid(placeOf(fields, key), 'Missing')
  if (array.length <= limit) return array
  throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `${array.length} entries; ${limit} are allowed`, {
    at: placeOf(fields, key),
  })
}

/** Text by free key. A `null` is the empty text, as in Go. */
export function optionalTextMap(fields: Fields, key: string): TextMap | undefined {
  return optionalMap(fields, key, (value, at) => {
    if (value === null) return ''
    if (typeof value === 'string') return value
    throw invalid(at, 'Expected a string')
  })
}

/** A set by free key: Go's `map[string]struct{}`. */
export function optionalSet(fields: Fields, key: string): Readonly<Record<string, EmptyObject>> | undefined {
  return optionalMap(fields, key, (value, at) => {
    if (value === null || value instanceof Map) return {}
    throw invalid(at, 'Expected an empty object')
  })
}

/** The value of every member of a set. */
export type EmptyObject = Readonly<Record<string, never>>

/**
 * Validates a digest as part of a document.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_UNSUPPORTED` if it is well formed, but of another algorithm.
 */
export function digestAt(value: JsonValue | undefined, at: string): Digest {
  if (typeof value !== 'string') throw invalid(at, 'Expected a digest')
  try {
    return parseDigest(value)
  } catch (cause) {
    const unsupported = cause instanceof DigestError && cause.code === 'ERR_DIGEST_UNSUPPORTED'
    // image-spec v1.1.1, descriptor.md, "Digests".
    if (unsupported && /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(value)) {
      throw new OciManifestError('ERR_OCI_MANIFEST_UNSUPPORTED', `${cause.message}, at ${at}`, { at, cause })
    }
    throw invalid(at, `Not a digest: ${quoted(value)}`, { cause })
  }
}

/** Drops the properties that are `undefined`. */
export function present<T extends object>(properties: Loose<T>): T {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as T
}

function optionalMap<T>(
  fields: Fields,
  key: string,
  read: (value: JsonValue, at: string) => T,
): Readonly<Record<string, T>> | undefined {
  const value = member(fields, key)
  if (value === undefined) return undefined
  const at = placeOf(fields, key)
  const map = Object.create(null) as Record<string, T>
  for (const [name, each] of objectFields(value, at, []).object) map[name] = read(each, memberAt(at, name))
  return map
}

function foldCase(key: string): string {
  return key.toLowerCase().replaceAll('\u017f', 's')
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
