/** Other people's programs at the other end. Skipped, by name, where they are not installed. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { bytesSource, digestOf } from '@varve/digest'
import t from 'tap'
import type { Repository } from '../src/index.ts'
import { collect, type Image, image, indexOf, noise, openClient, startRegistry } from './fixtures.ts'

const run = promisify(execFile)

function skipUnless(program: string): { readonly skip?: string } {
  const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' })
  return error === undefined ? {} : { skip: `${program} is not installed` }
}

async function push(repository: Repository, pushed: Image, tag: string): Promise<void> {
  for (const { descriptor, bytes } of pushed.blobs) await repository.write(descriptor, bytesSource(bytes))
  await repository.tag(tag, pushed.descriptor, pushed.bytes)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

t.test('docker-registry', skipUnless('docker-registry'), async (t) => {
  const directory = t.testdir({ data: {} })
  const port = await freePort()
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
  }
  // YAML is a superset of JSON.
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(config))
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  t.teardown(async () => {
    child.kill()
    await ended
  })
  for (let attempt = 0; attempt < 100; attempt++) {
    if (
      await fetch(`http://127.0.0.1:${port}/v2/`).then(
        () => true,
        () => false,
      )
    )
      break
    await delay(50)
  }

  const client = openClient(t)
  const repository = client.repository(`127.0.0.1:${port}/team/app`)
  const pushed = image([noise(6_000_000), noise(100)])
  await push(repository, pushed, 'v1')
  await push(repository, pushed, 'v2')
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
})

t.test('skopeo', skipUnless('skopeo'), async (t) => {
  const directory = t.testdir({ layout: {} })
  const { port } = await startRegistry(t)
  const client = openClient(t)
  const pushed = image([noise(2_000_000)])
  await push(client.repository(`127.0.0.1:${port}/from`), pushed, 'v1')
  const here = `docker://127.0.0.1:${port}`
  const layout = `oci:${join(directory, 'layout')}:v1`
  const copy = (...options: string[]) =>
    run('skopeo', ['--insecure-policy', 'copy', '--preserve-digests', ...options])
  await copy('--src-tls-verify=false', `${here}/from:v1`, layout)
  await copy('--dest-tls-verify=false', layout, `${here}/to:v1`)
  await copy('--src-tls-verify=false', '--dest-tls-verify=false', `${here}/to:v1`, `${here}/again:v2`)
  const copied = client.repository(`127.0.0.1:${port}/again`)
  t.strictSame(await copied.resolve('v2'), pushed.descriptor)
  const layer = pushed.blobs[1]!.descriptor
  t.equal(digestOf(await collect(await copied.read(layer))), layer.digest)
  const { stdout } = await run('skopeo', ['list-tags', '--tls-verify=false', `${here}/again`])
  t.match(JSON.parse(stdout), { Tags: ['v2'] })
})
