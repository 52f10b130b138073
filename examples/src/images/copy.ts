/**
 * Copies an image for two platforms from one repository to another, with its signatures and attestations.
 *
 * @module
 */
import { parsePlatform } from '@varve/oci-manifest'
import { copyImage, createRegistryClient, type CopyImageResult } from '@varve/registry'

export async function copy(name: string, newName: string): Promise<CopyImageResult> {
  const client = createRegistryClient()
  try {
    const [from, to] = [client.repository(name), client.repository(newName)]
    const platforms = ['linux/amd64', 'linux/arm64'].map((text) => parsePlatform(text))
    return await copyImage({ from, to, platforms, referrers: true })
  } finally {
    await client.close()
  }
}
