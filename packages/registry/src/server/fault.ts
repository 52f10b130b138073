/**
 * Refusals in the words of the distribution-spec, "Error Codes".
 *
 * @module
 */
import type { SpecError } from '../errors.ts'

/** Codes this registry answers with; the last three are those of the Docker registry for what the spec leaves open. */
export type FaultCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNSUPPORTED'
  | 'PAGINATION_NUMBER_INVALID'
  | 'TAG_INVALID'
  | 'UNKNOWN'

/** Facts of a {@link Fault} beside its status and code. */
export interface FaultOptions extends ErrorOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly detail?: unknown
  /** Several errors at once, instead of the one made of code, message and detail. */
  readonly errors?: readonly SpecError[]
}

/** Thrown by an endpoint to end a request; never leaves the handler. */
export class Fault extends Error {
  readonly status: number
  readonly errors: readonly SpecError[]
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options)
    this.status = status
    const { detail } = options
    this.errors = options.errors ?? [{ code, message, ...(detail === undefined ? {} : { detail }) }]
    this.headers = options.headers ?? {}
  }
}

/** The reply for a fault. The body is JSON also for HEAD; the transport leaves it out. */
export function faultResponse(fault: Fault): Response {
  const body = new TextEncoder().encode(JSON.stringify({ errors: fault.errors }))
  return new Response(body, {
    status: fault.status,
    headers: {
      ...fault.headers,
      'Content-Type': 'application/json',
      'Content-Length': String(body.byteLength),
    },
  })
}

/** The store has no room, or cannot be written now. */
export function storeTakesNothing(cause?: unknown): Fault {
  const headers = { 'Retry-After': '30' }
  return new Fault(503, 'UNKNOWN', 'The store takes nothing at the moment', { headers, cause })
}
