/**
 * Archives without their contents, the idea of tar-split: what is left makes the same bytes again.
 *
 * An archiver's headers, order, padding and end cannot be told from the files it packed. Kept beside the files they
 * cost little, and no second copy of the archive has to be stored.
 *
 * @module
 */
import type { MemberHead } from '../tar/member.ts'
import type { ParseOptions } from '../tar/parser.ts'
import type { SparseMap } from '../tar/sparse.ts'
import { Crc64 } from './crc64.ts'
import { SpanReader } from './spans.ts'

/** Bytes of an archive that are no content: headers, sparse maps, padding, end marker, and whatever follows that. */
export interface TarLiteral {
  readonly type: 'literal'
  readonly bytes: Uint8Array
}

/** The place of a content. Directories, links and empty files have one too, with size 0. */
export interface TarContent {
  readonly type: 'content'
  /** As in a tree: clean, and `''` for the root. Two members of an archive may have the same. */
  readonly path: string
  /** Bytes that the archive stores. */
  readonly size: number
  /** CRC-64 (ISO) of the stored bytes in hexadecimal digits; `undefined` if there are none. */
  readonly crc64: string | undefined
  /** Of a sparse file: offset and length of each stored piece in turn. The rest of the file is not in the archive. */
  readonly sparse?: SparseMap | undefined
}

/** One piece of an archive; the pieces in order are its skeleton. */
export type TarPart = TarLiteral | TarContent

/** Options of {@link splitTar}. */
export interface SplitOptions extends ParseOptions {
  readonly signal?: AbortSignal
}

/** Of a literal, so that what follows an archive is not held in memory. A longer header comes in pieces. */
const LITERAL_BYTES = 1024 * 1024

/**
 * Splits an uncompressed archive into its skeleton. Before the content of each member stands one literal, with its
 * headers and the padding of the member before.
 *
 * Contents are read and forgotten, so memory does not grow with them. The parts belong to the reader. The archive is
 * whole, and can be trusted to be one, only at the end.
 *
 * @throws {LayerError} `ERR_LAYER_TAR`, `ERR_LAYER_LIMIT`, `ERR_LAYER_UNSAFE`, `ERR_LAYER_PATH` as {@link decodeTar}
 */
export async function* splitTar(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: SplitOptions = {},
): AsyncGenerator<TarPart, void, void> {
  const { signal } = options
  signal?.throwIfAborted()
  const reader = new SpanReader(options)
  const literal = new LiteralWriter()
  let content: ContentReader | undefined
  for await (const chunk of chunks) {
    signal?.throwIfAborted()
    for (const span of reader.read(chunk)) {
      if (span.kind === 'member') {
        if (literal.length > 0) yield literal.take()
        content = new ContentReader(span.member)
      } else if (span.kind === 'body') content!.read(span.bytes)
      else {
        literal.append(span.bytes)
        if (literal.length >= LITERAL_BYTES) yield literal.take()
      }
      if (content?.remaining === 0) {
        yield content.part()
        content = undefined
      }
    }
  }
  reader.finish()
  if (literal.length > 0) yield literal.take()
}

/** Gathers bytes and copies them, so that a literal does not keep a whole chunk in memory. */
class LiteralWriter {
  length = 0
  #pieces: Uint8Array[] = []

  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.length += bytes.byteLength
  }

  take(): TarLiteral {
    const bytes = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.length = 0
    return { type: 'literal', bytes }
  }
}

/** Counts and sums a stored content. */
class ContentReader {
  remaining: number
  readonly #member: MemberHead
  readonly #checksum = new Crc64()

  constructor(member: MemberHead) {
    this.#member = member
    this.remaining = member.storedSize
  }

  read(bytes: Uint8Array): void {
    this.remaining -= bytes.byteLength
    this.#checksum.update(bytes)
  }

  part(): TarContent {
    const { entry, storedSize: size, sparse } = this.#member
    const crc64 = size === 0 ? undefined : this.#checksum.hex()
    const part = { type: 'content', path: entry.path, size, crc64 } as const
    return sparse === undefined || size === 0 ? part : { ...part, sparse }
  }
}
