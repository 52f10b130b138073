/**
 * Archives changed in places, and left alone everywhere else.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import type { Entry } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { encodeMember, type EncodeOptions, sizeOf } from '../tar/encode.ts'
import { BLOCK, padded } from '../tar/header.ts'
import { resolveLimits } from '../tar/limits.ts'
import type { MemberHead } from '../tar/member.ts'
import type { ParseOptions } from '../tar/parser.ts'
import { HeadReader } from './head.ts'
import { type Span, SpanReader } from './spans.ts'

/** What is to be different. */
export interface TarEdit {
  /**
   * Told of each member, in order. What it returns is written in its place: the same object leaves every byte of the
   * member as it is, `undefined` removes it. Another entry without `content` keeps the stored one, if that is as long
   * as its `size` says.
   */
  readonly member?: (entry: Entry) => Entry | undefined
  /** New members, written before the end marker. Whether they stand for paths that are already there is not checked. */
  readonly append?: Iterable<Entry>
}

/** Options of {@link rewriteTar}. */
export interface RewriteOptions extends ParseOptions, EncodeOptions {
  readonly signal?: AbortSignal
}

/**
 * Passes an uncompressed archive through with some members changed, removed or added. The bytes of all other members,
 * global headers, the end marker and what follows it stay as they are; with nothing edited, so does the archive.
 *
 * Hard links to a removed member are the caller's to see to.
 *
 * @throws {LayerError} as {@link decodeTar} for the archive and {@link encodeMember} for what is written;
 *   `ERR_LAYER_ENTRY` if a content is missing, `ERR_LAYER_CHANGED` if it is not as long as its entry says;
 *   `ERR_LAYER_UNSUPPORTED` for writing a member under a global header that would speak of it too, and for keeping the
 *   content of a sparse file under a new header.
 */
export async function* rewriteTar(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  edit: TarEdit,
  options: RewriteOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { signal } = options
  signal?.throwIfAborted()
  const reader = new SpanReader(options)
  const rewriter = new Rewriter(edit, options)
  for await (const chunk of chunks) {
    signal?.throwIfAborted()
    for (const span of reader.read(chunk)) yield* rewriter.take(span)
  }
  reader.finish()
  yield* rewriter.finish()
}

class Rewriter {
  readonly #edit: TarEdit
  readonly #options: RewriteOptions
  readonly #head: HeadReader
  /** Whether the content of the last member is passed on. */
  #keep = true
  #appended = false
  /** Bytes of the contents passed on: heads are whole blocks, and only the last content may lack its padding. */
  #passed = 0

  constructor(edit: TarEdit, options: RewriteOptions) {
    this.#edit = edit
    this.#options = options
    this.#head = new HeadReader(resolveLimits(options.limits))
  }

  async *take(span: Span): AsyncGenerator<Uint8Array, void, void> {
    if (span.kind === 'member') yield* this.#member(span.member)
    else if (span.kind !== 'head') {
      if (!this.#keep) return
      this.#passed += span.bytes.byteLength
      yield span.bytes
    } else {
      this.#head.append(span.bytes)
      if (this.#head.ended) yield* this.finish()
    }
  }

  /** Writes the new members and what was gathered of the end. */
  async *finish(): AsyncGenerator<Uint8Array, void, void> {
    const { bytes } = this.#head.take()
    if (!this.#appended) {
      this.#appended = true
      for (const entry of this.#edit.append ?? []) yield* this.#write(entry)
    }
    if (bytes.byteLength > 0) yield bytes
  }

  async *#member(member: MemberHead): AsyncGenerator<Uint8Array, void, void> {
    const { entry } = member
    const { bytes, globals } = this.#head.take()
    const edited = this.#edit.member === undefined ? entry : this.#edit.member(entry)
    this.#keep = edited === entry
    if (this.#keep) {
      yield bytes
      return
    }
    // They speak of all members that follow.
    yield* globals
    if (edited === undefined) return
    this.#keep = edited.content === undefined && sizeOf(edited) > 0
    if (!this.#keep) {
      yield* this.#write(edited)
      return
    }
    if (member.sparse !== undefined) throw unsupported(edited, 'the stored content is sparse')
    if (edited.size !== member.storedSize) throw changed(edited)
    yield this.#header(edited)
  }

  async *#write(entry: Entry): AsyncGenerator<Uint8Array, void, void> {
    const { signal } = this.#options
    yield* this.#padding(this.#passed)
    this.#passed = 0
    yield this.#header(entry)
    const size = sizeOf(entry)
    if (size === 0) return
    const { path, content } = entry
    if (content === undefined)
      throw new LayerError('ERR_LAYER_ENTRY', `No content for ${quoted(path)}`, { path })
    let left = size
    for await (const chunk of content.open(withSignal(signal))) {
      signal?.throwIfAborted()
      left -= chunk.byteLength
      if (left < 0) break
      yield chunk
    }
    if (left !== 0) throw changed(entry)
    yield* this.#padding(size)
  }

  *#padding(size: number): Generator<Uint8Array, void, void> {
    if (size % BLOCK > 0) yield new Uint8Array(padded(size) - size)
  }

  #header(entry: Entry): Uint8Array {
    if (this.#head.globalFields) throw unsupported(entry, 'a global header of the archive speaks of it')
    return encodeMember(entry, this.#options)
  }
}

function changed({ path, size }: Entry): LayerError {
  return new LayerError('ERR_LAYER_CHANGED', `The content of ${quoted(path)} is not ${size} bytes long`, {
    path,
  })
}

function unsupported({ path }: Entry, why: string): LayerError {
  return new LayerError('ERR_LAYER_UNSUPPORTED', `Cannot write ${quoted(path)}: ${why}`, { path })
}
