/**
 * The tar parser: bytes are pushed in, members come out, everything synchronous and without a promise.
 *
 * Where archivers disagree, it reads as Go's `archive/tar` does, since that is what most other clients of a registry
 * see.
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import { BodyReader, type MemberHandler } from './body.ts'
import { BLOCK, checkSum, FIELDS, padded, readNumber, readType, sumBlock, sumWords } from './header.ts'
import { limitError, type Limits, resolveLimits } from './limits.ts'
import { type ParsedMember, parseMember } from './member.ts'
import { isMetaType, PreambleReader } from './preamble.ts'
import { checkSparseMap, readSparseBlock, SparseMapReader } from './sparse.ts'

/** How an archive is read. */
export interface ParseOptions {
  /** Refuses what archivers disagree about, instead of reading it as Go does. Default `false`. */
  readonly strict?: boolean
  readonly limits?: Partial<Limits>
}

/** Reads one archive. Single use. */
export class TarParser {
  readonly #limits: Limits
  readonly #strict: boolean
  readonly #preamble: PreambleReader
  readonly #body: BodyReader
  /** `sparse`: the header goes on. `map`: the body begins with a sparse map. `marker`: one zero block was seen. */
  #state: 'header' | 'meta' | 'sparse' | 'map' | 'body' | 'padding' | 'marker' | 'rest' = 'header'
  /** Offset in the archive of the first byte of the chunk at hand. */
  #base = 0
  #entries = 0
  /** Bytes of the files so far, holes included. */
  #expanded = 0
  /** The chunk at hand as words, where it is aligned to them. */
  #words: Int32Array | undefined
  /** A block that is cut by the end of a chunk, and how much of it is here. */
  readonly #block: Buffer = Buffer.alloc(BLOCK)
  #carried = 0
  /** The member at hand: of meta members the type and pieces of the body, of others what its header said. */
  #metaType = ''
  #pieces: Buffer[] = []
  #parsed: ParsedMember | undefined
  #map = new SparseMapReader()
  /** Bytes to come of the meta body, the map or the padding; and the padding that follows the body. */
  #remaining = 0
  #tail = 0

  constructor(handler: MemberHandler, options: ParseOptions = {}) {
    this.#limits = resolveLimits(options.limits)
    this.#strict = options.strict ?? false
    this.#preamble = new PreambleReader(this.#strict)
    this.#body = new BodyReader(handler)
  }

