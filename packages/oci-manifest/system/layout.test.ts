/** Layouts, shared with the programs that people use. */
import type { Descriptor } from '@varve/digest'
import { needs } from '@varve/testing/peers'
import { startDockerRegistry, temporaryDirectory } from '@varve/testing/registries'
import { prepareWorker } from '@varve/testing/workers'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  assembleIndex,
  copyContent,
  MEDIA_TYPE_OCI_MANIFEST,
  parsePlatform,
  readImage,
  verifyImage,
} from '../src/index.ts'
import { writeArchiveFile, writeDockerArchive } from '../src/archive.ts'
import { collectLayout, openLayout } from '../src/layout.ts'
import { MemoryContent } from '../test/fixtures/content.ts'
import { realImage, run, skopeo, tarLayer } from './support/images.ts'

t.setTimeout(300_000)

/** A layout with two images, `app` and `other`. */
async function makeLayout(t: Test) {
  const content = new MemoryContent()
  const app = await realImage(content, 'app')
  const other = await realImage(content, 'other')
  const layout = await openLayout(join(t.testdir(), 'layout'), { create: true })
  for (const [name, image] of [
    ['app', app],
    ['other', other],
  ] as const) {
    await copyContent(image.manifest.descriptor, content, layout)
    await layout.tag(name, image.manifest.descriptor)
  }
  return { layout, content, app, other }
}

t.test('§6.4: skopeo reads our layout, and writes to it', needs('skopeo'), async (t) => {
  const { layout, app, other } = await makeLayout(t)
  const { directory } = layout
  const seen = JSON.parse(await skopeo('inspect', `oci:${directory}:app`)) as { Digest: string }
  t.equal(seen.Digest, app.manifest.descriptor.digest)
  await skopeo('copy', '--preserve-digests', `oci:${directory}:app`, `oci:${directory}:copied`)
  t.equal((await layout.resolve('copied')).digest, app.manifest.descriptor.digest)
  await skopeo('copy', '--format', 'v2s2', `oci:${directory}:other`, `dir:${directory}-dir`)
  await skopeo('copy', `dir:${directory}-dir`, `oci:${directory}:back`)
  t.same(await verifyImage(layout, await layout.resolve('back')), [])
  t.strictSame([...(await layout.tags()).keys()], ['app', 'back', 'copied', 'other'])
  for (const name of ['back', 'other']) await layout.untag(name)
  const { removed } = await collectLayout(layout, { graceMs: 0 })
  t.ok(removed.includes(other.manifest.descriptor.digest))
  await skopeo('copy', `oci:${directory}:app`, `dir:${directory}-again`)
  t.same(
    await verifyImage(layout, await layout.resolve('app')),
    [],
    'a collection takes nothing that is named',
  )
})

t.test('M10: umoci works on our layout, and each collects for the other', needs('umoci'), async (t) => {
  const { layout, app, other } = await makeLayout(t)
  const umoci = (command: string, ...args: readonly string[]): Promise<string> =>
    run('umoci', command, ...args)
  const stat = JSON.parse(await umoci('stat', '--json', '--image', `${layout.directory}:app`)) as {
    history: { empty_layer: boolean }[]
  }
  t.equal(stat.history.length, 3)
  await umoci('tag', '--image', `${layout.directory}:app`, 'umoci')
  t.equal((await layout.resolve('umoci')).digest, app.manifest.descriptor.digest)
  await umoci('config', '--image', `${layout.directory}:umoci`, '--config.user', 'nobody')
  const changed = await readImage(layout, await layout.resolve('umoci'))
  t.equal(changed.config.value.config?.User, 'nobody')
  t.same(await verifyImage(layout, await layout.resolve('umoci')), [])

  t.strictSame(
    (await collectLayout(layout, { graceMs: 0, dryRun: true })).removed,
    [],
    'we agree on what is needed',
  )
  await umoci('rm', '--image', `${layout.directory}:umoci`)
  const dry = await collectLayout(layout, { graceMs: 0, dryRun: true })
  t.strictSame(
    [...dry.removed].toSorted(),
    [changed.descriptor.digest, changed.config.descriptor.digest].toSorted(),
  )
  await layout.untag('other')
  const ours = await collectLayout(layout, { graceMs: 0, dryRun: true })
  const before = readdirSync(join(layout.directory, 'blobs', 'sha256')).map((name) => `sha256:${name}`)
  await umoci('gc', '--layout', layout.directory)
  const after = new Set(
    readdirSync(join(layout.directory, 'blobs', 'sha256')).map((name) => `sha256:${name}`),
  )
  t.strictSame(
    before.filter((digest) => !after.has(digest)).toSorted(),
    [...ours.removed].toSorted(),
    'umoci removes what we would',
  )
  t.notOk(await layout.has(other.manifest.descriptor))
  t.same(await verifyImage(layout, await layout.resolve('app')), [])
})

