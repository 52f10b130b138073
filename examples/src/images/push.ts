/**
 * Pushes an image of a layout, sending only what the registry does not have.
 *
 * @module
 */
import { openLayout } from '@varve/oci-manifest/layout'
import { copyImage, createRegistryClient } from '@varve/registry'
import { createDockerCredentials } from '@varve/registry/credentials'

export async function push(directory: string, tag: string, name: string): Promise<string> {
  const client = createRegistryClient({ credentials: createDockerCredentials() })
  try {
    const from = await openLayout(directory)
    const { descriptor } = await copyImage({ image: tag, from, to: client.repository(name) })
    return descriptor.digest
  } finally {
    await client.close()
  }
}
