/**
 * Referrers as lists have them: distribution-spec, "Listing Referrers".
 *
 * @module
 */
import { type Descriptor, type Digest, hexOf } from '@varve/digest'
import type { Document } from '@varve/oci-manifest'

/** A manifest or an index that is about another one, with its annotations, and the type of artifact that it is. */
export function describeReferrer({ kind, document }: Document): Descriptor {
  const { mediaType, digest, size } = document.descriptor
  const { annotations } = document.value
  // An index has no config to say it instead.
  const artifactType =
    document.value.artifactType ?? (kind === 'manifest' ? document.value.config.mediaType : undefined)
  return {
    mediaType,
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
  }
}

/**
 * The tag that lists the referrers of a manifest where the registry does not: its digest, each part cut to what a tag
 * may have. For sha512 that leaves half of it, which is what the specification says, and not all clients do.
 */
export function referrersTag(subject: Digest): string {
  const algorithm = subject.slice(0, subject.indexOf(':'))
  return `${algorithm.slice(0, 32)}-${hexOf(subject).slice(0, 64)}`.replace(/[^A-Za-z0-9._-]/g, '-')
}
