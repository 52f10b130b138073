/**
 * Blobs out of a repository: distribution-spec, "Deleting blobs".
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import type { Endpoint } from '../endpoint.ts'
import { removeFrom } from '../remove-from.ts'
import { notePresence } from './presence.ts'

/**
 * Deletes a blob from the repository. Manifests that need it are not looked for.
 *
 * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`; `ERR_REGISTRY_REJECTED` (405) where the registry does not delete.
 */
export async function deleteBlob(endpoint: Endpoint, digest: Digest, signal?: AbortSignal): Promise<void> {
  await removeFrom(endpoint, `blobs/${digest}`, signal)
  notePresence(endpoint, digest, false)
  await endpoint.locations?.drop(digest, { registry: endpoint.host.name, repository: endpoint.repository })
}
