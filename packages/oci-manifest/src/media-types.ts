/**
 * Media types of OCI and Docker documents and layers.
 *
 * image-spec v1.1.1, media-types.md; for Docker's: distribution, manifest-v2-2.md.
 *
 * @module
 */
import { type Descriptor, parseDigest } from '@varve/digest'

export const MEDIA_TYPE_OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const MEDIA_TYPE_OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const MEDIA_TYPE_OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const MEDIA_TYPE_OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
export const MEDIA_TYPE_OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'
export const MEDIA_TYPE_OCI_LAYER_GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
export const MEDIA_TYPE_OCI_LAYER_ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd'
/** Deprecated by image-spec v1.1, like its two compressed forms. */
export const MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
export const MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_GZIP =
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'
export const MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_ZSTD =
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd'

export const MEDIA_TYPE_DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const MEDIA_TYPE_DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const MEDIA_TYPE_DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
export const MEDIA_TYPE_DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar'
export const MEDIA_TYPE_DOCKER_LAYER_GZIP = 'application/vnd.docker.image.rootfs.diff.tar.gzip'
export const MEDIA_TYPE_DOCKER_LAYER_ZSTD = 'application/vnd.docker.image.rootfs.diff.tar.zstd'
export const MEDIA_TYPE_DOCKER_LAYER_FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar'
export const MEDIA_TYPE_DOCKER_LAYER_FOREIGN_GZIP =
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
/** Recognised so that it can be refused by name. */
export const MEDIA_TYPE_DOCKER_SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+json'
/** Recognised so that it can be refused by name. */
export const MEDIA_TYPE_DOCKER_SCHEMA1_SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'

/** An in-toto statement: a layer of an attestation. */
export const MEDIA_TYPE_IN_TOTO = 'application/vnd.in-toto+json'

/** Every type of document to ask a registry for, in order of preference. */
export const DOCUMENT_MEDIA_TYPES: readonly string[] = [
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_DOCKER_LIST,
  MEDIA_TYPE_OCI_MANIFEST,
  MEDIA_TYPE_DOCKER_MANIFEST,
]

/** The two bytes `{}`: image-spec v1.1.1, manifest.md, "Guidance for an Empty Descriptor". */
export const EMPTY_DESCRIPTOR: Descriptor = {
  mediaType: MEDIA_TYPE_OCI_EMPTY,
  digest: parseDigest('sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'),
  size: 2,
  data: 'e30=',
}

/** What a layer's bytes are wrapped in. */
export type LayerCompression = 'none' | 'gzip' | 'zstd'

/** How a media type is compressed, and which OCI type means the same bytes. */
interface LayerType {
  readonly compression: LayerCompression
  readonly oci: string
}

const LAYER_TYPES: ReadonlyMap<string, LayerType> = new Map<string, LayerType>([
  ...family(MEDIA_TYPE_OCI_LAYER, MEDIA_TYPE_OCI_LAYER, '+'),
  ...family(MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE, MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE, '+'),
  ...family(MEDIA_TYPE_DOCKER_LAYER, MEDIA_TYPE_OCI_LAYER, '.'),
  ...family(MEDIA_TYPE_DOCKER_LAYER_FOREIGN, MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE, '.'),
])

/** Docker's names by OCI's. Docker has none for a foreign layer compressed with zstd. */
const DOCKER_LAYER_TYPES: ReadonlyMap<string, string> = new Map(
  [
    MEDIA_TYPE_DOCKER_LAYER,
    MEDIA_TYPE_DOCKER_LAYER_GZIP,
    MEDIA_TYPE_DOCKER_LAYER_ZSTD,
    MEDIA_TYPE_DOCKER_LAYER_FOREIGN,
    MEDIA_TYPE_DOCKER_LAYER_FOREIGN_GZIP,
  ].map((docker) => [ociLayerType(docker), docker]),
)

// RFC 6838 §4.2, "Naming Requirements".
const MEDIA_TYPE_NAME = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

/** Whether this is a type and a subtype as RFC 6838 §4.2 has them, without parameters. */
export function isMediaTypeName(text: string): boolean {
  return MEDIA_TYPE_NAME.test(text)
}

/** Whether a document of this type lists manifests. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_OCI_INDEX || mediaType === MEDIA_TYPE_DOCKER_LIST
}

/** Whether a document of this type lists a config and layers. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_OCI_MANIFEST || mediaType === MEDIA_TYPE_DOCKER_MANIFEST
}

/** Whether content of this type refers to other content. Everything else is a blob. */
export function isDocumentType(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType)
}

/** Whether this is a config that describes an image, not an artifact. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_OCI_CONFIG || mediaType === MEDIA_TYPE_DOCKER_CONFIG
}

/** Whether this is a file system layer of a known type. */
export function isLayerType(mediaType: string): boolean {
  return LAYER_TYPES.has(mediaType)
}

/** Whether this is a layer that its owner does not want copied; registries may lack its bytes. */
export function isNondistributableType(mediaType: string): boolean {
  return LAYER_TYPES.get(mediaType)?.oci.startsWith(MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE) ?? false
}

/** Whether this is the first, abandoned manifest format of Docker. */
export function isSchema1Type(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_DOCKER_SCHEMA1 || mediaType === MEDIA_TYPE_DOCKER_SCHEMA1_SIGNED
}

/** How a layer of this type is compressed; `undefined` if it is not a known layer type. */
export function compressionOf(mediaType: string): LayerCompression | undefined {
  return LAYER_TYPES.get(mediaType)?.compression
}

/** The OCI name for the same bytes; a type that is not Docker's comes back as it is. */
export function ociLayerType(mediaType: string): string {
  return LAYER_TYPES.get(mediaType)?.oci ?? mediaType
}

/** Docker's name for the same bytes; `undefined` if Docker has none. A type of Docker's comes back as it is. */
export function dockerLayerType(mediaType: string): string | undefined {
  return DOCKER_LAYER_TYPES.get(ociLayerType(mediaType))
}

function family(plain: string, oci: string, separator: string): [string, LayerType][] {
  return [
    [plain, { compression: 'none', oci }],
    [`${plain}${separator}gzip`, { compression: 'gzip', oci: `${oci}+gzip` }],
    [`${plain}${separator}zstd`, { compression: 'zstd', oci: `${oci}+zstd` }],
  ]
}
