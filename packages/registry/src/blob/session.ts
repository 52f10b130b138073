/**
 * Upload sessions: distribution-spec, "Pushing blobs".
 *
 * Its location is opaque, may lead to another host, and changes with every reply; the latest one counts.
 *
 * @module
 */
import { algorithmOf, type Descriptor } from '@varve/digest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { resolveLocation } from '../http/location.ts'
import { singleHeader } from '../http/reply-headers.ts'
import { SMALLEST_CHUNK } from './options.ts'

/** A session, as of the last reply. */
export interface UploadSession {
  readonly location: string
  /** Bytes that the registry has. */
  readonly offset: number
  /** Bounds of chunks, where the registry has named them. */
  readonly minimumChunk: number
  readonly maximumChunk: number
}

const CANCEL_TIMEOUT_MS = 2000

/** Begins a session. */
export async function startSession(
  endpoint: Endpoint,
  { digest }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<UploadSession> {
  const algorithm = algorithmOf(digest)
  const response = await sendTo(endpoint, {
    method: 'POST',
    target: algorithm === 'sha256' ? 'blobs/uploads/' : `blobs/uploads/?digest-algorithm=${algorithm}`,
    access: 'push',
    expect: [202],
    signal,
  })
  await response.discard()
  return newSession(endpoint, response)
}

/** The session that a 202 to a POST has begun. */
export function newSession(endpoint: Endpoint, response: FollowedResponse): UploadSession {
  const location = locationOf(endpoint, response)
  if (location === undefined) {
    throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The registry began an upload without a location')
  }
  const minimumChunk = byteCount(response, 'oci-chunk-min-length') ?? 0
  const maximumChunk = byteCount(response, 'oci-chunk-max-length') ?? Infinity
  return {
    location,
    offset: 0,
    minimumChunk,
    maximumChunk: Math.max(maximumChunk, SMALLEST_CHUNK, minimumChunk),
  }
}

/** The session after a reply. Where the reply does not say how far it is, `offset` is. */
export function movedSession(
  endpoint: Endpoint,
  session: UploadSession,
  response: FollowedResponse,
  offset: number,
): UploadSession {
  return { ...session, location: locationOf(endpoint, response) ?? session.location, offset }
}

/** Asks how far a session is. One of which the registry cannot say that is ended, and `undefined`. */
export async function askSession(
  endpoint: Endpoint,
  session: UploadSession,
  sent: number,
  signal: AbortSignal | undefined,
): Promise<UploadSession | undefined> {
  const response = await sendTo(endpoint, {
    method: 'GET',
    target: session.location,
    access: 'push',
    expect: [200, 204, 400, 404, 405, 410, 416],
    signal,
  })
  await response.discard()
  const { status } = response
  const offset = status === 200 || status === 204 ? uploadOffset(response, sent) : undefined
  if (offset !== undefined) return movedSession(endpoint, session, response, offset)
  if (status !== 404 && status !== 410) await cancelSession(endpoint, session)
  return undefined
}

/** Ends a session. Best effort: one that is not cancelled expires. The caller's signal may be why we are here. */
export async function cancelSession(endpoint: Endpoint, { location }: UploadSession): Promise<void> {
  try {
    const response = await sendTo(endpoint, {
      method: 'DELETE',
      target: location,
      access: 'push',
      expect: [200, 202, 204, 404],
      retry: false,
      signal: AbortSignal.timeout(CANCEL_TIMEOUT_MS),
    })
    await response.discard()
  } catch {
    // The upload's own error is the one to report.
  }
}

/**
 * Bytes that the registry has, by the `Range` of its reply.
 *
 * An empty upload is `0-0` to some and `0--1` to others, so `0-0` is one byte only if exactly one was `sent`.
 */
export function uploadOffset(response: FollowedResponse, sent: number): number | undefined {
  const range = singleHeader(response.headers, 'range') ?? ''
  const [, text] = /^(?:bytes[= ])?0-(-1|\d{1,15})$/.exec(range) ?? []
  if (text === undefined) return undefined
  const last = Number(text)
  return last === 0 && sent !== 1 ? 0 : last + 1
}

/** Whether a reply says where to go on: both headers, whatever its status. */
export function isResumePoint(response: FollowedResponse): boolean {
  return response.headers.has('location') && response.headers.has('range')
}

function locationOf(endpoint: Endpoint, response: FollowedResponse): string | undefined {
  const header = singleHeader(response.headers, 'location')
  if (header === undefined) return undefined
  const location = resolveLocation(response.url, header)
  endpoint.exchange.hosts.assertTarget(location, response.url, endpoint.host.origin)
  return location
}

function byteCount(response: FollowedResponse, name: string): number | undefined {
  const value = singleHeader(response.headers, name) ?? ''
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
