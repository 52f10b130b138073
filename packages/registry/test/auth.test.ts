/** How challenges are answered: which requests are made, with what, and how often. */
import fc from 'fast-check'
import t from 'tap'
import { createFlights } from '../src/auth/flights.ts'
import { coversScopes, mergeScopes } from '../src/auth/scopes.ts'
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

const REALM = 'https://auth.example.com/token'

const isRealm = ({ url }: Sent): boolean => url.startsWith(REALM)
const scopesOf = ({ url }: Sent): string[] => new URL(url).searchParams.getAll('scope')

/** A registry that takes the tokens of a realm, whose answers are counted: T1, T2, … */
function tokenRegistry(isGood: (authorization: string, request: Sent) => boolean = () => true) {
  let count = 0
  return (request: Sent): Reply => {
    if (isRealm(request)) return token({ token: `T${++count}`, expires_in: 300 })
    const { authorization = '' } = request
    return authorization.startsWith('Bearer ') && isGood(authorization, request) ? OK : bearer(REALM)
  }
}

t.test('challenges: Bearer is preferred, in one header or several', async (t) => {
  const basic = 'Basic realm="registry"'
  const both = `Bearer realm="${REALM}",service="s"`
  for (const challenges of [[both], [`${basic}, ${both}`], [basic, both], ['Negotiate', both, basic]]) {
    const { call, sent } = openClient(
      (request) => {
        if (isRealm(request)) return token({ token: 'T' })
        return request.authorization === undefined ? unauthorized(...challenges) : OK
      },
      { credentials: sourceOf(USER) },
    )
    t.equal(await call(), 200)
    t.strictSame(
      sent.map(({ authorization }) => authorization),
      [undefined, USER_BASIC, 'Bearer T'],
      challenges.join(' | '),
    )
  }
})

t.test('challenges: Basic where nothing else is offered, and from then on at once', async (t) => {
  const credentials = sourceOf(USER)
  const { call, sent } = openClient(
    ({ authorization }) => (authorization === USER_BASIC ? OK : unauthorized('Basic realm="r"')),
    { credentials },
  )
  await call()
  await call()
  t.strictSame(
    sent.map(({ authorization }) => authorization),
    [undefined, USER_BASIC, USER_BASIC],
  )
  t.strictSame(
    credentials.asked,
    [{ host: 'reg.example.com', repository: 'x' }],
    'credentials are asked for once',
  )
})

t.test('challenges: what cannot be answered is an error', async (t) => {
  const table: readonly (readonly [why: string, reply: Reply, credential?: typeof USER])[] = [
    ['no challenge', { status: 401 }, USER],
    ['another scheme', unauthorized('Negotiate'), USER],
    ['a malformed header', unauthorized('Basic realm="x'), USER],
    ['Basic, and no credentials', unauthorized('Basic realm="x"')],
    [
      'Basic, and a token for realms',
      unauthorized('Basic realm="x"'),
      { kind: 'identity-token', token: 'I' },
    ],
    ['Bearer without a realm', unauthorized('Bearer service="x"'), USER],
  ]
  for (const [why, reply, credential] of table) {
    const { call, sent } = openClient(() => reply, { credentials: sourceOf(credential) })
    await t.rejects(call(), { code: 'ERR_REGISTRY_UNAUTHORIZED', status: 401 }, why)
    t.equal(sent.length, 1, why)
  }
})

