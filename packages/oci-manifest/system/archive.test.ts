/** Archives, exchanged with the programs that people use. */
import { digestOf, hexOf } from '@varve/digest'
import { startContainerd } from '@varve/testing/containerd'
import { startDocker } from '@varve/testing/docker'
import { needs } from '@varve/testing/peers'
import { startDockerRegistry, temporaryDirectory } from '@varve/testing/registries'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  type ImageArchive,
  readArchive,
  writeArchive,
  writeArchiveFile,
  writeDockerArchive,
} from '../src/archive.ts'
import {
  assembleIndex,
  copyContent,
  type IndexEntry,
  parseConfig,
  parsePlatform,
  readImage,
  verifyImage,
} from '../src/index.ts'
import { openLayout } from '../src/layout.ts'
import { EPOCH, MemoryContent } from '../test/fixtures/content.ts'
import { realImage, run, skopeo, tarLayer } from './support/images.ts'

t.setTimeout(300_000)

const AMD64 = parsePlatform('linux/amd64')

/** Two images, and an index with one of them. */
async function makeImages() {
  const content = new MemoryContent()
  const app = await realImage(content, 'app')
  const arm = await realImage(content, 'arm', { platform: parsePlatform('linux/arm64') })
  const other = await realImage(content, 'other')
  const index = assembleIndex([
    { ...app.manifest.descriptor, platform: AMD64 },
    { ...arm.manifest.descriptor, platform: parsePlatform('linux/arm64') },
  ])
  content.put(index.descriptor.mediaType, index.bytes)
  return { content, app, other, index: index.descriptor }
}

/** Podman with storage in a directory of its own. */
function makePodman(directory: string): (...args: readonly string[]) => Promise<string> {
  const policy = join(directory, 'policy.json')
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
  const storage = [
    '--root',
    join(directory, 'root'),
    '--runroot',
    join(directory, 'run'),
    '--storage-driver',
    'vfs',
  ]
  return (command = '', ...args) => {
    const trusting = command === 'load' ? ['--signature-policy', policy] : []
    return run('podman', ...storage, command, ...trusting, ...args)
  }
}

/** Reads all of an image, and compares the layers by what they unpack to. */
async function assertSame(
  t: Test,
  archive: ImageArchive,
  root: IndexEntry,
  diffIDs: readonly string[],
): Promise<void> {
  t.same(await verifyImage(archive, root), [], 'whole')
  const { config } = await readImage(archive, root, { platform: AMD64 })
  t.strictSame(config.value.rootfs.diff_ids, diffIDs, 'the same layers')
}

t.test('§6.3: skopeo reads our archives, of both kinds', needs('skopeo'), async (t) => {
  const { content, app, other } = await makeImages()
  const directory = t.testdir()
  const roots = [
    { descriptor: app.manifest.descriptor, name: 'app:1' },
    { descriptor: other.manifest.descriptor, name: 'other:1' },
  ]
  for (const format of ['oci', 'docker'] as const) {
    const path = join(directory, `${format}.tar`)
    await writeArchiveFile(
      path,
      format === 'oci' ? writeArchive(roots, content) : writeDockerArchive(roots, content),
    )
    const kinds = format === 'oci' ? ['oci-archive'] : ['docker-archive', 'oci-archive']
    for (const kind of kinds) {
      for (const [name, image] of [
        ['app:1', app],
        ['other:1', other],
      ] as const) {
        const copy = join(directory, `${format}-${kind}-${name.slice(0, -2)}`)
        const preserve = kind === 'oci-archive' ? ['--preserve-digests'] : []
        await skopeo('copy', ...preserve, `${kind}:${path}:${name}`, `oci:${copy}:x`)
        const layout = await openLayout(copy)
        const { config, descriptor } = await readImage(layout, await layout.resolve('x'), { platform: AMD64 })
        t.strictSame(
          config.value.rootfs.diff_ids,
          image.config.value.rootfs.diff_ids,
          `${format}, as ${kind}`,
        )
        if (kind === 'oci-archive')
          t.equal(descriptor.digest, image.manifest.descriptor.digest, 'byte for byte')
      }
    }
  }
})

