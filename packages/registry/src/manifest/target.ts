/**
 * How a manifest is asked for.
 *
 * @module
 */
import { isDigest } from '@varve/digest'
import { DOCUMENT_MEDIA_TYPES, isTag } from '@varve/oci-manifest'

/** Every type of manifest: a registry that is not told so may send one that it made up itself. */
export const ACCEPT: string = DOCUMENT_MEDIA_TYPES.join(', ')

/** @throws {TypeError} if `reference` is neither a tag nor a digest; it would change the URL. */
export function manifestTarget(reference: string): string {
  if (isTag(reference) || isDigest(reference)) return `manifests/${reference}`
  throw new TypeError(`Neither a tag nor a digest: ${JSON.stringify(reference)}`)
}