  /**
   * Takes the next chunk; what the handler gets of it are views.
   *
   * @throws {LayerError} `ERR_LAYER_TAR`, `ERR_LAYER_LIMIT`, `ERR_LAYER_UNSAFE`, `ERR_LAYER_PATH`
   */
  write(chunk: Uint8Array): void {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#words = wordsOf(chunk)
    if (this.#base + buffer.length > this.#limits.bytes)
      throw limitError(this.#limits, 'bytes', 'A large archive')
    for (let at = 0; at < buffer.length;) at = this.#step(buffer, at)
    this.#base += buffer.length
  }

  /** How many of the next bytes are only passed over: of a body that is not wanted, padding, what follows the end. */
  get idle(): number {
    switch (this.#state) {
      case 'body':
        return this.#body.wanted ? 0 : this.#body.remaining + this.#tail
      case 'padding':
        return this.#remaining
      case 'rest':
        return Infinity
      default:
        return 0
    }
  }

  /**
   * Takes no more than {@link idle} bytes as read, without having them.
   *
   * @throws {LayerError} `ERR_LAYER_LIMIT`
   */
  skip(length: number): void {
    if (this.#base + length > this.#limits.bytes) throw limitError(this.#limits, 'bytes', 'A large archive')
    this.#base += length
    if (this.#state === 'rest') return
    const ofBody = this.#state === 'body' ? Math.min(length, this.#body.remaining) : 0
    if (ofBody > 0 && this.#body.skip(ofBody) === 0) this.#skip(this.#tail)
    const ofPadding = length - ofBody
    if (ofPadding === 0) return
    this.#remaining -= ofPadding
    if (this.#remaining === 0) this.#state = 'header'
  }

  /**
   * Ends the archive. Missing end blocks, and missing padding after the last body, are accepted.
   *
   * @throws {LayerError} `ERR_LAYER_TAR` if it ends within a member.
   */
  finish(): void {
    const between = this.#state === 'header' || this.#state === 'padding' || this.#state === 'marker'
    if (this.#state !== 'rest' && (!between || this.#carried > 0)) {
      throw malformed('the archive is truncated', this.#base)
    }
    this.#preamble.finish(this.#base)
  }

  #step(buffer: Buffer, at: number): number {
    switch (this.#state) {
      case 'body': {
        const end = this.#body.read(buffer, at)
        if (this.#body.remaining === 0) this.#skip(this.#tail)
        return end
      }
      case 'padding': {
        const end = Math.min(buffer.length, at + this.#remaining)
        this.#remaining -= end - at
        if (this.#remaining === 0) this.#state = 'header'
        return end
      }
      case 'meta':
        return this.#readMeta(buffer, at)
      case 'map':
        return this.#readMap(buffer, at)
      case 'rest':
        return buffer.length
      default:
        return this.#readBlock(buffer, at)
    }
  }

  /** Reads a block where it lies, or gathers one that is cut by the end of a chunk. */
  #readBlock(buffer: Buffer, at: number): number {
    if (this.#carried === 0 && at + BLOCK <= buffer.length) {
      this.#onBlock(buffer, at, this.#base + at)
      return at + BLOCK
    }
    const end = Math.min(buffer.length, at + BLOCK - this.#carried)
    buffer.copy(this.#block, this.#carried, at, end)
    this.#carried += end - at
    if (this.#carried === BLOCK) {
      this.#carried = 0
      this.#onBlock(this.#block, 0, this.#base + end - BLOCK)
    }
    return end
  }

  #onBlock(block: Buffer, at: number, offset: number): void {
    if (this.#state === 'sparse') {
      const { extended } = readSparseBlock(block, at, true, this.#parsed!.map, offset)
      // A pair of numbers takes 24 bytes of such a map.
      this.#checkMapSize(this.#parsed!.map.length * 12)
      if (!extended) this.#beginBody(this.#parsed!.storedSize, offset + BLOCK)
      return
    }
    const words = block === this.#block || (at & 3) !== 0 ? undefined : this.#words
    const sum = words === undefined ? sumBlock(block, at) : sumWords(words, at >> 2)
    if (sum === 0) return this.#endMarker(offset)
    if (this.#state === 'marker') throw malformed('something follows a single zero block', offset)
    checkSum(block, at, sum, offset)
    const type = readType(block, at)
    if (isMetaType(type)) this.#beginMeta(type, readNumber(block, at, FIELDS.size, offset), offset)
    else this.#beginMember(block, at, offset)
  }

  /** What follows the end marker is not read, but it has to arrive: the diffID covers it. */
  #endMarker(offset: number): void {
    this.#preamble.finish(offset)
    this.#state = this.#strict && this.#state !== 'marker' ? 'marker' : 'rest'
  }

  #beginMeta(type: string, size: number, offset: number): void {
    if (size < 0) throw malformed('a negative size', offset)
    if (size > this.#limits.paxBytes) throw limitError(this.#limits, 'paxBytes', 'A large extended header')
    this.#metaType = type
    this.#remaining = size
    this.#state = 'meta'
    if (size === 0) this.#endMeta(Buffer.alloc(0), 0, 0, offset + BLOCK)
  }

  /** Collects pieces as they come: the size a header states is no reason to allocate. */
  #readMeta(buffer: Buffer, at: number): number {
    const end = Math.min(buffer.length, at + this.#remaining)
    this.#remaining -= end - at
    if (this.#remaining === 0 && this.#pieces.length === 0) {
      // Most lie in one chunk: read where they lie, since a view of each costs as much as reading it (measured).
      this.#endMeta(buffer, at, end, this.#base + at)
      return end
    }
    // A copy, since it has to wait: its chunk may be far larger.
    this.#pieces.push(Buffer.from(buffer.subarray(at, end)))
    if (this.#remaining === 0) {
      const body = Buffer.concat(this.#pieces)
      this.#endMeta(body, 0, body.length, this.#base + end - body.length)
    }
    return end
  }

  #endMeta(buffer: Buffer, start: number, end: number, offset: number): void {
    if (this.#pieces.length > 0) this.#pieces = []
    this.#countEntry()
    this.#preamble.take(this.#metaType, buffer, start, end, offset)
    this.#skip(padded(end - start) - (end - start))
  }

  #beginMember(block: Buffer, at: number, offset: number): void {
    this.#countEntry()
    this.#preamble.check(offset)
    const parsed = parseMember(block, at, offset, this.#preamble, this.#limits)
    this.#preamble.clear()
    this.#parsed = parsed
    this.#tail = padded(parsed.storedSize) - parsed.storedSize
    this.#expanded += parsed.entry.size
    if (this.#expanded > this.#limits.bytes)
      throw limitError(this.#limits, 'bytes', 'Large files', parsed.entry.path)
    if (parsed.form === 'body') {
      this.#map = new SparseMapReader()
      this.#remaining = parsed.storedSize
      this.#state = 'map'
      if (this.#remaining === 0) throw malformed('a sparse file without its map', offset)
    } else if (parsed.form === 'header' && readSparseBlock(block, at, false, parsed.map, offset).extended) {
      this.#state = 'sparse'
    } else this.#beginBody(parsed.storedSize, offset + BLOCK)
  }

  #readMap(buffer: Buffer, at: number): number {
    const reader = this.#map
    // A chunk may be large: not more of it is read than a map may have, and the byte that is too much.
    const budget = this.#limits.paxBytes + BLOCK - reader.length
    const limit = Math.min(buffer.length, at + this.#remaining, at + budget)
    let end = reader.read(buffer, at, limit, this.#base + at)
    this.#checkMapSize(reader.length)
    if (reader.complete) {
      // The map is padded to a whole block; the padding may come in the next chunk.
      const skipped = Math.min(limit - end, padded(reader.length) - reader.length)
      reader.length += skipped
      end += skipped
    }
    this.#remaining -= end - at
    if (reader.complete && reader.length % BLOCK === 0) {
      this.#parsed!.map.push(...reader.map)
      this.#beginBody(this.#remaining, this.#base + end)
    } else if (this.#remaining === 0) throw malformed('a sparse map that does not end', this.#base + end)
    return end
  }

  #beginBody(storedSize: number, offset: number): void {
    const { entry, form, map } = this.#parsed!
    if (form !== undefined) checkSparseMap(map, entry.size, storedSize, offset)
    this.#state = 'body'
    this.#body.begin({ entry, offset, storedSize, sparse: form === undefined ? undefined : map })
    if (storedSize === 0) this.#skip(this.#tail)
  }

  #skip(length: number): void {
    this.#remaining = length
    this.#state = length === 0 ? 'header' : 'padding'
  }

  #countEntry(): void {
    if (++this.#entries > this.#limits.entries) throw limitError(this.#limits, 'entries', 'A large archive')
  }

  #checkMapSize(bytes: number): void {
    if (bytes > this.#limits.paxBytes) throw limitError(this.#limits, 'paxBytes', 'A large sparse map')
  }
}

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array | undefined {
  return (byteOffset & 3) === 0 ? new Int32Array(buffer, byteOffset, byteLength >> 2) : undefined
}

function malformed(what: string, offset: number): LayerError {
  return new LayerError('ERR_LAYER_TAR', `Malformed archive at byte ${offset}: ${what}`, { offset })
}
