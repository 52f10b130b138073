/**
 * Trees as archives.
 *
 * @module
 */
import {
  type ByteSource,
  createDigester,
  type Digest,
  type Digester,
  digestOf,
  withSignal,
} from '@varve/digest'
import { closeSync } from 'node:fs'
import type { Entry } from './entry.ts'
import { LayerError, quoted } from './errors.ts'
import { FileContent, type ReadOutcome } from './file-content.ts'
import { allocateChunk, ChunkWriter } from './pack/chunk-writer.ts'
import { type EncodeOptions, sizeOf } from './tar/encode.ts'
import { BLOCK } from './tar/header.ts'
import type { Tree } from './tree.ts'
import { parseWhiteout } from './whiteout.ts'
import { isMarked, writerOrder } from './writer-order.ts'

/** Options of {@link pack}. */
export interface PackOptions extends EncodeOptions {
  /**
   * Told of each regular file when its content has been written: the SHA-256 of that content, which is computed only if
   * somebody asks. Hard links and whiteouts have no content.
   */
  readonly onFile?: (path: string, digest: Digest) => void
  readonly signal?: AbortSignal
}

/** The end marker: POSIX.1-2017 pax, "ustar Interchange Format". */
const END_MARKER = Buffer.alloc(2 * BLOCK)

/**
 * Writes a tree of raw members as an uncompressed archive: a function of the tree and nothing else.
 *
 * Each directory comes before what is in it, and in each directory the whiteouts first. Chunks are 1 MiB and belong to
 * the reader. Files of a {@link fromDirectory} tree are read synchronously, but for large ones: their next chunk is read
 * on another thread while the reader has the last.
 *
 * @throws {LayerError} `ERR_LAYER_ENTRY`, `ERR_LAYER_PATH` as {@link encodeMember}, and `ERR_LAYER_ENTRY` for a file
 *   without content; `ERR_LAYER_WHITEOUT` for a real file named like a whiteout; `ERR_LAYER_CHANGED` if a content is not
 *   as long as its entry says; `ERR_LAYER_READ`.
 */
export async function* pack(tree: Tree, options: PackOptions = {}): AsyncGenerator<Uint8Array, void, void> {
  yield* packChunks(tree, options, allocateChunk)
}

/** {@link pack} into memory that the caller provides, and may use again when it is done with a chunk. */
export async function* packChunks(
  tree: Tree,
  options: PackOptions,
  allocate: () => Buffer,
): AsyncGenerator<Uint8Array, void, void> {
  const { onFile, signal } = options
  signal?.throwIfAborted()
  const writer = new ChunkWriter(allocate)
  for (const entry of writerOrder(tree)) {
    const marked = isMarked(entry.path)
    if (marked) checkWhiteout(entry)
    const hash = onFile === undefined || marked || entry.type !== 'file' ? undefined : new ContentHash()
    const content = writeMember(writer, entry, options, hash)
    if (content !== undefined) {
      if (content instanceof FileContent) yield* writeFile(writer, content, entry, hash, signal)
      else yield* writeSource(writer, content, entry, hash, signal)
      writer.pad()
    }
    if (hash !== undefined) onFile?.(entry.path, hash.finish())
    if (writer.full.length > 0) {
      signal?.throwIfAborted()
      yield* writer.take()
    }
  }
  writer.append(END_MARKER)
  yield* writer.finish()
}

/**
 * Writes a header, and the content of a file that ends in the same chunk; gives the content that is still to be written.
 *
 * Nearly all of a large tree is written here: delegating to a generator costs a promise even if it yields nothing, and
 * an engine makes less of a generator's body than of a function's (measured).
 */
function writeMember(
  writer: ChunkWriter,
  entry: Entry,
  options: EncodeOptions,
  hash: ContentHash | undefined,
): ByteSource | undefined {
  writer.header(entry, options)
  if (sizeOf(entry) === 0) return undefined
  const { content, size } = entry
  if (content === undefined) {
    throw new LayerError('ERR_LAYER_ENTRY', `No content for ${quoted(entry.path)}`, { path: entry.path })
  }
  if (!(content instanceof FileContent) || size > writer.room) return content
  const fd = openContent(content, entry)
  try {
    for (let left = size; left > 0;) left -= readPiece(writer, content, entry, hash, fd, left)
  } finally {
    closeSync(fd)
  }
  writer.pad()
  return undefined
}