t.test('§6.3: we read the archives of skopeo, of both kinds', needs('skopeo'), async (t) => {
  const { content, app } = await makeImages()
  const directory = t.testdir()
  const layout = await openLayout(join(directory, 'layout'), { create: true })
  await copyContent(app.manifest.descriptor, content, layout)
  await layout.tag('app', app.manifest.descriptor)
  const oci = join(directory, 'oci.tar')
  await skopeo('copy', '--preserve-digests', `oci:${layout.directory}:app`, `oci-archive:${oci}:app:1`)
  const fromOCI = await readArchive(oci)
  t.strictSame(fromOCI.names, ['app:1'])
  t.equal(fromOCI.resolve('app:1').digest, app.manifest.descriptor.digest)
  await assertSame(t, fromOCI, fromOCI.resolve(), app.config.value.rootfs.diff_ids)

  const docker = join(directory, 'docker.tar')
  await skopeo('copy', `oci:${layout.directory}:app`, `docker-archive:${docker}:example.com/app:1`)
  const fromDocker = await readArchive(docker)
  t.equal(fromDocker.format, 'docker')
  t.strictSame(fromDocker.names, ['example.com/app:1'])
  await assertSame(t, fromDocker, fromDocker.resolve('example.com/app:1'), app.config.value.rootfs.diff_ids)
})

t.test('§6.3: Podman loads our archives, and we read what it saves', needs('podman'), async (t) => {
  const { content, app, other, index } = await makeImages()
  const directory = t.testdir()
  // Podman wants short paths.
  const podman = makePodman(temporaryDirectory(t, 'p-'))
  const path = join(directory, 'docker.tar')
  const roots = [
    { descriptor: index, name: 'localhost/app:1' },
    { descriptor: other.manifest.descriptor, name: 'localhost/other:1' },
  ]
  await writeArchiveFile(path, writeDockerArchive(roots, content, { platform: AMD64 }))
  await podman('load', '--quiet', '--input', path)
  for (const [name, image] of [
    ['localhost/app:1', app],
    ['localhost/other:1', other],
  ] as const) {
    const id = await podman('image', 'inspect', '--format', '{{.Id}}', name)
    t.equal(id, hexOf(image.config.descriptor.digest), 'Podman agrees on the image ID')
  }
  for (const format of ['docker-archive', 'oci-archive']) {
    const saved = join(directory, `${format}.tar`)
    await podman('save', '--quiet', '--format', format, '--output', saved, 'localhost/app:1')
    const archive = await readArchive(saved)
    t.equal(archive.format, format === 'docker-archive' ? 'docker' : 'oci')
    await assertSame(t, archive, archive.resolve('localhost/app:1'), app.config.value.rootfs.diff_ids)
  }
  const both = join(directory, 'both.tar')
  await podman(
    'save',
    '--quiet',
    '--multi-image-archive',
    '--output',
    both,
    'localhost/app:1',
    'localhost/other:1',
  )
  const archive = await readArchive(both)
  await assertSame(t, archive, archive.resolve('localhost/app:1'), app.config.value.rootfs.diff_ids)
  await assertSame(t, archive, archive.resolve('localhost/other:1'), other.config.value.rootfs.diff_ids)
})

