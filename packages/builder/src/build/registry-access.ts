/**
 * The registry client of a build.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import type { RegistryClient } from '@varve/registry'
import type { BuildOptions } from './options.ts'

/** A client that is made when it is first needed: a build that is all cached needs none, and loads none of its code. */
export interface RegistryAccess {
  readonly open: () => Promise<RegistryClient>
  /** Closes the client, unless it is the caller's. */
  readonly close: () => Promise<void>
}

/** What `options` say of registries. `refs` are where a client of the build's own remembers the places of blobs. */
export function accessRegistries(
  { registry, registryOptions }: Pick<BuildOptions, 'registry' | 'registryOptions'>,
  refs: RefStore,
): RegistryAccess {
  if (registry !== undefined) return { open: async () => registry, close: async () => {} }
  let client: Promise<RegistryClient> | undefined
  const make = async (): Promise<RegistryClient> => {
    const { createRegistryClient, createStoredLocations } = await import('@varve/registry')
    const options = typeof registryOptions === 'function' ? await registryOptions() : registryOptions
    return createRegistryClient({ locations: createStoredLocations(refs), ...options })
  }
  return {
    open: () => (client ??= make()),
    close: async () => {
      // A client that could not be made has failed the build already.
      const made = await client?.catch(() => undefined)
      await made?.close()
    },
  }
}
