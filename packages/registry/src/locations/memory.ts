/**
 * Blob locations in memory, for one process.
 *
 * @module
 */
import type { Descriptor, Digest } from '@varve/digest'
import type { BlobLocations } from './locations.ts'
import { emptyRecord, type LocationRecord, withDiffID, withLayer, withoutPlace, withPlace } from './record.ts'

/** Blobs that are remembered; the ones longest not noted are forgotten. */
const MAX_BLOBS = 10_000

/** Starts with nothing. */
export function createMemoryLocations(): BlobLocations {
  const records = new Map<Digest, LocationRecord>()
  const read = (digest: Digest): LocationRecord => records.get(digest) ?? emptyRecord()
  const write = (digest: Digest, record: LocationRecord): void => {
    records.delete(digest)
    records.set(digest, record)
    const [oldest] = records.keys()
    if (records.size > MAX_BLOBS && oldest !== undefined) records.delete(oldest)
  }
  return {
    add: async (digest, place) => write(digest, withPlace(read(digest), place)),
    drop: async (digest, place) => write(digest, withoutPlace(read(digest), place)),
    repositoriesOf: async (digest, registry) => repositoriesIn(read(digest), registry),
    async addLayer(diffID: Digest, layer: Descriptor) {
      write(diffID, withLayer(read(diffID), layer))
      write(layer.digest, withDiffID(read(layer.digest), diffID))
    },
    layersOf: async (diffID) => read(diffID).layers,
    diffIDOf: async (digest) => read(digest).diffID,
  }
}

/** The repositories of one registry, in their order. */
export function repositoriesIn({ places }: LocationRecord, registry: string): string[] {
  return places.filter((place) => place.registry === registry).map(({ repository }) => repository)
}
