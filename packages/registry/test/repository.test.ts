/** Repositories: which host they are, and what their mirrors are asked. */
import { bytesSource } from '@varve/digest'
import t from 'tap'
import { createRegistryClient, type Transport } from '../src/index.ts'
import { collect, content, image, memoryHandler, openClient, startRegistry, utf8 } from './fixtures.ts'

/** A transport that goes nowhere; every reply is the same. */
function recording(status: number): { readonly transport: Transport; readonly requests: string[] } {
  const requests: string[] = []
  const transport: Transport = {
    async send({ method, url }) {
      requests.push(`${method} ${url}`)
      return { status, headers: new Map(), body: empty(), discard: async () => undefined }
    },
    close: async () => undefined,
  }
  return { transport, requests }
}

async function* empty(): AsyncGenerator<Uint8Array> {}

t.test('Q1: Docker Hub answers under another name, and its own images are under library/', async (t) => {
  const names: readonly (readonly [reference: string, url: string])[] = [
    ['alpine', 'https://registry-1.docker.io/v2/library/alpine/manifests/latest'],
    ['alpine:3.20', 'https://registry-1.docker.io/v2/library/alpine/manifests/3.20'],
    ['docker.io/alpine', 'https://registry-1.docker.io/v2/library/alpine/manifests/latest'],
    ['index.docker.io/library/alpine', 'https://registry-1.docker.io/v2/library/alpine/manifests/latest'],
    ['grafana/grafana', 'https://registry-1.docker.io/v2/grafana/grafana/manifests/latest'],
    ['docker.io.example/alpine', 'https://docker.io.example/v2/alpine/manifests/latest'],
    ['localhost:5000/alpine', 'http://localhost:5000/v2/alpine/manifests/latest'],
  ]
  for (const [reference, url] of names) {
    const { transport, requests } = recording(404)
    const client = createRegistryClient({ transport, retries: 0 })
    await t.rejects(client.repository(reference).resolve(), { code: 'ERR_REGISTRY_NOT_FOUND' })
    t.strictSame(requests, [`HEAD ${url}`], reference)
  }
})

t.test('Q1: a blob of another registry is not mounted, whatever that one is called', async (t) => {
  const { port } = await startRegistry(t)
  const requests: string[] = []
  const other = await startRegistry(t, async (request) => {
    requests.push(request.url)
    return memory(request)
  })
  const memory = memoryHandler()
  const client = openClient(t)
  const from = client.repository(`127.0.0.1:${port}/from`)
  const to = client.repository(`127.0.0.1:${other.port}/to`)
  const { descriptor, bytes } = content(utf8('x'))
  await from.write(descriptor, bytesSource(bytes))
  t.equal(await to.pushBlob(descriptor, from.blob(descriptor), { from }), 'copied')
  t.notOk(requests.some((each) => each.includes('from=')))
  const neighbour = client.repository(`127.0.0.1:${other.port}/neighbour`)
  t.equal(await neighbour.pushBlob(descriptor, to.blob(descriptor), { from: to }), 'mounted')
  t.equal(await neighbour.pushBlob(descriptor, to.blob(descriptor), { from: to }), 'existed')
})

t.test('mirrors are read, and never asked what only the registry can know', async (t) => {
  const asked: Record<'mirror' | 'registry', string[]> = { mirror: [], registry: [] }
  const start = async (name: keyof typeof asked) => {
    const handler = memoryHandler({ allowDelete: true })
    return startRegistry(t, (request) => {
      asked[name].push(`${request.method} ${new URL(request.url).pathname.split('/').at(-2)}`)
      return handler(request)
    })
  }
  const [mirror, registry] = [await start('mirror'), await start('registry')]
  const made = image([utf8('a layer')])
  const plain = openClient(t)
  for (const { port } of [mirror, registry]) {
    const repository = plain.repository(`127.0.0.1:${port}/x`)
    for (const { descriptor, bytes } of made.blobs) await repository.write(descriptor, bytesSource(bytes))
    await repository.tag('v1', made.descriptor, made.bytes)
  }
  asked.mirror.length = 0
  asked.registry.length = 0
  const domain = `127.0.0.1:${registry.port}`
  const client = openClient(t, {
    hosts: { [domain]: { mirrors: [{ location: `127.0.0.1:${mirror.port}` }] } },
  })
  const repository = client.repository(`${domain}/x`)
  const [config, layer] = made.blobs.map(({ descriptor }) => descriptor)
  await repository.resolve('v1')
  await repository.manifest('v1')
  await collect(await repository.read(made.descriptor))
  await collect(await repository.read(config!))
  await collect(repository.blob(layer!))
  t.strictSame(asked.registry, [], 'the mirror has it all')
  asked.mirror.length = 0
  for await (const _ of repository.tags());
  await repository.referrers(made.descriptor.digest)
  await repository.has(layer!)
  await repository.has(made.descriptor)
  await repository.write(layer!, bytesSource(made.blobs[1]!.bytes))
  await repository.tag('v2', made.descriptor, made.bytes)
  await repository.delete('v2')
  t.strictSame(asked.mirror, [])
  t.notOk(await repository.read(content(utf8('nowhere')).descriptor))
  t.ok(asked.mirror.length > 0 && asked.registry.length > 0, 'what the mirror lacks, the registry may have')
})
