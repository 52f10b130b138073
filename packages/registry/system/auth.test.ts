/** Credentials at Docker's registry: passwords, tokens of a realm, and what other programs have written down. */
import { execFile } from 'node:child_process'
import { sign, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bytesSource, digestOf } from '@varve/digest'
import { makeCertificates } from '@varve/testing/certificates'
import { findProgram, needs } from '@varve/testing/peers'
import { startDockerRegistry, temporaryDirectory } from '@varve/testing/registries'
import type { RunningServer } from '@varve/testing/servers'
import t, { type Test } from 'tap'
import { createDockerCredentials, createFixedCredentials, type Credential } from '../src/credentials.ts'
import type { RegistryClient, RegistryClientOptions } from '../src/index.ts'
import { collect, image, noise, openClient } from '../test/fixtures.ts'

const run = promisify(execFile)

const USER = { kind: 'basic', username: 'me', password: 'p:ss wörd' } as const
const WRONG: Credential = { ...USER, password: 'wrong' }

/** A registry that knows the user. */
async function startWithPassword(t: Test): Promise<RunningServer> {
  const directory = temporaryDirectory(t, 'varve-auth-')
  const { stdout } = await run('htpasswd', ['-Bbn', USER.username, USER.password])
  const htpasswd = join(directory, 'htpasswd')
  writeFileSync(htpasswd, stdout)
  return startDockerRegistry(t, { htpasswd })
}

/** Pushes an image and pulls it again. */
async function roundTrip(t: Test, client: RegistryClient, name: string): Promise<void> {
  const repository = client.repository(name)
  const pushed = image([noise(100_000), noise(10)])
  for (const { descriptor, bytes } of pushed.blobs) await repository.write(descriptor, bytesSource(bytes))
  await repository.tag('v1', pushed.descriptor, pushed.bytes)
  t.strictSame((await repository.manifest('v1')).descriptor, pushed.descriptor)
  for (const { descriptor } of pushed.blobs) {
    t.equal(digestOf(await collect(await repository.read(descriptor))), descriptor.digest)
  }
}

const clientOf = (
  t: Test,
  credential: Credential | undefined,
  at: RunningServer,
  options: RegistryClientOptions = {},
) =>
  openClient(t, {
    ...options,
    ...(credential === undefined
      ? {}
      : { credentials: createFixedCredentials({ [`127.0.0.1:${at.port}`]: credential }) }),
  })

t.test('docker-registry with passwords', needs('docker-registry', 'htpasswd'), async (t) => {
  const registry = await startWithPassword(t)
  const name = `127.0.0.1:${registry.port}/team/app`
  await roundTrip(t, clientOf(t, USER, registry), name)
  for (const credential of [undefined, WRONG]) {
    const failure = await clientOf(t, credential, registry)
      .repository(name)
      .manifest('v1')
      .catch((error: unknown) => error)
    t.match(failure, { code: 'ERR_REGISTRY_UNAUTHORIZED', status: 401, errors: [{ code: 'UNAUTHORIZED' }] })
  }
})

/** What a realm was asked. */
interface Asked {
  readonly method: string
  readonly authorization: string | undefined
  readonly scopes: readonly string[]
}

interface Realm {
  readonly url: string
  readonly host: string
  readonly rootCertBundle: string
  readonly asked: Asked[]
  /** How old the next token is, in seconds. */
  age: number
}

/**
 * A realm that knows the user and a refresh token, and signs whatever they ask for: distribution, "Token
 * Authentication Implementation".
 */
