/** Whole images between our client and registries of others, read and referred to by programs of others. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Descriptor } from '@varve/digest'
import { readArchive } from '@varve/oci-manifest/archive'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import { findProgram, needs } from '@varve/testing/peers'
import { startDockerRegistry, startOlareg, temporaryDirectory } from '@varve/testing/registries'
import { prepareWorker } from '@varve/testing/workers'
import t, { type Test } from 'tap'
import { archiveTarget, copyImage, type Repository } from '../src/index.ts'
import { memoryHandler, openClient, startRegistry } from '../test/fixtures.ts'
import {
  AMD64,
  assertWhole,
  counts,
  makeArtifact,
  makeIndex,
  makeSigned,
  NOTATION,
  push,
  pushSigned,
} from '../test/image-fixtures.ts'

const execute = promisify(execFile)
const PUSHER = fileURLToPath(new URL('support/push-referrers.ts', import.meta.url))

/** A registry to be tested, and what it must have to run here. */
interface Kind {
  readonly name: string
  readonly needs: readonly string[]
  readonly start: (t: Test) => Promise<{ readonly port: number }>
}

const KINDS: readonly Kind[] = [
  { name: 'docker-registry', needs: ['docker-registry'], start: (t) => startDockerRegistry(t) },
  { name: 'olareg', needs: ['olareg'], start: startOlareg },
  { name: 'our server', needs: [], start: (t) => startRegistry(t, memoryHandler({ allowDelete: true })) },
]

