/**
 * An archive in the pieces that a seekable layer compresses one by one: the same bytes as {@link pack} gives.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import type { Entry } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { checkWhiteout } from '../pack.ts'
import { encodeMember, type EncodeOptions, sizeOf } from '../tar/encode.ts'
import { BLOCK, padded } from '../tar/header.ts'
import { isWhiteout } from '../whiteout.ts'

/** A piece of an archive. */
export type ArchivePiece =
  | { readonly kind: 'header'; readonly entry: Entry; readonly bytes: Uint8Array }
  /** Of the content of the last header: from `start` on, as long as a chunk is, the last one shorter. */
  | { readonly kind: 'chunk'; readonly entry: Entry; readonly bytes: Uint8Array; readonly start: number }
  | { readonly kind: 'padding'; readonly bytes: Uint8Array }

/** Options of {@link archivePieces}. */
export interface PieceOptions extends EncodeOptions {
  readonly chunkSize: number
  readonly signal?: AbortSignal | undefined
}

/** Chunks of the reference writer. */
export const DEFAULT_CHUNK_SIZE: number = 4 * 1024 * 1024

/** What a zstd frame may be large, so that every reader has a window for it: RFC 8878 §3.1.1.1.2. */
const MAXIMUM_CHUNK_SIZE = 8 * 1024 * 1024

/** POSIX.1-2017 pax, "ustar Interchange Format". */
export const END_MARKER: Uint8Array = new Uint8Array(2 * BLOCK)

/**
 * The members in the order given, without the end marker.
 *
 * @throws {LayerError} as {@link pack}
 */
export async function* archivePieces(
  entries: Iterable<Entry>,
  options: PieceOptions,
): AsyncGenerator<ArchivePiece, void, void> {
  const { chunkSize, signal } = options
  signal?.throwIfAborted()
  for (const entry of entries) {
    if (isWhiteout(entry.path)) checkWhiteout(entry)
    yield { kind: 'header', entry, bytes: encodeMember(entry, options) }
    const size = sizeOf(entry)
    if (size === 0) continue
    let start = 0
    for await (const bytes of contentChunks(entry, chunkSize, signal)) {
      yield { kind: 'chunk', entry, bytes, start }
      start += bytes.byteLength
    }
    if (size % BLOCK > 0) yield { kind: 'padding', bytes: new Uint8Array(padded(size) - size) }
  }
}

/** Checks the option, and fills in the default. */
export function checkChunkSize(chunkSize: number = DEFAULT_CHUNK_SIZE): number {
  if (!Number.isInteger(chunkSize) || chunkSize < 1 || chunkSize > MAXIMUM_CHUNK_SIZE)
    throw new TypeError(`A chunk size is 1 to ${MAXIMUM_CHUNK_SIZE} bytes, not ${chunkSize}`)
  return chunkSize
}

/** A content cut anew. A chunk is as large as what is in it, since most files are far smaller than a chunk. */
async function* contentChunks(
  entry: Entry,
  chunkSize: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const { path, content, size } = entry
  if (content === undefined)
    throw new LayerError('ERR_LAYER_ENTRY', `No content for ${quoted(path)}`, { path })
  let left = size
  let target: Buffer | undefined
  let used = 0
  for await (const bytes of content.open(withSignal(signal))) {
    signal?.throwIfAborted()
    for (let at = 0; at < bytes.byteLength;) {
      const wanted = Math.min(chunkSize, left)
      if (wanted === 0) throw changed(entry)
      const length = Math.min(bytes.byteLength - at, wanted - used)
      let chunk: Uint8Array | undefined
      if (length === wanted) chunk = bytes.subarray(at, at + length)
      else {
        target ??= Buffer.allocUnsafe(wanted)
        target.set(bytes.subarray(at, at + length), used)
        used += length
        if (used === wanted) chunk = target
      }
      at += length
      if (chunk === undefined) continue
      left -= wanted
      target = undefined
      used = 0
      yield chunk
    }
  }
  if (left > 0) throw changed(entry)
}

function changed({ path, size }: Entry): LayerError {
  return new LayerError('ERR_LAYER_CHANGED', `The content of ${quoted(path)} is not ${size} bytes long`, {
    path,
  })
}
