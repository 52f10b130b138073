/**
 * Builds `examples/hello` and takes the image the whole way: store, layout, registry, and back.
 *
 * @module
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type BuildResult } from '@varve/builder'
import { createLocalStore } from '@varve/cache-store/local'
import { fromLayers, fromTar, openLayer } from '@varve/layer'
import {
  copyContent,
  hostPlatform,
  type Image,
  type Platform,
  readImage,
  verifyImage,
} from '@varve/oci-manifest'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import { createRegistryClient } from '@varve/registry'
import { createRegistryHandler, listen } from '@varve/registry/server'
import { makeBaseImage } from './base-image.ts'

/** What the example works with. */
export interface HelloOptions {
  /** An empty directory for everything it writes. */
  readonly directory: string
  readonly print: (line: string) => void
  /** Default: Linux on this machine's architecture. */
  readonly platform?: Platform
}

/** The digests that must be the same on every run and machine. */
export interface HelloResult {
  readonly manifest: string
  readonly imageId: string
  readonly diffIDs: readonly string[]
}

/** Runs the example; throws if anything is not as it should be. */
export async function hello({
  directory,
  print,
  platform = hostPlatform(),
}: HelloOptions): Promise<HelloResult> {
  const base = join(directory, 'base')
  await makeBaseImage(base, platform)
  const buildHello = (): Promise<BuildResult> =>
    build({
      context: fileURLToPath(new URL('../hello', import.meta.url)),
      contexts: new Map([['base', { type: 'layout', directory: base, name: 'latest' }]]),
      platforms: [platform],
      tags: ['localhost/hello:1.0.0'],
      outputs: [{ type: 'layout', directory: join(directory, 'layout') }],
      cacheDirectory: join(directory, 'store'),
    })

  const first = await buildHello()
  printBuild('First build', first, print)
  const second = await buildHello()
  printBuild('Second build', second, print)
  check(second.descriptor.digest === first.descriptor.digest, 'both builds give one digest')
  check(
    second.steps.every(({ cache }) => cache === 'hit'),
    'the second build is all from cache',
  )

  const layout = await openLayout(join(directory, 'layout'))
  const pulled = await throughRegistry(directory, layout, print)
  const image = await readImage(pulled, first.descriptor, { platform })
  const findings = await verifyImage(pulled, first.descriptor)
  check(findings.length === 0, 'every digest of the pulled image is right')
  print('')
  print(`Image ${image.descriptor.digest}`)
  for (const line of await listFiles(image, pulled)) print(`  ${line}`)
  return {
    manifest: image.descriptor.digest,
    imageId: image.config.descriptor.digest,
    diffIDs: image.config.value.rootfs.diff_ids,
  }
}

/** Pushes to a registry on a free loopback port, pulls into another layout. */
async function throughRegistry(
  directory: string,
  layout: ImageLayout,
  print: (line: string) => void,
): Promise<ImageLayout> {
  const store = await createLocalStore({ directory: join(directory, 'registry') })
  const server = await listen(createRegistryHandler(store))
  const client = createRegistryClient()
  try {
    const repository = client.repository(`${new URL(server.url).host}/hello:1.0.0`)
    const descriptor = await layout.resolve('1.0.0')
    await copyContent(descriptor, layout, repository)
    const { bytes } = await readImage(layout, descriptor).then((image) => image.manifest)
    await repository.tag('1.0.0', descriptor, bytes)
    const pulled = await openLayout(join(directory, 'pulled'), { create: true })
    const found = await repository.resolve('1.0.0')
    await copyContent(found, repository, pulled)
    print('')
    print(`Pushed to and pulled from the embedded registry: ${found.digest}`)
    return pulled
  } finally {
    await client.close()
    await server.close()
  }
}

function printBuild(title: string, { descriptor, steps }: BuildResult, print: (line: string) => void): void {
  print(`${title}: ${descriptor.digest}`)
  for (const { name, cache, why, ms } of steps) {
    print(`  ${cache === 'hit' ? 'cached' : 'run   '} ${name}  (${why}; ${ms.toFixed(1)} ms)`)
  }
}

async function listFiles(image: Image, layout: ImageLayout): Promise<string[]> {
  const trees = image.manifest.value.layers.map(async (descriptor, index) => {
    const source = await layout.read(descriptor)
    const diffID = image.config.value.rootfs.diff_ids[index]
    if (source === undefined || diffID === undefined) throw new Error(`No layer ${descriptor.digest}`)
    return fromTar(openLayer(descriptor, diffID, source).uncompressed)
  })
  const tree = fromLayers(await Promise.all(trees))
  return [...tree].map(
    ({ path, type, mode, uid, gid, size }) =>
      `${type.padEnd(9)} ${mode.toString(8).padStart(4, '0')} ${uid}:${gid} ${String(size).padStart(5)} /${path}`,
  )
}

function check(truth: boolean, what: string): void {
  if (!truth) throw new Error(`Expected that ${what}`)
}
