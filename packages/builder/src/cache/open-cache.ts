/**
 * Opens the caches that the command line names.
 *
 * @module
 */
import type { Tier } from '@varve/cache-store'

/** Where a cache is. Credentials are in no specification: those of S3 come from the usual places. */
export type CacheSpec =
  | {
      readonly type: 's3'
      readonly bucket: string
      readonly prefix?: string
      readonly region?: string
      readonly endpoint?: string
    }
  | { readonly type: 'http'; readonly url: string }
  | { readonly type: 'local'; readonly directory: string }

/** A cache that is open. */
export interface OpenCache {
  readonly tier: Tier
  close(): Promise<void>
}

/** What {@link openCache} needs beside the specification. */
export interface OpenCacheOptions {
  readonly onWarning: (error: unknown) => void
}

/** Drivers are loaded when they are needed: most builds need none of them. */
export async function openCache(spec: CacheSpec, { onWarning }: OpenCacheOptions): Promise<OpenCache> {
  if (spec.type === 's3') {
    const { createS3Store } = await import('@varve/cache-store/s3')
    const { type: _, ...where } = spec
    const store = await createS3Store({ ...where, onWarning })
    return { tier: store, close: () => store.close() }
  }
  if (spec.type === 'http') {
    const { createHttpTier } = await import('@varve/cache-store/http')
    const tier = createHttpTier({ url: spec.url, onWarning })
    return { tier, close: () => tier.close() }
  }
  const { createLocalStore } = await import('@varve/cache-store/local')
  return { tier: await createLocalStore({ directory: spec.directory }), close: async () => undefined }
}
