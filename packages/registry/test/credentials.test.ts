/** Where credentials are found: files of Docker and podman, and their keys. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import {
  combineCredentials,
  createDockerCredentials,
  createFixedCredentials,
  type Credential,
} from '../src/credentials.ts'
import { configPaths } from '../src/credentials/config-files.ts'
import { parseDockerConfig } from '../src/credentials/docker-config.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const basic = (username: string, password = 'secret'): Credential => ({ kind: 'basic', username, password })
const entry = (username: string): object => ({ auth: base64(`${username}:secret`) })

const parse = (document: unknown, isLegacy = false) =>
  parseDockerConfig(utf8(typeof document === 'string' ? document : JSON.stringify(document)), {
    name: '"a file"',
    isLegacy,
  })

/** Who is found for a repository, such as `ghcr.io/team/app`, or for a host alone. */
async function userOf(
  table: Readonly<Record<string, Credential>>,
  reference: string,
): Promise<string | undefined> {
  const [host = '', ...path] = reference.split('/')
  const found = await createFixedCredentials(table).find({
    host,
    repository: path.length === 0 ? undefined : path.join('/'),
  })
  return found?.kind === 'basic' ? found.username : undefined
}

const usersAt = (...keys: readonly string[]): Record<string, Credential> =>
  Object.fromEntries(keys.map((key) => [key, basic(key.replaceAll(':', '_'))]))

t.test('S15b: a key is for its host and port, and for no other', async (t) => {
  const table: readonly (readonly [key: string, host: string, fits: boolean])[] = [
    ['ghcr.io', 'ghcr.io', true],
    ['GHCR.io', 'ghcr.io', true],
    ['ghcr.io', 'evil-ghcr.io', false],
    ['ghcr.io', 'ghcr.io.evil', false],
    ['ghcr.io', 'x.ghcr.io', false],
    ['io', 'ghcr.io', false],
    ['evil-ghcr.io', 'ghcr.io', false],
    ['', 'ghcr.io', false],
    ['/', 'ghcr.io', false],
    ['*', 'ghcr.io', false],
    ['*.io', 'ghcr.io', false],
    ['ghcr.io:443', 'ghcr.io', false],
    ['ghcr.io', 'ghcr.io:443', false],
    ['localhost:5000', 'localhost:5000', true],
    ['localhost:5000', 'localhost:5001', false],
    ['localhost:5000', 'localhost:50001', false],
    ['localhost', 'localhost:5000', false],
    ['[::1]:5000', '[::1]:5000', true],
    ['https://ghcr.io', 'ghcr.io', true],
    ['https://ghcr.io/', 'ghcr.io', true],
    ['https://ghcr.io/v2/', 'ghcr.io', true],
    ['http://localhost:5000/v1/', 'localhost:5000', true],
    ['https://ghcr.io.evil/ghcr.io', 'ghcr.io', false],
    ['https://evil/https://ghcr.io', 'ghcr.io', false],
    ['https://user@ghcr.io/', 'ghcr.io', false],
    ['ftp://ghcr.io/', 'ghcr.io', false],
    ['evil/ghcr.io', 'ghcr.io', false],
    ['https://index.docker.io/v1/', 'docker.io', true],
    ['index.docker.io/v1/', 'docker.io', true],
    ['index.docker.io', 'docker.io', true],
    ['docker.io', 'docker.io', true],
    ['registry-1.docker.io', 'docker.io', true],
    ['docker.io', 'index.docker.io', true],
    ['hub.docker.com', 'docker.io', false],
    ['auth.docker.io', 'docker.io', false],
    ['docker.io.evil', 'docker.io', false],
    ['__proto__', 'ghcr.io', false],
  ]
  for (const [key, host, fits] of table) {
    const found = await createFixedCredentials({ [key]: basic('me') }).find({ host, repository: 'a/b' })
    t.equal(found !== undefined, fits, `${JSON.stringify(key)} for ${host}`)
  }
  t.equal(await userOf({}, 'constructor'), undefined)
  t.equal(await userOf({}, '__proto__/x'), undefined)
})

