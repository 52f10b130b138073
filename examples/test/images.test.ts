/** The examples of the README of `@varve/registry`: they work, and are quoted as they are. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMemoryStore } from '@varve/cache-store'
import { bytesSource, describe, digestOf } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { fromTar, openLayer } from '@varve/layer'
import {
  assembleIndex,
  assembleImage,
  type AssembledImage,
  hostPlatform,
  MEDIA_TYPE_OCI_LAYER,
  parsePlatform,
  readImage,
  verifyImage,
} from '@varve/oci-manifest'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import { createRegistryHandler, listen } from '@varve/registry/server'
import t from 'tap'
import { copy } from '../src/images/copy.ts'
import { embed } from '../src/images/embed.ts'
import { flattenTag } from '../src/images/flatten.ts'
import { pull } from '../src/images/pull.ts'
import { push } from '../src/images/push.ts'
import { packDirectory } from '../src/layers/pack.ts'

t.test(
  'an image is pushed to a registry of our own, copied there, and pulled through a mirror',
  async (t) => {
    const directory = t.testdir({ docker: {} })
    const own = await embed(join(directory, 'store'), 'me', 'secret')
    t.teardown(() => own.close())
    const host = `127.0.0.1:${own.port}`
    const auth = Buffer.from('me:secret').toString('base64')
    t.intercept(process, 'env', {
      value: { ...process.env, DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: { auth } } }) },
    })

    const layout = await openLayout(join(directory, 'layout'), { create: true })
    const index = await makeIndex(layout)
    t.equal(await push(layout.directory, 'x', `${host}/library/app:x`), index)
    const copied: string[] = []
    await pull('docker.io/library/app:x', host, join(directory, 'pulled'), (event) => {
      if (event.type === 'done') copied.push(event.outcome)
    })
    t.strictSame(new Set(copied), new Set(['copied']))
    const pulled = await openLayout(join(directory, 'pulled'))
    t.equal((await pulled.resolve('x')).digest, index)

    const other = await listen(createRegistryHandler(createMemoryStore()))
    t.teardown(() => other.close())
    const { descriptor, copied: count } = await copy(`${host}/library/app:x`, `127.0.0.1:${other.port}/app:x`)
    t.not(descriptor.digest, index, 'an index of two platforms is another one')
    t.equal(count, 6, 'two layers that are one, two configs, two manifests, an index')
    await pull(`127.0.0.1:${other.port}/app:x`, host, join(directory, 'copied'), () => undefined)
    const image = await readImage(await openLayout(join(directory, 'copied')), descriptor, {
      platform: parsePlatform('linux/arm64'),
    })
    t.equal(image.platform.architecture, 'arm64')
  },
)

t.test('an image of two layers becomes one of a single layer, with the same files', async (t) => {
  const directory = t.testdir({ one: { a: 'a' }, two: { b: 'b' } })
  const layout = await openLayout(join(directory, 'layout'), { create: true })
  const layers = []
  for (const name of ['one', 'two']) {
    const file = join(directory, `${name}.tar.gz`)
    const layer = await packDirectory(join(directory, name), file)
    await layout.write(layer.descriptor, fileSource(file))
    layers.push(layer)
  }
  const { config, manifest } = assembleImage({
    platform: hostPlatform(),
    layers,
    history: [{ created_by: 'one' }, { created_by: 'two' }],
    created: '2026-01-01T00:00:00Z',
  })
  for (const { descriptor, bytes } of [config, manifest]) await layout.write(descriptor, bytesSource(bytes))
  await layout.tag('many', manifest.descriptor)

  const digest = await flattenTag(layout, 'many', 'one')
  const image = await readImage(layout, await layout.resolve('one'))
  t.equal(image.descriptor.digest, digest)
  t.strictSame(await verifyImage(layout, image.descriptor), [])
  const [layer, ...more] = image.manifest.value.layers
  t.equal(more.length, 0)
  const [diffID] = image.config.value.rootfs.diff_ids
  const tree = await fromTar(openLayer(layer!, diffID!, (await layout.read(layer!))!).uncompressed)
  t.strictSame(
    [...tree].map(({ path }) => path),
    ['', 'a', 'b'],
  )
})

t.test('the README quotes them', async (t) => {
  const readme = readFileSync(
    fileURLToPath(import.meta.resolve('@varve/registry/package.json')).replace('package.json', 'README.md'),
    'utf8',
  )
  for (const name of ['push', 'pull', 'copy', 'embed']) {
    const source = readFileSync(fileURLToPath(new URL(`../src/images/${name}.ts`, import.meta.url)), 'utf8')
    const code = source.slice(source.indexOf('*/') + 3)
    t.ok(readme.includes(`\`\`\`ts\n${code}\`\`\``), name)
  }
})

/** Three images of one layer; gives the digest of their index, which is called `x`. */
async function makeIndex(layout: ImageLayout): Promise<string> {
  const tar = new Uint8Array(1024)
  const layer = { descriptor: describe(MEDIA_TYPE_OCI_LAYER, tar), diffID: digestOf(tar) }
  await layout.write(layer.descriptor, bytesSource(tar))
  const entries = []
  for (const architecture of ['amd64', 'arm64', 's390x']) {
    const platform = parsePlatform(`linux/${architecture}`)
    const image: AssembledImage = assembleImage({
      platform,
      layers: [layer],
      history: [{ created_by: 'test' }],
      created: '2026-01-01T00:00:00Z',
    })
    for (const { descriptor, bytes } of [image.config, image.manifest]) {
      await layout.write(descriptor, bytesSource(bytes))
    }
    entries.push({ ...image.manifest.descriptor, platform })
  }
  const { descriptor, bytes } = assembleIndex(entries)
  await layout.write(descriptor, bytesSource(bytes))
  await layout.tag('x', descriptor)
  return descriptor.digest
}
