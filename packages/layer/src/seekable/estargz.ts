/**
 * eStargz: gzip layers from which single files can be fetched.
 *
 * Format: stargz-snapshotter, docs/estargz.md. The blob is one gzip file; a member of it begins where the content of each
 * file does. A table of contents is the last file of the archive, and a footer tells where that begins. Table and
 * landmark are members of the archive, so the diffID is not that of {@link packLayer}.
 *
 * @module
 */
import { bytesSource, createDigester, type Digester, digestOf } from '@varve/digest'
import { createEncoder } from '../compression/encoder.ts'
import type { EncoderChoice } from '../compression/gzip.ts'
import { createEntry } from '../entry.ts'
import { LAYER_MEDIA_TYPES, type LayerSink, type PackedLayer } from '../layer.ts'
import { encodeMember, type EncodeOptions } from '../tar/encode.ts'
import { padded } from '../tar/header.ts'
import type { Tree } from '../tree.ts'
import { BlobWriter, type Part } from './blob.ts'
import { estargzOrder, TOC_NAME } from './estargz-order.ts'
import { archivePieces, checkChunkSize, END_MARKER, type PieceOptions } from './pieces.ts'
import { TableOfContents } from './toc.ts'

/** Annotations of the descriptor: docs/estargz.md, "Content Verification in eStargz", and estargz/types.go. */
export const ESTARGZ_ANNOTATIONS = {
  tocDigest: 'containerd.io/snapshot/stargz/toc.digest',
  uncompressedSize: 'io.containers.estargz.uncompressed-size',
} as const

/** Options of {@link packEstargz}. */
export interface EstargzOptions extends EncodeOptions {
  /** Files to be had first, by path; clients fetch them at once. Default: none. */
  readonly prioritized?: readonly string[]
  /** Bytes of a file that are compressed together: 1 to 8 MiB, default 4 MiB. */
  readonly chunkSize?: number
  /** 0 (stored) to 9 (smallest), default 6. */
  readonly level?: number
  /** As {@link EncoderOptions.encoder}. */
  readonly encoder?: EncoderChoice
  /** How many parts are compressed at a time; no influence on the bytes. Default 4. */
  readonly inFlight?: number
  readonly signal?: AbortSignal
}

/** Headers that follow a content are compressed with it, but no more of them than this: memory is bounded. */
const HEADER_BYTES = 1024 * 1024

/**
 * Writes a tree of raw members as an eStargz layer, in one pass. The descriptor has the annotations that clients need.
 *
 * Members named as landmark and table are left out: the layer was an eStargz layer before.
 *
 * @throws {LayerError} as {@link packLayer}; `ERR_LAYER_UNSUPPORTED` for a name that is not UTF-8, or a time outside of
 *   the years 0 to 9999, which the table of contents cannot hold
 */
export async function packEstargz(
  tree: Tree,
  sink: LayerSink,
  options: EstargzOptions = {},
): Promise<PackedLayer> {
  const chunkSize = checkChunkSize(options.chunkSize)
  const encoder = createEncoder({ algorithm: 'gzip', level: options.level, encoder: options.encoder })!
  const content = createDigester()
  const toc = new TableOfContents(options)
  const blob = new BlobWriter(sink, encoder, options)
  const order = estargzOrder(tree, options.prioritized ?? [])
  await blob.compress(members(order, { ...options, chunkSize }, toc, content))
  const table = Buffer.concat(Array.from(toc.format(), (text) => Buffer.from(text)))
  const archive = Buffer.concat([...tableMember(table), END_MARKER])
  content.update(archive)
  const tocOffset = blob.position
  await blob.compress([{ bytes: archive }])
  await blob.write(footer(tocOffset))
  const { digest: diffID, size } = content.finish()
  return {
    descriptor: {
      mediaType: LAYER_MEDIA_TYPES.gzip,
      ...blob.finish(),
      annotations: {
        [ESTARGZ_ANNOTATIONS.tocDigest]: digestOf(table),
        [ESTARGZ_ANNOTATIONS.uncompressedSize]: String(size),
      },
    },
    diffID,
    size,
    entries: order.length + 1,
    encoder: `estargz chunk=${chunkSize} ${encoder.name}`,
  }
}

/** Bytes for one gzip member each: a chunk with all that follows it up to the next. */
async function* members(
  entries: ReturnType<typeof estargzOrder>,
  options: PieceOptions,
  toc: TableOfContents,
  content: Digester,
): AsyncGenerator<Part, void, void> {
  const member = new MemberBytes()
  for await (const piece of archivePieces(entries, options)) {
    content.update(piece.bytes)
    if (piece.kind === 'header') toc.member(piece.entry)
    if (piece.kind === 'chunk' || member.length >= options.chunkSize + HEADER_BYTES) yield* member.take()
    member.append(piece.bytes)
    if (piece.kind === 'chunk') {
      const { row } = toc.chunk(piece.entry, piece.bytes, piece.start)
      member.place = (start) => {
        row.offset = start
      }
    }
  }
  yield* member.take()
}

/** Gathers the bytes of one gzip member. */
class MemberBytes {
  length = 0
  place: Part['place']
  #pieces: Uint8Array[] = []

  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.length += bytes.byteLength
  }

  *take(): Generator<Part, void, void> {
    if (this.length === 0) return
    const part = { bytes: Buffer.concat(this.#pieces), place: this.place }
    this.#pieces = []
    this.length = 0
    this.place = undefined
    yield part
  }
}

function tableMember(table: Uint8Array): Uint8Array[] {
  const size = table.byteLength
  const header = encodeMember(createEntry({ path: TOC_NAME, type: 'file', content: bytesSource(table) }))
  return [header, table, new Uint8Array(padded(size) - size)]
}

/** An empty gzip member with the offset of the table in an extra field: docs/estargz.md, "Footer". */
function footer(tocOffset: number): Uint8Array {
  const subfield = Buffer.from(`${tocOffset.toString(16).padStart(16, '0')}STARGZ`, 'latin1')
  const lengths = Buffer.alloc(6)
  lengths.writeUInt16LE(subfield.length + 4, 0)
  lengths.write('SG', 2, 'latin1')
  lengths.writeUInt16LE(subfield.length, 4)
  // RFC 1952 §2.3.1: FEXTRA, no time, OS 255. RFC 1951 §3.2.4: a stored block, the last, of no bytes.
  const header = Uint8Array.of(0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255)
  const block = Uint8Array.of(1, 0, 0, 0xff, 0xff)
  return Buffer.concat([header, lengths, subfield, block, new Uint8Array(8)])
}
