/**
 * Blob locations in a store, shared by all that use it: one small document a digest, changed by compare-and-swap.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import { algorithmOf, type Digest, hexOf } from '@varve/digest'
import type { BlobLocations } from './locations.ts'
import { repositoriesIn } from './memory.ts'
import {
  decodeRecord,
  emptyRecord,
  encodeRecord,
  type LocationRecord,
  withDiffID,
  withLayer,
  withoutPlace,
  withPlace,
} from './record.ts'

const PREFIX = 'blob-locations'

/**
 * Locations kept as refs named `blob-locations/…`. A store that fails makes them forget, and nothing else; a document
 * that is damaged counts as empty.
 */
export function createStoredLocations(refs: RefStore): BlobLocations {
  const read = async (digest: Digest): Promise<LocationRecord> => {
    try {
      return decodeRecord(await refs.read(nameOf(digest)))
    } catch {
      return emptyRecord()
    }
  }
  const change = async (digest: Digest, next: (record: LocationRecord) => LocationRecord): Promise<void> => {
    try {
      // Most notes are of what is known: a read costs less than a write, and less than a wait for other writers.
      const known = await read(digest)
      if (isSame(next(known), known)) return
      await refs.update(nameOf(digest), (old) => encodeRecord(next(decodeRecord(old))))
    } catch {
      // A hint that is lost costs time only.
    }
  }
  return {
    add: (digest, place) => change(digest, (record) => withPlace(record, place)),
    drop: (digest, place) => change(digest, (record) => withoutPlace(record, place)),
    repositoriesOf: async (digest, registry) => repositoriesIn(await read(digest), registry),
    async addLayer(diffID, layer) {
      await change(diffID, (record) => withLayer(record, layer))
      await change(layer.digest, (record) => withDiffID(record, diffID))
    },
    layersOf: async (diffID) => (await read(diffID)).layers,
    diffIDOf: async (digest) => (await read(digest)).diffID,
  }
}

function nameOf(digest: Digest): string {
  return `${PREFIX}/${algorithmOf(digest)}/${hexOf(digest)}`
}

function isSame(one: LocationRecord, other: LocationRecord): boolean {
  return Buffer.compare(encodeRecord(one), encodeRecord(other)) === 0
}
