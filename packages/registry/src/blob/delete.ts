/**
 * Blobs out of a repository: distribution-spec, "Deleting blobs".
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { notePresence } from './presence.ts'

/**
 * Deletes a blob from the repository. Manifests that need it are not looked for.
 *
 * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`; `ERR_REGISTRY_REJECTED` (405) where the registry does not delete.
 */
export async function deleteBlob(endpoint: Endpoint, digest: Digest, signal?: AbortSignal): Promise<void> {
  const response = await sendTo(endpoint, {
    method: 'DELETE',
    target: `blobs/${digest}`,
    access: 'delete',
    expect: [200, 202, 204],
    signal,
  })
  await response.discard()
  notePresence(endpoint, digest, false)
  await endpoint.locations?.drop(digest, { registry: endpoint.host.name, repository: endpoint.repository })
}