t.test(
  '§6.3: Docker loads our archives, and we read what it saves',
  needs('root', 'dockerd', 'docker', 'containerd', 'runc'),
  async (t) => {
    const { content, app, other, index } = await makeImages()
    const directory = t.testdir()
    const docker = await startDocker(t)
    const path = join(directory, 'ours.tar')
    const roots = [
      { descriptor: index, name: 'app:1' },
      { descriptor: index, name: 'example.com/app:latest' },
      { descriptor: other.manifest.descriptor, name: 'other' },
    ]
    await writeArchiveFile(path, writeDockerArchive(roots, content, { platform: AMD64 }))
    const loaded = await docker('load', '--input', path)
    t.match(loaded, /Loaded image: app:1/)
    t.match(loaded, /Loaded image: other:latest/)
    for (const [name, image] of [
      ['app:1', app],
      ['example.com/app', app],
      ['other', other],
    ] as const) {
      const id = await docker('image', 'inspect', '--format', '{{.Id}}', name)
      t.equal(id, image.config.descriptor.digest, `Docker agrees on the image ID of ${name}`)
    }
    const saved = join(directory, 'saved.tar')
    await docker('save', '--output', saved, 'app:1', 'other')
    const archive = await readArchive(saved)
    t.strictSame(
      archive.names.filter((name) => !name.includes('/')),
      ['app:1', 'other:latest'],
    )
    for (const [name, image] of [
      ['app:1', app],
      ['other', other],
    ] as const) {
      await assertSame(t, archive, archive.resolve(name), image.config.value.rootfs.diff_ids)
      const { config } = await readImage(archive, archive.resolve(name), { platform: AMD64 })
      t.equal(config.descriptor.digest, image.config.descriptor.digest, 'the image ID survives the journey')
    }
    const again = join(directory, 'again.tar')
    const root = { descriptor: archive.resolve('app:1'), name: 'again' }
    await writeArchiveFile(again, writeDockerArchive([root], archive))
    t.match(await docker('load', '--input', again), /Loaded image: again:latest/)
    t.equal(await docker('image', 'inspect', '--format', '{{.Id}}', 'again'), app.config.descriptor.digest)
  },
)

t.test(
  '§6.3: crane reads our archive, and we read its three formats',
  needs('crane', 'skopeo', 'docker-registry'),
  async (t) => {
    const content = new MemoryContent()
    // It takes all layers for what the first one is.
    const layers = [await tarLayer(content, 'first'), await tarLayer(content, 'second')]
    const history = layers.map((_, at) => ({ created: EPOCH, created_by: `layer ${at}` }))
    const app = await realImage(content, 'app', { layers, history })
    const directory = t.testdir()
    const { port } = await startDockerRegistry(t)
    const name = `127.0.0.1:${port}/app:1`
    const path = join(directory, 'ours.tar')
    await writeArchiveFile(path, writeDockerArchive([{ descriptor: app.manifest.descriptor, name }], content))
    await run('crane', 'validate', '--tarball', path)
    await run('crane', 'push', path, name)
    const config = new TextEncoder().encode(await run('crane', 'config', name))
    t.equal(digestOf(config), app.config.descriptor.digest, 'pushed as it is')
    t.ok(parseConfig(config).value)
    for (const format of ['tarball', 'legacy']) {
      const pulled = join(directory, `${format}.tar`)
      await run('crane', 'pull', '--format', format, name, pulled)
      const archive = await readArchive(pulled)
      t.equal(archive.format, 'docker', format)
      await assertSame(t, archive, archive.resolve(name), app.config.value.rootfs.diff_ids)
    }
    const pulled = join(directory, 'layout')
    await run('crane', 'pull', '--format', 'oci', name, pulled)
    const layout = await openLayout(pulled)
    t.same(await verifyImage(layout, await layout.resolve()), [])
  },
)

t.test(
  '§6.3: containerd imports our archives, and we read what it exports',
  needs('root', 'containerd', 'ctr'),
  async (t) => {
    const { content, app, index } = await makeImages()
    const directory = t.testdir()
    const ctr = await startContainerd(t)
    const archives = [
      writeDockerArchive([{ descriptor: index, name: 'app:1' }], content, { platform: AMD64 }),
      writeArchive([{ descriptor: index, name: 'docker.io/library/whole:1' }], content),
    ]
    for (const [number, archive] of archives.entries()) {
      const path = join(directory, `${number}.tar`)
      await writeArchiveFile(path, archive)
      await ctr('images', 'import', '--all-platforms', '--no-unpack', path)
    }
    const names = (await ctr('images', 'list', '--quiet')).split('\n')
    t.ok(names.includes('docker.io/library/app:1'))
    t.ok(names.includes('docker.io/library/whole:1'))
    const path = join(directory, 'exported.tar')
    await ctr('images', 'export', '--all-platforms', path, ...names)
    const archive = await readArchive(path)
    t.equal(archive.resolve('app:1').digest, app.manifest.descriptor.digest)
    t.equal(archive.resolve('whole:1').digest, index.digest)
    await assertSame(t, archive, archive.resolve('app:1'), app.config.value.rootfs.diff_ids)
    t.same(await verifyImage(archive, archive.resolve('whole:1')), [], 'all of its platforms')
  },
)
