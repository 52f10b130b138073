/**
 * What went wrong with a request, and what that means to a store.
 *
 * @module
 */
import { CacheStoreError, type CacheStoreErrorCode } from '../errors.ts'

/** Kinds of failure that callers tell apart. */
export type FailureKind =
  /** The key is not there. */
  | 'absent'
  /** A condition did not hold. */
  | 'condition'
  /** Another writer was at it at the same time; nothing was changed. */
  | 'conflict'
  /** These credentials may not do this. */
  | 'denied'
  /** There are no credentials, or they are not valid. */
  | 'credentials'
  | 'bucket'
  | 'config'
  | 'clock'
  /** No room. */
  | 'full'
  /** A range that the object does not have. */
  | 'range'
  /** The server does not know the operation. */
  | 'unsupported'
  /** Worth another try. */
  | 'transient'
  /** Not worth one. */
  | 'refused'

/** What is known of a failed request. */
export interface Failure {
  readonly kind: FailureKind
  readonly status: number | undefined
  /** What the server asked us to wait. */
  readonly retryAfterMs: number | undefined
}

/** A failure after the last of several tries. */
interface FinalFailure extends Failure {
  readonly tries: number
}

const CODES: Readonly<
  Record<FailureKind, readonly [code: CacheStoreErrorCode, what: string, hint?: string]>
> = {
  absent: ['ERR_CACHE_STORE_MISSING', 'An object is not there'],
  condition: ['ERR_CACHE_STORE_BUSY', 'An object was changed by another writer'],
  conflict: ['ERR_CACHE_STORE_BUSY', 'Others keep writing the same object'],
  denied: [
    'ERR_CACHE_STORE_DENIED',
    'The S3 server denies access',
    'The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket and s3:AbortMultipartUpload',
  ],
  credentials: [
    'ERR_CACHE_STORE_DENIED',
    'The S3 server does not accept the credentials, or there are none',
    'Set credentials, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile; expired ones have to be renewed',
  ],
  bucket: [
    'ERR_CACHE_STORE_CONFIG',
    'The bucket does not exist',
    'Create it, or check its name, the endpoint and the region',
  ],
  config: [
    'ERR_CACHE_STORE_CONFIG',
    'This is not where the bucket is',
    'Check the region, the endpoint, path-style addressing and the name of the bucket',
  ],
  clock: [
    'ERR_CACHE_STORE_CLOCK',
    "This computer's clock is too far from the server's",
    'Set the clock, for example by NTP',
  ],
  full: ['ERR_CACHE_STORE_FULL', 'The S3 server has no room left'],
  range: ['ERR_CACHE_STORE_CORRUPT', 'An object is shorter than it was said to be'],
  unsupported: ['ERR_CACHE_STORE_UNAVAILABLE', 'The S3 server does not support an operation'],
  transient: ['ERR_CACHE_STORE_UNAVAILABLE', 'The S3 server does not answer, or answers with failures'],
  refused: ['ERR_CACHE_STORE_UNAVAILABLE', 'The S3 server refuses a request'],
}

/** By the code in the answer: Amazon S3 API Reference, "Error responses", and what other servers say. */
const BY_NAME: ReadonlyMap<string, FailureKind> = new Map(
  Object.entries({
    condition: ['PreconditionFailed', 'NotModified'],
    conflict: ['ConditionalRequestConflict', 'OperationAborted'],
    absent: ['NoSuchKey', 'NoSuchUpload', 'NoSuchVersion'],
    bucket: ['NoSuchBucket'],
    clock: ['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'],
    credentials: [
      'AuthFailure',
      'CredentialsProviderError',
      'ExpiredToken',
      'ExpiredTokenException',
      'InvalidAccessKeyId',
      'InvalidClientTokenId',
      'InvalidToken',
      'SignatureDoesNotMatch',
      'TokenProviderError',
      'TokenRefreshRequired',
      'UnrecognizedClientException',
      // versitygw, with 404.
      'XAdminUserNotFound',
    ],
    denied: ['AccessDenied', 'AllAccessDisabled', 'AccountProblem'],
    config: [
      'AuthorizationHeaderMalformed',
      'IllegalLocationConstraintException',
      'InvalidBucketName',
      'InvalidRegion',
      'PermanentRedirect',
      'TemporaryRedirect',
    ],
    full: ['EntityTooLarge', 'InsufficientStorage', 'QuotaExceeded', 'XMinioStorageFull'],
    range: ['InvalidRange'],
    unsupported: ['MethodNotAllowed', 'NotImplemented'],
    transient: [
      'BadDigest',
      'InternalError',
      'RequestTimeout',
      'ServiceUnavailable',
      'SlowDown',
      'Throttling',
      'TimeoutError',
      'XAmzContentSHA256Mismatch',
    ],
  } satisfies Partial<Record<FailureKind, readonly string[]>>).flatMap(([kind, names]) =>
    names.map((name) => [name, kind as FailureKind] as const),
  ),
)