t.test(
  '§6.4: crane pushes our layout, and we read what it pulls',
  needs('crane', 'docker-registry'),
  async (t) => {
    const { port } = await startDockerRegistry(t)
    const content = new MemoryContent()
    const layers = [await tarLayer(content, 'one'), await tarLayer(content, 'two')]
    const history = layers.map((_, at) => ({ created: '1970-01-01T00:00:00Z', created_by: `layer ${at}` }))
    const app = (await realImage(content, 'app', { layers, history })).manifest.descriptor
    const platform = parsePlatform('linux/arm64')
    const arm = (await realImage(content, 'arm', { layers, history, platform })).manifest.descriptor
    const index = assembleIndex([
      { ...app, platform: parsePlatform('linux/amd64') },
      { ...arm, platform },
    ])
    content.put(index.descriptor.mediaType, index.bytes)
    const ours = await openLayout(join(t.testdir(), 'ours'), { create: true })
    await copyContent(index.descriptor, content, ours)
    await ours.tag('app', index.descriptor)
    const name = `127.0.0.1:${port}/app:1`
    await run('crane', 'push', '--index', ours.directory, name)
    const pulled = join(ours.directory, '..', 'pulled')
    await run('crane', 'pull', '--format', 'oci', '--annotate-ref', name, pulled)
    const layout = await openLayout(pulled)
    const root = await layout.resolve()
    t.same(await verifyImage(layout, root), [])
    const image = await readImage(layout, root, { platform })
    t.equal(image.descriptor.digest, arm.digest, 'nested as it may be')
    t.strictSame((await collectLayout(layout, { graceMs: 0 })).removed, [])
  },
)

t.test(
  'L5: our processes tag while skopeo, which knows no lock, writes as well',
  needs('skopeo'),
  async (t) => {
    const { layout, app } = await makeLayout(t)
    const root = app.manifest.descriptor
    t.equal(root.mediaType, MEDIA_TYPE_OCI_MANIFEST)
    const entry = join(import.meta.dirname, '..', 'test', 'fixtures', 'tag-worker.ts')
    const start = await prepareWorker(entry, join(layout.directory, '..'))
    const { digest, size } = root
    const workers = ['a', 'b'].map((prefix) => start(layout.directory, prefix, '25', digest, String(size)))
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    const exits = workers.map((worker) => once(worker, 'exit'))
    for (const worker of workers) worker.send('go')
    const done = new AbortController()
    const all = Promise.all(exits).finally(() => done.abort())
    let copies = 0
    do {
      await skopeo(
        'copy',
        '--preserve-digests',
        `oci:${layout.directory}:app`,
        `oci:${layout.directory}:skopeo-${copies}`,
      )
      copies += 1
    } while (!done.signal.aborted)
    t.strictSame(
      (await all).map(([code]) => code as number),
      [0, 0],
      'none of ours fails, though skopeo writes the index in place',
    )
    // It writes back the index that it read some time before, without what came meanwhile; nobody can prevent that.
    const names = [...(await layout.tags()).keys()]
    const ours = names.filter((name) => /^[ab]-/.test(name)).length
    const theirs = names.filter((name) => name.startsWith('skopeo-')).length
    t.comment(`${ours} of 50 tags of ours and ${theirs} of ${copies} of skopeo are left`)
    for (const name of names) t.same(await verifyImage(layout, await layout.resolve(name)), [])
    await layout.tag('last', root)
    t.ok(readFileSync(join(layout.directory, 'index.json')).includes('"last"'))
    t.strictSame(readdirSync(layout.directory).toSorted(), ['blobs', 'index.json', 'oci-layout'])
  },
)

