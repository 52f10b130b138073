/**
 * Archives made again from a skeleton and the contents of its files.
 *
 * @module
 */
import { type ByteSource, withSignal } from '@varve/digest'
import { LayerError, quoted } from '../errors.ts'
import { Crc64 } from './crc64.ts'
import type { TarContent, TarPart } from './split.ts'

/** Options of {@link joinTar}. */
export interface JoinOptions {
  readonly signal?: AbortSignal
}

/** Finds the bytes of a file; of a sparse one the whole file with its holes, which are not read. */
export type ContentLookup = (content: TarContent) => ByteSource | undefined | Promise<ByteSource | undefined>

/**
 * Makes the archive again that {@link splitTar} took apart: exactly its bytes.
 *
 * `contentOf` is asked for each content that is not empty, in the order of the archive. Contents are verified while they
 * pass: whoever needs to be sure must read to the end before a byte is trusted.
 *
 * @throws {LayerError} `ERR_LAYER_ENTRY` for a content that is not to be had; `ERR_LAYER_CHANGED` for one that is
 *   shorter, longer, or not what it was.
 */
export async function* joinTar(
  skeleton: AsyncIterable<TarPart> | Iterable<TarPart>,
  contentOf: ContentLookup,
  options: JoinOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { signal } = options
  signal?.throwIfAborted()
  for await (const part of skeleton) {
    signal?.throwIfAborted()
    if (part.type === 'literal') {
      if (part.bytes.byteLength > 0) yield part.bytes
    } else if (part.size > 0) {
      const source = await contentOf(part)
      if (source === undefined) {
        const { path } = part
        throw new LayerError('ERR_LAYER_ENTRY', `No content for ${quoted(path)}`, { path })
      }
      yield* verified(part, storedBytes(part, source, signal))
    }
  }
}

/** Reads what the archive stores of a file: all of it, or the pieces between the holes. */
async function* storedBytes(
  { path, sparse }: TarContent,
  source: ByteSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  if (sparse === undefined) {
    yield* source.open(withSignal(signal))
    return
  }
  for (let index = 0; index < sparse.length; index += 2) {
    const start = sparse[index]!
    let left = sparse[index + 1]!
    // An empty piece says where a file with a hole at its end ends.
    if (left === 0) continue
    for await (const chunk of source.open({ start, end: start + left, ...withSignal(signal) })) {
      left -= chunk.byteLength
      yield chunk
    }
    if (left !== 0) throw changed(path, 'has not the bytes that were stored of it')
  }
}

async function* verified(
  { path, size, crc64 }: TarContent,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const checksum = new Crc64()
  let left = size
  for await (const chunk of chunks) {
    left -= chunk.byteLength
    if (left < 0) break
    checksum.update(chunk)
    yield chunk
  }
  if (left !== 0) throw changed(path, `is not ${size} bytes long`)
  if (crc64 !== undefined && checksum.hex() !== crc64) {
    throw changed(path, `is not what it was: its CRC-64 is ${checksum.hex()}, not ${crc64}`)
  }
}

function changed(path: string, what: string): LayerError {
  return new LayerError('ERR_LAYER_CHANGED', `The content of ${quoted(path)} ${what}`, { path })
}
