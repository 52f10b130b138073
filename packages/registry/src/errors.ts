/**
 * The one error class of this package.
 *
 * @module
 */

/**
 * Codes a {@link RegistryError} can carry. The set is public API: adding a code is a minor release, renaming or
 * removing one is a major release.
 */
export type RegistryErrorCode =
  /** 401: the registry wants to know who asks, and anonymous is not enough. */
  | 'ERR_REGISTRY_UNAUTHORIZED'
  /** 403: known, and not allowed. */
  | 'ERR_REGISTRY_DENIED'
  /** 404: no such repository, manifest, blob or upload. */
  | 'ERR_REGISTRY_NOT_FOUND'
  /** 429, still after the retries. */
  | 'ERR_REGISTRY_RATE_LIMITED'
  /** 413: the registry has a smaller limit. */
  | 'ERR_REGISTRY_TOO_LARGE'
  /** Any other 4xx. */
  | 'ERR_REGISTRY_REJECTED'
  /** 5xx, still after the retries. */
  | 'ERR_REGISTRY_SERVER'
  /** No connection, or it broke, still after the retries. */
  | 'ERR_REGISTRY_CONNECTION'
  /** Too slow: connecting, the first byte, between two bytes, or in all. */
  | 'ERR_REGISTRY_TIMEOUT'
  /** The reply is not what the distribution-spec says: a missing or repeated header, a page that is not JSON. */
  | 'ERR_REGISTRY_RESPONSE'
  /** A guard stopped us: a redirect, a token realm, an upload location or a page link that leads where it must not. */
  | 'ERR_REGISTRY_REFUSED'
  /** The reply is larger than this client accepts, or has no end. */
  | 'ERR_REGISTRY_LIMIT'
  /** Valid, but not implemented here, such as schema 1 manifests. */
  | 'ERR_REGISTRY_UNSUPPORTED'
  /** A file of certificates cannot be read, or is not what it should be. */
  | 'ERR_REGISTRY_SETTINGS'
  /** A credential file, or a credential helper, that cannot be read or is malformed. */
  | 'ERR_REGISTRY_CREDENTIALS'
  /** A server cannot listen: port in use, no permission, no such address. */
  | 'ERR_REGISTRY_LISTEN'

/** One entry of the error body of the distribution-spec, "Error Codes". Everything in it comes from the registry. */
export interface SpecError {
  readonly code: string
  readonly message: string
  readonly detail?: unknown
}

/** The request that failed. */
export interface RequestSummary {
  readonly method: string
  /** Without user info, and without the values of the query, which may be signatures. */
  readonly url: string
}

/** Facts a {@link RegistryError} carries beside its message. */
export interface RegistryErrorOptions extends ErrorOptions {
  readonly status?: number
  readonly errors?: readonly SpecError[]
  readonly request?: RequestSummary
}

/**
 * The only error this package throws on purpose. Bytes that are not what a descriptor says are the `DigestError` of
 * `@varve/digest`.
 *
 * Branch on `code`, never on `message`. No message, field or cause holds a credential.
 */
export class RegistryError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'RegistryError' })
  }

  readonly code: RegistryErrorCode
  /** Status of the reply, where there was one. */
  readonly status: number | undefined
  /** The registry's own words, empty when its body held none. */
  readonly errors: readonly SpecError[]
  readonly request: RequestSummary | undefined

  constructor(code: RegistryErrorCode, message: string, options: RegistryErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.status = options.status
    this.errors = options.errors ?? []
    this.request = options.request
  }
}