t.test('§6.1: oras and we find the same referrers in a layout', needs('oras'), async (t) => {
  const directory = t.testdir({ 'note.txt': 'a note', 'artifact.txt': 'an artifact' })
  const layout = join(directory, 'layout')
  // oras takes paths of files from where it runs, and refuses absolute ones.
  const oras = (...args: readonly string[]): Promise<string> => run('oras', ...args)
  const relaxed = '--disable-path-validation'
  await oras('push', '--oci-layout', relaxed, `${layout}:app`, `${directory}/artifact.txt:text/plain`)
  const attach = ['attach', '--oci-layout', relaxed, '--artifact-type', 'application/note', `${layout}:app`]
  await oras(...attach, `${directory}/note.txt:text/plain`)
  const theirs = await openLayout(layout)
  const root = await theirs.resolve('app')
  const [referrer, ...others] = await theirs.referrers(root.digest)
  t.match(referrer, { artifactType: 'application/note' })
  t.strictSame(others, [])
  t.strictSame(
    (await collectLayout(theirs, { graceMs: 0 })).removed,
    [],
    'oras leaves nothing that is not needed',
  )

  const ours = await openLayout(join(directory, 'ours'), { create: true })
  for (const each of [root, referrer as Descriptor]) await copyContent(each, theirs, ours)
  await ours.tag('app', root)
  // oras knows of a referrer only if the index lists it.
  await ours.tag(undefined, referrer as Descriptor)
  const seen = await oras('discover', '--oci-layout', '--format', 'json', `${ours.directory}:app`)
  t.ok(seen.includes(referrer?.digest ?? '-'))
  await oras(
    'cp',
    '--recursive',
    '--from-oci-layout',
    '--to-oci-layout',
    `${ours.directory}:app`,
    `${directory}/copy:app`,
  )
  t.equal((await (await openLayout(join(directory, 'copy'))).referrers(root.digest)).length, 1)
})

t.test('§6.1: a directory that Podman saves is a layout', needs('podman'), async (t) => {
  const { layout, app } = await makeLayout(t)
  const directory = temporaryDirectory(t, 'p-')
  const place = (name: string): string => join(directory, name)
  const podman = (...args: readonly string[]): Promise<string> =>
    run('podman', '--root', place('root'), '--runroot', place('run'), '--storage-driver', 'vfs', ...args)
  const roots = [{ descriptor: app.manifest.descriptor, name: 'localhost/app:1' }]
  await writeArchiveFile(place('app.tar'), writeDockerArchive(roots, layout))
  writeFileSync(place('policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
  await podman('load', '--quiet', '--signature-policy', place('policy.json'), '--input', place('app.tar'))
  await podman('save', '--quiet', '--format', 'oci-dir', '--output', place('saved'), 'localhost/app:1')
  const theirs = await openLayout(place('saved'))
  const root = await theirs.resolve('localhost/app:1')
  t.same(await verifyImage(theirs, root), [])
  const { config } = await readImage(theirs, root)
  t.strictSame(config.value.rootfs.diff_ids, app.config.value.rootfs.diff_ids)
  t.strictSame((await collectLayout(theirs, { graceMs: 0 })).removed, [])
})
