/**
 * Bytes of a source on their way into a verified temporary file.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type ByteSource, type Digest, unverifiedSource, verify, withSignal } from '@varve/digest'
import { joined } from '../chunks.ts'
import { writing, writingLater } from './failure.ts'
import { writeTemporary } from './files.ts'
import type { Outlay } from './outlay.ts'
import { type Place, temporaryPath } from './place.ts'

/** Up to this size a blob is collected first and written by synchronous calls. */
const SMALL = 128 * 1024

/** A verified file that has no name yet. */
export interface Received {
  readonly path: string
  readonly size: number
}

/**
 * Writes what `source` gives to a temporary file, within what `outlay` can cover. The bytes are verified; on any failure
 * nothing is left behind.
 *
 * At most three chunks of a large blob are held: the one being written, the one being hashed, and the one withheld
 * until the end is proven.
 *
 * @throws {DigestError} `ERR_DIGEST_MISMATCH`, `ERR_DIGEST_SIZE`
 * @throws {CacheStoreError} `ERR_CACHE_STORE_FULL`, `ERR_CACHE_STORE_UNWRITABLE`
 */
export async function receive(
  place: Place,
  digest: Digest,
  source: ByteSource,
  outlay: Outlay,
  signal: AbortSignal | undefined,
): Promise<Received> {
  let held: Uint8Array[] = []
  let size = 0
  let file: TemporaryFile | undefined
  try {
    await outlay.cover(source.size ?? 0)
    for await (const chunk of verify(unverifiedSource(source).open(withSignal(signal)), {
      digest,
      size: source.size,
    })) {
      signal?.throwIfAborted()
      size += chunk.byteLength
      if (source.size === undefined) await outlay.cover(size)
      if (file === undefined) {
        held.push(chunk)
        if (size <= SMALL) continue
        file = await createTemporary(place)
        for (const each of held) await file.append(each)
        held = []
      } else {
        await file.append(chunk)
      }
    }
    signal?.throwIfAborted()
    return { path: file === undefined ? writeTemporary(place, joined(held)) : await file.finish(), size }
  } catch (error) {
    await file?.discard()
    throw error
  }
}

interface TemporaryFile {
  /** Waits for the chunk before and starts to write this one, so that writing and hashing overlap. */
  append(chunk: Uint8Array): Promise<void>
  finish(): Promise<string>
  discard(): Promise<void>
}

async function createTemporary(place: Place): Promise<TemporaryFile> {
  const path = temporaryPath(place)
  const handle = await writingLater(path, () => open(path, 'wx', 0o444))
  let pending: Promise<void> = Promise.resolve()
  let position = 0
  return {
    append: async (chunk) => {
      await writingLater(path, () => pending)
      pending = writeAll(handle, chunk, position)
      // A failure is met by whoever awaits it next; until then it must not count as unhandled.
      pending.catch(() => undefined)
      position += chunk.byteLength
    },
    finish: () =>
      writingLater(path, async () => {
        await pending
        if (place.durable) await handle.sync()
        await handle.close()
        return path
      }),
    discard: async () => {
      await pending.catch(() => undefined)
      await handle.close().catch(() => undefined)
      writing(path, () => rmSync(path, { force: true }))
    },
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength;) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.byteLength - done, position + done)
    done += bytesWritten
  }
}
