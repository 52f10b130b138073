/**
 * Blobs from a registry: distribution-spec, "Pulling blobs" and "Checking if content exists in the registry".
 *
 * @module
 */
import { type ByteSource, type Descriptor, type OpenOptions, verifiedSource } from '@varve/digest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { download, type Reading } from './download.ts'
import { assertDescribed, holdersOf, type Span } from './holder.ts'
import { downloadParts } from './parts.ts'
import { notePresence } from './presence.ts'

/** Whether the repository has a blob. Also notices one of another size. */
export async function hasBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<boolean> {
  const response = await sendTo(endpoint, {
    method: 'HEAD',
    target: `blobs/${descriptor.digest}`,
    access: 'pull',
    expect: [200, 404],
    signal,
  })
  await response.discard()
  const isThere = response.status !== 404
  if (isThere) assertDescribed(descriptor, response.headers)
  notePresence(endpoint, descriptor.digest, isThere)
  return isThere
}

/**
 * The bytes of a blob, verified where it is read as a whole. The first endpoint is asked first; where it fails, the next
 * one goes on. Each read is a request or more, and holds slots of the client for blobs until it ends.
 */
export function blobSource(endpoints: readonly Endpoint[], descriptor: Descriptor): ByteSource {
  const { size } = descriptor
  const [holder, ...others] = holdersOf(endpoints, descriptor)
  if (holder === undefined) throw new TypeError('A blob is read from somewhere')
  const bytes: ByteSource = {
    size,
    open({ start = 0, end = size, signal }: OpenOptions = {}) {
      const reading: Reading = { descriptor, holder, others: [...others], ignoresRanges: false, surplus: 0 }
      return read(holder.endpoint, reading, { start, end: Math.min(end, size) }, signal)
    },
  }
  return verifiedSource(bytes, descriptor)
}

async function* read(
  endpoint: Endpoint,
  reading: Reading,
  span: Span,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const { parallelBytes, parallelParts } = endpoint.transfer
  const isLarge = parallelParts > 1 && span.end - span.start >= parallelBytes
  const bytes = isLarge
    ? downloadParts(reading, span, endpoint.transfer, signal)
    : download(reading, span, span.end, signal)
  const { digest, size } = reading.descriptor
  let position = span.start
  for await (const chunk of bytes) {
    position += chunk.byteLength
    endpoint.onProgress?.({ kind: 'blob', direction: 'pull', digest, bytes: position, size })
    yield chunk
  }
  if (span.start === 0 && position === size) await noteHolder(reading)
}

/** Remembers who has sent a whole blob. */
async function noteHolder({ descriptor, holder }: Reading): Promise<void> {
  const { endpoint, url } = holder
  if (url !== undefined) return
  const { locations, host, repository } = endpoint
  await locations?.add(descriptor.digest, { registry: host.name, repository })
}
