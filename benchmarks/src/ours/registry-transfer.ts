/**
 * Pushes the image of a layout, or pulls one into a new layout.
 *
 *     node registry-transfer.js push|pull LAYOUT HOST/REPOSITORY
 *
 * @module
 */
import { openLayout } from '@varve/oci-manifest/layout'
import { copyImage, createRegistryClient } from '@varve/registry'

const [direction, directory = '', repository = ''] = process.argv.slice(2)
const client = createRegistryClient()
const remote = client.repository(`${repository}:x`)
const layout = await openLayout(directory, { create: direction === 'pull' })
await copyImage(
  direction === 'push' ? { image: 'x', from: layout, to: remote } : { image: 'x', from: remote, to: layout },
)
await client.close()
