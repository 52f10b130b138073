/** Our client and Docker's registry, where there is more between them than a plain connection. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { bytesSource, digestOf } from '@varve/digest'
import { makeCertificates } from '@varve/testing/certificates'
import { needs } from '@varve/testing/peers'
import { startDockerRegistry, temporaryDirectory } from '@varve/testing/registries'
import t, { type Test } from 'tap'
import { type ProgressEvent, readCertsDirectory, type Repository } from '../src/index.ts'
import { collect, image, memoryHandler, noise, openClient, startRegistry } from '../test/fixtures.ts'
import { startProxy } from '../test/http-fixtures.ts'

t.setTimeout(120_000)

const pushed = image([noise(3_000_000), noise(1000)])

async function push(repository: Repository): Promise<void> {
  for (const { descriptor, bytes } of pushed.blobs) await repository.write(descriptor, bytesSource(bytes))
  await repository.tag('v1', pushed.descriptor, pushed.bytes)
}

async function assertPulls(t: Test, repository: Repository): Promise<void> {
  t.strictSame((await repository.manifest('v1')).descriptor, pushed.descriptor)
  for (const { descriptor } of pushed.blobs) {
    t.equal(digestOf(await collect(await repository.read(descriptor))), descriptor.digest)
  }
}

t.test('TLS with an authority of our own', needs('docker-registry', 'openssl'), async (t) => {
  const { server, authority } = makeCertificates(t.testdir())
  const { port } = await startDockerRegistry(t, { tls: server })
  const name = `localhost:${port}`
  const repository = openClient(t, { hosts: { [name]: { ca: authority.cert } } }).repository(`${name}/x`)
  await push(repository)
  await assertPulls(t, repository)
  const unknowing = openClient(t, { hosts: { [name]: { insecure: false } } }).repository(`${name}/x`)
  await t.rejects(unknowing.manifest('v1'), {
    code: 'ERR_REGISTRY_CONNECTION',
    cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
  })
  const plain = openClient(t).repository(`${name}/x`)
  await t.rejects(plain.manifest('v1'), { code: 'ERR_REGISTRY_REJECTED' }, 'it speaks nothing but TLS')
})

t.test('a client certificate from certs.d', needs('docker-registry', 'openssl'), async (t) => {
  const { server, client, authority } = makeCertificates(t.testdir())
  const { port } = await startDockerRegistry(t, { tls: server, clientAuthority: authority.certPath })
  const name = `localhost:${port}`
  const directory = temporaryDirectory(t, 'certs-')
  mkdirSync(join(directory, name))
  for (const [from, to] of [
    [authority.certPath, 'ca.crt'],
    [client.certPath, 'client.cert'],
    [client.keyPath, 'client.key'],
  ] as const) {
    copyFileSync(from, join(directory, name, to))
  }
  const hosts = await readCertsDirectory(directory)
  const repository = openClient(t, { hosts }).repository(`${name}/x`)
  await push(repository)
  await assertPulls(t, repository)
  const nobody = openClient(t, { retries: 0, hosts: { [name]: { ca: authority.cert } } })
  await t.rejects(nobody.repository(`${name}/x`).manifest('v1'), { code: 'ERR_REGISTRY_CONNECTION' })
})

t.test('through a proxy, over TLS and without', needs('docker-registry', 'openssl'), async (t) => {
  const { server } = makeCertificates(t.testdir())
  const plain = await startDockerRegistry(t)
  const secured = await startDockerRegistry(t, { tls: server })
  const proxy = await startProxy(t)
  // Loopback is never reached through a proxy; this is another name for it.
  const [plainName, securedName] = [`0.0.0.0:${plain.port}`, `0.0.0.0:${secured.port}`]
  const client = openClient(t, {
    proxy: { http: proxy.origin, https: proxy.origin },
    hosts: { [plainName]: { insecure: true }, [securedName]: { skipVerify: true } },
  })
  for (const name of [plainName, securedName]) {
    const repository = client.repository(`${name}/x`)
    await push(repository)
    await assertPulls(t, repository)
  }
  t.ok(proxy.requests.some((request) => request.startsWith(`PUT http://${plainName}/v2/`)))
  t.ok(proxy.requests.includes(`CONNECT ${securedName}`))
  t.notOk(proxy.requests.some((request) => request.includes(`CONNECT ${plainName}`)))
})

t.test('a pull-through cache as a mirror', needs('docker-registry'), async (t) => {
  const handler = memoryHandler()
  const asked: string[] = []
  const server = await startRegistry(t, (request) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`)
    return handler(request)
  })
  const name = `127.0.0.1:${server.port}`
  await push(openClient(t).repository(`${name}/x`))
  const mirror = await startDockerRegistry(t, { proxyOf: server.url })
  const events: ProgressEvent[] = []
  const client = openClient(t, {
    hosts: { [name]: { mirrors: [{ location: `127.0.0.1:${mirror.port}` }] } },
    onProgress: (event) => events.push(event),
  })
  const repository = client.repository(`${name}/x`)
  await assertPulls(t, repository)
  let again: readonly string[] = ['not yet asked']
  // The cache answers first and keeps a blob later.
  for (let tries = 0; tries < 20 && again.length > 0; tries++) {
    await setTimeout(50)
    const before = asked.length
    await assertPulls(t, repository)
    again = asked.slice(before).filter((request) => request.startsWith('GET /v2/x/'))
  }
  t.strictSame(again, [], 'soon a pull needs no bytes of the registry')
  t.notOk(events.some(({ kind }) => kind === 'mirror'))

  await repository.tag('v2', pushed.descriptor, pushed.bytes)
  t.ok(asked.includes('PUT /v2/x/manifests/v2'), 'a write goes to the registry')
  await mirror.stop()
  t.strictSame((await repository.manifest('v1')).descriptor, pushed.descriptor, 'a mirror that is gone')
  t.match(events.at(-1), { kind: 'mirror', host: `127.0.0.1:${mirror.port}` })
})
