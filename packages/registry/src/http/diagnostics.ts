/**
 * Requests on `node:diagnostics_channel`, for tracing and metrics. Free while nobody has subscribed.
 *
 * @module
 */
import { channel } from 'node:diagnostics_channel'
import { redactUrl } from './redact.ts'
import type { TransportResponse } from './transport.ts'

/** A message on the channel `varve:registry:request`: one HTTP exchange, also each hop of a redirect and each retry. */
export interface RequestDiagnostic {
  readonly method: string
  /** Without user info, and without the values of the query. */
  readonly url: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Until the headers of the reply, in milliseconds. */
  readonly durationMs: number
  /** Status of the reply; `undefined` if there was none. */
  readonly status: number | undefined
  /** `code` or name of what went wrong, if there was no reply. */
  readonly error: string | undefined
}

const requests = channel('varve:registry:request')

/** Runs an exchange, and tells subscribers of it. */
export async function observed(
  { method, url }: { readonly method: string; readonly url: string },
  send: () => Promise<TransportResponse>,
): Promise<TransportResponse> {
  if (!requests.hasSubscribers) return send()
  const startedAt = Date.now()
  const started = performance.now()
  const publish = (status: number | undefined, error: string | undefined): void => {
    const durationMs = performance.now() - started
    const message: RequestDiagnostic = { method, url: redactUrl(url), startedAt, durationMs, status, error }
    requests.publish(message)
  }
  try {
    const response = await send()
    publish(response.status, undefined)
    return response
  } catch (error) {
    publish(undefined, nameOf(error))
    throw error
  }
}

/** Not the error itself: whatever a transport puts into it. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
