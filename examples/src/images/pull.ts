/**
 * Pulls an image into a layout, from a mirror if it has it, and tells how far it is.
 *
 * @module
 */
import type { CopyEvent } from '@varve/oci-manifest'
import { openLayout } from '@varve/oci-manifest/layout'
import { copyImage, createRegistryClient } from '@varve/registry'

export async function pull(
  name: string,
  mirror: string,
  directory: string,
  onProgress: (event: CopyEvent) => void,
): Promise<void> {
  const hosts = { 'docker.io': { mirrors: [{ location: mirror }] } }
  const client = createRegistryClient({ hosts })
  try {
    const to = await openLayout(directory, { create: true })
    await copyImage({ from: client.repository(name), to, onProgress })
  } finally {
    await client.close()
  }
}
