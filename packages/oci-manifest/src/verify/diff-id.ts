/**
 * The diffID of a layer: the digest of its bytes uncompressed, found without keeping any.
 *
 * @module
 */
import { algorithmOf, type Descriptor, type Digest, DigestError, digestStream } from '@varve/digest'
import type { ContentOptions } from '../content.ts'
import { OciManifestError } from '../errors.ts'
import { compressionOf, type LayerCompression } from '../media-types.ts'
import { gunzip } from './gunzip.ts'

/** How to undo compression, and how far. */
export interface DecompressOptions {
  /**
   * Undoes what `gzip` cannot: called for layers compressed with zstd. Without it their bytes are checked, and their
   * diffIDs are not. What it throws is reported as a layer that does not decompress.
   */
  readonly decompress?: (
    compression: LayerCompression,
    source: AsyncIterable<Uint8Array>,
  ) => AsyncIterable<Uint8Array>
  /** Bytes that a layer may have uncompressed. Default 64 GiB. */
  readonly maxLayerBytes?: number
}

const MAX_LAYER_BYTES = 64 * 1024 ** 3

/** Whether the diffID of a layer of this type can be found. */
export function canDecompress(mediaType: string, { decompress }: DecompressOptions): boolean {
  const compression = compressionOf(mediaType)
  return compression !== undefined && (compression !== 'zstd' || decompress !== undefined)
}

/**
 * Reads a layer, in the algorithm of the diffID that is expected. `open` gives verified bytes.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if it does not decompress; `ERR_OCI_MANIFEST_LIMIT`.
 * @throws {DigestError} if the bytes are other ones, which is said rather than that they do not decompress.
 */
export async function readDiffID(
  { mediaType }: Descriptor,
  open: () => AsyncIterable<Uint8Array>,
  expected: Digest,
  options: DecompressOptions & ContentOptions,
): Promise<Digest> {
  try {
    const plain = bounded(uncompressed(mediaType, open(), options), options)
    return (await digestStream(plain, algorithmOf(expected))).digest
  } catch (error) {
    const known = error instanceof OciManifestError || error instanceof DigestError
    if (known || options.signal?.aborted === true) throw error
    // Wrong bytes break the decompressor before their digest is known; read once more to tell the two apart.
    await digestStream(open())
    throw new OciManifestError('ERR_OCI_MANIFEST_INVALID', 'The layer does not decompress', { cause: error })
  }
}

function uncompressed(
  mediaType: string,
  bytes: AsyncIterable<Uint8Array>,
  { decompress }: DecompressOptions,
): AsyncIterable<Uint8Array> {
  const compression = compressionOf(mediaType)
  if (compression === 'gzip') return gunzip(bytes)
  return compression === 'zstd' && decompress !== undefined ? decompress(compression, bytes) : bytes
}

async function* bounded(
  source: AsyncIterable<Uint8Array>,
  { maxLayerBytes = MAX_LAYER_BYTES }: DecompressOptions,
): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.byteLength
    if (bytes > maxLayerBytes) {
      throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `A layer of more than ${maxLayerBytes} bytes`)
    }
    yield chunk
  }
}
