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
import { FileContent } from './file-content.ts'
import { allocateBlock } from './tar/block.ts'
import { encodeMember, type EncodeOptions, sizeOf, writeSimpleMember } from './tar/encode.ts'
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

/** Bytes of each chunk but the last: also what is compressed at a time. */
const CHUNK = 1024 * 1024

/** Room behind a chunk: a file that has grown is found by reading a byte too many. */
const SLACK = BLOCK

/** The end marker: POSIX.1-2017 pax, "ustar Interchange Format". */
const END_MARKER = Buffer.alloc(2 * BLOCK)

/**
 * Writes a tree of raw members as an uncompressed archive: a function of the tree and nothing else.
 *
 * Each directory comes before what is in it, and in each directory the whiteouts first. Chunks are 1 MiB and belong to
 * the reader. Files of a {@link fromDirectory} tree are read synchronously.
 *
 * @throws {LayerError} `ERR_LAYER_ENTRY`, `ERR_LAYER_PATH` as {@link encodeMember}, and `ERR_LAYER_ENTRY` for a file
 *   without content; `ERR_LAYER_WHITEOUT` for a real file named like a whiteout; `ERR_LAYER_CHANGED` if a content is not
 *   as long as its entry says; `ERR_LAYER_READ`.
 */
export async function* pack(tree: Tree, options: PackOptions = {}): AsyncGenerator<Uint8Array, void, void> {
  yield* packChunks(tree, options, allocateChunk)
}

/** Memory for one chunk of {@link packChunks}. */
export function allocateChunk(): Buffer {
  return allocateBlock(CHUNK + SLACK)
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

function* writeFile(
  writer: ChunkWriter,
  content: FileContent,
  entry: Entry,
  hash: ContentHash | undefined,
  signal: AbortSignal | undefined,
): Generator<Uint8Array, void, void> {
  const fd = openContent(content, entry)
  try {
    for (let left = entry.size; left > 0;) {
      left -= readPiece(writer, content, entry, hash, fd, left)
      if (writer.full.length > 0) {
        signal?.throwIfAborted()
        yield* writer.take()
      }
    }
  } finally {
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
  const read = content.readFile(fd, buffer, used, Math.min(left, room), left)
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

/** Fills chunks; those that are full wait to be taken. */
class ChunkWriter {
  full: Uint8Array[] = []
  readonly #allocate: () => Buffer
  #buffer: Buffer
  #used = 0

  constructor(allocate: () => Buffer) {
    this.#allocate = allocate
    this.#buffer = allocate()
  }

  header(entry: Entry, options: EncodeOptions): void {
    // Members begin at multiples of 512, so a block never lies across two chunks.
    if (writeSimpleMember(entry, this.#buffer, this.#used, options)) this.advance(BLOCK)
    else this.append(encodeMember(entry, options))
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) {
      const length = Math.min(bytes.byteLength - at, CHUNK - this.#used)
      this.#buffer.set(
        at === 0 && length === bytes.byteLength ? bytes : bytes.subarray(at, at + length),
        this.#used,
      )
      this.advance(length)
      at += length
    }
  }

  /** The chunk being filled, with one more byte of memory than there is {@link room} for. */
  get buffer(): Buffer {
    return this.#buffer
  }

  /** Where in it the next bytes go. */
  get used(): number {
    return this.#used
  }

  get room(): number {
    return CHUNK - this.#used
  }

  advance(length: number): void {
    this.#used += length
    if (this.#used < CHUNK) return
    this.full.push(this.#buffer.subarray(0, CHUNK))
    this.#buffer = this.#allocate()
    this.#used = 0
  }

  /** Fills up to a whole block. */
  pad(): void {
    const rest = this.#used % BLOCK
    if (rest === 0) return
    // Not by the method of `Buffer`, whose checks cost more than the bytes (measured).
    Uint8Array.prototype.fill.call(this.#buffer, 0, this.#used, this.#used + BLOCK - rest)
    this.advance(BLOCK - rest)
  }

  take(): Uint8Array[] {
    const { full } = this
    if (full.length > 0) this.full = []
    return full
  }

  finish(): Uint8Array[] {
    if (this.#used > 0) this.full.push(this.#buffer.subarray(0, this.#used))
    return this.take()
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
