/**
 * Annotations this package reads or writes.
 *
 * image-spec v1.1.1, annotations.md, "Pre-Defined Annotation Keys"; for `vnd.docker`: BuildKit, attestation-storage.md; for `in-toto.io`: likewise.
 *
 * @module
 */

/** RFC 3339 time of the build. */
export const ANNOTATION_CREATED = 'org.opencontainers.image.created'
/** Contact of those responsible for the image; free text. */
export const ANNOTATION_AUTHORS = 'org.opencontainers.image.authors'
/** URL to find more information on the image. */
export const ANNOTATION_URL = 'org.opencontainers.image.url'
/** URL of the documentation. */
export const ANNOTATION_DOCUMENTATION = 'org.opencontainers.image.documentation'
/** URL of the source code. */
export const ANNOTATION_SOURCE = 'org.opencontainers.image.source'
/** Version of the packaged software. */
export const ANNOTATION_VERSION = 'org.opencontainers.image.version'
/** Revision of the source code in its version control system. */
export const ANNOTATION_REVISION = 'org.opencontainers.image.revision'
/** Who distributes the image. */
export const ANNOTATION_VENDOR = 'org.opencontainers.image.vendor'
/** SPDX licence expression. */
export const ANNOTATION_LICENSES = 'org.opencontainers.image.licenses'
/** Tag of a root; it counts only in the `index.json` of a layout. */
export const ANNOTATION_REF_NAME = 'org.opencontainers.image.ref.name'
/** Title for people; for layers of artifacts, by convention a file name, which is not to be trusted as a path. */
export const ANNOTATION_TITLE = 'org.opencontainers.image.title'
/** Description for people. */
export const ANNOTATION_DESCRIPTION = 'org.opencontainers.image.description'
/** Digest of the image this one is built on. */
export const ANNOTATION_BASE_DIGEST = 'org.opencontainers.image.base.digest'
/** Reference of the image this one is built on. */
export const ANNOTATION_BASE_NAME = 'org.opencontainers.image.base.name'
/** Digest of the image that an attestation, listed beside it, is about. */
export const ANNOTATION_REFERENCE_DIGEST = 'vnd.docker.reference.digest'
/** `attestation-manifest`: the entry is not an image. */
export const ANNOTATION_REFERENCE_TYPE = 'vnd.docker.reference.type'
/** What a statement claims: the type of its predicate, on the layer that holds it. */
export const ANNOTATION_PREDICATE_TYPE = 'in-toto.io/predicate-type'
