/**
 * The store of one build: the local one, with the caches of others behind it.
 *
 * @module
 */
import { type BlobFiles, type BlobStore, type Store, tiered } from '@varve/cache-store'
import type { LocalStore } from '@varve/cache-store/local'
import { type RemoteCache, tierWarning } from './remote-cache.ts'

/** What a build reads and writes. */
export interface BuildStore extends Store {
  readonly blobs: BlobStore & BlobFiles
  /** Waits until the caches have what is on its way to them, and holds nothing any more. */
  close(signal?: AbortSignal): Promise<void>
}

/**
 * Puts caches behind a store. While it is open, collections leave alone what the build uses.
 *
 * `onWarning` is told once of each thing that is wrong with a cache.
 */
export async function openBuildStore(
  local: LocalStore,
  caches: readonly RemoteCache[],
  onWarning: (message: string) => void,
): Promise<BuildStore> {
  const lease = await local.pins.lease()
  if (caches.length === 0) return { ...local, close: () => lease.release() }
  const told = new Set<string>()
  const store = tiered(
    [
      local,
      ...caches.map(({ name, tier, read, write }) => ({
        tier,
        name,
        read,
        write: write ? ('back' as const) : ('none' as const),
        // What a build writes besides, such as uncompressed layers, is of use here only.
        takes: 'recorded' as const,
      })),
    ],
    {
      // The image is in the first tier, so what fails there is no matter of caching.
      errors: 'l0',
      onEvent: (event) => {
        const message = tierWarning(event)
        if (message === undefined || told.has(message)) return
        told.add(message)
        onWarning(message)
      },
    },
  )
  return {
    ...store,
    blobs: { ...store.blobs, file: (digest) => local.blobs.file(digest) },
    close: async (signal) => {
      try {
        await store.close(signal === undefined ? {} : { signal })
      } finally {
        await lease.release()
      }
    },
  }
}
