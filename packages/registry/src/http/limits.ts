/**
 * How much of a reply is read into memory.
 *
 * @module
 */

/** Bytes. Whatever is longer is `ERR_REGISTRY_LIMIT`, but for an error, which is then told without its words. */
export interface ReadLimits {
  /** A manifest, an index, a config, or a page of a list. Default 8 MiB, twice what registries must take. */
  readonly documentBytes: number
  /** The answer of a token realm. Default 128 KiB. */
  readonly tokenBytes: number
  /** The body of an error. Default 64 KiB. */
  readonly errorBytes: number
}

export const DEFAULT_LIMITS: ReadLimits = {
  documentBytes: 8 * 1024 * 1024,
  tokenBytes: 128 * 1024,
  errorBytes: 64 * 1024,
}

/** @throws {TypeError} for what is not a number of bytes. */
export function readLimits(given: Partial<ReadLimits> = {}): ReadLimits {
  const limits = { ...DEFAULT_LIMITS, ...given }
  for (const [name, bytes] of Object.entries(limits)) {
    if (!Number.isSafeInteger(bytes) || bytes < 1)
      throw new TypeError(`limits.${name} must be a number of bytes`)
  }
  return limits
}