t.test('scopes: the missing scope goes first, merged with what is wanted', async (t) => {
  const table: readonly (readonly [missing: string, wanted: readonly string[], asked: readonly string[]])[] =
    [
      ['repository:x:pull', ['repository:x:pull'], ['repository:x:pull']],
      ['repository:x:pull', ['repository:x:pull,push'], ['repository:x:pull,push']],
      ['repository:y:pull', ['repository:x:pull,push'], ['repository:y:pull', 'repository:x:pull,push']],
      ['', ['repository:x:pull'], ['repository:x:pull']],
      ['repository:x:metadata_read', ['repository:x:pull'], ['repository:x:metadata_read,pull']],
      [
        'repository:y:pull repository:x:pull',
        ['repository:x:push,pull', 'repository:y:pull'],
        ['repository:y:pull', 'repository:x:pull,push'],
      ],
    ]
  for (const [missing, wanted, asked] of table) {
    const { call, sent } = openClient((request) => {
      if (isRealm(request)) return token({ token: 'T' })
      return request.authorization === undefined ? bearer(REALM, `service="a b",scope="${missing}"`) : OK
    })
    await call({ scopes: wanted })
    t.strictSame(scopesOf(sent[1]!), asked, `${missing} for ${wanted.join(' ')}`)
    t.equal(new URL(sent[1]!.url).searchParams.get('service'), 'a b')
  }
})

t.test('scopes: what is merged covers all, and no more', async () => {
  const scope = fc
    .tuple(
      fc.constantFrom('repository:x', 'repository:y', 'repository:host:5000/z', 'registry:catalog'),
      fc.uniqueArray(fc.constantFrom('pull', 'push', 'delete', '*'), { minLength: 1 }),
    )
    .map(([resource, actions]) => `${resource}:${actions.join(',')}`)
  fc.assert(
    fc.property(fc.array(scope), fc.array(scope), (missing, wanted) => {
      const merged = mergeScopes(missing, wanted)
      const [first] = missing
      return (
        [missing, wanted].every((scopes) => coversScopes(merged, scopes)) &&
        coversScopes([...missing, ...wanted], merged) &&
        (first === undefined || coversScopes(merged.slice(0, 1), [first]))
      )
    }),
  )
})

t.test('scopes: deleting has a token of its own', async (t) => {
  const { call, sent } = openClient(tokenRegistry())
  await call({ scopes: ['repository:x:pull,push'] })
  await call({ scopes: ['repository:x:delete'], method: 'DELETE' })
  await call({ scopes: ['repository:x:pull'] })
  t.strictSame(sent.filter(isRealm).map(scopesOf), [['repository:x:pull,push'], ['repository:x:delete']])
  t.equal(sent.at(-1)?.authorization, 'Bearer T1', 'a token for pushes is good for pulls')
})

t.test('scopes: after the first challenge a token is there before the request', async (t) => {
  const { call, sent } = openClient(tokenRegistry())
  await call()
  await call({ scopes: ['repository:x:pull,push'], method: 'PUT' })
  t.strictSame(
    sent.map(({ method, authorization }) => `${method} ${authorization}`),
    ['GET undefined', 'GET undefined', 'GET Bearer T1', 'GET undefined', 'PUT Bearer T2'],
    'the PUT is sent once',
  )
})

