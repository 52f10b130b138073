/**
 * Makes an image of one layer out of one that has many, in the same layout.
 *
 * @module
 */
import { bytesSource } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { flatten, fromTar, openLayer, packLayer, type Tree } from '@varve/layer'
import { type Image, flattenImage, readImage } from '@varve/oci-manifest'
import type { ImageLayout } from '@varve/oci-manifest/layout'
import { open, rm } from 'node:fs/promises'

export async function flattenTag(layout: ImageLayout, tag: string, newTag: string): Promise<string> {
  const image = await readImage(layout, await layout.resolve(tag))
  const trees = await Promise.all(image.manifest.value.layers.map((_, index) => treeOf(layout, image, index)))
  const file = `${layout.directory}.layer`
  const output = await open(file, 'w')
  try {
    const layer = await packLayer(flatten(trees), { write: (chunk) => output.writeFile(chunk) })
    await layout.write(layer.descriptor, fileSource(file))
    const created = image.config.value.created ?? '1970-01-01T00:00:00Z'
    const { config, manifest } = flattenImage(image, { layer, created })
    for (const { descriptor, bytes } of [config, manifest]) await layout.write(descriptor, bytesSource(bytes))
    await layout.tag(newTag, manifest.descriptor)
    return manifest.descriptor.digest
  } finally {
    await output.close()
    await rm(file, { force: true })
  }
}

async function treeOf(layout: ImageLayout, { manifest, config }: Image, index: number): Promise<Tree> {
  const [descriptor, diffID] = [manifest.value.layers[index], config.value.rootfs.diff_ids[index]]
  const source = descriptor && (await layout.read(descriptor))
  if (descriptor === undefined || diffID === undefined || source === undefined) {
    throw new Error(`Layer ${index} is not here`)
  }
  return fromTar(openLayer(descriptor, diffID, source).uncompressed)
}
