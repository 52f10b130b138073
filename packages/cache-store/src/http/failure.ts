/**
 * From a reply, or the lack of one, to an error with a code.
 *
 * @module
 */
import { CacheStoreError, type CacheStoreErrorCode } from '../errors.ts'
import { parseRetryAfter, Transient } from './retry.ts'
import type { HttpReply } from './transport.ts'

/** Replies of a server, or of something before it, that is overloaded or ill for now. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524])

/** Certificates that do not convince, whoever they belong to: tls_verify of OpenSSL, and Node's own. */
const UNTRUSTED =
  /^(?:CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/

/** The two sides speak different protocols, or have no version of TLS in common. */
const NO_TLS = /^(?:EPROTO$|ERR_SSL_|ERR_TLS_)/

/** What to do about it, by status. */
const HINTS: ReadonlyMap<number, string> = new Map([
  [401, 'Give credentials that the server accepts'],
  [407, 'Something between here and the server asks for credentials; proxies are not supported'],
  [400, 'The url may lead to something else than a cache of this protocol'],
  [404, 'The url may lack a prefix, or lead to something else than a cache'],
  [405, 'The url may lead to something else than a cache of this protocol'],
])

/** The error for a status that is no answer to this request. */
export function statusFailure(reply: HttpReply, request: string): CacheStoreError | Transient {
  const { status, headers } = reply
  const isPassing = PASSING.has(status)
  const isRedirect = status >= 300 && status < 400
  const hint = isRedirect
    ? 'Redirects are not followed: give the url that the server redirects to'
    : HINTS.get(status)
  const early = reply.isSent ? '' : ' before all of it was sent'
  const error = new CacheStoreError(codeFor(status), `${request} was answered ${status}${early}`, {
    status,
    ...(hint === undefined ? {} : { hint }),
  })
  return isPassing ? new Transient(error, parseRetryAfter(headers['retry-after'])) : error
}

function codeFor(status: number): CacheStoreErrorCode {
  if (status === 401 || status === 407) return 'ERR_CACHE_STORE_DENIED'
  // A server that answers before it was asked in full may yet be one; one that redirects or refuses is none of ours.
  return status >= 500 || status < 300 || PASSING.has(status)
    ? 'ERR_CACHE_STORE_UNAVAILABLE'
    : 'ERR_CACHE_STORE_CONFIG'
}

/** The error for an exchange that broke. Errors of ours come back as they are. */
export function connectionFailure(cause: unknown, request: string): CacheStoreError | Transient {
  if (cause instanceof CacheStoreError) return cause
  const code = codeOf(cause)
  const config = (what: string, hint: string): CacheStoreError =>
    new CacheStoreError('ERR_CACHE_STORE_CONFIG', `${request} failed: ${what}`, { cause, hint })
  if (UNTRUSTED.test(code)) {
    return config('the certificate of the server is not trusted', 'Give the authority that signed it as ca')
  }
  if (NO_TLS.test(code)) {
    return config('there is no TLS connection', 'The server may speak http, or want a certificate of ours')
  }
  if (code === 'HPE_INVALID_CONSTANT') {
    return config('the answer is not HTTP', 'The server may speak https, or another protocol')
  }
  const isUnknown = code === 'ENOTFOUND'
  const what = isUnknown
    ? 'found no such host'
    : code === 'ETIMEDOUT'
      ? 'took too long'
      : 'lost its connection'
  const error = new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', `${request} ${what}`, { cause })
  return isUnknown ? error : new Transient(error)
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}
