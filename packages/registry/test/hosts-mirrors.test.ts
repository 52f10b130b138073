/** Reads through mirrors: who is asked, in which order, with what. */
import { bytesSource, describe, DigestError, digestOf } from '@varve/digest'
import { OciManifestError } from '@varve/oci-manifest'
import t from 'tap'
import { transferSettings } from '../src/blob/options.ts'
import type { Credential, CredentialQuery } from '../src/credentials/credential.ts'
import type { Endpoint, RepositoryPlaces } from '../src/endpoint.ts'
import { createHostPolicy } from '../src/hosts/policy.ts'
import { firstAnswer, readingOrder } from '../src/hosts/mirrors.ts'
import type { MirrorSettings } from '../src/hosts/settings.ts'
import { createRegistryClient, type ProgressEvent, RegistryError } from '../src/index.ts'
import { image, utf8 } from './fixtures.ts'
import { exchangeOver, fakeNetwork, type Reply, type Sent } from './http-fixtures.ts'

const MIRRORS: readonly MirrorSettings[] = [
  { location: 'one.example' },
  { location: 'two.example', byDigestOnly: true },
]

function placesOf(mirrors = MIRRORS): {
  readonly places: RepositoryPlaces
  readonly events: ProgressEvent[]
} {
  const events: ProgressEvent[] = []
  const hosts = createHostPolicy([], { 'reg.example': { mirrors } })
  const at = (host: Endpoint['host']): Endpoint => ({
    exchange: exchangeOver(fakeNetwork(() => ({ status: 404 })).transport, { hosts }),
    host,
    repository: 'x',
    transfer: transferSettings({}),
    locations: undefined,
    onProgress: (event) => events.push(event),
  })
  const registry = hosts.hostOf('reg.example')
  const endpoints = hosts
    .mirrorsOf(registry)
    .map(({ host, byDigestOnly }) => ({ endpoint: at(host), byDigestOnly }))
  return { events, places: { registry: at(registry), mirrors: endpoints } }
}

t.test('the first mirror that has an answer gives it', async (t) => {
  const { places, events } = placesOf()
  const asked: string[] = []
  const ask = (answers: Readonly<Record<string, unknown>>, byTag = false) => {
    asked.length = 0
    return firstAnswer(places, { byTag }, async ({ host }) => {
      asked.push(host.name)
      return answers[host.name]
    })
  }
  t.equal(await ask({ 'one.example': 1 }), 1)
  t.strictSame(asked, ['one.example'])
  t.equal(await ask({ 'two.example': 2 }), 2)
  t.equal(await ask({ 'one.example': false, 'reg.example': 3 }), 3)
  t.strictSame(asked, ['one.example', 'two.example', 'reg.example'])
  t.equal(await ask({ 'reg.example': false }), false, 'the registry has the last word')
  t.equal(await ask({ 'two.example': 2, 'reg.example': 3 }, true), 3, 'by digest only')
  t.strictSame(asked, ['one.example', 'reg.example'])
  t.match(events[0], { kind: 'mirror', host: 'one.example', error: { code: 'ERR_REGISTRY_NOT_FOUND' } })
})

t.test('whatever goes wrong at a mirror leads on, and what goes wrong at the registry is told', async (t) => {
  const { digest } = describe('text/plain', utf8('x'))
  const errors: readonly (RegistryError | DigestError | OciManifestError)[] = [
    new RegistryError('ERR_REGISTRY_NOT_FOUND', ''),
    new RegistryError('ERR_REGISTRY_REFUSED', ''),
    new RegistryError('ERR_REGISTRY_UNAUTHORIZED', ''),
    new RegistryError('ERR_REGISTRY_DENIED', ''),
    new RegistryError('ERR_REGISTRY_SERVER', ''),
    new RegistryError('ERR_REGISTRY_CONNECTION', ''),
    new DigestError('ERR_DIGEST_MISMATCH', digest),
    new OciManifestError('ERR_OCI_MANIFEST_INVALID', ''),
  ]
  for (const error of errors) {
    const { places, events } = placesOf()
    const answer = await firstAnswer(places, { byTag: false }, async ({ host }) => {
      if (host.name === 'reg.example') return 'registry'
      throw error
    })
    t.equal(answer, 'registry', error.code)
    t.strictSame(
      events.map((event) => event.kind === 'mirror' && event.error),
      [error, error],
    )
    const failing = firstAnswer(placesOf().places, { byTag: false }, async () => {
      throw error
    })
    await t.rejects(failing, error)
  }
  const asked: string[] = []
  const reason = new Error('enough')
  const controller = new AbortController()
  const aborted = firstAnswer(
    placesOf().places,
    { byTag: false, signal: controller.signal },
    async ({ host }) => {
      asked.push(host.name)
      controller.abort(reason)
      throw new RegistryError('ERR_REGISTRY_CONNECTION', '')
    },
  )
  await t.rejects(aborted, reason)
  const misused = firstAnswer(placesOf().places, { byTag: false }, async ({ host }) => {
    asked.push(host.name)
    throw new TypeError('Not a tag')
  })
  await t.rejects(misused, TypeError)
  t.strictSame(asked, ['one.example', 'one.example'], 'neither leads on')
})

