/**
 * From a reply, or the lack of one, to an error with a code.
 *
 * @module
 */
import { DigestError, readAll } from '@varve/digest'
import {
  RegistryError,
  type RegistryErrorCode,
  type RegistryErrorOptions,
  type RequestSummary,
  type SpecError,
} from '../errors.ts'
import { singleHeader } from './reply-headers.ts'
import { parseRetryAfter, retryable } from './retry.ts'
import type { TransportResponse } from './transport.ts'

const MAX_BODY = 64 * 1024
const MAX_ERRORS = 32
const MAX_TEXT = 1024

const BY_STATUS: ReadonlyMap<number, RegistryErrorCode> = new Map<number, RegistryErrorCode>([
  [401, 'ERR_REGISTRY_UNAUTHORIZED'],
  [403, 'ERR_REGISTRY_DENIED'],
  [404, 'ERR_REGISTRY_NOT_FOUND'],
  [408, 'ERR_REGISTRY_TIMEOUT'],
  [413, 'ERR_REGISTRY_TOO_LARGE'],
  [429, 'ERR_REGISTRY_RATE_LIMITED'],
])

/** 499 and 522 are what proxies say when the other side is slow. */
const RETRYABLE: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 522])

const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])

/** Nothing that passes by itself: a name that does not exist, and certificates. */
const PERMANENT =
  /^(?:ENOTFOUND$|CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_|UND_ERR_INVALID_ARG|UND_ERR_NOT_SUPPORTED)/

/**
 * The error for a reply of an unwanted status. Reads the body, at most 64 KiB of it; an HTML page or nothing at all
 * is as good as a list of errors.
 */
export async function replyFailure(
  response: TransportResponse,
  request: RequestSummary,
): Promise<RegistryError> {
  const { status } = response
  const errors = await readErrors(response)
  const [first] = errors
  const said = first === undefined ? '' : `: ${first.code} ${JSON.stringify(first.message)}`
  const code = BY_STATUS.get(status) ?? (status >= 500 ? 'ERR_REGISTRY_SERVER' : 'ERR_REGISTRY_REJECTED')
  const options: RegistryErrorOptions = { status, errors, request }
  const message = `${request.method} ${request.url} was answered ${status}${said}`
  const error = new RegistryError(status < 400 ? 'ERR_REGISTRY_RESPONSE' : code, message, options)
  if (!RETRYABLE.has(status)) return error
  return retryable(error, parseRetryAfter(singleHeader(response.headers, 'retry-after')))
}

/** The error for an exchange that broke. Errors of ours, and of the body's own source, come back as they are. */
export function connectionFailure(cause: unknown, request: RequestSummary): unknown {
  if (cause instanceof RegistryError || cause instanceof DigestError) return cause
  const code = codeOf(cause)
  const late = TIMEOUTS.has(code) || (cause instanceof Error && cause.name === 'TimeoutError')
  const message = `${request.method} ${request.url} ${late ? 'took too long' : 'lost its connection'}`
  const error = new RegistryError(late ? 'ERR_REGISTRY_TIMEOUT' : 'ERR_REGISTRY_CONNECTION', message, {
    cause,
    request,
  })
  return PERMANENT.test(code) ? error : retryable(error)
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

async function readErrors(response: TransportResponse): Promise<SpecError[]> {
  try {
    const bytes = await readAll(response.body, MAX_BODY)
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const list = isObject(document) ? document['errors'] : undefined
    return Array.isArray(list) ? list.slice(0, MAX_ERRORS).flatMap(readError) : []
  } catch {
    // The status is the fact; whatever is wrong with its explanation must not hide it.
    return []
  } finally {
    await response.discard()
  }
}

function readError(value: unknown): SpecError[] {
  if (!isObject(value) || typeof value['code'] !== 'string') return []
  const message = typeof value['message'] === 'string' ? value['message'].slice(0, MAX_TEXT) : ''
  const { detail } = value
  return [{ code: value['code'].slice(0, MAX_TEXT), message, ...(detail === undefined ? {} : { detail }) }]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
