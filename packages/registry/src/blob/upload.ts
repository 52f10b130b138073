/**
 * The bytes of an upload: distribution-spec, "Pushing a blob monolithically" and "in chunks".
 *
 * A blob goes in one PUT. Where that does not do, because the connection breaks or the registry says so, it goes on in
 * chunks from what the registry has kept, which is asked for and not assumed: registries keep all, a part or nothing of
 * a body that broke, and some acknowledge chunks that they have put in the wrong place.
 *
 * @module
 */
import { type ByteSource, type Descriptor, readAll } from '@varve/digest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { appendQuery } from '../http/location.ts'
import { backOff, sleep } from '../http/retry.ts'
import { assertDigest, type Span } from './holder.ts'
import { SMALLEST_CHUNK } from './options.ts'
import { createOutgoing } from './outgoing.ts'
import { createPatience } from './patience.ts'
import { hasBlob } from './pull.ts'
import {
  askSession,
  cancelSession,
  isResumePoint,
  movedSession,
  startSession,
  type UploadSession,
  uploadOffset,
} from './session.ts'

/** 204 to a PUT is success on old registries; 201 to a PATCH is one registry's way to say 202. */
const ACCEPTED: readonly number[] = [201, 202, 204]
/** What a chunk may be answered that still leaves a way on. */
const REFUSED: readonly number[] = [400, 404, 409, 413, 416]
/** Refusals in a row without a byte of progress, until the session is given up, and the upload. */
const RESTART_AFTER = 3
const MAX_REFUSALS = 8
/** Bytes sent in all, as a multiple of the blob: a registry that keeps a byte of each chunk would go on for ever. */
const MAX_SPENT = 8

/**
 * Sends a blob, beginning with a session if there is one. Ends the session where it fails.
 *
 * @throws {DigestError} if the source, or what the registry has made of it, is not the descriptor's.
 */
