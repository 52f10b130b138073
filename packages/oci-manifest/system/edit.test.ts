/** Edits as crane does them, and others reading ours. */
import type { Descriptor } from '@varve/digest'
import { needs } from '@varve/testing/peers'
import { startDockerRegistry, temporaryDirectory } from '@varve/testing/registries'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import {
  appendLayers,
  assembleArtifact,
  type AssembledImage,
  assembleAttestation,
  assembleIndex,
  configureImage,
  copyContent,
  editImages,
  flattenImage,
  MEDIA_TYPE_OCI_LAYER_GZIP,
  parsePlatform,
  rebaseImage,
  removeLayers,
  replaceLayers,
  withDocuments,
} from '../src/index.ts'
import { openLayout } from '../src/layout.ts'
import { MemoryContent, utf8 } from '../test/fixtures/content.ts'
import { putArtifact, putDocument } from '../test/fixtures/documents.ts'
import { skopeo, succeed, tarImage, tarLayer, tarOf } from './support/programs.ts'

const LATER = '2022-02-02T02:02:02Z'
const AMD64 = parsePlatform('linux/amd64')

interface Config {
  readonly config: Record<string, unknown>
  readonly rootfs: { readonly diff_ids: readonly string[] }
  readonly history: readonly { readonly created_by?: string }[]
}

/** A registry to which crane pushes what we made. */
async function startBench(t: Test) {
  const { url } = await startDockerRegistry(t)
  const repository = `${url.slice('http://'.length)}/app`
  const content = new MemoryContent()
  return {
    content,
    repository,
    /** Pushes it, checks it, and gives its reference. */
    push: async (tag: string, root: Descriptor): Promise<string> => {
      const directory = join(temporaryDirectory(t, 'edit-'), 'layout')
      const layout = await openLayout(directory, { create: true })
      await copyContent(root, content, layout)
      await layout.tag(undefined, root)
      await succeed('crane', 'push', directory, `${repository}:${tag}`)
      return `${repository}:${tag}`
    },
    pushImage: async (tag: string, image: AssembledImage): Promise<string> => {
      putDocument(content, image.config)
      const directory = join(temporaryDirectory(t, 'edit-'), 'layout')
      const layout = await openLayout(directory, { create: true })
      await copyContent(putDocument(content, image.manifest), content, layout)
      await layout.tag(tag, image.manifest.descriptor)
      await succeed('crane', 'push', directory, `${repository}:${tag}`)
      t.match(await succeed('crane', 'validate', '--remote', `${repository}:${tag}`), /PASS/)
      t.equal(
        (await succeed('crane', 'digest', `${repository}:${tag}`)).trim(),
        image.manifest.descriptor.digest,
      )
      return `${repository}:${tag}`
    },
  }
}

const configOf = async (reference: string): Promise<Config> =>
  JSON.parse(await succeed('crane', 'config', reference)) as Config
const stepsOf = ({ history }: Config): readonly unknown[] => history.map(({ created_by }) => created_by)

void t.test(
  'M7 appended layers and a changed config are what crane makes of them',
  needs('docker-registry', 'crane'),
  async (t) => {
    const { content, repository, pushImage } = await startBench(t)
    const base = await tarImage(content, 'base')
    const reference = await pushImage('base', base)
    const tar = join(temporaryDirectory(t, 'edit-'), 'new.tar')
    writeFileSync(tar, await tarOf('new', 'three'))
    await succeed('crane', 'append', '-b', reference, '-f', tar, '-t', `${repository}:theirs`)
    const layer = await tarLayer(content, 'new', 'three')
    const ours = appendLayers(base, { layers: [layer], history: [{ created_by: 'us' }], created: LATER })
    const theirs = await configOf(`${repository}:theirs`)
    t.strictSame(ours.config.value.rootfs.diff_ids, theirs.rootfs.diff_ids)
    t.equal(ours.config.value.history?.length, theirs.history.length)

    const flags = [
      '--env',
      'A=2',
      '--env',
      'B=3',
      '--label',
      'x=y',
      '--user',
      'me',
      '--workdir',
      '/w',
      '--entrypoint',
      '/e',
    ]
    await succeed('crane', 'mutate', `${repository}:theirs`, ...flags, '-t', `${repository}:changed`)
    const changed = configureImage(ours, {
      created: LATER,
      config: { User: 'me', WorkingDir: '/w', Entrypoint: ['/e'], Cmd: null },
      env: { A: '2', B: '3' },
      labels: { x: 'y' },
    })
    const pushed = await configOf(await pushImage('ours', changed))
    t.same(
      pushed.config,
      (await configOf(`${repository}:changed`)).config,
      'crane has --entrypoint clear the command',
    )
  },
)