/** Runs a program that finds nobody's home. */
async function run(t: Test, program: string, ...args: readonly string[]): Promise<string> {
  const home = temporaryDirectory(t, 'varve-home-')
  const { stdout } = await execute(findProgram(program) ?? program, args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: home },
    cwd: home,
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

const digestsOf = (all: readonly Descriptor[]) => all.map(({ digest }) => digest).toSorted()

/** The referrers of each part of a signed image, at a place. */
async function assertReferrers(
  t: Test,
  place: Repository | ImageLayout,
  signed: ReturnType<typeof makeSigned>,
): Promise<void> {
  const { index, notation, bundle, deep } = signed
  const expected = [
    [index.root, [notation]],
    [index.amd64.root, [bundle, index.attestation]],
    [index.arm64.root, []],
    [bundle.root, [deep]],
  ] as const
  for (const [subject, referrers] of expected) {
    t.strictSame(
      digestsOf(await place.referrers(subject.descriptor.digest)),
      digestsOf(referrers.map(({ root }) => root.descriptor)),
    )
  }
}

for (const kind of KINDS) {
  t.test(
    `an image with all that belongs to it goes to ${kind.name} and back`,
    needs(...kind.needs),
    async (t) => {
      const directory = temporaryDirectory(t, 'varve-image-')
      const { port } = await kind.start(t)
      const client = openClient(t)
      const repository = (name: string) => client.repository(`127.0.0.1:${port}/${name}`)
      const signed = makeSigned()
      await pushSigned(repository('team/first'), signed)
      await assertReferrers(t, repository('team/first'), signed)
      const all = { image: 'v1', referrers: true } as const
      const companions = digestsOf(
        [signed.notation, signed.bundle, signed.deep, signed.cosign].map(({ root }) => root.descriptor),
      )

      const layout = await openLayout(join(directory, 'layout'), { create: true })
      const pulled = await copyImage({ ...all, from: repository('team/first'), to: layout })
      t.strictSame(digestsOf(pulled.referrers), companions)
      await assertWhole(t, layout, signed.index.root.descriptor)
      await assertReferrers(t, layout, signed)

      const path = join(directory, 'image.tar')
      await copyImage({ ...all, from: layout, to: archiveTarget(path) })
      const second = repository('team/second')
      const pushed = await copyImage({ ...all, from: await readArchive(path), to: second })
      t.strictSame(digestsOf(pushed.referrers), companions)
      t.strictSame(await second.resolve('v1'), signed.index.root.descriptor)
      t.equal((await second.resolve(signed.cosignTag)).digest, signed.cosign.root.descriptor.digest)
      await assertWhole(t, second, signed.index.root.descriptor)
      await assertReferrers(t, second, signed)

      const third = repository('team/third')
      const mounted = await copyImage({ ...all, from: second, to: third })
      t.ok(mounted.mounted > 0, 'mounted from the neighbour')
      await assertWhole(t, third, signed.index.root.descriptor)
      await assertReferrers(t, third, signed)
      const again = await copyImage({ ...all, from: second, to: third })
      t.strictSame([again.copied, again.mounted], [0, 0], 'nothing is left to do')

      const one = await copyImage({
        image: 'v1',
        from: second,
        to: repository('team/amd64'),
        platforms: [AMD64],
      })
      await assertWhole(t, repository('team/amd64'), one.descriptor)
      await third.tag(['a', 'b', 'c'], signed.index.root.descriptor, signed.index.root.bytes)
      const tags: string[] = []
      for await (const tag of third.tags()) tags.push(tag)
      t.ok(['a', 'b', 'c', 'v1', signed.cosignTag].every((tag) => tags.includes(tag)))
    },
  )

  t.test(
    `oras and we see each other’s referrers at ${kind.name}`,
    needs('oras', ...kind.needs),
    async (t) => {
      const { port } = await kind.start(t)
      const name = `127.0.0.1:${port}/team/app`
      const repository = openClient(t).repository(name)
      const { amd64 } = makeIndex()
      await push(repository, amd64, 'v1')
      const { digest } = amd64.root.descriptor
      const ours = makeArtifact(NOTATION, amd64.root, 'ours')
      await push(repository, ours)
      const discovered = async (): Promise<readonly Descriptor[]> => {
        const text = await run(
          t,
          'oras',
          'discover',
          '--plain-http',
          '--format',
          'json',
          '--depth',
          '1',
          `${name}:v1`,
        )
        const { referrers, manifests } = JSON.parse(text) as Record<string, readonly Descriptor[] | undefined>
        return referrers ?? manifests ?? []
      }
      t.match(await discovered(), [{ digest: ours.root.descriptor.digest, artifactType: NOTATION }])

      const file = join(temporaryDirectory(t, 'varve-oras-'), 'sbom.txt')
      writeFileSync(file, 'an sbom')
      const attach = [
        'attach',
        '--plain-http',
        '--disable-path-validation',
        '--artifact-type',
        'application/vnd.test.sbom',
      ]
      await run(t, 'oras', ...attach, '--annotation', 'made.by=oras', `${name}:v1`, `${file}:text/plain`)
      const listed = await repository.referrers(digest)
      t.equal(listed.length, 2)
      const [theirs] = await repository.referrers(digest, { artifactType: 'application/vnd.test.sbom' })
      t.match(theirs, { annotations: { 'made.by': 'oras' } })

      const another = makeArtifact(NOTATION, amd64.root, 'after oras')
      await push(repository, another)
      t.equal((await discovered()).length, 3, 'ours do not push theirs out')
      if (theirs === undefined) return
      await repository.delete(theirs)
      t.strictSame(
        digestsOf(await discovered()),
        digestsOf([ours, another].map(({ root }) => root.descriptor)),
      )
    },
  )

  t.test(
    `skopeo and crane read from ${kind.name} what we pushed`,
    needs('skopeo', 'crane', ...kind.needs),
    async (t) => {
      const directory = temporaryDirectory(t, 'varve-image-')
      const { port } = await kind.start(t)
      const client = openClient(t)
      const name = `127.0.0.1:${port}/team/app`
      const made = makeIndex()
      await push(client.repository(name), made, 'v1')
      const { digest } = made.root.descriptor
      t.equal((await run(t, 'crane', 'digest', '--insecure', `${name}:v1`)).trim(), digest)
      t.equal(
        await run(t, 'crane', 'manifest', '--insecure', `${name}:v1`),
        new TextDecoder().decode(made.root.bytes),
      )
      t.match(await run(t, 'crane', 'ls', '--insecure', name), /^v1$/m)
      const inspected = await run(
        t,
        'skopeo',
        'inspect',
        '--raw',
        '--tls-verify=false',
        `docker://${name}:v1`,
      )
      t.equal(inspected, new TextDecoder().decode(made.root.bytes))

      // What they have copied is what we read.
      const copied = `127.0.0.1:${port}/team/copied`
      await run(t, 'crane', 'copy', '--insecure', `${name}:v1`, `${copied}:crane`)
      const skopeo = ['--insecure-policy', 'copy', '--all', '--preserve-digests']
      const layout = join(directory, 'layout')
      await run(t, 'skopeo', ...skopeo, '--src-tls-verify=false', `docker://${name}:v1`, `oci:${layout}:v1`)
      await copyImage({
        image: 'v1',
        from: await openLayout(layout),
        to: client.repository(`${copied}:skopeo`),
      })
      for (const tag of ['crane', 'skopeo']) {
        const descriptor = await client.repository(copied).resolve(tag)
        t.equal(descriptor.digest, digest, tag)
        await assertWhole(t, client.repository(copied), descriptor)
      }
    },
  )
}

// olareg, which lists referrers by itself, loses some of those that are pushed at once, whoever pushes them.
for (const kind of KINDS.filter(({ name }) => name !== 'olareg')) {
  t.test(
    `two processes push referrers to ${kind.name} at once, and all survive`,
    needs(...kind.needs),
    async (t) => {
      const { port } = await kind.start(t)
      const name = `127.0.0.1:${port}/team/app`
      const repository = openClient(t).repository(name)
      const { amd64 } = makeIndex()
      await push(repository, amd64, 'v1')
      const start = await prepareWorker(PUSHER, t.testdir())
      const pushers = ['one', 'two'].map((own) => start(name, own, '8'))
      t.teardown(() => pushers.forEach((each) => each.kill('SIGKILL')))
      await Promise.all(pushers.map((each) => once(each, 'message')))
      const ends = pushers.map((each) => once(each, 'exit'))
      for (const each of pushers) each.send(amd64.root.descriptor)
      t.strictSame(
        (await Promise.all(ends)).map(([code]) => code as number),
        [0, 0],
      )
      const expected = ['one', 'two'].flatMap((own) =>
        Array.from(
          { length: 8 },
          (_, number) => makeArtifact(NOTATION, amd64.root, `${own} ${number}`).root.descriptor,
        ),
      )
      t.strictSame(digestsOf(await repository.referrers(amd64.root.descriptor.digest)), digestsOf(expected))
    },
  )
}

t.test(
  'signed images move between registries that list referrers and one that does not',
  needs('docker-registry', 'olareg'),
  async (t) => {
    const client = openClient(t)
    const started = await Promise.all(KINDS.map(({ start }) => start(t)))
    const repositories = started.map(({ port }) => client.repository(`127.0.0.1:${port}/app`))
    const [docker, olareg, ours] = repositories as [Repository, Repository, Repository]
    const signed = makeSigned()
    await pushSigned(docker, signed)
    for (const [from, to] of [
      [docker, olareg],
      [olareg, ours],
      [ours, client.repository(`127.0.0.1:${started[0]?.port}/back`)],
    ] as const) {
      const result = await copyImage({ image: 'v1', from, to, referrers: true })
      t.equal(result.referrers.length, 4)
      t.equal(counts(result)[2], 0, 'nothing is mounted from afar')
      await assertWhole(t, to, signed.index.root.descriptor)
      await assertReferrers(t, to, signed)
    }
  },
)
