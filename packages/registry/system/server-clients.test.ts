/** Programs of others as clients of our server. Each is skipped, by name, where it is not installed. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createMemoryStore } from '@varve/cache-store'
import { startContainerd } from '@varve/testing/containerd'
import { startDocker } from '@varve/testing/docker'
import { findProgram, needs, SYSTEM_PATH } from '@varve/testing/peers'
import { temporaryDirectory } from '@varve/testing/registries'
import { freePort } from '@varve/testing/servers'
import t, { type Test } from 'tap'
import {
  type Authorize,
  basicAuthorizer,
  createRegistryHandler,
  createTokenService,
  listen,
  type RegistryHandler,
} from '../src/server.ts'
import { caller, type Caller, type Image, indexOf } from '../test/server-fixtures.ts'
import { realImage } from './support/real-image.ts'

const execute = promisify(execFile)

/** A server with an image in it, and a directory for everything that a program writes. */
interface Bench extends Caller {
  /** `127.0.0.1:` and the port. */
  readonly host: string
  readonly directory: string
  readonly image: Image
  /** Runs a program that finds its home here, and gives what it prints. */
  readonly run: (program: string, ...args: readonly string[]) => Promise<string>
  readonly path: (...parts: readonly string[]) => string
  /** Digest that a tag of the server points to. */
  readonly digestAt: (repository: string, tag: string) => Promise<string | null>
}

/** Who is let in. */
interface Guard {
  readonly authorize?: Authorize
  /** A token server at `/token`, as some clients want no realm of another address of the loopback. */
  readonly tokens?: RegistryHandler
  readonly port?: number
}

async function prepare(t: Test, { authorize, tokens, port = 0 }: Guard = {}): Promise<Bench> {
  const errors: unknown[] = []
  const { blobs, refs } = createMemoryStore()
  const common = { blobs, refs, allowDelete: true, onError: (error: unknown) => errors.push(error) }
  const handler = createRegistryHandler({ ...common, ...(authorize && { authorize }) })
  const answer: RegistryHandler = (request) =>
    tokens !== undefined && new URL(request.url).pathname === '/token' ? tokens(request) : handler(request)
  const server = await listen(answer, { port })
  t.teardown(async () => {
    await server.close()
    if (errors.length > 0) throw new Error('Something failed inside the server', { cause: errors[0] })
  })
  const directory = temporaryDirectory(t, 'varve-clients-')
  const path: Bench['path'] = (...parts) => join(directory, ...parts)
  writeFileSync(path('auth.json'), '{}')
  const inside = caller(createRegistryHandler(common))
  const image = realImage(directory, 'base')
  t.equal((await inside.putImage('team/app', 'v1', image)).status, 201)
  return {
    ...inside,
    directory,
    image,
    path,
    host: `127.0.0.1:${server.port}`,
    digestAt: async (repository, tag) =>
      (await inside.call('HEAD', `/v2/${repository}/manifests/${tag}`)).headers.get('docker-content-digest'),
    run: async (program, ...args) => {
      const { stdout } = await execute(findProgram(program) ?? program, args, {
        cwd: directory,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          PATH: SYSTEM_PATH,
          HOME: directory,
          XDG_RUNTIME_DIR: path('run'),
          DOCKER_CONFIG: path('docker'),
          REGISTRY_AUTH_FILE: path('auth.json'),
          TMPDIR: directory,
        },
      })
      return stdout.trim()
    },
  }
}

