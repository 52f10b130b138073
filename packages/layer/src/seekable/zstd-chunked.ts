/**
 * zstd:chunked: zstd layers from which single files can be fetched.
 *
 * Defined by the code of containers/storage, pkg/chunked/internal/minimal/compression.go. Each chunk of a file is a zstd
 * frame. After them come three skippable frames, which other readers pass over: the table of contents and the skeleton
 * of the archive, both compressed, and a footer. The archive, and with it the diffID, is that of {@link packLayer}.
 *
 * @module
 */
import { createDigester, type Digester, digestOf } from '@varve/digest'
import { createEncoder, type Encoder } from '../compression/encoder.ts'
import type { EncoderChoice } from '../compression/gzip.ts'
import { LAYER_MEDIA_TYPES, type LayerSink, type PackedLayer } from '../layer.ts'
import type { EncodeOptions } from '../tar/encode.ts'
import type { Tree } from '../tree.ts'
import { writerOrder } from '../writer-order.ts'
import { BlobWriter, type Part } from './blob.ts'
import { FrameBuffer } from './frame-buffer.ts'
import { archivePieces, type ArchivePiece, checkChunkSize, END_MARKER, type PieceOptions } from './pieces.ts'
import { SkeletonWriter } from './skeleton-writer.ts'
import { type ChunkRows, TableOfContents } from './toc.ts'

/** Annotations of the descriptor. The reference reader goes by them and not by the footer. */
export const ZSTD_CHUNKED_ANNOTATIONS = {
  manifestChecksum: 'io.github.containers.zstd-chunked.manifest-checksum',
  manifestPosition: 'io.github.containers.zstd-chunked.manifest-position',
  tarSplitPosition: 'io.github.containers.zstd-chunked.tarsplit-position',
} as const

/** Options of {@link packZstdChunked}. */
export interface ZstdChunkedOptions extends EncodeOptions {
  /** Bytes of a file that are compressed together: 1 to 8 MiB, default 4 MiB. */
  readonly chunkSize?: number
  /** As {@link EncoderOptions.level}: default 3. */
  readonly level?: number
  /** As {@link EncoderOptions.encoder}. */
  readonly encoder?: EncoderChoice
  /** How many parts are compressed at a time; no influence on the bytes. Default 4. */
  readonly inFlight?: number
  readonly signal?: AbortSignal
}

/** RFC 8878 §3.1.2, as the reference writes it, and the length of the magic number and the size. */
const SKIPPABLE_MAGIC = 0x184d2a50
const SKIPPABLE_HEADER = 8

/** A table with the fields of CRFS, the only type there is. */
const MANIFEST_TYPE = 1

const FOOTER_BYTES = 64
const FOOTER_MAGIC = 'GNUlInUx'

/** Of a chunk that a client need not fetch. */
const ZEROS = 'zeros'

/**
 * Writes a tree of raw members as a zstd:chunked layer, in one pass. The descriptor has the annotations that clients
 * need.
 *
 * @throws {LayerError} as {@link packLayer}; `ERR_LAYER_UNSUPPORTED` for a name that is not UTF-8, or a time outside of
 *   the years 0 to 9999, which the table of contents cannot hold
 */
export async function packZstdChunked(
  tree: Tree,
  sink: LayerSink,
  options: ZstdChunkedOptions = {},
): Promise<PackedLayer> {
  const chunkSize = checkChunkSize(options.chunkSize)
  const encoder = createEncoder({ algorithm: 'zstd', level: options.level, encoder: options.encoder })!
  const content = createDigester()
  const toc = new TableOfContents(options)
  const skeleton = new SkeletonWriter(encoder)
  const blob = new BlobWriter(sink, encoder, options)
  const pieces = archivePieces(writerOrder(tree), { ...options, chunkSize })
  await blob.compress(frames(pieces, { ...options, chunkSize }, toc, skeleton, content))
  const annotations = await writeTables(blob, encoder, toc, await skeleton.finish())
  const { digest: diffID, size } = content.finish()
  return {
    descriptor: { mediaType: LAYER_MEDIA_TYPES.zstd, ...blob.finish(), annotations },
    diffID,
    size,
    entries: tree.size,
    encoder: `zstd:chunked chunk=${chunkSize} ${encoder.name}`,
  }
}

