/**
 * Blobs to a registry: distribution-spec, "Pushing blobs". What is there is not sent, what is elsewhere in the registry
 * is mounted, and only the rest is uploaded.
 *
 * @module
 */
import { type ByteSource, type Descriptor, DigestError, unverifiedSource } from '@varve/digest'
import type { Endpoint } from '../endpoint.ts'
import { mountBlob } from './mount.ts'
import { notePresence, recentPresence } from './presence.ts'
import { hasBlob } from './pull.ts'
import { uploadBlob } from './upload.ts'

/** How to push one blob. */
export interface PushBlobOptions {
  /** Repositories of the same registry that may have the blob, the best first. */
  readonly mountFrom?: readonly string[]
  readonly signal?: AbortSignal
}

/** What a push turned out to be. */
export type PushOutcome = 'pushed' | 'existed' | 'mounted'

/**
 * Sees to it that the repository has a blob. The source is opened when and where bytes must be sent, and checked as they
 * are sent.
 */
export async function pushBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  source: ByteSource,
  { mountFrom = [], signal }: PushBlobOptions = {},
): Promise<PushOutcome> {
  assertSourceSize(descriptor, source)
  const outcome = await settleBlob(endpoint, descriptor, unverifiedSource(source), mountFrom, signal)
  const { digest } = descriptor
  notePresence(endpoint, digest, true)
  await endpoint.locations?.add(digest, { registry: endpoint.host.name, repository: endpoint.repository })
  return outcome
}

async function settleBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  source: ByteSource,
  mountFrom: readonly string[],
  signal: AbortSignal | undefined,
): Promise<PushOutcome> {
  const { digest, size } = descriptor
  const isThere = recentPresence(endpoint, digest) ?? (await hasBlob(endpoint, descriptor, signal))
  if (isThere) return 'existed'
  const { from, session } = await mountBlob(endpoint, descriptor, mountFrom, signal)
  if (from !== undefined) {
    endpoint.onProgress?.({ kind: 'mount', digest, from, size })
    return 'mounted'
  }
  await uploadBlob(endpoint, descriptor, source, session, signal)
  return 'pushed'
}

/** Known beforehand, so no request is made. */
function assertSourceSize({ digest, size }: Descriptor, source: ByteSource): void {
  if (source.size === undefined || source.size === size) return
  const message = `Expected ${size} bytes of ${digest}, the source has ${source.size}`
  throw new DigestError('ERR_DIGEST_SIZE', message, { expected: size, actual: source.size })
}