t.test('D9: skopeo copies in, out and across, lists, syncs and deletes', needs('skopeo'), async (t) => {
  const { host, run, image, path, digestAt, call, putManifest } = await prepare(t)
  const here = `docker://${host}`
  const { digest } = image.descriptor
  const plain = { from: '--src-tls-verify=false', to: '--dest-tls-verify=false' }
  const copy = (...args: readonly string[]) => run('skopeo', 'copy', '--preserve-digests', ...args)
  await copy(plain.from, `${here}/team/app:v1`, `oci:${path('layout')}:v1`)
  await copy(plain.to, `oci:${path('layout')}:v1`, `${here}/team/again:v1`)
  t.equal(await digestAt('team/again', 'v1'), digest)
  await copy(plain.from, plain.to, `${here}/team/again:v1`, `${here}/other:v2`)
  t.equal(await digestAt('other', 'v2'), digest, 'across, by mounts')
  await run('skopeo', 'copy', plain.to, '--format=v2s2', `oci:${path('layout')}:v1`, `${here}/other:docker`)
  const converted = await call('GET', '/v2/other/manifests/docker')
  t.equal(converted.headers.get('content-type'), 'application/vnd.docker.distribution.manifest.v2+json')
  t.equal((await putManifest('team/app', 'multi', indexOf([image]))).status, 201)
  await copy('--all', plain.from, plain.to, `${here}/team/app:multi`, `${here}/other:multi`)
  t.equal(await digestAt('other', 'multi'), await digestAt('team/app', 'multi'))

  const list = await run('skopeo', 'list-tags', '--tls-verify=false', `${here}/other`)
  t.match(JSON.parse(list), { Tags: ['docker', 'multi', 'v2'] })
  const inspected = await run('skopeo', 'inspect', '--tls-verify=false', `${here}/team/app:v1`)
  t.match(JSON.parse(inspected), { Digest: digest, Labels: { text: 'base' } })
  mkdirSync(path('synced'))
  const sync = (...args: readonly string[]) => run('skopeo', 'sync', '--preserve-digests', ...args)
  await sync('--src=docker', '--dest=dir', plain.from, `${host}/team/app`, path('synced'))
  t.strictSame(readdirSync(path('synced')), ['app:multi', 'app:v1'])
  await sync('--src=dir', '--dest=docker', plain.to, path('synced'), `${host}/mirror`)
  t.equal(await digestAt('mirror/app', 'v1'), digest)
  await run('skopeo', 'delete', '--tls-verify=false', `${here}/other:v2`)
  t.equal(await digestAt('other', 'v2'), null)
})

t.test('D9: crane pushes, pulls, copies, appends, mutates, lists and deletes', needs('crane'), async (t) => {
  const { host, run, image, path, digestAt } = await prepare(t)
  const crane = (...args: readonly string[]) => run('crane', '--insecure', ...args)
  const { digest } = image.descriptor
  t.equal(await crane('digest', `${host}/team/app:v1`), digest)
  await crane('pull', '--format=oci', `${host}/team/app:v1`, path('layout'))
  await crane('push', path('layout'), `${host}/pushed:v1`)
  t.equal(await digestAt('pushed', 'v1'), digest)
  await crane('pull', `${host}/team/app:v1`, path('app.tar'))
  await crane('push', path('app.tar'), `${host}/saved:v1`)
  t.ok(await digestAt('saved', 'v1'))
  await crane('copy', `${host}/team/app:v1`, `${host}/copied:v1`)
  t.equal(await digestAt('copied', 'v1'), digest)
  await run('tar', '-C', path('base'), '-cf', path('more.tar'), 'first')
  await crane(
    'append',
    `--base=${host}/team/app:v1`,
    `--new_layer=${path('more.tar')}`,
    `--new_tag=${host}/team/app:v2`,
  )
  await crane('validate', `--remote=${host}/team/app:v2`)
  await crane('mutate', '--label=more=yes', `--tag=${host}/team/app:v3`, `${host}/team/app:v2`)
  t.match(JSON.parse(await crane('config', `${host}/team/app:v3`)), { config: { Labels: { more: 'yes' } } })
  await crane('tag', `${host}/team/app:v3`, 'latest')
  t.strictSame((await crane('ls', `${host}/team/app`)).split('\n'), ['latest', 'v1', 'v2', 'v3'])
  t.strictSame((await crane('catalog', host)).split('\n'), ['copied', 'pushed', 'saved', 'team/app'])
  await crane('delete', `${host}/copied@${digest}`)
  t.equal(await digestAt('copied', 'v1'), null)
})

