/**
 * Annotations this package reads or writes.
 *
 * image-spec v1.1.1, annotations.md, "Pre-Defined Annotation Keys"; for `vnd.docker`: BuildKit, attestation-storage.md.
 *
 * @module
 */

/** RFC 3339 time of the build. */
export const ANNOTATION_CREATED = 'org.opencontainers.image.created'
/** Digest of the image this one is built on. */
export const ANNOTATION_BASE_DIGEST = 'org.opencontainers.image.base.digest'
/** Reference of the image this one is built on. */
export const ANNOTATION_BASE_NAME = 'org.opencontainers.image.base.name'
/** Tag of a root; it counts only in the `index.json` of a layout. */
export const ANNOTATION_REF_NAME = 'org.opencontainers.image.ref.name'
/** Digest of the image that an attestation, listed beside it, is about. */
export const ANNOTATION_REFERENCE_DIGEST = 'vnd.docker.reference.digest'
/** `attestation-manifest`: the entry is not an image. */
export const ANNOTATION_REFERENCE_TYPE = 'vnd.docker.reference.type'
