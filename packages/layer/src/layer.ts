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
import { ChunkPool, rechunk } from './compression/chunks.ts'
import { decompress } from './compression/decompress.ts'
import { type CompressionAlgorithm, createEncoder, type Encoder } from './compression/encoder.ts'
import type { EncoderChoice } from './compression/gzip.ts'
import { packChunks, type PackOptions } from './pack.ts'
import { allocateChunk } from './pack/chunk-writer.ts'
import type { Limits } from './tar/limits.ts'
import type { Tree } from './tree.ts'

/** Media types of layers this package writes: image-spec v1.1.1, layer.md. */
export const LAYER_MEDIA_TYPES: Readonly<Record<CompressionAlgorithm, string>> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
}

/** Takes the bytes of a layer as they are made; a chunk may be kept. */
export interface LayerSink {
  /** Says that no chunk is kept after its `write` is done, so that its memory can be filled again. Default `false`. */
  readonly transient?: boolean
  write(chunk: Uint8Array): void | Promise<void>
}

/** Options of {@link packLayer}. */
export interface PackLayerOptions extends PackOptions {
  /** Default `gzip`. */
  readonly compression?: CompressionAlgorithm
  /** As {@link EncoderOptions.level}. */
  readonly level?: number
  /** As {@link EncoderOptions.encoder}. */
  readonly encoder?: EncoderChoice
  /** As {@link EncoderOptions.single}. */
  readonly single?: boolean
  /** How many pieces are compressed at a time; no influence on the bytes. Default 4 for gzip, 3 for zstd. */
  readonly inFlight?: number
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
  const encoder = createEncoder({ ...options, algorithm: compression })
  const content = createDigester()
  const blob = createDigester()
  const chunks = new ChunkPool(allocateChunk)
  // A sink that may keep a chunk gets it for good.
  const recycled = encoder !== undefined || sink.transient === true
  const packed = packChunks(tree, options, recycled ? () => chunks.allocate() : allocateChunk)
  const output =
    encoder === undefined ? packed : encodeChunks(hashed(packed, content), encoder, chunks, options)
  for await (const chunk of output) {
    signal?.throwIfAborted()
    blob.update(chunk)
    await sink.write(chunk)
    chunks.release(chunk)
  }
  const written = blob.finish()
  const { digest: diffID, size } = encoder === undefined ? written : content.finish()
  return {
    descriptor: { mediaType: LAYER_MEDIA_TYPES[compression], ...written },
    diffID,
    size,
    entries: tree.size,
    encoder: encoder?.name ?? 'none',
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

/** Memory goes round: from the packer over the pieces to the encoder, and back. */
function encodeChunks(
  packed: AsyncIterable<Uint8Array>,
  encoder: Encoder,
  chunks: ChunkPool,
  options: PackLayerOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const pieces = new ChunkPool(() => Buffer.allocUnsafeSlow(encoder.pieceSize))
  const release = (chunk: Uint8Array): void => {
    chunks.release(chunk)
    pieces.release(chunk)
  }
  const cut = rechunk(packed, encoder.pieceSize, { allocate: () => pieces.allocate(), release })
  return encoder.encode(cut, { inFlight: options.inFlight ?? encoder.inFlight, release })
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
