/**
 * Referrers: documents that are about another one, as lists have them.
 *
 * distribution-spec v1.1.1, "Listing Referrers" and "Referrers Tag Schema".
 *
 * @module
 */
import { algorithmOf, type Descriptor, type Digest, hexOf } from '@varve/digest'
import { present } from './fields.ts'
import type { Document } from './image-index.ts'

/** A document as an entry of a list, with its annotations, and the type of artifact that it is. */
export function describeReferrer({ kind, document }: Document): Descriptor {
  const { mediaType, digest, size } = document.descriptor
  const { annotations } = document.value
  // An index has no config to say it instead.
  const artifactType =
    document.value.artifactType ?? (kind === 'manifest' ? document.value.config.mediaType : undefined)
  return present<Descriptor>({ mediaType, digest, size, artifactType, annotations })
}

/**
 * The tag that lists the referrers of a document where nothing else does: its digest, each part cut to what a tag may
 * have. Of SHA-512 that leaves half, which is what the specification says, and not all clients do.
 */
export function referrersTag(subject: Digest): string {
  const tag = `${algorithmOf(subject).slice(0, 32)}-${hexOf(subject).slice(0, 64)}`
  return tag.replace(/[^A-Za-z0-9._-]/g, '-')
}