void t.test(
  'M6 a rebased image has the layers and the history that crane gives it',
  needs('docker-registry', 'crane'),
  async (t) => {
    const { content, repository, pushImage } = await startBench(t)
    const [oldBase, newBase] = [await tarImage(content, 'old'), await tarImage(content, 'new')]
    const layers = [await tarLayer(content, 'app', 'app')]
    const image = appendLayers(oldBase, { layers, history: [{ created_by: 'app' }], created: LATER })
    const [original, from, to] = [
      await pushImage('app', image),
      await pushImage('old', oldBase),
      await pushImage('new', newBase),
    ]
    await succeed(
      'crane',
      'rebase',
      original,
      '--old_base',
      from,
      '--new_base',
      to,
      '-t',
      `${repository}:theirs`,
    )
    const ours = rebaseImage(image, { oldBase, newBase, created: LATER, name: to })
    await pushImage('ours', ours)
    const theirs = await configOf(`${repository}:theirs`)
    const seen = await configOf(`${repository}:ours`)
    t.strictSame(seen.rootfs, theirs.rootfs)
    t.strictSame(stepsOf(seen), stepsOf(theirs))
    t.same(seen.config, theirs.config)
  },
)

void t.test(
  'every edit gives an image that crane finds valid',
  needs('docker-registry', 'crane'),
  async (t) => {
    const { content, pushImage } = await startBench(t)
    const image = await tarImage(content, 'app')
    const flat = await tarLayer(content, 'flat', 'x')
    // crane takes every layer for one in gzip.
    const packed = new Uint8Array(gzipSync(await tarOf('flat', 'x'), { level: 0 }))
    const stored = { ...flat, descriptor: content.put(MEDIA_TYPE_OCI_LAYER_GZIP, packed) }
    await pushImage('removed', removeLayers(image, { layers: [0], created: LATER }))
    const flattened = flattenImage(image, { layer: flat, created: LATER })
    await pushImage('flat', flattened)
    await pushImage('replaced', replaceLayers(flattened, [stored]))
  },
)

void t.test(
  'an edited index with attestations, and an artifact, are read by crane and skopeo',
  needs('docker-registry', 'crane', 'skopeo'),
  async (t) => {
    const { content, push } = await startBench(t)
    const { manifest } = await tarImage(content, 'app')
    const statements = [{ predicateType: 'https://example.org/p', content: utf8('{}') }]
    const attestation = assembleAttestation({ subject: manifest.descriptor, statements })
    putArtifact(content, attestation)
    const artifact = putArtifact(content, assembleArtifact({ artifactType: 'application/vnd.example+type' }))
    const root = putDocument(
      content,
      assembleIndex([{ ...manifest.descriptor, platform: AMD64 }, attestation.entry, artifact]),
    )
    const edited = await editImages(
      content,
      root,
      (image) => configureImage(image, { created: LATER, labels: { edited: 'yes' } }),
      { attestations: 'repoint' },
    )
    await copyContent(edited.descriptor, withDocuments(content, edited.documents), content)
    const reference = await push('index', edited.descriptor)
    t.match(await succeed('crane', 'manifest', reference), /attestation-manifest/)
    const seen = JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${reference}`)) as object
    t.match(seen, { Labels: { edited: 'yes' }, Architecture: 'amd64' })
  },
)
