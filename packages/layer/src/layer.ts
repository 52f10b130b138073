/**
 * Layers: an archive, compressed, and the two digests by which images know it.
 *
 * @module
 */
import {
  type ByteSource,
  createDigester,
  type Descriptor,
  type Digest,
  type Digester,
  streamSource,
  verifiedSource,
  verify,
} from '@varve/digest'
import { checkLevel, type CompressionAlgorithm, encoderName } from './compression/compress.ts'
import { decompress } from './compression/decompress.ts'
import { gzipMembers } from './compression/gzip.ts'
import { allocateChunk, packChunks } from './pack.ts'
import type { EncodeOptions } from './tar/encode.ts'
import type { Limits } from './tar/limits.ts'
import type { Tree } from './tree.ts'

/** Media types of layers this package writes: image-spec v1.1.1, layer.md. */
export const LAYER_MEDIA_TYPES: Readonly<Record<CompressionAlgorithm, string>> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
}

/** Takes the bytes of a layer as they are made; a chunk may be kept. */
export interface LayerSink {
  write(chunk: Uint8Array): void | Promise<void>
}

/** Options of {@link packLayer}. */
export interface PackLayerOptions extends EncodeOptions {
  /** Default `gzip`. */
  readonly compression?: CompressionAlgorithm
  /** 0 to 9, default 6. */
  readonly level?: number
  readonly signal?: AbortSignal
}

/** What was written. */
export interface PackedLayer {
  /** Of the compressed bytes. */
  readonly descriptor: Descriptor
  /** Digest of the uncompressed archive: image-spec config.md, "Layer DiffID". */
  readonly diffID: Digest
  /** Bytes of the uncompressed archive. */
  readonly size: number
  /** Members of the archive. */
  readonly entries: number
  /** What the compressed bytes depend on beside the diffID; part of any key they are cached by. */
  readonly encoder: string
}

/** A layer whose bytes can be read. */
export interface Layer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
  /** Verified against the descriptor when it is read whole. */
  readonly compressed: ByteSource
  /** Verified against the diffID when it is read whole. A read at an offset decompresses what is before it. */
  readonly uncompressed: ByteSource
}

/**
 * Writes a tree of raw members as a layer, in one pass: packed, hashed, compressed and hashed again.
 *
 * Errors as {@link pack}; the sink has then got a part of a layer, and should throw it away.
 */
export async function packLayer(
  tree: Tree,
  sink: LayerSink,
  options: PackLayerOptions = {},
): Promise<PackedLayer> {
  const { compression = 'gzip', signal } = options
  const level = checkLevel(options.level)
  const content = createDigester()
  const blob = createDigester()
  const memory = new ChunkPool(compression === 'none')
  const chunks = hashed(
    packChunks(tree, options, () => memory.allocate()),
    content,
  )
  const output =
    compression === 'none'
      ? chunks
      : gzipMembers(chunks, { level, release: (chunk) => memory.release(chunk) })
  for await (const chunk of output) {
    signal?.throwIfAborted()
    blob.update(chunk)
    await sink.write(chunk)
  }
  const { digest: diffID, size } = content.finish()
  return {
    descriptor: { mediaType: LAYER_MEDIA_TYPES[compression], ...blob.finish() },
    diffID,
    size,
    entries: tree.size,
    encoder: encoderName(compression, level),
  }
}

/**
 * Joins a descriptor, a diffID and the bytes they belong to. What the bytes are compressed with is seen from their
 * beginning, so every media type of image-spec layer.md is read, the non-distributable ones too.
 *
 * Reading throws `DigestError` for bytes that are not the right ones, and `LayerError` as {@link decompress}.
 */
export function openLayer(
  descriptor: Descriptor,
  diffID: Digest,
  compressed: ByteSource,
  options: { readonly limits?: Partial<Limits> } = {},
): Layer {
  const verified = verifiedSource(compressed, descriptor)
  const uncompressed = streamSource((signal) => {
    const passed = signal === undefined ? {} : { signal }
    return verify(decompress(verified.open(passed), { ...options, ...passed }), { digest: diffID })
  })
  return { descriptor, diffID, compressed: verified, uncompressed }
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  digester: Digester,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    digester.update(chunk)
    yield chunk
  }
}

/** Memory of chunks that have been compressed, to be filled again: fresh pages are not free (measured). */
class ChunkPool {
  readonly #free: Buffer[] = []
  readonly #taken = new Map<ArrayBufferLike, Buffer>()
  /** Where chunks go straight to the sink, which may keep them. */
  readonly #once: boolean

  constructor(once: boolean) {
    this.#once = once
  }

  allocate(): Buffer {
    if (this.#once) return allocateChunk()
    const chunk = this.#free.pop() ?? allocateChunk()
    this.#taken.set(chunk.buffer, chunk)
    return chunk
  }

  release({ buffer }: Uint8Array): void {
    const chunk = this.#taken.get(buffer)
    if (chunk === undefined) return
    this.#taken.delete(buffer)
    this.#free.push(chunk)
  }
}
