/**
 * How much a caller may ask of a registry.
 *
 * @module
 */

/** Bounds of what one request, or one forgotten upload, can cost. */
export interface RegistryLimits {
  /** Largest manifest, in bytes. Default 4 MiB, the least the distribution-spec wants. */
  readonly manifestBytes: number
  /** Bytes of all manifests that are just being pushed, which are in memory; beyond it one is answered 429. Default 256 MiB. */
  readonly pendingManifestBytes: number
  /** Largest blob, in bytes. Default 64 GiB. */
  readonly blobBytes: number
  /** Uploads open at once; beyond it a new one is answered 429. Default 1024. */
  readonly uploads: number
  /** An upload without a request for this long is dropped. Default 15 minutes. */
  readonly uploadIdleMs: number
  /** Entries of one page of tags or referrers, whatever `n` says. Default 1000. */
  readonly pageEntries: number
}

/** What {@link RegistryLimits} are when nobody says otherwise. */
export const DEFAULT_LIMITS: RegistryLimits = {
  manifestBytes: 4 * 1024 * 1024,
  pendingManifestBytes: 256 * 1024 * 1024,
  blobBytes: 64 * 1024 ** 3,
  uploads: 1024,
  uploadIdleMs: 15 * 60 * 1000,
  pageEntries: 1000,
}
