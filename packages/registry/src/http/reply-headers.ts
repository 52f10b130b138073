/**
 * Reading the headers of a reply without trusting them.
 *
 * @module
 */
import { type Digest, isDigest } from '@varve/digest'
import { RegistryError } from '../errors.ts'
import type { TransportHeaders } from './transport.ts'

/**
 * A header that may come once. Two `Location`s or two digests mean that somebody between us and the registry will
 * read the other one.
 *
 * @throws {RegistryError} `ERR_REGISTRY_RESPONSE` if it is repeated.
 */
export function singleHeader(headers: TransportHeaders, name: string): string | undefined {
  const values = headers.get(name) ?? []
  if (values.length <= 1) return values[0]
  throw new RegistryError('ERR_REGISTRY_RESPONSE', `The reply repeats its ${name} header`)
}

/** `Content-Length`, or `undefined` if the body is delimited otherwise. */
export function contentLength(headers: TransportHeaders): number | undefined {
  const value = singleHeader(headers, 'content-length')
  if (value === undefined) return undefined
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw new RegistryError(
    'ERR_REGISTRY_RESPONSE',
    `Not a content length: ${JSON.stringify(value.slice(0, 80))}`,
  )
}

/** The media type, without parameters, in lower case. */
export function contentType(headers: TransportHeaders): string | undefined {
  const value = singleHeader(headers, 'content-type')
  return value?.split(';', 1)[0]?.trim().toLowerCase() || undefined
}

/** `Docker-Content-Digest`, where it is there and of an algorithm that we know. */
export function contentDigest(headers: TransportHeaders): Digest | undefined {
  const value = singleHeader(headers, 'docker-content-digest')
  return isDigest(value) ? value : undefined
}

/** `Content-Range: bytes <first>-<last>/<size or *>`: RFC 9110 §14.4. */
export function contentRange(
  headers: TransportHeaders,
): { readonly start: number; readonly end: number; readonly size: number | undefined } | undefined {
  const value = singleHeader(headers, 'content-range') ?? ''
  const [, first, last, size] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(value) ?? []
  if (first === undefined || last === undefined || size === undefined) return undefined
  return { start: Number(first), end: Number(last) + 1, size: size === '*' ? undefined : Number(size) }
}
