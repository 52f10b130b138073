/**
 * Uploads that were begun and never completed: their parts take room, and are in no list of objects.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { kindOf } from './failure.ts'
import type { Keys } from './keys.ts'
import type { Objects } from './objects.ts'

/** No upload takes a day. */
const ABANDONED_MS = 86_400_000

/** Where the next page of a list of uploads begins. */
interface Marker {
  readonly KeyMarker?: unknown
  readonly UploadIdMarker?: unknown
}

/** Ends uploads to this store that were begun a day ago, and tells how many; none where that is not allowed. */
export async function abortUploads(
  { objects, keys }: { readonly objects: Objects; readonly keys: Keys },
  dryRun: boolean,
  signal: AbortSignal | undefined,
): Promise<number> {
  const options = withSignal(signal)
  let count = 0
  try {
    for (let marker: Marker | undefined = {}; marker !== undefined;) {
      const input: object = { Bucket: objects.bucket, Prefix: keys.root, ...marker }
      const { output, now } = await objects.send(
        { operation: 'ListMultipartUploads', input: { ...input } },
        options,
      )
      for (const { Key, UploadId, Initiated } of uploadsFrom(output['Uploads'])) {
        const isOurs = typeof Key === 'string' && Key.startsWith(keys.root)
        if (!isOurs || !(Initiated instanceof Date) || now - Initiated.getTime() < ABANDONED_MS) continue
        const upload = { Bucket: objects.bucket, Key, UploadId }
        if (!dryRun) await objects.send({ operation: 'AbortMultipartUpload', input: upload }, options)
        count += 1
      }
      const next = { KeyMarker: output['NextKeyMarker'], UploadIdMarker: output['NextUploadIdMarker'] }
      const isLast = output['IsTruncated'] !== true || next.KeyMarker === undefined
      marker = isLast || JSON.stringify(next) === JSON.stringify(marker) ? undefined : next
    }
  } catch (error) {
    // Somebody else has ended one; or a server, or a right, that is not there.
    const kind = kindOf(error)
    if (kind !== 'absent' && kind !== 'denied' && kind !== 'unsupported') throw error
  }
  return count
}

function uploadsFrom(value: unknown): ReadonlyArray<Readonly<Record<string, unknown>>> {
  return Array.isArray(value) ? (value as ReadonlyArray<Readonly<Record<string, unknown>>>) : []
}