t.test(
  'D9: oras pushes, attaches, discovers, copies with referrers, and deletes',
  needs('oras'),
  async (t) => {
    const { host, run, path, digestAt, call } = await prepare(t)
    const oras = (command: string, ...args: readonly string[]) =>
      run('oras', ...command.split(' '), '--plain-http', ...args)
    writeFileSync(path('note.txt'), 'a note')
    writeFileSync(path('bom.json'), '{"bom":1}')
    await oras('push', '--artifact-type=application/vnd.test', `${host}/notes:v1,v2`, 'note.txt:text/plain')
    t.ok(await digestAt('notes', 'v2'))
    await oras(
      'attach',
      '--artifact-type=application/vnd.bom',
      `${host}/notes:v1`,
      'bom.json:application/json',
    )
    const discovered = async (name: string) =>
      JSON.parse(await oras('discover', '--format=json', name)) as unknown
    const referrers = { referrers: [{ artifactType: 'application/vnd.bom' }] }
    t.match(await discovered(`${host}/notes:v1`), referrers)
    await run(
      'oras',
      'cp',
      '-r',
      '--from-plain-http',
      '--to-plain-http',
      `${host}/notes:v1`,
      `${host}/copied:v1`,
    )
    t.match(await discovered(`${host}/copied:v1`), referrers, 'copied along')
    mkdirSync(path('pulled'))
    await oras('pull', `--output=${path('pulled')}`, `${host}/copied:v1`)
    t.equal(readFileSync(path('pulled', 'note.txt'), 'utf8'), 'a note')
    await oras('tag', `${host}/notes:v1`, 'v3')
    t.strictSame((await oras('repo tags', `${host}/notes`)).split('\n'), ['v1', 'v2', 'v3'])
    t.match(await oras('repo ls', host), /copied\nnotes\nteam\/app/)
    const digest = await digestAt('notes', 'v3')
    await oras('manifest delete', '--force', `${host}/notes@${digest}`)
    t.equal(await digestAt('notes', 'v1'), null)
    t.equal((await call('GET', `/v2/notes/referrers/${digest}`)).status, 200)
  },
)

for (const program of ['buildah', 'podman']) {
  t.test(`D9: ${program} pulls and pushes`, needs(program, 'root'), async (t) => {
    const { host, run, path, image, digestAt, call } = await prepare(t)
    const tool = (...args: readonly string[]) =>
      run(program, `--root=${path('root')}`, `--runroot=${path('runroot')}`, '--storage-driver=vfs', ...args)
    await tool('pull', '--tls-verify=false', `${host}/team/app:v1`)
    await tool('push', '--tls-verify=false', `${host}/team/app:v1`, `docker://${host}/pushed:v1`)
    const pushed = await digestAt('pushed', 'v1')
    const manifest = (await (await call('GET', `/v2/pushed/manifests/${pushed}`)).json()) as {
      config: { digest: string }
    }
    t.equal(manifest.config.digest, image.blobs[0]?.descriptor.digest, 'the same image')
    await tool('rmi', '--all', '--force')
    await tool('pull', '--tls-verify=false', `${host}/pushed@${pushed}`)
    t.match(await tool('images'), /127\.0\.0\.1/)
  })
}

t.test('D9: containerd pulls, unpacks and pushes', needs('containerd', 'ctr', 'root'), async (t) => {
  const { host, image, digestAt } = await prepare(t)
  const ctr = await startContainerd(t)
  const name = `${host}/team/app:v1`
  await ctr('images', 'pull', '--plain-http', '--snapshotter=native', '--platform=linux/amd64', name)
  t.match(await ctr('images', 'list', '--quiet'), name)
  await ctr('images', 'tag', name, `${host}/pushed:v1`)
  await ctr('images', 'push', '--plain-http', '--platform=linux/amd64', `${host}/pushed:v1`)
  t.equal(await digestAt('pushed', 'v1'), image.descriptor.digest)
})

const DOCKER = ['dockerd', 'docker', 'containerd', 'runc', 'root']

