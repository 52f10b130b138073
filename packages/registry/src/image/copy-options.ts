/**
 * What can be said of a copy, and what a copy says.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import {
  type ContentOptions,
  type CopyEvent,
  familiarReference,
  isTag,
  type PlanOptions,
} from '@varve/oci-manifest'
import type { Companion } from './companions.ts'
import { type ImageDestination, type ImageSource, isRepository } from './places.ts'

/** What to copy, from where to where, and how much of it. */
export interface CopyImageOptions
  extends ContentOptions, Pick<PlanOptions, 'platforms' | 'sparse' | 'attestations'> {
  /** A tag, a digest, or a descriptor. Default: what `from` was opened for, or its only image. */
  readonly image?: string | Descriptor
  readonly from: ImageSource
  readonly to: ImageDestination
  /**
   * Names it gets. Default: the tag of the reference that `to` was made from, else the tag that `image` is, else the tag
   * of `from`; none at all leaves it with its digest. In a docker-archive, names are references, such as `app:1.0`.
   */
  readonly tags?: readonly string[]
  /**
   * Whether to take along what is about the image or about a part of it: referrers, and what cosign keeps under tags; or
   * which of them. Default false.
   */
  readonly referrers?: boolean | ((companion: Companion) => boolean)
  /**
   * Asks a registry for each blob of a manifest that it has, instead of trusting it to have checked them when it took
   * the manifest: repairs a repository that has lost blobs. Default false.
   */
  readonly recheck?: boolean
  /**
   * Blobs, or documents, at a time. Default 8: more than a client's transfers to one host, so that some are asked for
   * while others move.
   */
  readonly concurrency?: number
  readonly onProgress?: (event: CopyEvent) => void
}

/** What a copy did. */
export interface CopyImageResult {
  /** The image as it is now at the destination: with `platforms`, another index. */
  readonly descriptor: Descriptor
  /** What went along with it. */
  readonly referrers: readonly Descriptor[]
  /** Blobs and documents that were moved, were there, or came from a neighbouring repository. */
  readonly copied: number
  readonly existed: number
  readonly mounted: number
  /** Of what was moved. */
  readonly bytes: number
}

/** The names that a copy gets. */
export function namesOf({ image, from, to, tags }: CopyImageOptions): readonly string[] {
  if (tags !== undefined) return tags
  const wanted = isRepository(to) ? to.reference.tag : undefined
  const asked = typeof image === 'string' && isTag(image) ? image : undefined
  const own = image === undefined && isRepository(from) ? from.reference.tag : undefined
  const name = wanted ?? asked ?? own
  if (name === undefined) return []
  // Docker knows no tags without a repository.
  if (!('format' in to) || to.format === 'oci') return [name]
  if (!isRepository(from)) return []
  const { domain, path } = from.reference
  return [familiarReference({ domain, path, tag: name })]
}