/** Bytes for one frame each: a chunk, or what lies between the contents of two files. */
async function* frames(
  pieces: AsyncIterable<ArchivePiece>,
  { chunkSize }: PieceOptions,
  toc: TableOfContents,
  skeleton: SkeletonWriter,
  content: Digester,
): AsyncGenerator<Part, void, void> {
  let between: Uint8Array[] = []
  let length = 0
  const takeBetween = function* (): Generator<Part, void, void> {
    if (length > 0) yield { bytes: Buffer.concat(between) }
    between = []
    length = 0
  }
  for await (const piece of pieces) {
    content.update(piece.bytes)
    await skeleton.take(piece)
    if (piece.kind === 'chunk') {
      yield* takeBetween()
      yield chunkPart(piece.bytes, toc.chunk(piece.entry, piece.bytes, piece.start), piece.start)
      continue
    }
    if (piece.kind === 'header') toc.member(piece.entry)
    between.push(piece.bytes)
    length += piece.bytes.byteLength
    if (length >= chunkSize) yield* takeBetween()
  }
  content.update(END_MARKER)
  await skeleton.end(END_MARKER)
  between.push(END_MARKER)
  length += END_MARKER.byteLength
  yield* takeBetween()
}

function chunkPart(bytes: Uint8Array, { row, member }: ChunkRows, start: number): Part {
  // The reference says how long every chunk is where there are several, the last one too.
  if (start > 0) row.chunkSize = bytes.byteLength
  if (row.chunkSize !== undefined && isZero(bytes)) row.chunkType = ZEROS
  return {
    bytes,
    place: (from, to) => {
      row.offset = from
      member.endOffset = to
    },
  }
}

/** Writes the three skippable frames; returns the annotations that point at them. */
async function writeTables(
  blob: BlobWriter,
  encoder: Encoder,
  toc: TableOfContents,
  tarSplit: Awaited<ReturnType<SkeletonWriter['finish']>>,
): Promise<Record<string, string>> {
  const table = new FrameBuffer(encoder)
  for (const text of toc.format({ tarSplitDigest: digestOf(tarSplit.bytes) })) await table.append(text)
  const manifest = await table.finish()
  const manifestAt = await writeSkippable(blob, manifest.bytes)
  const tarSplitAt = await writeSkippable(blob, tarSplit.bytes)
  const manifestNumbers = [manifestAt, manifest.bytes.byteLength, manifest.size, MANIFEST_TYPE]
  const tarSplitNumbers = [tarSplitAt, tarSplit.bytes.byteLength, tarSplit.size]
  await writeSkippable(blob, footer([...manifestNumbers, ...tarSplitNumbers]))
  return {
    [ZSTD_CHUNKED_ANNOTATIONS.manifestChecksum]: digestOf(manifest.bytes),
    [ZSTD_CHUNKED_ANNOTATIONS.manifestPosition]: manifestNumbers.join(':'),
    [ZSTD_CHUNKED_ANNOTATIONS.tarSplitPosition]: tarSplitNumbers.join(':'),
  }
}

/** Writes a frame that decoders skip; returns where its content begins. */
async function writeSkippable(blob: BlobWriter, bytes: Uint8Array): Promise<number> {
  const header = Buffer.alloc(SKIPPABLE_HEADER)
  header.writeUInt32LE(SKIPPABLE_MAGIC, 0)
  header.writeUInt32LE(bytes.byteLength, 4)
  await blob.write(header)
  const start = blob.position
  await blob.write(bytes)
  return start
}

/** Seven numbers, little-endian, and the magic number. */
function footer(numbers: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  for (const [index, value] of numbers.entries()) bytes.writeBigUInt64LE(BigInt(value), index * 8)
  bytes.write(FOOTER_MAGIC, FOOTER_BYTES - FOOTER_MAGIC.length, 'latin1')
  return bytes
}

function isZero(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Native, unlike a loop: it compares the bytes with themselves, one further on.
  return buffer[0] === 0 && buffer.subarray(1).equals(buffer.subarray(0, -1))
}
