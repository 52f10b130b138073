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
import type { Digest } from '@varve/digest'
import { Fault } from './fault.ts'

/** What a manifest refers to. */
export interface ManifestFacts {
  /** Config and layers that this registry must have. */
  readonly blobs: readonly Digest[]
  /** Entries of an index. */
  readonly manifests: readonly Digest[]
  readonly subject: Digest | undefined
}

/**
 * Reads a manifest that was sent as `mediaType`. How large it may be was decided when it came.
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

function imageFacts(bytes: Uint8Array, mediaType: string): ManifestFacts {
  const { value } = parseManifest(bytes, { mediaType, maxBytes: bytes.byteLength })
  const layers = value.layers.filter((layer) => !isNondistributableType(layer.mediaType))
  return {
    blobs: [value.config, ...layers].map(({ digest }) => digest),
    manifests: [],
    subject: value.subject?.digest,
  }
}

function indexFacts(bytes: Uint8Array, mediaType: string): ManifestFacts {
  const { value } = parseIndex(bytes, { mediaType, maxBytes: bytes.byteLength })
  return {
    blobs: [],
    manifests: value.manifests.map(({ digest }) => digest),
    subject: value.subject?.digest,
  }
}
