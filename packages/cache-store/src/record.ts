/**
 * Action records as bytes: canonical JSON, sealed together with the scope they were written for.
 *
 * @module
 */
import { type Algorithm, type Descriptor, type Digest, parseDigest } from '@varve/digest'
import type { ActionRecord, Scope } from './action-index.ts'
import { canonicalJson, type Json } from './canonical-json.ts'
import { CacheStoreError } from './errors.ts'
import { seal, unseal } from './seal.ts'
import type { Signature } from './trust.ts'

/** Largest sealed record, in bytes. */
export const MAX_RECORD: number = 4 * 1024 * 1024

const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512', 'blake3']

/**
 * The bytes of a record. Members that {@link ActionRecord} does not name are left out.
 *
 * @throws {TypeError} if it is not a record.
 * @throws {CacheStoreError} `ERR_CACHE_STORE_LIMIT` beyond {@link MAX_RECORD}.
 */
export function encodeRecord(record: ActionRecord, scope: Scope): Uint8Array {
  const sealed = seal(bytesOf(recordFrom(record), scope))
  if (sealed.byteLength > MAX_RECORD) {
    throw new CacheStoreError(
      'ERR_CACHE_STORE_LIMIT',
      `The record of ${record.key} has ${sealed.byteLength} bytes`,
    )
  }
  return sealed
}

/**
 * What a signature of a record covers: all of it but the signature, and its scope.
 *
 * @throws {TypeError} if it is not a record.
 */
export function signedBytes(record: ActionRecord, scope: Scope): Uint8Array {
  const { sig: _, ...rest } = recordFrom(record)
  return bytesOf(rest, scope)
}

/** The record, or `undefined` if the bytes are damaged or were written under another key or scope. */
export function decodeRecord(sealed: Uint8Array, key: Digest, scope: Scope): ActionRecord | undefined {
  const payload = sealed.byteLength > MAX_RECORD ? undefined : unseal(sealed)
  if (payload === undefined) return undefined
  try {
    const document = objectFrom(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)))
    const record = recordFrom(document['record'])
    return record.key === key && document['scope'] === scope ? record : undefined
  } catch {
    // Whatever is wrong with it, it is no answer.
    return undefined
  }
}

/** Whether two records say that the step produced the same. */
export function sameResult(a: ActionRecord, b: ActionRecord): boolean {
  return resultOf(a) === resultOf(b)
}

function bytesOf(record: ActionRecord, scope: Scope): Uint8Array {
  return new TextEncoder().encode(canonicalJson({ record: record as unknown as Json, scope }))
}

function resultOf({ outputs, diffIDs }: ActionRecord): string {
  return JSON.stringify([outputs.map(({ mediaType, digest, size }) => [mediaType, digest, size]), diffIDs])
}

function recordFrom(value: unknown): ActionRecord {
  const record = objectFrom(value)
  if (record['kv'] !== 1) throw new TypeError(`Not a version of records: ${JSON.stringify(record['kv'])}`)
  const createdAt = stringFrom(record['createdAt'])
  if (Number.isNaN(Date.parse(createdAt))) throw new TypeError(`Not a time: ${JSON.stringify(createdAt)}`)
  const durationMs = record['durationMs']
  if (typeof durationMs !== 'number' || !(durationMs >= 0 && durationMs < Infinity)) {
    throw new TypeError(`Not a duration: ${JSON.stringify(durationMs)}`)
  }
  return {
    kv: 1,
    key: digestFrom(record['key']),
    keyDoc: digestFrom(record['keyDoc']),
    outputs: listFrom(record['outputs']).map(descriptorFrom),
    diffIDs: listFrom(record['diffIDs']).map(digestFrom),
    createdAt,
    durationMs,
    builder: stringFrom(record['builder']),
    ...(record['aliasOf'] === undefined ? {} : { aliasOf: digestFrom(record['aliasOf']) }),
    ...(record['sig'] === undefined ? {} : { sig: signatureFrom(record['sig']) }),
  }
}

function signatureFrom(value: unknown): Signature {
  const { algorithm, keyId, value: signature } = objectFrom(value)
  return { algorithm: stringFrom(algorithm), keyId: stringFrom(keyId), value: stringFrom(signature) }
}

function descriptorFrom(value: unknown): Descriptor {
  const { mediaType, digest, size, annotations, artifactType, urls, data } = objectFrom(value)
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw new TypeError(`Not a size: ${JSON.stringify(size)}`)
  return {
    mediaType: stringFrom(mediaType),
    digest: digestFrom(digest),
    size: size as number,
    ...(annotations === undefined ? {} : { annotations: stringsFrom(annotations) }),
    ...(artifactType === undefined ? {} : { artifactType: stringFrom(artifactType) }),
    ...(urls === undefined ? {} : { urls: listFrom(urls).map(stringFrom) }),
    ...(data === undefined ? {} : { data: stringFrom(data) }),
  }
}

function stringsFrom(value: unknown): Record<string, string> {
  const strings = Object.create(null) as Record<string, string>
  for (const [name, member] of Object.entries(objectFrom(value))) strings[name] = stringFrom(member)
  return strings
}

function digestFrom(value: unknown): Digest {
  return parseDigest(stringFrom(value), ALGORITHMS)
}

function objectFrom(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new TypeError(`Not an object: ${JSON.stringify(value)}`)
}

function listFrom(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[]
  throw new TypeError(`Not a list: ${JSON.stringify(value)}`)
}

function stringFrom(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeError(`Not a string: ${JSON.stringify(value)}`)
}
