/**
 * What a registry needs to know of a manifest, read from its bytes by the strict parsers.
 *
 * @module
 */
import {
  isIndexType,
  isManifestType,
  isNondistributableType,
  OciManifestError,
  parseIndex,
  parseManifest,
} from '@varve/oci-manifest'
import type { Descriptor, Digest } from '@varve/digest'
import type { ManifestRow } from './catalog.ts'
import { Fault } from './fault.ts'

/** What a manifest refers to. */
export interface ManifestFacts {
  /** Config and layers that this registry must have. */
  readonly blobs: readonly Digest[]
  /** Entries of an index. */
  readonly manifests: readonly Digest[]
  readonly subject: Digest | undefined
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
}

/**
 * Reads a manifest that was sent as `mediaType`.
 *
 * @throws {Fault} 400 if the type is not one of the four that registries know, or the bytes are not of that type.
 */
export function readManifestFacts(mediaType: string, bytes: Uint8Array): ManifestFacts {
  try {
    if (isManifestType(mediaType)) return imageFacts(bytes, mediaType)
    if (isIndexType(mediaType)) return indexFacts(bytes, mediaType)
  } catch (error) {
    if (error instanceof OciManifestError) throw new Fault(400, 'MANIFEST_INVALID', error.message)
    throw error
  }
  const message = `Not a manifest type known here: ${JSON.stringify(mediaType.slice(0, 160))}`
  throw new Fault(400, 'MANIFEST_INVALID', message)
}

/** The entry of a manifest in a list of referrers: distribution-spec, "Listing Referrers". */
export function describeReferrer(bytes: Uint8Array, row: ManifestRow): Descriptor {
  const { artifactType, annotations } = readManifestFacts(row.mediaType, bytes)
  return {
    mediaType: row.mediaType,
    digest: row.digest,
    size: row.size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

function imageFacts(bytes: Uint8Array, mediaType: string): ManifestFacts {
  const { value } = parseManifest(bytes, { mediaType })
  const layers = value.layers.filter((layer) => !isNondistributableType(layer.mediaType))
  return {
    blobs: [value.config, ...layers].map(({ digest }) => digest),
    manifests: [],
    subject: value.subject?.digest,
    artifactType: value.artifactType ?? value.config.mediaType,
    annotations: value.annotations,
  }
}

function indexFacts(bytes: Uint8Array, mediaType: string): ManifestFacts {
  const { value } = parseIndex(bytes, { mediaType })
  return {
    blobs: [],
    manifests: value.manifests.map(({ digest }) => digest),
    subject: value.subject?.digest,
    artifactType: value.artifactType,
    annotations: value.annotations,
  }
}
