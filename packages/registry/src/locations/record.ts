/**
 * What is known of one digest, as a value and as bytes.
 *
 * @module
 */
import { type Descriptor, type Digest, isDigest } from '@varve/digest'
import { isRepositoryName } from '../repository-name.ts'
import type { BlobPlace } from './locations.ts'

/** The latest noted first in both lists. */
export interface LocationRecord {
  /** Where the blob is. */
  readonly places: readonly BlobPlace[]
  /** Blobs whose diffID this digest is. */
  readonly layers: readonly Descriptor[]
  /** The diffID of the blob. */
  readonly diffID: Digest | undefined
}

/** Popular layers are in thousands of repositories, of which a push tries three. */
const MAX_PLACES = 32
const MAX_LAYERS = 16
/** No host and no media type is longer. */
const MAX_TEXT = 255

/** A record that knows nothing. */
export function emptyRecord(): LocationRecord {
  return { places: [], layers: [], diffID: undefined }
}

/** With a place, before all others. */
export function withPlace(record: LocationRecord, place: BlobPlace): LocationRecord {
  const { registry, repository } = place
  const others = withoutPlace(record, place).places
  return { ...record, places: [{ registry, repository }, ...others].slice(0, MAX_PLACES) }
}

/** Without a place. */
export function withoutPlace(record: LocationRecord, place: BlobPlace): LocationRecord {
  return { ...record, places: record.places.filter((each) => !isSame(each, place)) }
}

/** With a blob that holds this layer. */
export function withLayer(record: LocationRecord, { mediaType, digest, size }: Descriptor): LocationRecord {
  const others = record.layers.filter((layer) => layer.digest !== digest)
  return { ...record, layers: [{ mediaType, digest, size }, ...others].slice(0, MAX_LAYERS) }
}

/** With the diffID of this blob. */
export function withDiffID(record: LocationRecord, diffID: Digest): LocationRecord {
  return { ...record, diffID }
}

/** One line of JSON. */
export function encodeRecord({ places, layers, diffID }: LocationRecord): Uint8Array {
  const rows = places.map(({ registry, repository }) => [registry, repository])
  const document = { places: rows, layers, ...(diffID === undefined ? {} : { diffID }) }
  return new TextEncoder().encode(JSON.stringify(document))
}

/** Takes of a document what makes sense: others write it, too, and hints are not worth an error. */
export function decodeRecord(bytes: Uint8Array | undefined): LocationRecord {
  if (bytes === undefined) return emptyRecord()
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return emptyRecord()
  }
  const fields = new Map<string, unknown>(Object.entries(document ?? {}))
  const diffID = fields.get('diffID')
  return {
    places: listOf(fields.get('places')).flatMap(readPlace).slice(0, MAX_PLACES),
    layers: listOf(fields.get('layers')).flatMap(readLayer).slice(0, MAX_LAYERS),
    diffID: isDigest(diffID) ? diffID : undefined,
  }
}

function readPlace(row: unknown): BlobPlace[] {
  const [registry, repository] = listOf(row)
  if (typeof registry !== 'string' || registry === '' || registry.length > MAX_TEXT) return []
  return typeof repository === 'string' && isRepositoryName(repository) ? [{ registry, repository }] : []
}

function readLayer(value: unknown): Descriptor[] {
  const fields = new Map<string, unknown>(Object.entries(value ?? {}))
  const [mediaType, digest, size] = ['mediaType', 'digest', 'size'].map((name) => fields.get(name))
  if (typeof mediaType !== 'string' || mediaType.length > MAX_TEXT || !isDigest(digest)) return []
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0
    ? [{ mediaType, digest, size }]
    : []
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isSame(one: BlobPlace, other: BlobPlace): boolean {
  return one.registry === other.registry && one.repository === other.repository
}