t.test('S15: a namespace is for what is inside, and the longest wins', async (t) => {
  const table = usersAt('r.io', 'r.io/team', 'r.io/team/app', 'r.io/other/')
  t.equal(await userOf(table, 'r.io/team/app'), 'r.io/team/app')
  t.equal(await userOf(table, 'r.io/team/app/sub'), 'r.io/team/app')
  t.equal(await userOf(table, 'r.io/team/application'), 'r.io/team')
  t.equal(await userOf(table, 'r.io/team'), 'r.io/team')
  t.equal(await userOf(table, 'r.io/teams'), 'r.io')
  t.equal(await userOf(table, 'r.io/other/x'), 'r.io/other/')
  t.equal(await userOf(table, 'r.io'), 'r.io')
  const inside = usersAt('r.io/team', 'docker.io/library')
  t.equal(await userOf(inside, 'r.io/teams'), undefined)
  t.equal(await userOf(inside, 'r.io/x/team'), undefined)
  t.equal(await userOf(inside, 'r.io'), undefined, 'a request about no repository is outside')
  t.equal(await userOf(inside, 'docker.io/library/alpine'), 'docker.io/library')
  const both = usersAt('https://r.io/v2/', 'r.io')
  t.equal(await userOf(both, 'r.io/x'), 'r.io', 'a host before its URLs')
})

t.test('a fixed credential can be sent, or is an error of its maker', async (t) => {
  for (const credential of [
    basic('a:b'),
    basic(''),
    basic('a\nb'),
    { kind: 'registry-token', token: 'a\r\nb' },
    { kind: 'identity-token', token: '' },
  ] as const) {
    t.throws(() => createFixedCredentials({ 'ghcr.io': credential }), {
      name: 'TypeError',
      message: 'Not a credential: that of "ghcr.io"',
    })
  }
})

t.test('entries: what a credential is made of', async (t) => {
  const table: readonly (readonly [why: string, entry: object, expected: Credential | undefined])[] = [
    ['auth', { auth: base64('me:secret') }, basic('me')],
    ['the first colon ends the user', { auth: base64('me:a:b:') }, basic('me', 'a:b:')],
    ['zeros at the end', { auth: base64('me:secret\0\0') }, basic('me')],
    ['UTF-8', { auth: base64('mé:ß') }, basic('mé', 'ß')],
    ['lines', { auth: base64('me:secret').replace(/^..../, '$&\r\n') }, basic('me')],
    ['no password', { auth: base64('me:') }, basic('me', '')],
    ['no colon', { auth: base64('me') }, undefined],
    ['no user', { auth: base64(':secret') }, undefined],
    ['a user alone', { username: 'me' }, basic('me', '')],
    ['two fields', { username: 'me', password: 'secret' }, basic('me')],
    ['auth before two fields', { auth: base64('me:secret'), username: 'x', password: 'y' }, basic('me')],
    [
      'fields beside an auth without a colon',
      { auth: base64('x'), username: 'me', password: 'secret' },
      basic('me'),
    ],
    ['only a marker', {}, undefined],
    ['nothing in it', { auth: '', username: null, email: 'me@example.com' }, undefined],
    ['an identity token', { identitytoken: 'I' }, { kind: 'identity-token', token: 'I' }],
    [
      'an identity token and its user',
      { auth: base64('me:'), identitytoken: 'I' },
      { kind: 'identity-token', token: 'I', username: 'me' },
    ],
    [
      'a registry token',
      { auth: base64('me:secret'), identitytoken: 'I', registrytoken: 'R' },
      { kind: 'registry-token', token: 'R' },
    ],
  ]
  for (const [why, value, expected] of table) {
    t.strictSame(parse({ auths: { 'r.io': value } }).auths.get('r.io'), expected, why)
    t.strictSame(parse({ 'r.io': value }, true).auths.get('r.io'), expected, `${why}, in ~/.dockercfg`)
  }
})

