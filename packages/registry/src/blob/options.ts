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
  /** Blobs from this size on may be pulled in several ranges at once. Default 64 MiB. */
  readonly parallelBytes?: number
  /**
   * Ranges at once, each of at most 8 MiB and kept in memory until its turn. They take slots of the client's
   * `concurrency`. Default 4; 1 turns it off.
   */
  readonly parallelParts?: number
  /** Bytes a second: a registry that sends the first 8 MiB faster is not asked for ranges at once. Default 100 MB/s. */
  readonly parallelBelow?: number
  /** Milliseconds in which a pull must get 64 KiB; one that gets less is broken off and resumed. Default 60 s. */
  readonly stallMs?: number
  /** Follow the `urls` of layers that the registry does not have. Default false. */
  readonly foreignLayers?: boolean
}

/** What is not said has these values. */
export type TransferSettings = Required<TransferOptions>

/** Chunks of registries that say they take less than this are not believed: they would never end. */
export const SMALLEST_CHUNK: number = 64 * 1024

/**
 * Fills in the defaults.
 *
 * @throws {TypeError} if a number is not a whole one of 1 or more.
 */
export function transferSettings(options: TransferOptions): TransferSettings {
  const settings = {
    chunkBytes: options.chunkBytes ?? 4 * 1024 * 1024,
    monolithicBytes: options.monolithicBytes ?? Infinity,
    parallelBytes: options.parallelBytes ?? 64 * 1024 * 1024,
    parallelParts: options.parallelParts ?? 4,
    parallelBelow: options.parallelBelow ?? 100_000_000,
    stallMs: options.stallMs ?? 60_000,
    foreignLayers: options.foreignLayers ?? false,
  }
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'boolean' || value === Infinity) continue
    if (!Number.isInteger(value) || value < (name === 'monolithicBytes' ? 0 : 1)) {
      throw new TypeError(`transfer.${name} must be a whole number of 1 or more`)
    }
  }
  return settings
}
