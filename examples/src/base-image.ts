/**
 * A tiny base image, made from nothing: three entries in one layer, in a layout directory.
 *
 * @module
 */
import { bytesSource } from '@varve/digest'
import { createEntry, packLayer, Tree } from '@varve/layer'
import { assembleImage, hostPlatform, type Parsed, type Platform } from '@varve/oci-manifest'
import { openLayout } from '@varve/oci-manifest/layout'

const OS_RELEASE = 'ID=varve-example\nNAME="varve example base"\nVERSION_ID=1\n'
const TIME = '1970-01-01T00:00:00Z'

/** Writes the image `base:latest` into a layout directory. */
export async function makeBaseImage(directory: string, platform: Platform = hostPlatform()): Promise<void> {
  const release = new TextEncoder().encode(OS_RELEASE)
  const tree = Tree.from([
    createEntry({ path: 'etc', type: 'directory', mode: 0o755 }),
    createEntry({
      path: 'etc/os-release',
      type: 'file',
      mode: 0o644,
      size: release.byteLength,
      content: bytesSource(release),
    }),
    createEntry({ path: 'tmp', type: 'directory', mode: 0o1777 }),
  ])
  const chunks: Uint8Array[] = []
  const layer = await packLayer(tree, { write: (chunk) => void chunks.push(chunk.slice()) })
  const image = assembleImage({
    platform,
    config: { Env: ['PATH=/usr/bin:/bin'] },
    layers: [layer],
    history: [{ created_by: 'example' }],
    created: TIME,
  })
  const layout = await openLayout(directory, { create: true })
  await layout.write(layer.descriptor, bytesSource(Buffer.concat(chunks)))
  await writeDocument(image.config)
  await writeDocument(image.manifest)
  await layout.tag('latest', image.manifest.descriptor)

  async function writeDocument({ descriptor, bytes }: Parsed<unknown>): Promise<void> {
    await layout.write(descriptor, bytesSource(bytes))
  }
}