export async function uploadBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  source: ByteSource,
  begun: UploadSession | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { digest, size } = descriptor
  const patience = createPatience(endpoint.exchange.retryAt(endpoint.host.origin), 0)
  const outgoing = createOutgoing(endpoint, descriptor, source)
  let session = begun
  let { chunkBytes } = endpoint.transfer
  let isChunked = size > endpoint.transfer.monolithicBytes
  let refusals = 0
  let best = 0

  try {
    // There will be no body to check this one by.
    if (size === 0) await readAll(outgoing.part({ start: 0, end: 0 }).open(), 0)
    while (!(await sendNext())) continue
  } catch (error) {
    if (session !== undefined) await cancelSession(endpoint, session)
    throw error
  }

  /** Sends as much as one request takes, and tells whether that was all. */
  async function sendNext(): Promise<boolean> {
    if (outgoing.spent > size * MAX_SPENT) {
      throw new RegistryError('ERR_REGISTRY_LIMIT', `Sent ${outgoing.spent} bytes of a blob of ${size}`)
    }
    session ??= await startSession(endpoint, descriptor, signal)
    isChunked ||= size > session.maximumChunk
    const span = isChunked ? chunkOf(session) : { start: session.offset, end: size }
    const seen: { refusal?: FollowedResponse } = {}
    let response: FollowedResponse
    try {
      response = await send(session, span, (refusal) => (seen.refusal = refusal))
    } catch (error) {
      const { refusal } = seen
      if (error instanceof RegistryError && refusal !== undefined && REFUSED.includes(refusal.status)) {
        return onRefusal(session, span, refusal, error)
      }
      await patience.after(error, session.offset, signal)
      // A reply tells that the connection is good enough.
      isChunked ||= error instanceof RegistryError && error.status === undefined
      session = await askSession(endpoint, session, outgoing.sent, signal)
      return settle()
    }
    await response.discard()
    const isLast = span.end === size
    if (isLast && response.status !== 202) {
      assertDigest(descriptor, response.headers)
      return true
    }
    session = movedSession(endpoint, session, response, uploadOffset(response, outgoing.sent) ?? span.end)
    if (isLast || session.offset !== span.end) countRefusal(undefined)
    return settle()
  }

  function chunkOf({ offset, minimumChunk, maximumChunk }: UploadSession): Span {
    const bytes = Math.min(Math.max(chunkBytes, minimumChunk), maximumChunk)
    return { start: offset, end: Math.min(offset + bytes, size) }
  }

  function send(
    { location }: UploadSession,
    span: Span,
    see: (refusal: FollowedResponse) => void,
  ): Promise<FollowedResponse> {
    const isLast = span.end === size
    const isWhole = span.start === 0 && isLast
    const range =
      isWhole || span.start === span.end ? {} : { 'content-range': `${span.start}-${span.end - 1}` }
    return sendTo(endpoint, {
      method: isLast ? 'PUT' : 'PATCH',
      target: isLast ? appendQuery(location, 'digest', digest) : location,
      access: 'push',
      headers: { 'content-type': 'application/octet-stream', ...range },
      body: outgoing.part(span),
      expect: ACCEPTED,
      onRefusal: see,
      lane: 'upload',
      retry: false,
      signal,
    })
  }

  async function onRefusal(
    from: UploadSession,
    span: Span,
    response: FollowedResponse,
    failure: RegistryError,
  ): Promise<boolean> {
    const { status } = response
    const isLast = span.end === size
    const offset = isResumePoint(response) ? uploadOffset(response, outgoing.sent) : undefined
    const isAnswerable = [404, 413, 416].includes(status) || offset !== undefined
    // Some registries have taken the blob with its last chunk, and refuse to hear of it again.
    if (isLast && status !== 413 && (await hasBlob(endpoint, descriptor, signal))) return true
    if (!isAnswerable || size === 0) throw size === 0 ? refusedEmpty(endpoint, failure) : failure
    countRefusal(failure)
    if (status === 413 && isChunked) {
      chunkBytes = Math.floor((span.end - span.start) / 2)
      if (chunkBytes < Math.max(SMALLEST_CHUNK, from.minimumChunk)) throw failure
    }
    isChunked ||= status !== 404
    if (status === 404) session = undefined
    else if (refusals === 1 && offset !== undefined) session = movedSession(endpoint, from, response, offset)
    else session = await reconsider(from)
    return settle()
  }

  /** What to do with a session that refuses the same bytes again: it may still write those of a broken connection. */
  async function reconsider(from: UploadSession): Promise<UploadSession | undefined> {
    if (refusals > 1) await sleep(backOff(refusals - 2), signal)
    if (refusals <= RESTART_AFTER) return askSession(endpoint, from, outgoing.sent, signal)
    await cancelSession(endpoint, from)
    return undefined
  }

  /** Drops a session that cannot be gone on with, and tells whether the blob is there after all. */
  async function settle(): Promise<boolean> {
    if (session !== undefined && session.offset <= outgoing.sent) {
      if (session.offset > best) refusals = 0
      best = Math.max(best, session.offset)
      return false
    }
    // It holds bytes that were never sent: somebody else's, or ours twice.
    if (session !== undefined) await cancelSession(endpoint, session)
    session = undefined
    return hasBlob(endpoint, descriptor, signal)
  }

  function countRefusal(failure: RegistryError | undefined): void {
    refusals += 1
    if (refusals <= MAX_REFUSALS) return
    throw (
      failure ??
      new RegistryError('ERR_REGISTRY_RESPONSE', 'The registry takes chunks and does not keep them')
    )
  }
}

/** Some registries take no empty blobs, and say so in words of their own. */
function refusedEmpty({ host }: Endpoint, cause: RegistryError): RegistryError {
  const message = `${host.name} refused an empty blob, which some registries never take`
  const { code, status, errors, request } = cause
  return new RegistryError(code, message, {
    cause,
    errors,
    ...(status === undefined ? {} : { status }),
    ...(request === undefined ? {} : { request }),
  })
}