/** By the status, for answers without a body, as those to HEAD are. */
const BY_STATUS: ReadonlyMap<number, FailureKind> = new Map([
  [301, 'config'],
  [302, 'config'],
  [304, 'condition'],
  [307, 'config'],
  [308, 'config'],
  [401, 'credentials'],
  [403, 'denied'],
  [404, 'absent'],
  [405, 'unsupported'],
  [408, 'transient'],
  [409, 'conflict'],
  [412, 'condition'],
  [413, 'full'],
  [416, 'range'],
  [429, 'transient'],
  [501, 'unsupported'],
  [507, 'full'],
])

/** Errors of Node that no second try makes better. */
const HOPELESS = /^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_INVALID_)/

const failures = new WeakMap<object, FinalFailure>()

/** The kind of an error that {@link errorOf} made; `undefined` for any other. */
export function kindOf(error: unknown): FailureKind | undefined {
  return typeof error === 'object' && error !== null ? failures.get(error)?.kind : undefined
}

/** Whether a try before the failed one may have come through. */
export function wasRetried(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (failures.get(error)?.tries ?? 0) > 1
}

/** What an error of the SDK, or of the network below it, means. */
export function classify(error: unknown, operation: string): Failure {
  const { name = '', code, $metadata, $response, message = '' } = (error ?? {}) as SdkError
  const status = $metadata?.httpStatusCode ?? $response?.statusCode
  const retryAfterMs = retryAfter($response?.headers?.['retry-after'])
  const kind = kindFrom(name, status, code, message)
  // A list of nothing is empty: it is the bucket that is not there, or no S3 server at all.
  return { kind: kind === 'absent' && operation === 'ListObjectsV2' ? 'bucket' : kind, status, retryAfterMs }
}

function kindFrom(
  name: string,
  status: number | undefined,
  code: string | undefined,
  message: string,
): FailureKind {
  const named = BY_NAME.get(name)
  if (named !== undefined) return named
  if (status !== undefined && status >= 500 && status !== 501 && status !== 507) return 'transient'
  if (status !== undefined && status >= 300) return BY_STATUS.get(status) ?? 'refused'
  // A status that is fine, with something in it that S3 does not say.
  if (status !== undefined || message.includes('Deserialization error')) return 'config'
  if (/region is missing|credential/i.test(message))
    return message.includes('egion') ? 'config' : 'credentials'
  // What has no code did not come from the network.
  return code === undefined || HOPELESS.test(code) ? 'refused' : 'transient'
}

interface SdkError {
  readonly name?: string
  readonly code?: string
  readonly message?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
  readonly $response?: { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> }
}

/** The typed form of a failure; {@link kindOf} tells its kind. */
export function errorOf(
  failure: Failure,
  cause: unknown,
  {
    operation,
    path,
    tries = 1,
  }: { readonly operation: string; readonly path?: string; readonly tries?: number },
): CacheStoreError {
  const [code, what, hint] = CODES[failure.kind]
  const error = new CacheStoreError(code, `${what} (${operation})`, {
    cause: harmless(cause),
    ...(hint !== undefined && { hint }),
    ...(failure.status !== undefined && { status: failure.status }),
    ...(path !== undefined && { path }),
  })
  failures.set(error, { ...failure, tries })
  return error
}

/**
 * An error of the service carries all that the answer said, and the answer to a wrong signature repeats what was
 * signed, session token included: only its name, its message and the number of the request are kept.
 */
function harmless(cause: unknown): unknown {
  const { name, message, $metadata } = (cause ?? {}) as SdkError
  if ($metadata === undefined) return cause
  const error = new Error(String(message).slice(0, 1000))
  if (name !== undefined)
    Object.defineProperty(error, 'name', { value: name.slice(0, 100), enumerable: false })
  return Object.assign(error, $metadata.requestId !== undefined && { requestId: $metadata.requestId })
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
