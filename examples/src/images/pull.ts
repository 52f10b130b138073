/**
 * Pulls an image into a layout, from a mirror if it has it, and shows how far it is.
 *
 * @module
 */
import { openLayout } from '@varve/oci-manifest/layout'
import { copyImage, createRegistryClient } from '@varve/registry'

export async function pull(name: string, mirror: string, directory: string): Promise<void> {
  const hosts = { 'docker.io': { mirrors: [{ location: mirror }] } }
  const client = createRegistryClient({ hosts })
  try {
    const to = await openLayout(directory, { create: true })
    await copyImage({ from: client.repository(name), to, onProgress: (event) => console.error(event) })
  } finally {
    await client.close()
  }
}