async function startRealm(t: Test): Promise<Realm> {
  const { authority, server: signer } = makeCertificates(temporaryDirectory(t, 'varve-realm-'))
  const x5c = [new X509Certificate(signer.cert).raw.toString('base64')]
  const asked: Asked[] = []
  const signed = (scopes: readonly string[], age: number): string => {
    const now = Math.floor(Date.now() / 1000) - age
    const access = scopes.map((scope) => {
      const [type = '', name = '', actions = ''] = scope.split(':')
      return { type, name, actions: actions.split(',') }
    })
    const claims = {
      iss: 'varve',
      sub: 'me',
      aud: 'registry',
      nbf: now - 10,
      iat: now,
      exp: now + 300,
      jti: '1',
      access,
    }
    const text = [{ typ: 'JWT', alg: 'ES256', x5c }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const signature = sign('sha256', Buffer.from(text), { key: signer.key, dsaEncoding: 'ieee-p1363' })
    return `${text}.${signature.toString('base64url')}`
  }
  const basic = `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString('base64')}`
  const server = createServer((request, response) => {
    void read(request).then((form) => {
      const url = new URL(request.url ?? '', 'http://realm')
      const isPost = request.method === 'POST'
      const scopes = isPost ? (form.get('scope') ?? '').split(' ') : url.searchParams.getAll('scope')
      const { authorization } = request.headers
      asked.push({ method: request.method ?? '', authorization, scopes })
      const isKnown = isPost ? form.get('refresh_token') === 'refresh' : authorization === basic
      if (!isKnown) return response.writeHead(401).end()
      const token = signed(scopes, realm.age)
      realm.age = 0
      return response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ [isPost ? 'access_token' : 'token']: token, expires_in: 300 }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const realm: Realm = {
    url: `http://${host}/token`,
    host,
    rootCertBundle: authority.certPath,
    asked,
    age: 0,
  }
  return realm
}

async function read(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

t.test('docker-registry with tokens', needs('docker-registry', 'openssl'), async (t) => {
  const realm = await startRealm(t)
  const registry = await startDockerRegistry(t, {
    token: { realm: realm.url, service: 'registry', issuer: 'varve', rootCertBundle: realm.rootCertBundle },
  })
  const host = `127.0.0.1:${registry.port}`
  const hosts = { [host]: { trustedRealms: [realm.host] } }

  await t.test('push and pull with a password', async (t) => {
    const client = clientOf(t, USER, registry, { hosts })
    await roundTrip(t, client, `${host}/team/app`)
    t.strictSame(
      realm.asked.splice(0).map(({ scopes }) => scopes),
      [['repository:team/app:pull'], ['repository:team/app:pull,push']],
      'one token to read and one to write, and none after that',
    )
  })

  await t.test('push and pull with a refresh token', async (t) => {
    const client = clientOf(t, { kind: 'identity-token', token: 'refresh' }, registry, { hosts })
    await roundTrip(t, client, `${host}/team/app`)
    t.strictSame(new Set(realm.asked.splice(0).map(({ method }) => method)), new Set(['POST']))
  })

  await t.test('a token that has expired is renewed once', async (t) => {
    realm.age = 3600
    const client = clientOf(t, USER, registry, { hosts })
    const repository = client.repository(`${host}/team/app`)
    await t.rejects(repository.manifest('v1'), { code: 'ERR_REGISTRY_UNAUTHORIZED' }, 'not if it was new')
    t.ok(await repository.manifest('v1'))
    t.equal(realm.asked.splice(0).length, 2)
  })

  await t.test('a wrong password is one clear error', async (t) => {
    const repository = clientOf(t, WRONG, registry, { hosts }).repository(`${host}/team/app`)
    await t.rejects(repository.manifest('v1'), {
      code: 'ERR_REGISTRY_UNAUTHORIZED',
      message: `The token realm ${realm.url}?… does not accept the credentials for ${host}`,
    })
    t.equal(realm.asked.splice(0).length, 1)
  })

  await t.test('S1: a realm at another port of the loopback is not asked unless it is trusted', async (t) => {
    const repository = clientOf(t, USER, registry).repository(`${host}/team/app`)
    await t.rejects(repository.manifest('v1'), { code: 'ERR_REGISTRY_REFUSED' })
    t.strictSame(realm.asked, [])
  })
})

const AS_USER = ['-u', USER.username, '-p', USER.password]

/** How each program is told to log in, and to write that down in a file. */
const LOGINS: Readonly<Record<string, (file: string, host: string) => readonly string[]>> = {
  skopeo: (file, host) => ['login', '--tls-verify=false', `--authfile=${file}`, ...AS_USER, host],
  podman: (file, host) => ['login', '--tls-verify=false', `--authfile=${file}`, ...AS_USER, host],
  oras: (file, host) => ['login', '--plain-http', `--registry-config=${file}`, ...AS_USER, host],
  crane: (_file, host) => ['auth', 'login', ...AS_USER, host],
}

for (const program of ['skopeo', 'podman']) {
  const needed = needs('docker-registry', 'htpasswd', program)
  t.test(`what ${program} has written for a host, and for a namespace`, needed, async (t) => {
    const registry = await startWithPassword(t)
    const host = `127.0.0.1:${registry.port}`
    await roundTrip(t, await clientOfLogin(t, program, host), `${host}/team/app`)
    const inside = await clientOfLogin(t, program, `${host}/team`)
    await roundTrip(t, inside, `${host}/team/app`)
    await t.rejects(
      inside.repository(`${host}/teams/app`).manifest('v1'),
      { code: 'ERR_REGISTRY_UNAUTHORIZED' },
      'outside of the namespace',
    )
  })
}

for (const program of ['crane', 'oras']) {
  t.test(`what ${program} has written`, needs('docker-registry', 'htpasswd', program), async (t) => {
    const registry = await startWithPassword(t)
    const host = `127.0.0.1:${registry.port}`
    await roundTrip(t, await clientOfLogin(t, program, host), `${host}/team/app`)
  })
}

/** Logs in with another program, and makes a client that uses what it has left. */
async function clientOfLogin(t: Test, program: string, key: string): Promise<RegistryClient> {
  const directory = temporaryDirectory(t, 'varve-login-')
  const file = join(directory, 'config.json')
  const env = { PATH: process.env['PATH'], HOME: directory, DOCKER_CONFIG: directory }
  await run(findProgram(program) ?? program, LOGINS[program]?.(file, key), { env })
  t.match(JSON.parse(readFileSync(file, 'utf8')), { auths: { [key]: { auth: String } } })
  const environment = { DOCKER_CONFIG: directory }
  return openClient(t, {
    credentials: createDockerCredentials({ environment, homeDirectory: join(directory, 'none') }),
  })
}
