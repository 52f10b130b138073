/** What registries and realms may do to somebody's credentials. Rows are those of the threat table. */
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { admitRealm } from '../src/auth/realm.ts'
import type { Credential } from '../src/credentials/credential.ts'
import { createHostPolicy } from '../src/hosts/policy.ts'
import {
  bearer,
  OK,
  openClient,
  type Reply,
  type Sent,
  sourceOf,
  token,
  unauthorized,
  USER,
  USER_BASIC,
} from './auth-network.ts'

const isRealm = ({ url }: Sent): boolean => url.includes('/token')

function admit(
  realm: string,
  registry: string,
  { trusted = [], insecure = [] }: { readonly trusted?: string[]; readonly insecure?: string[] } = {},
): Promise<boolean> {
  const hosts = createHostPolicy(insecure)
  return admitRealm(realm, { host: hosts.hostOf(registry), hosts, trusted })
}

/** A registry that wants a token of a realm, which gives it to anybody. */
function registryWith(realm: string, atRealm: (request: Sent) => Reply = () => token({ token: 'T' })) {
  return (request: Sent): Reply => {
    if (isRealm(request)) return atRealm(request)
    return request.authorization === 'Bearer T' ? OK : bearer(realm)
  }
}

t.test('S1: realms that are never asked', async (t) => {
  const table: readonly (readonly [why: string, realm: string])[] = [
    ['plain HTTP, elsewhere', 'http://auth.example.com/token'],
    ['plain HTTP, at the registry', 'http://reg.example.com/token'],
    ['plain HTTP, at the port of the registry', 'http://reg.example.com:443/token'],
    ['a file', 'file:///etc/passwd'],
    ['FTP', 'ftp://auth.example.com/token'],
    ['a user', 'https://user@auth.example.com/token'],
    ['a user, at the registry', 'https://user:pass@reg.example.com/token'],
    ['loopback', 'https://127.0.0.1/token'],
    ['loopback, short', 'https://127.1/token'],
    ['loopback, hexadecimal', 'https://0x7f.1/token'],
    ['loopback, a number', 'https://2130706433/token'],
    ['loopback, IPv6', 'https://[::1]/token'],
    ['loopback, by name', 'https://localhost/token'],
    ['loopback, by name, absolute', 'https://localhost./token'],
    ['loopback, below the name', 'https://auth.localhost/token'],
    ['link-local', 'https://169.254.169.254/latest/token'],
    ['link-local, IPv6', 'https://[fe80::1]/token'],
    ['link-local, inside IPv6', 'https://[::ffff:169.254.169.254]/token'],
    ['private', 'https://10.0.0.1/token'],
    ['private', 'https://172.16.3.4/token'],
    ['private', 'https://192.168.1.1/token'],
    ['private, IPv6', 'https://[fd00::1]/token'],
    ['nowhere', 'https://0.0.0.0/token'],
    ['nowhere, IPv6', 'https://[::]/token'],
    ['backslashes', 'https:\\\\auth.example.com/token'],
    ['a backslash', 'https://auth.example.com\\@evil.example/token'],
    ['no host', 'https:///token'],
    ['a path', '/token'],
    ['nothing', ''],
    ['a line feed', 'https://auth.example.com/\ntoken'],
  ]
  for (const [why, realm] of table) {
    await t.rejects(admit(realm, 'reg.example.com'), { code: 'ERR_REGISTRY_REFUSED' }, `${why}: ${realm}`)
    if (/["\\\n]/.test(realm)) continue
    const { call, sent } = openClient(registryWith(realm), { credentials: sourceOf(USER) })
    await t.rejects(call(), { code: 'ERR_REGISTRY_REFUSED' }, why)
    t.equal(sent.length, 1, 'nobody else was asked')
  }
})

t.test('S1: credentials go to the registry, its domain, and hosts that the user trusts', async (t) => {
  const trusted = ['login.example.net', 'auth.internal:8443']
  const yes: readonly (readonly [registry: string, realm: string])[] = [
    ['reg.example.com', 'https://reg.example.com/token'],
    ['reg.example.com', 'https://REG.example.com:443/token'],
    ['reg.example.com:5000', 'https://reg.example.com:5000/token'],
    ['reg.example.com', 'https://reg.example.com:8443/token'],
    ['reg.example.com', 'https://auth.example.com/token'],
    ['reg.example.com', 'https://example.com/token'],
    ['a.b.example.co.uk', 'https://auth.example.co.uk/token'],
    ['registry.gitlab.com', 'https://gitlab.com/jwt/auth'],
    ['docker.io', 'https://auth.docker.io/token'],
    ['nvcr.io', 'https://authn.nvidia.com/token'],
    ['one.azurecr.io', 'https://one.azurecr.io/oauth2/token'],
    ['one.eastus.geo.azurecr.io', 'https://one.azurecr.io/oauth2/token'],
    ['us-docker.pkg.dev', 'https://us-docker.pkg.dev/v2/token'],
    ['reg.example.com', 'https://login.example.net/token'],
    ['reg.example.com', 'https://auth.internal:8443/token'],
  ]
  for (const [registry, realm] of yes)
    t.ok(await admit(realm, registry, { trusted }), `${registry}: ${realm}`)
  const no: readonly (readonly [registry: string, realm: string])[] = [
    ['reg.example.com', 'https://auth.example.org/token'],
    ['reg.example.com', 'https://reg.example.com.evil.example/token'],
    ['reg.example.com', 'https://evil-example.com/token'],
    ['reg.example.com', 'https://login.example.net:8443/token'],
    ['reg.example.com', 'https://auth.docker.io/token'],
    ['reg.example.com', 'https://com/token'],
    ['reg.example.com', 'https://93.184.216.34/token'],
    ['93.184.216.34', 'https://93.184.216.34:8443/token'],
    ['a.co.uk', 'https://b.co.uk/token'],
    ['victim.github.io', 'https://evil.github.io/token'],
    ['victim.azurecr.io', 'https://evil.azurecr.io/token'],
    ['victim.azurecr.io', 'https://victim.evil.azurecr.io/token'],
    ['docker.io', 'https://auth.docker.com/token'],
    ['nvcr.io', 'https://authn.nvidia.com:8443/token'],
    ['registry.corp', 'https://auth.corp/token'],
  ]
  for (const [registry, realm] of no)
    t.notOk(await admit(realm, registry, { trusted }), `${registry}: ${realm}`)
})

t.test('S1: plain HTTP only where the registry is plain itself', async (t) => {
  const insecure = ['reg.internal:5000', 'plain.internal']
  const own = 'reg.internal:5000'
  t.ok(await admit('http://reg.internal:5000/token', own, { insecure }))
  t.ok(await admit('https://reg.internal:5000/token', own, { insecure }))
  t.ok(await admit('http://auth.internal:5001/token', own, { insecure, trusted: ['auth.internal:5001'] }))
  t.ok(await admit('http://127.0.0.1:5000/token', '127.0.0.1:5000'))
  t.ok(await admit('http://127.0.0.1:5001/token', '127.0.0.1:5000', { trusted: ['127.0.0.1:5001'] }))
  const refused: readonly (readonly [realm: string, registry: string, trusted?: string[]])[] = [
    ['http://reg.internal:5001/token', own],
    ['http://plain.internal/token', own],
    ['http://auth.internal:5002/token', own, ['auth.internal:5001']],
    ['http://127.0.0.1:5001/token', '127.0.0.1:5000'],
    ['https://127.0.0.1:5001/token', '127.0.0.1:5000'],
    ['http://auth.example.com/token', 'reg.example.com', ['auth.example.com']],
  ]
  for (const [realm, registry, trusted = []] of refused) {
    await t.rejects(admit(realm, registry, { insecure, trusted }), { code: 'ERR_REGISTRY_REFUSED' }, realm)
  }
})

t.test('S1: no realm is asked that is not HTTP, and none in the clear', async () => {
  const hosts = createHostPolicy()
  const rules = { host: hosts.hostOf('reg.example.com'), hosts, trusted: [] }
  const realm = fc.oneof(
    fc.string(),
    fc.webUrl({ validSchemes: ['http', 'https', 'ftp', 'ws'], withQueryParameters: true }),
    fc.ipV4().map((address) => `https://${address}/token`),
    fc.ipV6().map((address) => `https://[${address}]/token`),
  )
  await fc.assert(
    fc.asyncProperty(realm, async (text) => {
      let mayHaveCredentials: boolean
      try {
        mayHaveCredentials = await admitRealm(text, rules)
      } catch (error) {
        return (error as { readonly code?: string }).code === 'ERR_REGISTRY_REFUSED'
      }
      const { protocol, hostname } = new URL(text)
      return protocol === 'https:' && (!mayHaveCredentials || hostname.endsWith('example.com'))
    }),
  )
})

t.test('S1: a realm of another domain is asked without credentials', async (t) => {
  const realm = 'https://auth.example.org/token'
  const good = openClient(registryWith(realm), { credentials: sourceOf(USER) })
  t.equal(await good.call(), 200)
  t.strictSame(
    good.sent.map(({ authorization }) => authorization),
    [undefined, undefined, 'Bearer T'],
  )
  for (const credential of [USER, { kind: 'identity-token', token: 'I' } as const]) {
    const none = openClient((request) => (isRealm(request) ? token({ token: 'T' }) : bearer(realm)), {
      credentials: sourceOf(credential),
    })
    await t.rejects(none.call(), {
      code: 'ERR_REGISTRY_UNAUTHORIZED',
      message: /kept from its token realm https:\/\/auth\.example\.org\/token, .*trustedRealms/,
    })
    t.strictSame(
      none.sent.filter(isRealm).map(({ method, authorization }) => [method, authorization]),
      [['GET', undefined]],
    )
  }
  const refuses = openClient((request) => (isRealm(request) ? { status: 403 } : bearer(realm)), {
    credentials: sourceOf(USER),
  })
  for (const why of ['at first', 'and again']) {
    await t.rejects(refuses.call(), { message: /trustedRealms/, cause: { status: 403 } }, why)
  }
  const trusts = openClient(registryWith(realm), {
    credentials: sourceOf(USER),
    trustedRealms: ['auth.example.org'],
  })
  await trusts.call()
  t.equal(trusts.sent[1]?.authorization, USER_BASIC)
})

t.test('S1: with such a realm, Basic goes to the registry that offers it', async (t) => {
  const { call, sent } = openClient(
    ({ authorization }) =>
      authorization === USER_BASIC
        ? OK
        : unauthorized('Bearer realm="https://auth.example.org/token"', 'Basic realm="x"'),
    { credentials: sourceOf(USER) },
  )
  t.equal(await call(), 200)
  t.notOk(sent.some(isRealm))
})

t.test('S1: a token is text for a header, of a sane size', async (t) => {
  const table: readonly (readonly [why: string, body: string, code: string])[] = [
    ['a header in it', JSON.stringify({ token: 'a\r\nX-Evil: 1' }), 'ERR_REGISTRY_RESPONSE'],
    ['not text', JSON.stringify({ token: 7 }), 'ERR_REGISTRY_RESPONSE'],
    ['none', '{}', 'ERR_REGISTRY_RESPONSE'],
    ['a list', '["token"]', 'ERR_REGISTRY_RESPONSE'],
    ['cut off', '{"token":"secret', 'ERR_REGISTRY_RESPONSE'],
    ['too much', JSON.stringify({ token: 'T'.repeat(200_000) }), 'ERR_REGISTRY_LIMIT'],
  ]
  for (const [why, body, code] of table) {
    const { call } = openClient(registryWith('https://auth.example.com/token', () => ({ status: 200, body })))
    const error = await t.rejects(call(), { code }, why)
    t.notMatch(everythingOf(error), 'secret')
  }
})

t.test('S2: each hop of a realm is guarded, and gets no credentials', async (t) => {
  const realm = 'https://auth.example.com/token'
  const led = (location: string, credential: Credential = USER, status = 307) =>
    openClient(
      registryWith(realm, ({ url }) =>
        url.startsWith(realm) ? { status, headers: { location } } : token({ token: 'T' }),
      ),
      { credentials: sourceOf(credential) },
    )
  for (const location of [
    'https://169.254.169.254/latest/token',
    'https://127.0.0.1/token',
    'https://[::ffff:10.0.0.1]/token',
    'http://auth.example.com/other/token',
    'http://reg.example.com/token',
    'https://user:pass@auth.example.com/other/token',
  ]) {
    const { call, sent } = led(location)
    await t.rejects(call(), { code: 'ERR_REGISTRY_REFUSED' }, location)
    t.equal(sent.length, 2)
  }
  for (const location of [
    'https://auth.example.org/token',
    'https://reg.example.com/token',
    'https://other.example.com/token',
    'https://auth.example.com:8443/token',
  ]) {
    const { call, sent } = led(location)
    t.equal(await call(), 200)
    t.strictSame(
      sent.map(({ authorization }) => authorization),
      [undefined, USER_BASIC, undefined, 'Bearer T'],
      location,
    )
    const refresh = led(location, { kind: 'identity-token', token: 'I' })
    await t.rejects(refresh.call(), { code: 'ERR_REGISTRY_REFUSED' }, 'a form is not sent on')
    t.equal(refresh.sent.length, 2)
  }
  await t.rejects(led(`${realm}/again`).call(), { code: 'ERR_REGISTRY_REFUSED' }, 'a circle ends')
})

t.test('S3, C16: a 401 from where a registry leads to asks for nothing', async (t) => {
  const credentials = sourceOf(USER)
  const { call, sent } = openClient(
    (request) => {
      if (request.url.startsWith('https://cdn.example.com'))
        return unauthorized('Basic realm="x"', 'Bearer realm="https://cdn.example.com/token"')
      if (request.authorization === undefined) return unauthorized('Basic realm="x"')
      return { status: 307, headers: { location: 'https://cdn.example.com/blob' } }
    },
    { credentials },
  )
  await t.rejects(call(), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.strictSame(
    sent.map(({ url, authorization }) => [new URL(url).host, authorization]),
    [
      ['reg.example.com', undefined],
      ['reg.example.com', USER_BASIC],
      ['cdn.example.com', undefined],
    ],
  )
  await t.rejects(call(), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.equal(sent[3]?.authorization, USER_BASIC, 'what is known of the registry has not changed')
  t.equal(credentials.asked.length, 1)
})

t.test('S15: credentials of a namespace, and their tokens, stay inside of it', async (t) => {
  const asked: (string | undefined)[] = []
  const { call, sent } = openClient(registryWith('https://reg.example.com/token'), {
    credentials: {
      async find({ repository }) {
        asked.push(repository)
        return repository === 'team/app' ? USER : undefined
      },
    },
  })
  await call({ repository: 'team/app' })
  await call({ repository: 'team/other', scopes: ['repository:team/app:pull'] })
  t.strictSame(asked, ['team/app', 'team/other'])
  t.strictSame(
    sent.filter(isRealm).map(({ authorization }) => authorization),
    [USER_BASIC, undefined],
  )
})

t.test('S15: no failure tells a secret', async (t) => {
  const secrets = /hunter2|refresh-1|aHVudGVyMg|bWU6aHVudGVyMg|signed/
  const credentials = [
    { kind: 'basic', username: 'me', password: 'hunter2' },
    { kind: 'identity-token', token: 'refresh-1', username: 'me' },
    { kind: 'identity-token', token: 'refresh-1' },
  ] as const
  const echo = ({ authorization, body, url }: Sent, status: number): Reply => ({
    status,
    body: JSON.stringify({
      errors: [{ code: 'DENIED', message: `hunter2 refresh-1 ${authorization} ${body}`, detail: url }],
    }),
  })
  const answers: readonly (readonly [why: string, atRealm: (request: Sent) => Reply | Promise<Reply>])[] = [
    ...[400, 401, 403, 404, 405, 418, 429, 500, 503].map(
      (status) => [`a realm that says ${status}`, (request: Sent) => echo(request, status)] as const,
    ),
    [
      'a realm without JSON',
      (request) => ({ status: 200, body: `<${request.authorization}${request.body}` }),
    ],
    ['a realm that breaks', () => Promise.reject(new Error('reset'))],
    ['a realm that leads away', () => ({ status: 307, headers: { location: 'http://a.example/?signed' } })],
    ['a realm that leads nowhere', () => ({ status: 307 })],
  ]
  for (const credential of credentials) {
    for (const [why, atRealm] of answers) {
      const { call } = openClient(
        (request) =>
          isRealm(request) ? atRealm(request) : bearer('https://reg.example.com/token?sig=signed'),
        { credentials: sourceOf(credential) },
      )
      const error = await call().catch((thrown: unknown) => thrown)
      t.match(error, { code: /^ERR_REGISTRY_/ }, `${why}, ${credential.kind}`)
      t.notMatch(everythingOf(error), secrets)
    }
  }
  for (const status of [400, 401, 403, 404, 500]) {
    for (const challenge of ['Basic realm="x"', 'Bearer realm="https://reg.example.com/token"']) {
      const { call } = openClient(
        (request) => {
          if (isRealm(request)) return token({ token: 'hunter2-token' })
          return request.authorization === undefined ? unauthorized(challenge) : echo(request, status)
        },
        { credentials: sourceOf(credentials[0]) },
      )
      const error = await t.rejects(call(), { code: /^ERR_REGISTRY_/, status })
      t.notMatch(everythingOf(error), /bWU6aHVudGVyMg|hunter2-token/, `a registry that says ${status}`)
    }
  }
})

/** An error with all of its fields and causes. */
function everythingOf(error: unknown): string {
  return inspect(error, { depth: 9, showHidden: true, maxStringLength: null })
}
