/**
 * How blobs are moved.
 *
 * @module
 */

/** Sizes and habits of transfers. */
export interface TransferOptions {
  /**
   * Bytes of a chunk, where a blob is pushed in chunks; the registry's own minimum and maximum go first.
   * Default 4 MiB, which every registry takes.
   */
  readonly chunkBytes?: number
  /** Blobs larger than this are pushed in chunks from the beginning. Default: none. */
  readonly monolithicBytes?: number
  /** Blobs from this size on are pulled in several ranges at once. Default 64 MiB. */
  readonly parallelBytes?: number
  /** Ranges at once. Default 4; 1 turns it off. */
  readonly parallelParts?: number
  /** Follow the `urls` of layers that the registry does not have. Default false. */
  readonly foreignLayers?: boolean
}
