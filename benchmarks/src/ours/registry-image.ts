/**
 * Makes the layout of an image with the tag `x`, whose layers are given files, or small ones of its own.
 *
 *     node registry-image.js LAYOUT FILE|COUNT
 *
 * @module
 */
import { gzipSync } from 'node:zlib'
import { bytesSource, describe, type ByteSource, type Descriptor, digestStream } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { assembleImage, MEDIA_TYPE_OCI_LAYER_GZIP } from '@varve/oci-manifest'
import { openLayout } from '@varve/oci-manifest/layout'
import { createRandom } from '../random.ts'

/** Size of the layers of our own, before compression, which gains nothing. */
const SMALL = 16 * 1024

const [directory = '', what = ''] = process.argv.slice(2)
const layout = await openLayout(directory, { create: true })
const layers = /^\d+$/.test(what) ? smallLayers(Number(what)) : [await fileLayer(what)]
for (const { descriptor, source } of layers) await layout.write(descriptor, source)
const { config, manifest } = assembleImage({
  platform: { os: 'linux', architecture: 'amd64' },
  // No side looks into a layer, so any digest is as good as the right one.
  layers: layers.map(({ descriptor }) => ({ descriptor, diffID: descriptor.digest })),
  history: layers.map(() => ({ created_by: 'benchmark' })),
  created: '2026-01-01T00:00:00Z',
})
for (const { descriptor, bytes } of [config, manifest]) await layout.write(descriptor, bytesSource(bytes))
await layout.tag('x', manifest.descriptor)

interface Layer {
  readonly descriptor: Descriptor
  readonly source: ByteSource
}

function smallLayers(count: number): Layer[] {
  const random = createRandom(3)
  return Array.from({ length: count }, () => {
    const bytes = gzipSync(Uint8Array.from({ length: SMALL }, () => random(256)))
    return { descriptor: describe(MEDIA_TYPE_OCI_LAYER_GZIP, bytes), source: bytesSource(bytes) }
  })
}

async function fileLayer(path: string): Promise<Layer> {
  const source = fileSource(path)
  const proven = await digestStream(source.open())
  return { descriptor: { mediaType: MEDIA_TYPE_OCI_LAYER_GZIP, ...proven }, source }
}
