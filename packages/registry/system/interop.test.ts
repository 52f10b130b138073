/** Our client at registries of others, and at our own: the same exchange with each of them. */
import { bytesSource, digestOf } from '@varve/digest'
import { needs } from '@varve/testing/peers'
import { startDockerRegistry, startOlareg } from '@varve/testing/registries'
import t, { type Test } from 'tap'
import { collect, image, indexOf, noise, openClient, startRegistry } from '../test/fixtures.ts'

const REGISTRIES: ReadonlyArray<
  readonly [name: string, program: readonly string[], start: (t: Test) => Promise<{ readonly port: number }>]
> = [
  ['docker-registry', ['docker-registry'], startDockerRegistry],
  ['olareg', ['olareg'], startOlareg],
  ['our server', [], startRegistry],
]

for (const [name, programs, start] of REGISTRIES) {
  t.test(
    `our client and ${name}: push, resolve, pull, ranges, lists and errors`,
    needs(...programs),
    async (t) => {
      const { port } = await start(t)
      const repository = openClient(t).repository(`127.0.0.1:${port}/team/app`)
      const pushed = image([noise(6_000_000), noise(100)])
      for (const { descriptor, bytes } of pushed.blobs) await repository.write(descriptor, bytesSource(bytes))
      for (const tag of ['v1', 'v2']) await repository.tag(tag, pushed.descriptor, pushed.bytes)
      t.strictSame(await repository.resolve('v1'), pushed.descriptor)
      t.strictSame((await repository.manifest(pushed.descriptor.digest)).descriptor, pushed.descriptor)
      const layer = pushed.blobs[1]!
      const source = await repository.read(layer.descriptor)
      t.equal(digestOf(await collect(source)), layer.descriptor.digest)
      const parts: Uint8Array[] = []
      for await (const chunk of source!.open({ start: 10, end: 1_000_010 })) parts.push(chunk)
      t.equal(digestOf(Buffer.concat(parts)), digestOf(layer.bytes.subarray(10, 1_000_010)), 'by range')
      const index = indexOf([pushed])
      await repository.tag('multi', index.descriptor, index.bytes)
      const tags: string[] = []
      for await (const tag of repository.tags()) tags.push(tag)
      t.strictSame(tags.toSorted(), ['multi', 'v1', 'v2'])
      await t.rejects(repository.manifest('v3'), {
        code: 'ERR_REGISTRY_NOT_FOUND',
        errors: [{ code: 'MANIFEST_UNKNOWN' }],
      })
    },
  )
}