t.test('S15, N11: a malformed file is an error that names it and tells nothing of it', async (t) => {
  const table: readonly (readonly [why: string, text: string])[] = [
    ['nothing', ''],
    ['no JSON', 'secret'],
    ['cut off', '{"auths":{"secret":{"auth":"c2VjcmV0'],
    ['no object', '["secret"]'],
    ['text', '"secret"'],
    ['a byte order mark', '\ufeff{}'],
    ['the same key twice', '{"auths":{},"auths":{"secret":{}}}'],
    ['auths is a list', '{"auths":["secret"]}'],
    ['an entry is text', '{"auths":{"secret":"c2VjcmV0"}}'],
    ['auth is a number', '{"auths":{"secret":{"auth":5}}}'],
    ['auth is not base64', '{"auths":{"secret":{"auth":"c2Vj*cmV0"}}}'],
    ['auth has no padding', '{"auths":{"secret":{"auth":"bWU6c2VjcmV0cw"}}}'],
    ['auth is of the other alphabet', '{"auths":{"secret":{"auth":"bWU6_w=="}}}'],
    [
      'auth is not UTF-8',
      `{"auths":{"secret":{"auth":"${Buffer.from('secret:\xff', 'latin1').toString('base64')}"}}}`,
    ],
    ['a token with a line feed', '{"auths":{"secret":{"registrytoken":"secret\\n"}}}'],
    ['a user with a colon', '{"auths":{"secret":{"username":"secret:","password":"secret"}}}'],
    ['a helper is a list', '{"credHelpers":{"secret":["secret"]}}'],
    ['helpers are text', '{"credHelpers":"secret"}'],
    ['the store is an object', '{"credsStore":{"secret":1}}'],
    ['too large', `{"x":"${'secret'.repeat(200_000)}"}`],
    ['too deep', `${'['.repeat(1000)}${']'.repeat(1000)}`],
  ]
  for (const [why, text] of table) {
    try {
      parse(text)
      t.fail(why)
    } catch (error) {
      t.match(error, { name: 'RegistryError', code: 'ERR_REGISTRY_CREDENTIALS', message: /"a file"/ }, why)
      t.notMatch(inspect(error, { showHidden: true }).replace(/\n\s+at .*/g, ''), /secret|c2Vjc/, why)
    }
  }
})

t.test('S13: keys of a file mean nothing to the runtime', async (t) => {
  const text = `{"auths":{"__proto__":${JSON.stringify(entry('me'))},"constructor":${JSON.stringify(entry('you'))}}}`
  const { auths, helpers } = parse(text)
  t.strictSame([...auths.keys()], ['__proto__', 'constructor'])
  t.strictSame([...parse('{"credHelpers":{"__proto__":"x"}}').helpers], [['__proto__', 'x']])
  t.equal(helpers.size, 0)
  t.equal(Object.getPrototypeOf({}), Object.prototype)
  t.equal(({} as Record<string, unknown>)['auth'], undefined)
  const inherited = parse({ auths: { 'r.io': {} } }).auths
  t.equal(inherited.get('toString'), undefined)
})

t.test('what is written is what is read', async () => {
  const word = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
  const username = word.filter((text) => /^[^:\p{Cc}]+$/u.test(text))
  const password = word.filter((text) => !text.endsWith('\0'))
  const host = fc.domain()
  fc.assert(
    fc.property(fc.dictionary(host, fc.record({ username, password })), (users) => {
      const auths = Object.fromEntries(
        Object.entries(users).map(([key, user]) => [
          key,
          { auth: base64(`${user.username}:${user.password}`) },
        ]),
      )
      const read = parse({ auths }).auths
      return Object.entries(users).every(
        ([key, user]) =>
          JSON.stringify(read.get(key)) ===
          JSON.stringify({ kind: 'basic', username: user.username, password: user.password }),
      )
    }),
  )
})

