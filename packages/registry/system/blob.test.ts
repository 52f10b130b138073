/** Blobs at registries of others, and at our own over a store on disk: in one piece, in chunks, over lines that break. */
import { createLocalStore } from '@varve/cache-store/local'
import { bytesSource, type ByteSource, digestOf, type OciAlgorithm } from '@varve/digest'
import { needs } from '@varve/testing/peers'
import { startDockerRegistry, startOlareg } from '@varve/testing/registries'
import t from 'tap'
import { deleteBlob } from '../src/blob/delete.ts'
import type { TransferOptions } from '../src/blob/options.ts'
import { blobSource, hasBlob } from '../src/blob/pull.ts'
import { pushBlob } from '../src/blob/push.ts'
import { createMemoryLocations } from '../src/index.ts'
import { createRegistryHandler } from '../src/server.ts'
import { breakLine, openEndpoint } from '../test/blob-endpoint.ts'
import { collect, content, noise, startRegistry } from '../test/fixtures.ts'

type Test = Parameters<typeof startRegistry>[0] & { testdir(): string }

/** What differs between them. */
interface Peer {
  readonly name: string
  readonly needs: readonly string[]
  readonly algorithms: readonly OciAlgorithm[]
  /**
   * Keeps what has arrived of a body that broke, so that next to nothing of it is sent again. Distribution 2.8 signs how
   * far an upload is into its location, and knows no upload any more that has got further.
   */
  readonly keepsBroken: boolean
  start(t: Test): Promise<number>
}

const PEERS: readonly Peer[] = [
  {
    name: 'docker-registry',
    needs: ['docker-registry'],
    algorithms: ['sha256', 'sha512'],
    keepsBroken: false,
    start: async (t) => (await startDockerRegistry(t)).port,
  },
  {
    name: 'olareg',
    needs: ['olareg'],
    algorithms: ['sha256', 'sha512'],
    keepsBroken: true,
    start: async (t) => (await startOlareg(t)).port,
  },
  {
    name: 'our server',
    needs: [],
    algorithms: ['sha256', 'sha512'],
    keepsBroken: true,
    async start(t) {
      const { blobs, refs } = await createLocalStore({ directory: t.testdir() })
      return (await startRegistry(t, createRegistryHandler({ blobs, refs, allowDelete: true }))).port
    },
  },
]

const SIZE = 20_000_000
const TENTHS = Array.from({ length: 9 }, (_, index) => ((index + 1) * SIZE) / 10)
const CHUNKED: TransferOptions = { monolithicBytes: 0, chunkBytes: 3_000_000 }

for (const peer of PEERS) {
  t.test(peer.name, needs(...peer.needs), async (t) => {
    const port = await peer.start(t)
    const host = `127.0.0.1:${port}`

    for (const [how, transfer] of [
      ['in one piece', {}],
      ['in chunks', CHUNKED],
    ] as const) {
      t.test(`${peer.name}: takes and gives blobs ${how}`, async (t) => {
        const repository = how.replaceAll(' ', '-')
        const endpoint = openEndpoint(t, host, {
          repository,
          transfer: { ...transfer, parallelBytes: 1, parallelBelow: Infinity },
        })
        for (const algorithm of peer.algorithms) {
          const { descriptor, bytes } = content(noise(SIZE), 'application/octet-stream', algorithm)
          t.notOk(await hasBlob(endpoint, descriptor))
          t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'pushed')
          t.ok(await hasBlob(endpoint, descriptor))
          t.equal(digestOf(await collect(blobSource([endpoint], descriptor)), algorithm), descriptor.digest)
        }
        const empty = content(new Uint8Array())
        t.equal(await pushBlob(endpoint, empty.descriptor, bytesSource(empty.bytes)), 'pushed')
        t.equal((await collect(blobSource([endpoint], empty.descriptor))).byteLength, 0)
      })

      t.test(`${peer.name}: a push ${how} survives cuts`, async (t) => {
        const { descriptor, bytes } = content(noise(SIZE))
        const cuts = peer.keepsBroken ? TENTHS : TENTHS.slice(0, 3)
        const line = await breakLine(t, port, 'up', cuts)
        const endpoint = openEndpoint(t, line.host, { repository: 'broken', transfer })
        t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'pushed')
        t.equal(digestOf(await collect(blobSource([endpoint], descriptor))), descriptor.digest)
        t.comment(`${line.passed.up} bytes for ${SIZE}, ${line.cuts} cuts`)
        t.equal(line.cuts, cuts.length)
        const lost = peer.keepsBroken ? 0 : (cuts.at(-1) ?? 0)
        t.ok(line.passed.up <= SIZE * 1.1 + lost, 'nothing that was kept is sent again')
      })
    }

    t.test(`${peer.name}: a pull survives a cut at every tenth`, async (t) => {
      const { descriptor, bytes } = content(noise(SIZE))
      await pushBlob(openEndpoint(t, host), descriptor, bytesSource(bytes))
      for (const transfer of [{}, { parallelBytes: 1, parallelBelow: Infinity }]) {
        const line = await breakLine(t, port, 'down', TENTHS)
        const endpoint = openEndpoint(t, line.host, { transfer })
        t.equal(digestOf(await collect(blobSource([endpoint], descriptor))), descriptor.digest)
        t.comment(`${line.passed.down} bytes for ${SIZE}, ${line.cuts} cuts`)
        t.equal(line.cuts, TENTHS.length)
        t.ok(line.passed.down <= SIZE * 1.1, 'next to nothing was read twice')
      }
    })

    t.test(`${peer.name}: mounts from where a blob is known to be, and deletes`, async (t) => {
      const { descriptor, bytes } = content(noise(1000))
      const locations = createMemoryLocations()
      const one = openEndpoint(t, host, { repository: 'mount/one', locations })
      const two = openEndpoint(t, host, { repository: 'mount/two', locations })
      t.equal(await pushBlob(one, descriptor, bytesSource(bytes)), 'pushed')
      t.equal(await pushBlob(two, descriptor, bytesSource(bytes)), 'mounted')
      t.equal(digestOf(await collect(blobSource([two], descriptor))), descriptor.digest)
      await deleteBlob(two, descriptor.digest)
      t.notOk(await hasBlob(two, descriptor))
      t.equal(await pushBlob(two, descriptor, bytesSource(bytes), { mountFrom: ['mount/none'] }), 'mounted')
    })

    t.test(`${peer.name}: what was not sent to its end is not there`, async (t) => {
      const { descriptor, bytes } = content(noise(SIZE))
      const controller = new AbortController()
      const source: ByteSource = {
        size: SIZE,
        async *open({ start = 0, end = SIZE, signal } = {}) {
          yield bytes.subarray(start, Math.min(end, start + 1_000_000))
          controller.abort(new Error('Enough'))
          signal?.throwIfAborted()
        },
      }
      const endpoint = openEndpoint(t, host, { repository: 'aborted' })
      await t.rejects(pushBlob(endpoint, descriptor, source, { signal: controller.signal }), {
        message: 'Enough',
      })
      t.notOk(await hasBlob(endpoint, descriptor))
      t.equal(await pushBlob(endpoint, descriptor, bytesSource(bytes)), 'pushed', 'and can be sent again')
    })
    t.end()
  })
}
