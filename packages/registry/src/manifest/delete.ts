/**
 * Manifests and tags out of a repository: distribution-spec, "Deleting manifests" and "Deleting tags".
 *
 * @module
 */
import { type Digest, isDigest } from '@varve/digest'
import { isDocumentType, OciManifestError, parseDocument } from '@varve/oci-manifest'
import type { Endpoint } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import { keepsReferrers } from '../referrers/list.ts'
import { removeReferrer } from '../referrers/tag-index.ts'
import { removeFrom } from '../remove-from.ts'
import { subjectOf } from './push.ts'
import { fetchManifest } from './request.ts'
import { manifestTarget } from './target.ts'

/**
 * Deletes a tag, or a manifest with all of its tags, and takes the manifest out of the list of its subject where that
 * is a matter of the client.
 *
 * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`; `ERR_REGISTRY_REJECTED` where the registry does not delete, or not
 *   by tag. Never does it by digest then: other tags would go too.
 */
export async function deleteManifest(
  endpoint: Endpoint,
  reference: string,
  signal?: AbortSignal,
): Promise<void> {
  const target = manifestTarget(reference)
  const subject = isDigest(reference) ? await subjectAt(endpoint, reference, signal) : undefined
  await removeFrom(endpoint, target, signal)
  if (subject === undefined || !isDigest(reference)) return
  if (await keepsReferrers(endpoint, subject, signal)) return
  await removeReferrer(endpoint, subject, reference, signal)
}

/** What a manifest is about. One that cannot be read can be deleted nevertheless. */
async function subjectAt(
  endpoint: Endpoint,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  try {
    const { descriptor, bytes } = await fetchManifest(endpoint, digest, signal)
    if (!isDocumentType(descriptor.mediaType)) return undefined
    return subjectOf(parseDocument(bytes, { descriptor, maxBytes: bytes.byteLength }))
  } catch (error) {
    const isUnreadable =
      error instanceof OciManifestError ||
      (error instanceof RegistryError && error.code === 'ERR_REGISTRY_UNSUPPORTED')
    if (isUnreadable) return undefined
    throw error
  }
}
