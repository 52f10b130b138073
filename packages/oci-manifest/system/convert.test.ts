/** Conversion as others do it, and others reading ours. */
import { hexOf, type Descriptor } from '@varve/digest'
import { needs } from '@varve/testing/peers'
import { temporaryDirectory } from '@varve/testing/registries'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  assembleIndex,
  convertContent,
  copyContent,
  type ImageFormat,
  parseIndex,
  parseManifest,
  parsePlatform,
  planCopy,
  readImage,
  verifyImage,
  withDocuments,
} from '../src/index.ts'
import { type ImageLayout, openLayout } from '../src/layout.ts'
import { MemoryContent } from '../test/fixtures/content.ts'
import { putDocument } from '../test/fixtures/documents.ts'
import { skopeo, succeed, tarImage } from './support/programs.ts'

const AMD64 = parsePlatform('linux/amd64')
const ARM64 = parsePlatform('linux/arm64')

async function layoutOf(directory: string, content: MemoryContent, root: Descriptor): Promise<ImageLayout> {
  const layout = await openLayout(directory, { create: true })
  await copyContent(root, content, layout)
  await layout.tag('1', root)
  return layout
}

/** Writes content as the `dir:` transport of containers/image has it. */
async function writeDirectory(directory: string, content: MemoryContent, root: Descriptor): Promise<void> {
  writeFileSync(join(directory, 'version'), 'Directory Transport Version: 1.1\n')
  const { blobs, levels } = await planCopy(root, content)
  for (const { digest } of blobs)
    writeFileSync(join(directory, hexOf(digest)), content.blobs.get(digest) ?? '')
  for (const { descriptor, bytes } of levels.flat()) {
    const name =
      descriptor.digest === root.digest ? 'manifest.json' : `${hexOf(descriptor.digest)}.manifest.json`
    writeFileSync(join(directory, name), bytes)
  }
}

async function convert(content: MemoryContent, root: Descriptor, to: ImageFormat): Promise<Descriptor> {
  const { descriptor, documents } = await convertContent(content, root, { to, lossy: true })
  await copyContent(descriptor, withDocuments(content, documents), content)
  return descriptor
}

const manifestIn = (path: string) => parseManifest(readFileSync(path)).value

void t.test('M8 skopeo converts to the same config and layers as we do', needs('skopeo'), async (t) => {
  const [directory, theirs] = [temporaryDirectory(t, 'convert-'), temporaryDirectory(t, 'convert-')]
  const content = new MemoryContent()
  const { manifest } = await tarImage(content, 'app')
  await layoutOf(directory, content, manifest.descriptor)
  await skopeo('copy', '--format', 'v2s2', `oci:${directory}:1`, `dir:${theirs}`)
  const expected = manifestIn(join(theirs, 'manifest.json'))
  const ours = parseManifest(
    content.blobs.get((await convert(content, manifest.descriptor, 'docker')).digest) as Uint8Array,
  )
  t.same(ours.value, expected)
})

void t.test('M8 skopeo and umoci read what we converted, both ways', needs('skopeo', 'umoci'), async (t) => {
  const content = new MemoryContent()
  const { config, manifest } = await tarImage(content, 'app')
  const docker = await convert(content, manifest.descriptor, 'docker')
  const directory = temporaryDirectory(t, 'convert-')
  await writeDirectory(directory, content, docker)
  const seen = JSON.parse(await skopeo('inspect', `dir:${directory}`)) as Record<string, unknown>
  t.match(seen, {
    Digest: docker.digest,
    Labels: { name: 'app' },
    Layers: manifest.value.layers.map(({ digest }) => digest),
  })

  const theirs = temporaryDirectory(t, 'convert-')
  await skopeo('copy', '--format', 'oci', `dir:${directory}`, `oci:${join(theirs, 'layout')}:1`)
  const layout = await openLayout(join(theirs, 'layout'))
  const image = await readImage(layout, await layout.resolve('1'))
  t.equal(image.config.descriptor.digest, config.descriptor.digest, 'the image ID, there and back')
  t.same(await verifyImage(layout, image.descriptor), [])

  const back = await convert(content, docker, 'oci')
  const ours = temporaryDirectory(t, 'convert-')
  await layoutOf(join(ours, 'layout'), content, back)
  t.same(
    parseManifest(content.blobs.get(back.digest) as Uint8Array).value,
    image.manifest.value,
    'as skopeo has it',
  )
  const stat = JSON.parse(
    await succeed('umoci', 'stat', '--json', '--image', `${join(ours, 'layout')}:1`),
  ) as object
  t.match(stat, {
    history: [
      { created_by: 'ADD app-1' },
      { created_by: 'ENV A=1', empty_layer: true },
      { created_by: 'ADD app-2' },
    ],
  })
  await succeed('umoci', 'unpack', '--rootless', '--image', `${join(ours, 'layout')}:1`, join(ours, 'bundle'))
  t.strictSame(readdirSync(join(ours, 'bundle', 'rootfs')).toSorted(), ['app-1', 'app-2'])
})

void t.test('M8 an index is a list to skopeo, and a list an index', needs('skopeo'), async (t) => {
  const content = new MemoryContent()
  const images = await Promise.all(
    [AMD64, ARM64].map((platform) => tarImage(content, platform.architecture, { platform })),
  )
  const root = putDocument(
    content,
    assembleIndex(
      images.map(({ manifest }, index) => ({
        ...manifest.descriptor,
        platform: [AMD64, ARM64][index] ?? AMD64,
      })),
    ),
  )
  const docker = await convert(content, root, 'docker')
  const directory = temporaryDirectory(t, 'convert-')
  await writeDirectory(directory, content, docker)
  const theirs = join(temporaryDirectory(t, 'convert-'), 'layout')
  await skopeo('copy', '--all', '--format', 'oci', `dir:${directory}`, `oci:${theirs}:1`)
  const layout = await openLayout(theirs)
  const theirRoot = await layout.resolve('1')
  t.same(await verifyImage(layout, theirRoot), [])
  const back = await convert(content, docker, 'oci')
  const entriesOf = (bytes: Uint8Array) => parseIndex(bytes).value.manifests
  t.same(
    entriesOf(content.blobs.get(back.digest) as Uint8Array).map(({ platform, size, digest }) => [
      platform,
      size,
      digest,
    ]),
    entriesOf(readFileSync(join(theirs, 'blobs', 'sha256', hexOf(theirRoot.digest)))).map(
      ({ platform, size, digest }) => [platform, size, digest],
    ),
    'the same manifests, to the byte',
  )
  for (const [index, platform] of [AMD64, ARM64].entries()) {
    const { config } = await readImage(layout, theirRoot, { platform })
    t.equal(config.descriptor.digest, images[index]?.config.descriptor.digest)
  }
})