t.test('D9: dockerd pulls and pushes, also with a password', needs(...DOCKER), async (t) => {
  const docker = await startDocker(t)
  const { host, image, call } = await prepare(t)
  await docker('pull', `${host}/team/app:v1`)
  const labels = await docker('inspect', '--format={{json .Config.Labels}}', `${host}/team/app:v1`)
  t.strictSame(JSON.parse(labels), { text: 'base' })
  await docker('tag', `${host}/team/app:v1`, `${host}/pushed:v1`)
  await docker('push', `${host}/pushed:v1`)
  const pushed = (await (await call('GET', '/v2/pushed/manifests/v1')).json()) as {
    config: { digest: string }
  }
  t.equal(pushed.config.digest, image.blobs[0]?.descriptor.digest)

  const guarded = await prepare(t, { authorize: withPassword })
  const login = (password: string) => docker('login', '-u', 'me', '-p', password, guarded.host)
  await t.rejects(docker('pull', `${guarded.host}/team/app:v1`), 'not without a password')
  await t.rejects(login('wrong'))
  await login('p:ss')
  await docker('pull', `${guarded.host}/team/app:v1`)
  await docker('tag', `${host}/team/app:v1`, `${guarded.host}/pushed:v1`)
  await docker('push', `${guarded.host}/pushed:v1`)
  t.ok(await guarded.digestAt('pushed', 'v1'))
})

t.test(
  'D9: with tokens dockerd pulls without a password, and pushes with one',
  needs(...DOCKER),
  async (t) => {
    const docker = await startDocker(t)
    const { host, digestAt } = await prepare(t, await withTokens())
    await docker('pull', `${host}/team/app:v1`)
    await docker('tag', `${host}/team/app:v1`, `${host}/pushed:v1`)
    await t.rejects(docker('push', `${host}/pushed:v1`))
    await t.rejects(docker('login', '-u', 'me', '-p', 'wrong', host))
    await docker('login', '-u', 'me', '-p', 'p:ss', host)
    await docker('push', `${host}/pushed:v1`)
    t.ok(await digestAt('pushed', 'v1'))
  },
)

const withPassword: Authorize = basicAuthorizer({
  verify: (who) => (who?.username === 'me' && who.password === 'p:ss' ? 'allow' : 'challenge'),
})

/** Everybody may pull with a token, and one may do everything. */
async function withTokens(): Promise<Guard> {
  const port = await freePort()
  const { authorize, issue } = createTokenService({
    realm: `http://127.0.0.1:${port}/token`,
    service: 'varve test',
    verify: (who, { repository, action }) => {
      if (who === undefined) return repository !== undefined && action === 'pull' ? 'allow' : 'challenge'
      return who.username === 'me' && who.password === 'p:ss' ? 'allow' : 'challenge'
    },
  })
  return { authorize, tokens: issue, port }
}

for (const [kind, guardOf] of [
  ['a password', async () => ({ authorize: withPassword })],
  ['tokens', withTokens],
] as const) {
  t.test(`D9: with ${kind}: skopeo`, needs('skopeo'), async (t) => {
    const { host, run, digestAt } = await prepare(t, await guardOf())
    const copy = (credentials: string, to: string) =>
      run(
        'skopeo',
        'copy',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        `--src-creds=${credentials}`,
        `--dest-creds=${credentials}`,
        `docker://${host}/team/app:v1`,
        `docker://${host}/${to}:v1`,
      )
    await t.rejects(copy('me:wrong', 'copied'))
    t.equal(await digestAt('copied', 'v1'), null)
    await copy('me:p:ss', 'copied')
    t.ok(await digestAt('copied', 'v1'))
  })

  t.test(`D9: with ${kind}: crane`, needs('crane'), async (t) => {
    const { host, run, digestAt } = await prepare(t, await guardOf())
    const crane = (...args: readonly string[]) => run('crane', '--insecure', ...args)
    await t.rejects(crane('copy', `${host}/team/app:v1`, `${host}/copied:v1`))
    await crane('auth', 'login', host, '-u', 'me', '-p', 'p:ss')
    await crane('copy', `${host}/team/app:v1`, `${host}/copied:v1`)
    t.ok(await digestAt('copied', 'v1'))
    t.match(await crane('catalog', host), /copied/)
    await crane('delete', `${host}/copied:v1`)
    t.equal(await digestAt('copied', 'v1'), null)
  })

  t.test(`D9: with ${kind}: oras`, needs('oras'), async (t) => {
    const { host, run, digestAt, path } = await prepare(t, await guardOf())
    writeFileSync(path('note.txt'), 'a note')
    const push = () => run('oras', 'push', '--plain-http', `${host}/notes:v1`, 'note.txt')
    await t.rejects(push())
    await run('oras', 'login', '--plain-http', '-u', 'me', '-p', 'p:ss', host)
    await push()
    t.ok(await digestAt('notes', 'v1'))
  })
}
