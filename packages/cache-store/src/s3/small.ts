/**
 * Small objects: read and written whole, and never written blindly twice.
 *
 * @module
 */
import { DigestError, digestOf, hexOf, withSignal } from '@varve/digest'
import type { StoreOptions } from '../blob-store.ts'
import { joined } from '../chunks.ts'
import type { RequestBody, ResponseBody } from './attempt.ts'
import { classify, errorOf, kindOf, wasRetried } from './failure.ts'
import type { Condition, Objects, ObjectStatus } from './objects.ts'

/** A small object. */
export interface SmallObject extends ObjectStatus {
  readonly bytes: Uint8Array
}

/** Times that a small object may be cut off in its middle. */
const CUTS = 3

/** Bytes as a body, signed. */
export function bodyOf(bytes: Uint8Array, sha256: string = hexOf(digestOf(bytes))): RequestBody {
  return { size: bytes.byteLength, sha256, source: bytes }
}

/** All of a body; it is not read on after `limit` bytes. */
export async function collected(body: ResponseBody, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  await body.pump((chunk) => {
    size += chunk.byteLength
    if (size > limit)
      throw new DigestError('ERR_DIGEST_LIMIT', `More than ${limit} bytes`, { expected: limit, actual: size })
    chunks.push(chunk)
  })
  return joined(chunks)
}

/** All of an object, if it has at most `limit` bytes; a bigger one is as good as none. */
export async function readSmall(
  objects: Objects,
  key: string,
  limit: number,
  { signal }: StoreOptions = {},
): Promise<SmallObject | undefined> {
  for (let tried = 1; ; tried += 1) {
    const object = await objects.open(key, 0, undefined, withSignal(signal))
    if (object === undefined) return undefined
    if (object.size > limit) {
      object.body.discard()
      return undefined
    }
    try {
      const bytes = await collected(object.body, limit)
      if (bytes.byteLength === object.size) return { ...object, bytes }
    } catch (error) {
      signal?.throwIfAborted()
      if (tried === CUTS)
        throw errorOf(classify(error, 'GetObject'), error, {
          operation: 'GetObject',
          path: key,
          tries: tried,
        })
    }
    if (tried === CUTS) return undefined
  }
}

/**
 * Writes bytes that nobody else writes, and gives the tag; `undefined` if the condition does not hold.
 *
 * If it does not hold on a second try, the first one may have come through and its answer been lost: the object
 * decides.
 */
export async function writeOwn(
  objects: Objects,
  key: string,
  bytes: Uint8Array,
  condition: Condition,
  options: StoreOptions = {},
): Promise<string | undefined> {
  try {
    return await objects.write(key, bodyOf(bytes), condition, options)
  } catch (error) {
    const kind = kindOf(error)
    if ((kind !== 'condition' && kind !== 'absent') || !wasRetried(error)) throw error
    const found = await readSmall(objects, key, bytes.byteLength, options)
    return found && Buffer.compare(found.bytes, bytes) === 0 ? found.tag : undefined
  }
}
