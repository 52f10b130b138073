import { createMemoryStore } from '@varve/cache-store'
import t, { type Test } from 'tap'
import {
  type Access,
  type Authorize,
  basicAuthorizer,
  bearerAuthorizer,
  createRegistryHandler,
  createTokenService,
  scopeOf,
  type TokenServiceOptions,
  type Verdict,
} from '../src/server.ts'
import { caller, codeOf, type Caller, content, image, memoryHandler, noise } from './server-fixtures.ts'

const basic = (text: string): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
})

/** What a caller with these headers is told. */
async function ask(
  client: Caller,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<readonly [status: number, challenge: string | null, code: string | undefined]> {
  const response = await client.call(method, path, { headers })
  const code = response.status >= 400 ? await codeOf(response) : undefined
  return [response.status, response.headers.get('www-authenticate'), code]
}

const guarded = (authorize: Authorize): Caller => caller(memoryHandler({ authorize, allowDelete: true }))

t.test(
  'V17: a basic hook lets in whom it knows, challenges whom it does not, and denies the rest',
  async (t) => {
    const seen: unknown[] = []
    const verify = (who: { username: string; password: string } | undefined, access: Access): Verdict => {
      seen.push(who)
      if (who === undefined) return access.action === 'pull' ? 'allow' : 'deny'
      if (who.password !== 'p:ä') return 'challenge'
      return access.action === 'delete' ? 'deny' : 'allow'
    }
    const client = guarded(basicAuthorizer({ realm: 'our "registry"', verify }))
    const challenge = 'Basic realm="our \\"registry\\"", charset="UTF-8"'
    const [unauthorized, denied] = ['UNAUTHORIZED', 'DENIED']
    t.strictSame(await ask(client, 'GET', '/v2/'), [401, challenge, unauthorized], 'clients learn to log in')
    t.strictSame(seen, [], 'whatever the hook thinks')
    t.strictSame(await ask(client, 'GET', '/v2/', basic('me:p:ä')), [200, null, undefined])
    t.strictSame(seen, [{ username: 'me', password: 'p:ä' }], 'the first colon counts')
    t.strictSame(await ask(client, 'GET', '/v2/', basic('me:wrong')), [401, challenge, unauthorized])
    t.strictSame(await ask(client, 'GET', '/v2/r/tags/list'), [404, null, 'NAME_UNKNOWN'], 'anonymous pull')
    t.strictSame(await ask(client, 'POST', '/v2/r/blobs/uploads/'), [401, challenge, unauthorized])
    t.strictSame(
      await ask(client, 'DELETE', '/v2/r/manifests/x', basic('me:p:ä')),
      [403, null, denied],
      'known, and not allowed',
    )
    t.strictSame(
      await ask(client, 'GET', '/v2/_catalog'),
      [401, challenge, unauthorized],
      'names are no pull',
    )
  },
)

t.test('what is no Basic credential is none', async (t) => {
  const seen: unknown[] = []
  const client = guarded(
    basicAuthorizer({
      verify: (who) => {
        seen.push(who)
        return 'challenge'
      },
    }),
  )
  for (const authorization of [
    'Basic',
    'Basic ',
    `Basic ${Buffer.from('no colon').toString('base64')}`,
    'Bearer abc',
    'Basic %%%',
    'Basic YTpi YTpi',
    `Basic ${'A'.repeat(70_000)}`,
  ]) {
    t.equal(
      (await ask(client, 'GET', '/v2/r/tags/list', { authorization }))[0],
      401,
      authorization.slice(0, 30),
    )
  }
  t.strictSame(
    seen,
    seen.map(() => undefined),
  )
  t.throws(() => basicAuthorizer({ realm: 'a\r\nb', verify: () => 'allow' }), TypeError)
})

t.test('V17: a bearer hook names the scope that a token needs', async (t) => {
  const tokens = new Map([['abc.DEF-_~+/=', 'repository:r:pull']])
  const verify = (token: string | undefined, access: Access): Verdict => {
    if (access.repository === 'secret') return 'deny'
    if (access.repository === undefined && access.action === 'pull') {
      return token !== undefined && tokens.has(token) ? 'allow' : 'challenge'
    }
    return token !== undefined && tokens.get(token) === scopeOf(access) ? 'allow' : 'challenge'
  }
  const client = guarded(bearerAuthorizer({ realm: 'https://auth.test/token', service: 'reg.test', verify }))
  const server = 'Bearer realm="https://auth.test/token",service="reg.test"'
  const token = { authorization: 'bearer abc.DEF-_~+/=' }
  const scoped = (scope: string) => `${server},scope="${scope}"`
  const wanting = ',error="insufficient_scope"'
  const code = 'UNAUTHORIZED'
  for (const [why, method, path, headers, expected] of [
    ['the base', 'GET', '/v2/', {}, [401, server, code]],
    ['the base with a token', 'GET', '/v2/', token, [200, null, undefined]],
    [
      'the base with another token',
      'GET',
      '/v2/',
      { authorization: 'Bearer x' },
      [401, `${server},error="invalid_token"`, code],
    ],
    ['a pull', 'GET', '/v2/r/tags/list', {}, [401, scoped('repository:r:pull'), code]],
    ['a pull with a token', 'GET', '/v2/r/tags/list', token, [404, null, 'NAME_UNKNOWN']],
    [
      'a push with a token to pull',
      'POST',
      '/v2/r/blobs/uploads/',
      token,
      [401, scoped('repository:r:pull,push') + wanting, code],
    ],
    ['a delete', 'DELETE', '/v2/a/b/manifests/x', {}, [401, scoped('repository:a/b:delete'), code]],
    ['the catalog', 'GET', '/v2/_catalog', {}, [401, scoped('registry:catalog:*'), code]],
    ['what a token cannot get', 'GET', '/v2/secret/tags/list', token, [403, null, 'DENIED']],
    [
      'the same without one',
      'GET',
      '/v2/secret/tags/list',
      {},
      [401, scoped('repository:secret:pull'), code],
    ],
  ] as const) {
    t.strictSame(await ask(client, method, path, headers), expected, why)
  }
})

t.test('V17: a token covers what its owner may do, and nothing else, for a while', async (t) => {
  let now = 0
  const asked: unknown[] = []
  const key = noise(32)
  const options: TokenServiceOptions = {
    realm: 'https://reg.test/token',
    service: 'reg.test',
    key,
    now: () => now,
    verify: (who, access) => {
      asked.push(access)
      if (who === undefined) return access.action === 'pull' ? 'allow' : 'deny'
      if (who.password !== 'right') return 'challenge'
      return access.action === 'list' || access.repository === 'secret' ? 'deny' : 'allow'
    },
  }
  const tokens = createTokenService(options)
  const client = guarded(tokens.authorize)
  const tokenFor = async (query: string, headers: Record<string, string> = {}, service = tokens) => {
    const response = await service.issue(new Request(`https://reg.test/token?${query}`, { headers }))
    const { token } = (await response.json()) as { readonly token?: string }
    return [response.status, { authorization: `Bearer ${token}` }] as const
  }
  const me = basic('me:right')
  const [, anonymous] = await tokenFor('scope=repository:r:pull,push')
  t.strictSame(asked, [
    { repository: 'r', action: 'pull' },
    { repository: 'r', action: 'push' },
  ])
  const statusOf = async (method: string, path: string, headers: Record<string, string>) =>
    (await client.call(method, path, { headers })).status
  t.equal(await statusOf('GET', '/v2/', anonymous), 200)
  t.equal(await statusOf('GET', '/v2/r/tags/list', anonymous), 404, 'let in')
  t.equal(await statusOf('GET', '/v2/s/tags/list', anonymous), 401, 'not elsewhere')
  t.equal(await statusOf('POST', '/v2/r/blobs/uploads/', anonymous), 401)

  const [, full] = await tokenFor('scope=repository:r:*&scope=repository:s:pull repository:secret:pull', me)
  t.equal(await statusOf('POST', '/v2/r/blobs/uploads/', full), 202)
  t.equal(await statusOf('DELETE', '/v2/r/manifests/x', full), 404)
  t.equal(await statusOf('GET', '/v2/s/tags/list', full), 404)
  t.equal(await statusOf('GET', '/v2/secret/tags/list', full), 401)
  const [, list] = await tokenFor('scope=registry:catalog:*', me)
  t.equal(await statusOf('GET', '/v2/_catalog', list), 401)

  t.equal((await tokenFor('scope=repository:r:pull', basic('me:wrong')))[0], 401)
  t.equal((await tokenFor('scope=repository:r:pull', { authorization: 'Bearer x' }))[0], 401)
  t.equal((await tokens.issue(new Request('https://reg.test/token', { method: 'POST' }))).status, 405)
  const nonsense =
    'scope=repository:../x:pull&scope=repository:R:pull&scope=repository:r:&scope=&scope=a:b:c:d'
  asked.length = 0
  t.equal((await tokenFor(nonsense))[0], 200)
  t.strictSame(asked, [], 'nobody is asked about what is no repository')

  const shared = guarded(createTokenService(options).authorize)
  t.equal((await shared.call('GET', '/v2/', { headers: full })).status, 200, 'the same key')
  const elsewhere = guarded(createTokenService({ ...options, service: 'other.test' }).authorize)
  t.equal(
    (await elsewhere.call('GET', '/v2/', { headers: full })).status,
    401,
    'the same key, but not for it',
  )
  const { key: _, ...others } = options
  const [, foreign] = await tokenFor('scope=repository:r:pull', me, createTokenService(others))
  const forged = full.authorization.replace(/\.[^.]*$/, '.AAAA')
  const changed = `Bearer ${Buffer.from('{"scopes":["repository:r:pull"],"expiresAt":9e15}').toString('base64url')}`
  for (const authorization of [
    foreign.authorization,
    forged,
    changed,
    `${changed}.`,
    'Bearer .',
    'Bearer x',
  ]) {
    t.equal(await statusOf('GET', '/v2/r/tags/list', { authorization }), 401)
  }
  now += 5 * 60_000
  t.equal(await statusOf('GET', '/v2/r/tags/list', full), 401, 'expired')
  t.throws(() => createTokenService({ ...options, key: noise(31) }), TypeError)
})

t.test('S17: nobody mounts, with or without a source, what he may not pull', async (t) => {
  const blob = content(noise(100))
  const { digest } = blob.descriptor
  const users: Readonly<Record<string, readonly string[]>> = { alice: ['a', 'c'], bob: ['b', 'c'] }
  const verify = (who: { username: string } | undefined, { repository }: Access): Verdict =>
    repository !== undefined && users[who?.username ?? '']?.includes(repository) === true ? 'allow' : 'deny'
  const client = guarded(basicAuthorizer({ verify }))
  const post = (path: string, user: string, body?: Uint8Array) =>
    client.call('POST', path, { headers: basic(`${user}:x`), ...(body && { body }) })
  t.equal((await post(`/v2/a/blobs/uploads/?digest=${digest}`, 'alice', blob.bytes)).status, 201)
  for (const from of ['', '&from=a']) {
    const refused = await post(`/v2/b/blobs/uploads/?mount=${digest}${from}`, 'bob')
    t.equal(refused.status, 202, `bob${from}`)
    const where = refused.headers.get('location') ?? ''
    t.equal((await client.call('PUT', `${where}?digest=${digest}`, { body: blob.bytes })).status, 401)
    t.equal((await client.call('DELETE', where, { headers: basic('bob:x') })).status, 204, 'a usable upload')
  }
  t.equal((await post(`/v2/c/blobs/uploads/?mount=${digest}`, 'alice')).status, 201)
  t.equal((await post(`/v2/b/blobs/uploads/?mount=${digest}`, 'bob')).status, 201, 'from c, now')
})

t.test('V14, V17: deletes are allowed by kind', async (t) => {
  const statuses = async (
    t: Test,
    allowDelete: NonNullable<Parameters<typeof memoryHandler>[0]>['allowDelete'],
  ) => {
    const client = caller(memoryHandler(allowDelete === undefined ? {} : { allowDelete }))
    const pushed = image()
    t.equal((await client.putImage('r', 'v1', pushed)).status, 201)
    const paths = [
      'manifests/v1',
      `manifests/${pushed.descriptor.digest}`,
      `blobs/${pushed.blobs[1]?.descriptor.digest}`,
    ]
    const found: number[] = []
    for (const path of paths) found.push((await client.call('DELETE', `/v2/r/${path}`)).status)
    return found
  }
  t.strictSame(await statuses(t, undefined), [405, 405, 405])
  t.strictSame(await statuses(t, false), [405, 405, 405])
  t.strictSame(await statuses(t, ['tag']), [202, 405, 405])
  t.strictSame(await statuses(t, ['manifest']), [405, 202, 405])
  t.strictSame(await statuses(t, ['blob']), [405, 405, 202])
  t.strictSame(await statuses(t, true), [202, 202, 202])
})

t.test('S17: nothing is looked up or written for a request that the hook did not let through', async (t) => {
  const touched: string[] = []
  const untouchable = <Store extends object>(store: Store): Store =>
    new Proxy(store, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name)
        if (typeof member !== 'function') return member
        return () => {
          touched.push(String(name))
          throw new Error('Touched')
        }
      },
    })
  const { blobs, refs } = createMemoryStore()
  const handler = createRegistryHandler({
    blobs: untouchable(blobs),
    refs: untouchable(refs),
    allowDelete: true,
    quota: { totalBytes: 1000 },
    authorize: async () => new Response(null, { status: 401 }),
  })
  const digest = `sha256:${'0'.repeat(64)}`
  const paths = [
    '/v2',
    '/v2/',
    '/v2/_catalog',
    '/v2/r/tags/list',
    '/v2/r/manifests/v1',
    `/v2/r/manifests/${digest}`,
    `/v2/r/manifests/${digest}?tag=v1`,
    `/v2/r/blobs/${digest}`,
    `/v2/r/referrers/${digest}`,
    '/v2/r/blobs/uploads',
    '/v2/r/blobs/uploads/',
    `/v2/r/blobs/uploads/?mount=${digest}&from=s`,
    `/v2/r/blobs/uploads/?digest=${digest}`,
    '/v2/r/blobs/uploads/00000000-0000-0000-0000-000000000000',
    '/v2/r%2f..%2fs/tags/list',
    '/v2/r%252fs/tags/list',
    '/v2//r/tags/list',
    '/V2/r/tags/list',
  ]
  for (const path of paths) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const { status } = await caller(handler).call(method, path)
      t.ok([400, 401, 404, 405].includes(status), `${method} ${path}: ${status}`)
    }
  }
  t.strictSame(touched, [])
})