t.test('any text is read, or refused with the code', async () => {
  const arbitrary = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record({
        auths: fc.dictionary(fc.string(), fc.record({ auth: fc.oneof(fc.string(), fc.base64String()) })),
      })
      .map((document) => JSON.stringify(document)),
  )
  fc.assert(
    fc.property(arbitrary, (text) => {
      try {
        return parse(text).auths instanceof Map
      } catch (error) {
        return (error as { readonly code?: string }).code === 'ERR_REGISTRY_CREDENTIALS'
      }
    }),
  )
})

/** A home with files, each of which knows one user of `r.io`. */
function homeWith(directory: string, files: Readonly<Record<string, object | string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), typeof content === 'string' ? content : JSON.stringify(content))
  }
}

t.test('files: without a session those of podman are below /run, by user', async (t) => {
  const paths = (environment: Readonly<Record<string, string>>, uid?: number) =>
    configPaths(environment, '/home/me', uid).map(({ path }) => path)
  const [docker, config, legacy] = [
    '/home/me/.docker/config.json',
    '/home/me/.config/containers/auth.json',
    '/home/me/.dockercfg',
  ]
  t.strictSame(paths({}, 1000), [docker, '/run/containers/1000/auth.json', config, legacy])
  const session = '/run/user/1000/containers/auth.json'
  t.strictSame(paths({ XDG_RUNTIME_DIR: '/run/user/1000' }, 1000), [docker, session, config, legacy])
})

t.test('files: the first that has something wins', async (t) => {
  const home = t.testdir({})
  const auths = (username: string): object => ({ auths: { 'r.io': entry(username) } })
  homeWith(home, {
    'registry.json': auths('REGISTRY_AUTH_FILE'),
    'docker/config.json': auths('DOCKER_CONFIG'),
    '.docker/config.json': auths('~/.docker'),
    'run/containers/auth.json': auths('XDG_RUNTIME_DIR'),
    'config/containers/auth.json': auths('XDG_CONFIG_HOME'),
    '.config/containers/auth.json': auths('~/.config'),
    '.dockercfg': { 'r.io': entry('~/.dockercfg') },
    'empty/config.json': { auths: { 'r.io': {}, 'other.io': entry('other') } },
  })
  const found = async (
    environment: Readonly<Record<string, string>>,
    homeDirectory = home,
    credentials: Readonly<Record<string, Credential>> = {},
  ): Promise<string | undefined> => {
    const source = createDockerCredentials({ environment, homeDirectory, credentials })
    const credential = await source.find({ host: 'r.io', repository: 'x' })
    return credential?.kind === 'basic' ? credential.username : undefined
  }
  const order: readonly (readonly [user: string, name: string, value: string])[] = [
    ['DOCKER_AUTH_CONFIG', 'DOCKER_AUTH_CONFIG', JSON.stringify(auths('DOCKER_AUTH_CONFIG'))],
    ['REGISTRY_AUTH_FILE', 'REGISTRY_AUTH_FILE', join(home, 'registry.json')],
    ['DOCKER_CONFIG', 'DOCKER_CONFIG', join(home, 'docker')],
    ['XDG_RUNTIME_DIR', 'XDG_RUNTIME_DIR', join(home, 'run')],
    ['XDG_CONFIG_HOME', 'XDG_CONFIG_HOME', join(home, 'config')],
  ]
  const nobody = join(home, 'nobody')
  for (let first = 0; first < order.length; first += 1) {
    const rest = order.slice(first)
    const environment = Object.fromEntries(rest.map(([, name, value]) => [name, value]))
    t.equal(await found(environment, nobody), rest[0]?.[0])
  }
  const everything = Object.fromEntries(order.map(([, name, value]) => [name, value]))
  t.equal(await found(everything, home, { 'r.io': basic('explicit') }), 'explicit')
  t.equal(await found(everything, home, { 'other.io': basic('explicit') }), 'DOCKER_AUTH_CONFIG')
  t.equal(await found({}), '~/.docker')
  t.equal(await found({ DOCKER_CONFIG: join(home, 'empty') }), '~/.config', 'a marker is not a credential')
  t.equal(await found({ DOCKER_CONFIG: nobody, XDG_CONFIG_HOME: nobody }), '~/.dockercfg')
  t.equal(
    await found({ DOCKER_CONFIG: '', DOCKER_AUTH_CONFIG: '', REGISTRY_AUTH_FILE: '' }),
    '~/.docker',
    'empty is unset',
  )
  t.equal(
    await found({ REGISTRY_AUTH_FILE: join(home, 'missing.json') }),
    '~/.docker',
    'a missing file is fine',
  )
  t.equal(await found({ REGISTRY_AUTH_FILE: join(home, 'registry.json', 'x') }), '~/.docker')
  t.equal(await found({}, nobody), undefined)
})

