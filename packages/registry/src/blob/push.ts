/**
 * Blobs to a registry: distribution-spec, "Pushing blobs", POST then PUT.
 *
 * A PUT that broke leaves a session of which nobody knows how much it holds, so an upload begins again as a whole: the
 * old session is cancelled, and the registry asked whether it has the blob after all.
 *
 * @module
 */
import { algorithmOf, type ByteSource, type Descriptor, DigestError, verify, withSignal } from '@varve/digest'
import { hasBlob } from './pull.ts'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import { appendQuery, resolveLocation } from '../http/location.ts'
import { singleHeader } from '../http/reply-headers.ts'
import { withRetries } from '../http/retry.ts'

const CANCEL_TIMEOUT_MS = 5000

/** Pushes a blob unless it is there. The source is opened once an attempt, and checked as it is sent. */
export async function pushBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  source: ByteSource,
  signal?: AbortSignal,
): Promise<void> {
  assertSize(descriptor, source)
  const body = measured(endpoint, descriptor, source)
  await withRetries(
    endpoint.exchange.retry,
    async () => {
      if (await hasBlob(endpoint, descriptor, signal)) return
      await upload(endpoint, descriptor, body, signal)
    },
    signal,
  )
}

async function upload(
  endpoint: Endpoint,
  descriptor: Descriptor,
  body: ByteSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { digest } = descriptor
  const location = await startSession(endpoint, descriptor, signal)
  try {
    const response = await sendTo(endpoint, {
      method: 'PUT',
      target: appendQuery(location, 'digest', digest),
      access: 'push',
      headers: { 'content-type': 'application/octet-stream' },
      body,
      // Old registries end an upload with 204.
      expect: [201, 204],
      lane: 'blob',
      retry: false,
      signal,
    })
    await response.discard()
  } catch (error) {
    await cancelSession(endpoint, location)
    throw error
  }
}

/** Gives the location of a new session, where everything else happens. */
async function startSession(
  endpoint: Endpoint,
  { digest }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<string> {
  const algorithm = algorithmOf(digest)
  const response = await sendTo(endpoint, {
    method: 'POST',
    target: algorithm === 'sha256' ? 'blobs/uploads/' : `blobs/uploads/?digest-algorithm=${algorithm}`,
    access: 'push',
    expect: [202],
    signal,
  })
  await response.discard()
  const header = singleHeader(response.headers, 'location')
  if (header === undefined) {
    throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The registry began an upload without a location')
  }
  const location = resolveLocation(response.url, header)
  endpoint.exchange.hosts.assertTarget(location, response.url, endpoint.host.origin)
  return location
}

/** Best effort: a session that is not cancelled expires. The caller's signal may be why we are here. */
async function cancelSession(endpoint: Endpoint, location: string): Promise<void> {
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

/** What was said to be the blob, or an error before its last byte leaves: a registry must not be asked to find out. */
function measured(endpoint: Endpoint, descriptor: Descriptor, source: ByteSource): ByteSource {
  const { digest, size } = descriptor
  return {
    size,
    async *open(options = {}) {
      let bytes = 0
      for await (const chunk of verify(source.open(withSignal(options.signal)), descriptor)) {
        yield chunk
        bytes += chunk.byteLength
        endpoint.onProgress?.({ kind: 'blob', direction: 'push', digest, bytes, size })
      }
    },
  }
}

function assertSize({ digest, size }: Descriptor, source: ByteSource): void {
  if (source.size === undefined || source.size === size) return
  const message = `Expected ${size} bytes of ${digest}, the source has ${source.size}`
  throw new DigestError('ERR_DIGEST_SIZE', message, { expected: size, actual: source.size })
}