t.test('scopes: insufficient_scope is worth one more token', async (t) => {
  const answer = (ask: number) => {
    let tokens = 0
    let refusals = 0
    return (request: Sent): Reply => {
      if (isRealm(request)) return token({ token: `T${++tokens}` })
      if (request.authorization === undefined) return bearer(REALM)
      if (++refusals > ask) return OK
      return bearer(REALM, `error="insufficient_scope",scope="repository:base${refusals}:pull"`)
    }
  }
  const once = openClient(answer(1))
  t.equal(await once.call(), 200)
  t.strictSame(once.sent.filter(isRealm).map(scopesOf), [
    ['repository:x:pull'],
    ['repository:base1:pull', 'repository:x:pull'],
  ])
  t.equal(await once.call(), 200)
  t.equal(once.sent.length, 6, 'and remembered')

  const always = openClient(answer(Infinity))
  await t.rejects(always.call(), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.equal(always.sent.filter(isRealm).length, 2, 'not two')
})

t.test('tokens: one that does not help is tried once', async (t) => {
  const { call, sent } = openClient(tokenRegistry(() => false))
  await t.rejects(call(), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.equal(sent.length, 3)
})

t.test('tokens: a 401 after success gets a new one, once', async (t) => {
  let good = 'Bearer T1'
  const { call, sent } = openClient(tokenRegistry((authorization) => authorization === good))
  await call()
  good = 'Bearer T2'
  t.equal(await call(), 200)
  t.equal(sent.filter(isRealm).length, 2)
  good = 'none'
  await t.rejects(call(), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.equal(sent.filter(isRealm).length, 3)
})

t.test('tokens: renewed before they expire, never older than they say, a minute at least', async (t) => {
  const seconds = (count: number): number => count * 1000
  const at = (ms: number): string => new Date(ms).toISOString()
  const now = Date.UTC(2026, 0, 1)
  const original = Date.now
  t.teardown(() => {
    Date.now = original
  })
  const table: readonly (readonly [why: string, fields: object, goodFor: number])[] = [
    ['as it says', { expires_in: 300 }, 300],
    ['says nothing', {}, 60],
    ['says too little', { expires_in: 5 }, 60],
    ['says nonsense', { expires_in: 'a year' }, 60],
    ['says less than nothing', { expires_in: -1 }, 60],
    ['was issued before', { expires_in: 300, issued_at: at(now - seconds(100)) }, 200],
    ['was issued in the future', { expires_in: 300, issued_at: at(now + seconds(100)) }, 300],
    ['was issued too long ago to be good', { expires_in: 300, issued_at: at(now - seconds(900)) }, 300],
    ['was issued at no time', { expires_in: 300, issued_at: 'yesterday' }, 300],
  ]
  for (const [why, fields, goodFor] of table) {
    let time = now
    Date.now = () => time
    let count = 0
    const { call, sent } = openClient((request) => {
      if (isRealm(request)) return token({ token: `T${++count}`, ...fields })
      return request.authorization === undefined ? bearer(REALM) : OK
    })
    await call()
    time = now + seconds(goodFor - 6)
    await call()
    t.equal(sent.at(-1)?.authorization, 'Bearer T1', `${why}: still good`)
    time = now + seconds(goodFor - 4)
    await call()
    t.equal(sent.at(-1)?.authorization, 'Bearer T2', `${why}: renewed`)
  }
})

t.test('tokens: many requests share one, and outlive the one that asked', async (t) => {
  const leader = new AbortController()
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  const answer = tokenRegistry()
  const credentials = sourceOf(USER)
  const { call, sent } = openClient(
    async (request) => {
      if (isRealm(request)) await gate
      return answer(request)
    },
    { credentials },
  )
  const first = call({ signal: leader.signal })
  const others = Promise.all(Array.from({ length: 9 }, () => call()))
  while (!sent.some(isRealm)) await new Promise((resolve) => setImmediate(resolve))
  leader.abort(new Error('enough'))
  await t.rejects(first, { message: 'enough' })
  release()
  t.strictSame(new Set(await others), new Set([200]))
  t.equal(sent.filter(isRealm).length, 1)
  t.equal(credentials.asked.length, 1)
})

t.test('tokens: kept apart by registry and repository', async (t) => {
  const { call, sent } = openClient(tokenRegistry())
  const calls = [
    { host: 'reg.example.com', repository: 'x' },
    { host: 'reg.example.com', repository: 'y' },
    { host: 'reg.example.com:8443', repository: 'x' },
  ]
  for (const options of [...calls, ...calls]) await call(options)
  t.equal(sent.filter(isRealm).length, 3)
  t.strictSame(
    sent.slice(-3).map(({ authorization }) => authorization),
    ['Bearer T1', 'Bearer T2', 'Bearer T3'],
  )
})

t.test('tokens: those of the repositories of long ago are forgotten', async (t) => {
  const credentials = sourceOf(USER)
  const { call, sent } = openClient(
    ({ authorization }) => (authorization === USER_BASIC ? OK : unauthorized('Basic realm="r"')),
    { credentials },
  )
  for (let number = 0; number <= 10_000; number++) await call({ repository: `r${number}` })
  sent.length = 0
  await call({ repository: 'r10000' })
  t.strictSame(sent.length, 1, 'the last one is known')
  await call({ repository: 'r0' })
  t.strictSame(sent.length, 3, 'the first one is challenged again')
})

t.test('identity token: OAuth2, with the refresh token that comes back from then on', async (t) => {
  let count = 0
  const { call, sent } = openClient(
    (request) => {
      if (isRealm(request)) return token({ access_token: `A${++count}`, refresh_token: `R${count}` })
      return request.authorization === undefined ? bearer(REALM) : OK
    },
    { credentials: sourceOf({ kind: 'identity-token', token: 'I/+' }) },
  )
  await call()
  await call({ scopes: ['repository:x:pull,push'] })
  await call({ repository: 'y' })
  const posts = sent.filter(isRealm)
  t.strictSame(
    posts.map(({ method, url, authorization }) => [method, url, authorization]),
    posts.map(() => ['POST', REALM, undefined]),
  )
  t.strictSame(Object.fromEntries(new URLSearchParams(posts[0]?.body)), {
    grant_type: 'refresh_token',
    client_id: 'varve',
    service: 's',
    scope: 'repository:x:pull',
    refresh_token: 'I/+',
  })
  t.strictSame(
    posts.map(({ body }) => new URLSearchParams(body).get('refresh_token')),
    ['I/+', 'R1', 'R2'],
  )
  t.equal(sent.at(-1)?.authorization, 'Bearer A3')
})

t.test('identity token: realms without OAuth2 take it as a password', async (t) => {
  for (const status of [400, 401, 404, 405]) {
    const { call, sent } = openClient(
      (request) => {
        if (isRealm(request)) return request.method === 'POST' ? { status } : token({ token: 'T' })
        return request.authorization === undefined ? bearer(REALM) : OK
      },
      { credentials: sourceOf({ kind: 'identity-token', token: 'I', username: 'me' }) },
    )
    t.equal(await call(), 200)
    t.equal(sent[2]?.method, 'GET')
    t.equal(sent[2]?.authorization, `Basic ${Buffer.from('me:I').toString('base64')}`, String(status))
  }
  for (const [status, username, code] of [
    [404, undefined, 'ERR_REGISTRY_NOT_FOUND'],
    [503, 'me', 'ERR_REGISTRY_SERVER'],
  ] as const) {
    const { call, sent } = openClient((request) => (isRealm(request) ? { status } : bearer(REALM)), {
      credentials: sourceOf({
        kind: 'identity-token',
        token: 'I',
        ...(username === undefined ? {} : { username }),
      }),
    })
    await t.rejects(call(), { code, status }, `${status} for ${username}`)
    t.equal(sent.length, 2)
  }
})

t.test('registry token: sent as it is, where Bearer is wanted', async (t) => {
  for (const challenge of [`Bearer realm="${REALM}"`, 'Bearer service="x"']) {
    const { call, sent } = openClient(
      ({ authorization }) => (authorization === 'Bearer mine' ? OK : unauthorized(challenge)),
      { credentials: sourceOf({ kind: 'registry-token', token: 'mine' }) },
    )
    t.equal(await call(), 200)
    t.notOk(sent.some(isRealm))
  }
})

t.test('a wrong password is one clear error', async (t) => {
  const basic = openClient(() => unauthorized('Basic realm="x"'), { credentials: sourceOf(USER) })
  await t.rejects(basic.call(), { code: 'ERR_REGISTRY_UNAUTHORIZED', status: 401 })
  t.equal(basic.sent.length, 2, 'Basic is tried once')

  const realm = openClient((request) => (isRealm(request) ? { status: 401 } : bearer(REALM)), {
    credentials: sourceOf(USER),
  })
  await t.rejects(realm.call(), {
    code: 'ERR_REGISTRY_UNAUTHORIZED',
    status: 401,
    message: `The token realm ${REALM}?… does not accept the credentials for reg.example.com`,
  })
  t.equal(realm.sent.length, 2, 'the realm is asked once')
  await t.rejects(realm.call(), { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.equal(realm.sent.length, 3, 'and the registry not again without a token')
})

t.test('a password that has changed is looked up again', async (t) => {
  const other = { kind: 'basic', username: 'user', password: 'new' } as const
  const otherBasic = `Basic ${Buffer.from('user:new').toString('base64')}`
  let good = USER_BASIC
  const basic = openClient(
    ({ authorization }) => (authorization === good ? OK : unauthorized('Basic realm="x"')),
    { credentials: sourceOf(USER, other) },
  )
  await basic.call()
  good = otherBasic
  t.equal(await basic.call(), 200)
  t.equal(basic.sent.at(-1)?.authorization, otherBasic)

  good = USER_BASIC
  const realm = openClient(
    (request) => {
      if (isRealm(request)) return request.authorization === good ? token({ token: 'T' }) : { status: 401 }
      return request.authorization === undefined ? bearer(REALM) : OK
    },
    { credentials: sourceOf(USER, other) },
  )
  await realm.call()
  good = otherBasic
  t.equal(await realm.call({ scopes: ['repository:x:push'] }), 200)
  t.strictSame(
    realm.sent.filter(isRealm).map(({ authorization }) => authorization),
    [USER_BASIC, USER_BASIC, otherBasic],
  )
})

t.test(
  'a source of credentials that fails, or gives what cannot be sent, is an error of its own',
  async (t) => {
    for (const credential of [
      { kind: 'registry-token', token: 'a\r\nX-Evil: 1' },
      { kind: 'basic', username: 'a:b', password: '' },
    ] as const) {
      const { call, sent } = openClient(() => bearer(REALM), { credentials: sourceOf(credential) })
      await t.rejects(call(), { code: 'ERR_REGISTRY_CREDENTIALS', message: /cannot be sent/ })
      t.equal(sent.length, 1)
    }
    const failure = new Error('locked')
    const { call } = openClient(() => unauthorized('Basic realm="x"'), {
      credentials: { find: () => Promise.reject(failure) },
    })
    await t.rejects(call(), { code: 'ERR_REGISTRY_CREDENTIALS', cause: failure })
  },
)

t.test('requests end with their signal while a realm is silent', async (t) => {
  const controller = new AbortController()
  const { call } = openClient((request) => {
    if (!isRealm(request)) return bearer(REALM)
    controller.abort(new Error('enough'))
    return new Promise<Reply>(() => undefined)
  })
  await t.rejects(call({ signal: controller.signal }), { message: 'enough' })
})

t.test('work that nobody waits for any more is ended, and begun anew for the next', async (t) => {
  const flights = createFlights()
  const signals: AbortSignal[] = []
  const work = (signal: AbortSignal): Promise<string> => {
    signals.push(signal)
    return new Promise((resolve, reject) => {
      if (signals.length > 1) return resolve('done')
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  const [one, two] = [new AbortController(), new AbortController()]
  const both = [flights.join('key', work, one.signal), flights.join('key', work, two.signal)]
  one.abort(new Error('one'))
  await t.rejects(both[0]!, { message: 'one' })
  t.notOk(signals[0]?.aborted)
  two.abort(new Error('two'))
  await t.rejects(both[1]!, { message: 'two' })
  t.ok(signals[0]?.aborted)
  t.equal(await flights.join('key', work), 'done')
  t.equal(signals.length, 2)
  t.notOk(signals[1]?.aborted, 'what has ended is not aborted')
  await t.rejects(flights.join('key', work, AbortSignal.abort(new Error('before'))), { message: 'before' })
  t.equal(signals.length, 2)
})