t.test('files: those of the process, unless told otherwise', async (t) => {
  const home = t.testdir({ 'config.json': JSON.stringify({ auths: { 'r.io': entry('me') } }) })
  const before = process.env['DOCKER_CONFIG']
  t.teardown(() => {
    if (before === undefined) delete process.env['DOCKER_CONFIG']
    else process.env['DOCKER_CONFIG'] = before
  })
  const source = createDockerCredentials()
  process.env['DOCKER_CONFIG'] = home
  t.strictSame(await source.find({ host: 'r.io', repository: undefined }), basic('me'))
  writeFileSync(join(home, 'config.json'), JSON.stringify({ auths: { 'r.io': entry('you') } }))
  t.strictSame(
    await source.find({ host: 'r.io', repository: undefined }),
    basic('you'),
    'a new login is seen',
  )
})

t.test('files: one that cannot be read is an error that names it', async (t) => {
  const home = t.testdir({
    directory: {},
    'large.json': Buffer.alloc(1_100_000, ' '),
    'bad.json': '{"auths":secret}',
  })
  for (const [name, why] of [
    ['directory', /EISDIR/],
    ['large.json', /more than 1048576 bytes/],
    ['bad.json', /not JSON/],
  ] as const) {
    const path = join(home, name)
    const source = createDockerCredentials({ environment: { REGISTRY_AUTH_FILE: path }, homeDirectory: home })
    const failure = await source.find({ host: 'r.io', repository: 'x' }).catch((error: unknown) => error)
    t.match(failure, { code: 'ERR_REGISTRY_CREDENTIALS', message: why })
    t.ok(String(failure).includes(JSON.stringify(path)))
    t.notMatch(inspect(failure, { showHidden: true }), /secret/)
  }
  const source = createDockerCredentials({
    environment: { DOCKER_AUTH_CONFIG: '{"secret' },
    homeDirectory: home,
  })
  await t.rejects(source.find({ host: 'r.io', repository: 'x' }), { message: /in DOCKER_AUTH_CONFIG cannot/ })
  const aborted = AbortSignal.abort(new Error('enough'))
  await t.rejects(source.find({ host: 'r.io', repository: 'x' }, { signal: aborted }), { message: 'enough' })
})

t.test('sources: asked in their order until one knows', async (t) => {
  const asked: number[] = []
  const source = (number: number, credential: Credential | undefined) => ({
    async find() {
      asked.push(number)
      return credential
    },
  })
  const both = combineCredentials(source(1, undefined), source(2, basic('two')), source(3, basic('three')))
  t.strictSame(await both.find({ host: 'r.io', repository: 'x' }), basic('two'))
  t.strictSame(asked, [1, 2])
  t.equal(await combineCredentials().find({ host: 'r.io', repository: 'x' }), undefined)
})
