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
import { DEFAULT_LIMITS } from './limits.ts'
import { parseWithoutSecrets } from './redact.ts'
import { parseRetryAfter, retryable } from './retry.ts'
import type { TransportResponse } from './transport.ts'
import { TunnelError } from './tunnel.ts'

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

/** 499 and 520 to 524 are what proxies say when the other side is slow or away. */
const RETRYABLE: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524])

/** Nothing that passes by itself: a name that does not exist, certificates, a request that cannot be sent at all. */
const PERMANENT =
  /^(?:ENOTFOUND$|EPROTO$|CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_|ERR_INVALID_REQUEST$|ERR_TRANSPORT_CLOSED$)/

/** What an error reply is read with. */
export interface FailureOptions {
  /** Default 64 KiB. */
  readonly maxBytes?: number
  /** The `Authorization` that was sent: a reply that quotes it is cut. */
  readonly authorization?: string | undefined
}

/**
 * The error for a reply of an unwanted status. Reads the body, but not all of a long one; an HTML page or nothing at
 * all is as good as a list of errors.
 */
export async function replyFailure(
  response: TransportResponse,
  request: RequestSummary,
  options: FailureOptions = {},
): Promise<RegistryError> {
  const { status } = response
  const errors = await readErrors(response, options)
  const [first] = errors
  const said = first === undefined ? '' : `: ${JSON.stringify(first.code)} ${JSON.stringify(first.message)}`
  const code = BY_STATUS.get(status) ?? (status >= 500 ? 'ERR_REGISTRY_SERVER' : 'ERR_REGISTRY_REJECTED')
  const facts: RegistryErrorOptions = { status, errors, request }
  const message = `${request.method} ${request.url} was answered ${status}${said}`
  const error = new RegistryError(status < 400 ? 'ERR_REGISTRY_RESPONSE' : code, message, facts)
  if (!RETRYABLE.has(status)) return error
  const asksToWait = status === 429 || status === 503
  return retryable(error, asksToWait ? parseRetryAfter(firstHeader(response, 'retry-after')) : undefined)
}

/** The error for an exchange that broke. Errors of ours, and of the body's own source, come back as they are. */
export function connectionFailure(cause: unknown, request: RequestSummary): unknown {
  if (cause instanceof RegistryError || cause instanceof DigestError || cause instanceof TypeError)
    return cause
  const code = codeOf(cause)
  if (code === 'ERR_HTTP_CONTENT_LENGTH_MISMATCH') {
    const message = `The body of ${request.method} ${request.url} is not as long as its source said`
    return new DigestError('ERR_DIGEST_SIZE', message, { cause })
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const message = `The headers of the answer to ${request.method} ${request.url} are too long`
    return new RegistryError('ERR_REGISTRY_LIMIT', message, { cause, request })
  }
  const isOverdue = cause instanceof Error && cause.name === 'TimeoutError'
  const late = code === 'ETIMEDOUT' || isOverdue
  const message = `${request.method} ${request.url} ${late ? 'took too long' : 'lost its connection'}`
  const error = new RegistryError(late ? 'ERR_REGISTRY_TIMEOUT' : 'ERR_REGISTRY_CONNECTION', message, {
    cause,
    request,
  })
  const isRefused =
    PERMANENT.test(code) || (cause instanceof TunnelError && cause.status >= 400 && cause.status < 500)
  // Whoever takes all of the time that a request has would take it again.
  return isRefused || isOverdue ? error : retryable(error)
}

/** An answer that is an error already need not be well-formed. */
function firstHeader({ headers }: TransportResponse, name: string): string | undefined {
  return headers.get(name)?.[0]
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

async function readErrors(response: TransportResponse, options: FailureOptions): Promise<SpecError[]> {
  try {
    const bytes = await readAll(response.body, options.maxBytes ?? DEFAULT_LIMITS.errorBytes)
    const document = parseWithoutSecrets(new TextDecoder().decode(bytes), options.authorization)
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