/**
 * Writes a content that ends in a later chunk. While the reader is at work on a chunk, the next is read on another
 * thread. What is left in the end, which is less than a chunk, is read at once, since a wait has its price too.
 */
async function* writeFile(
  writer: ChunkWriter,
  content: FileContent,
  entry: Entry,
  hash: ContentHash | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const fd = openContent(content, entry)
  let ahead: Promise<ReadOutcome> | undefined
  try {
    for (let left = entry.size; left > 0;) {
      if (ahead === undefined) left -= readPiece(writer, content, entry, hash, fd, left)
      else left -= takePiece(writer, entry, hash, content.finishRead(await ahead, left))
      ahead = undefined
      if (writer.full.length > 0) {
        signal?.throwIfAborted()
        const { buffer, used, room } = writer
        if (left >= room) ahead = content.startRead(fd, buffer, used, room, left)
        yield* writer.take()
      }
    }
  } finally {
    // Else the thread could read from a file that is opened next and gets this descriptor.
    await ahead
    closeSync(fd)
  }
}

function openContent(content: FileContent, entry: Entry): number {
  if (content.size !== entry.size) throw changed(entry)
  return content.openFile()
}

/** Reads as much of the `left` bytes to come as the chunk has room for; gives how many they were. */
function readPiece(
  writer: ChunkWriter,
  content: FileContent,
  entry: Entry,
  hash: ContentHash | undefined,
  fd: number,
  left: number,
): number {
  const { buffer, used, room } = writer
  return takePiece(writer, entry, hash, content.readFile(fd, buffer, used, Math.min(left, room), left))
}

/** Takes what has been read into the chunk; gives how many bytes they were. */
function takePiece(writer: ChunkWriter, entry: Entry, hash: ContentHash | undefined, read: number): number {
  const { buffer, used } = writer
  hash?.update(buffer.subarray(used, used + read), entry.size)
  writer.advance(read)
  return read
}

async function* writeSource(
  writer: ChunkWriter,
  content: ByteSource,
  entry: Entry,
  hash: ContentHash | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  let left = entry.size
  for await (const bytes of content.open(withSignal(signal))) {
    left -= bytes.byteLength
    if (left < 0) throw changed(entry)
    hash?.update(bytes, entry.size)
    writer.append(bytes)
    yield* writer.take()
  }
  if (left > 0) throw changed(entry)
}

/** The digest of a content: of one piece at once, which for small files is much quicker. */
class ContentHash {
  #digest: Digest | undefined
  #digester: Digester | undefined

  /** Takes the next piece of a content of so many bytes. */
  update(piece: Uint8Array, size: number): void {
    if (piece.byteLength === size) this.#digest = digestOf(piece)
    else (this.#digester ??= createDigester()).update(piece)
  }

  finish(): Digest {
    return this.#digest ?? this.#digester?.finish().digest ?? digestOf(new Uint8Array())
  }
}

/**
 * Lets valid markers of a layer through, and nothing else that would be read as one.
 *
 * @throws {LayerError} `ERR_LAYER_WHITEOUT`
 */
export function checkWhiteout(entry: Entry): void {
  const { path, type, size, content } = entry
  const whiteout = parseWhiteout(path)
  const marker = type === 'file' && size === 0 && content === undefined
  if (whiteout === undefined || !marker) {
    throw new LayerError('ERR_LAYER_WHITEOUT', `A layer cannot hold the name ${quoted(path)}`, { path })
  }
}

function changed({ path, size }: Entry): LayerError {
  return new LayerError('ERR_LAYER_CHANGED', `The content of ${quoted(path)} is not ${size} bytes long`, {
    path,
  })
}