t.test('a mirror that does not answer is left alone for a while', async (t) => {
  const { places } = placesOf()
  const names = () => readingOrder(places, false).map(({ host }) => host.name)
  const failWith = (code: 'ERR_REGISTRY_NOT_FOUND' | 'ERR_REGISTRY_CONNECTION') =>
    firstAnswer(places, { byTag: false }, async ({ host }) => {
      if (host.name === 'one.example') throw new RegistryError(code, '')
      return true
    })
  await failWith('ERR_REGISTRY_NOT_FOUND')
  t.strictSame(names(), ['one.example', 'two.example', 'reg.example'])
  await failWith('ERR_REGISTRY_CONNECTION')
  t.strictSame(names(), ['two.example', 'reg.example'])
  t.strictSame(readingOrder(placesOf().places, true).length, 2, 'for other clients nothing has changed')
})

const pushed = image([])
const GOOD: Reply = {
  status: 200,
  headers: { 'content-type': pushed.descriptor.mediaType },
  body: pushed.bytes,
}

/** A client of `docker.io` with a proxy and a plain mirror, and the requests that it makes. */
function clientOf(
  answer: (request: Sent) => Reply,
  found?: (query: CredentialQuery) => Credential | undefined,
) {
  const { transport, sent } = fakeNetwork(answer)
  const queries: string[] = []
  const client = createRegistryClient({
    transport,
    retries: 0,
    hosts: {
      'docker.io': {
        mirrors: [{ location: 'proxy.example/hub', isProxy: true }, { location: 'mirror.example' }],
      },
    },
    credentials: {
      async find(query) {
        queries.push(query.host)
        return found?.(query)
      },
    },
  })
  return { repository: client.repository('docker.io/library/busybox'), sent, queries }
}

t.test('C17: only a proxy is told the registry, and only reads go to mirrors', async (t) => {
  const { repository, sent } = clientOf(({ method, url }) => {
    if (!url.startsWith('https://registry-1.docker.io/')) return { status: 404 }
    if (method === 'HEAD' && url.includes('/blobs/')) return { status: 404 }
    if (method === 'POST') return { status: 202, headers: { location: '/upload' } }
    return method === 'GET' ? GOOD : { status: 201 }
  })
  t.strictSame((await repository.manifest('1')).descriptor, pushed.descriptor)
  t.strictSame(
    sent.map(({ url }) => url),
    [
      'https://proxy.example/v2/hub/library/busybox/manifests/1?ns=docker.io',
      'https://mirror.example/v2/library/busybox/manifests/1',
      'https://registry-1.docker.io/v2/library/busybox/manifests/1',
    ],
  )
  sent.length = 0
  const blob = { descriptor: describe('application/octet-stream', utf8('blob')), bytes: utf8('blob') }
  await repository.write(blob.descriptor, bytesSource(blob.bytes))
  await repository.write(pushed.descriptor, bytesSource(pushed.bytes))
  t.ok(sent.length >= 3)
  for (const { method, url } of sent) t.match(url, /^https:\/\/registry-1\.docker\.io\//, `${method} ${url}`)
})

t.test('C17: a mirror gets its own credentials, and never those of the registry', async (t) => {
  const basic = (user: string): string => `Basic ${Buffer.from(`${user}:secret`).toString('base64')}`
  const challenge: Reply = { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
  const { repository, sent, queries } = clientOf(
    ({ url, authorization }) => {
      if (!url.startsWith('https://registry-1.docker.io/')) return challenge
      return authorization === undefined ? challenge : GOOD
    },
    ({ host }) => {
      if (host === 'docker.io') return { kind: 'basic', username: 'hub', password: 'secret' }
      return host === 'mirror.example' ? { kind: 'basic', username: 'own', password: 'secret' } : undefined
    },
  )
  await repository.manifest(pushed.descriptor.digest)
  t.ok(queries.includes('proxy.example') && queries.includes('mirror.example'))
  const by = (origin: string) =>
    new Set(sent.filter(({ url }) => url.startsWith(origin)).map(({ authorization }) => authorization))
  t.strictSame(by('https://proxy.example'), new Set([undefined]))
  t.strictSame(by('https://mirror.example'), new Set([undefined, basic('own')]))
  t.strictSame(by('https://registry-1.docker.io'), new Set([undefined, basic('hub')]))
})

t.test('S9: wrong bytes of a mirror are not the answer', async (t) => {
  const { repository, sent } = clientOf(({ url }) =>
    url.startsWith('https://registry-1.docker.io/') ? GOOD : { ...GOOD, body: utf8('{}') },
  )
  const { bytes } = await repository.manifest(pushed.descriptor.digest)
  t.equal(digestOf(bytes), pushed.descriptor.digest)
  t.equal(sent.length, 3)
})
