/**
 * Uploads in parts: nothing is visible before the last request, which is sent when all bytes are proven.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import type { PutOutcome } from '../blob-store.ts'
import { kindOf, wasRetried } from './failure.ts'
import type { Limit } from './limit.ts'
import type { Objects } from './objects.ts'
import type { PartHasher } from './part-digest.ts'
import type { Part } from './parts.ts'
import { bodyOf } from './small.ts'

/** How uploads are made. */
export interface MultipartSettings {
  readonly objects: Objects
  /** Parts on their way, of all uploads of a store. */
  readonly lines: Limit
  readonly hashPart: PartHasher
  /** Whether the last request may be made under a condition. */
  readonly isConditional: () => boolean
}

/** Where the parts go, and whether they may replace something. */
export interface MultipartTarget {
  readonly key: string
  readonly overwrite: boolean
  readonly signal?: AbortSignal | undefined
}

/** The upload is lost to somebody else who was at the key: its parts have to be sent again. */
export class UploadConflict extends Error {}

/** Names an upload to the server. */
interface Upload {
  readonly Bucket: string
  readonly Key: string
  readonly UploadId: unknown
}

interface SentPart {
  readonly PartNumber: number
  readonly ETag: unknown
}

/**
 * Uploads the parts, each while the next one is collected, and makes them an object.
 *
 * @throws {UploadConflict}
 */
export async function uploadParts(
  settings: MultipartSettings,
  parts: AsyncIterable<Part>,
  target: MultipartTarget,
): Promise<PutOutcome> {
  const { objects } = settings
  const place = { Bucket: objects.bucket, Key: target.key }
  const created = await objects.send(
    { operation: 'CreateMultipartUpload', input: place },
    withSignal(target.signal),
  )
  const upload: Upload = { ...place, UploadId: created.output['UploadId'] }
  try {
    const { sent, size } = await sendParts(settings, upload, parts, target.signal)
    return await complete(settings, upload, sent, size, target)
  } catch (error) {
    await abort(objects, upload)
    throw error
  }
}

async function sendParts(
  { objects, lines, hashPart }: MultipartSettings,
  upload: Upload,
  parts: AsyncIterable<Part>,
  signal: AbortSignal | undefined,
): Promise<{ readonly sent: readonly SentPart[]; readonly size: number }> {
  const stop = new AbortController()
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const sending: Promise<SentPart>[] = []
  let failure: { readonly error: unknown } | undefined
  let size = 0
  const send = async (PartNumber: number, { bytes }: Part): Promise<SentPart> => {
    const body = bodyOf(bytes, await hashPart(bytes))
    const call = { operation: 'UploadPart', input: { ...upload, PartNumber }, body } as const
    const { output } = await objects.send(call, { signal: stopped })
    return { PartNumber, ETag: output['ETag'] }
  }
  try {
    for await (const part of parts) {
      // A turn is taken with the part in hand, never while the source is waited for: other uploads may feed from it.
      const leave = await lines.enter(stopped)
      size += part.bytes.byteLength
      const sent = send(sending.length + 1, part).finally(() => {
        part.release()
        leave()
      })
      sent.catch((error: unknown) => {
        failure ??= { error: kindOf(error) === 'absent' ? new UploadConflict('An upload vanished') : error }
        stop.abort(failure.error)
      })
      sending.push(sent)
    }
    return { sent: await Promise.all(sending), size }
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(sending)
    throw failure === undefined ? error : failure.error
  }
}

async function complete(
  { objects, isConditional }: MultipartSettings,
  upload: Upload,
  Parts: readonly SentPart[],
  size: number,
  { key, overwrite, signal }: MultipartTarget,
): Promise<PutOutcome> {
  const condition = !overwrite && isConditional() ? { IfNoneMatch: '*' } : {}
  const input = { ...upload, MultipartUpload: { Parts }, ...condition }
  try {
    await objects.send({ operation: 'CompleteMultipartUpload', input }, withSignal(signal))
    return 'stored'
  } catch (error) {
    const kind = kindOf(error)
    if (kind === 'conflict') throw new UploadConflict('Another writer was at the key', { cause: error })
    if (kind === 'condition') {
      await abort(objects, upload)
      return 'existed'
    }
    if (kind !== 'absent' && kind !== 'transient') throw error
    // An earlier try may have come through, and its answer been lost: the object decides.
    const found = await objects.head(key, withSignal(signal))
    if (found?.size === size) return 'stored'
    throw kind === 'absent' && !wasRetried(error)
      ? new UploadConflict('An upload vanished', { cause: error })
      : error
  }
}

/** Best effort: a rule of the bucket, or a sweep, takes away what is left. */
async function abort(objects: Objects, upload: Upload): Promise<void> {
  try {
    await objects.send({ operation: 'AbortMultipartUpload', input: { ...upload } }, { once: true })
  } catch {
    // It is gone already, or stays.
  }
}
