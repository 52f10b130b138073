/** Programs that keep credentials: what they are asked, and what they may do. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { createDockerCredentials, type CredentialQuery } from '../src/credentials.ts'

const unix = process.platform === 'win32' ? { skip: 'needs sh' } : {}
const PATH = process.env['PATH'] ?? ''

/** A home with helpers, which are shell scripts, and a source that uses them. */
function setUp(
  t: Test,
  config: object,
  helpers: Readonly<Record<string, string>>,
  { path = (bin: string) => `${bin}${delimiter}${PATH}`, helperTimeoutMs = 30_000 } = {},
) {
  const home = t.testdir({ '.docker': { 'config.json': JSON.stringify(config) }, bin: {} })
  const bin = join(home, 'bin')
  for (const [name, script] of Object.entries(helpers)) {
    writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, `docker-credential-${name}`), 0o755)
  }
  const source = createDockerCredentials({
    environment: { PATH: path(bin), MARK: 'from the environment' },
    homeDirectory: home,
    helperTimeoutMs,
  })
  const find = (query: Partial<CredentialQuery> = {}, signal?: AbortSignal) =>
    source.find({ host: 'r.io', repository: 'team/app', ...query }, signal === undefined ? {} : { signal })
  return { home, bin, find }
}

const says = (username: string, secret: string): string =>
  `printf '%s' '${JSON.stringify({ ServerURL: 'r.io', Username: username, Secret: secret })}'`

/** Appends what it is asked to a file beside it. */
const LOG = 'cat > /dev/null; printf "%s" "$1" >> "$0.log"'

t.test('the helper of a host, then the entries, then the helper of all hosts', unix, async (t) => {
  const auths = { 'r.io': { auth: Buffer.from('file:secret').toString('base64') }, 's.io': {} }
  const helpers = {
    own: says('own', 'secret'),
    all: says('all', 'secret'),
    none: `cat > /dev/null; echo 'credentials not found in native keychain'; exit 1`,
    empty: says('', ''),
  }
  const table: readonly (readonly [why: string, config: object, host: string, user: string | undefined])[] = [
    ['of the host', { auths, credHelpers: { 'r.io': 'own' }, credsStore: 'all' }, 'r.io', 'own'],
    ['of the URL of the host', { auths, credHelpers: { 'https://r.io/v2/': 'own' } }, 'r.io', 'own'],
    ['of another host', { auths, credHelpers: { 's.io': 'own' }, credsStore: 'all' }, 'r.io', 'file'],
    ['of a part of the host', { credHelpers: { 'o.r.io': 'own', io: 'own' } }, 'r.io', undefined],
    ['of all hosts', { auths, credsStore: 'all' }, 's.io', 'all'],
    ['that has nothing', { auths, credHelpers: { 'r.io': 'none' } }, 'r.io', 'file'],
    ['that has nothing in it', { auths, credHelpers: { 'r.io': 'empty' } }, 'r.io', 'file'],
    ['and nothing at all', { credHelpers: { 'r.io': 'none' }, credsStore: 'none' }, 'r.io', undefined],
    ['unset', { auths, credHelpers: { 'r.io': '' }, credsStore: '' }, 's.io', undefined],
  ]
  for (const [why, config, host, user] of table) {
    const { find } = setUp(t, config, helpers)
    const found = await find({ host })
    t.equal(found?.kind === 'basic' ? found.username : undefined, user, why)
  }
})

t.test('is asked for the host alone, by argument and standard input', unix, async (t) => {
  const script = `printf '%s|%s|%s' "$*" "$(cat)" "$MARK" > "$0.log"; ${says('me', 's"e\\c')}`
  const { find, bin } = setUp(t, { credsStore: 'log' }, { log: script })
  t.strictSame(await find({ host: 'localhost:5000', repository: 'team/app' }), {
    kind: 'basic',
    username: 'me',
    password: 's"e\\c',
  })
  t.equal(
    readFileSync(join(bin, 'docker-credential-log.log'), 'utf8'),
    'get|localhost:5000|from the environment',
  )
})

t.test('keeps those of Docker Hub under its URL, or its name', unix, async (t) => {
  const script = `server=$(cat); echo "$server" >> "$0.log"
[ "$server" = docker.io ] || { echo 'credentials not found in native keychain'; exit 1; }
${says('me', 'secret')}`
  const { find, bin } = setUp(t, { credHelpers: { 'index.docker.io': 'hub' } }, { hub: script })
  t.match(await find({ host: 'docker.io' }), { username: 'me' })
  t.equal(
    readFileSync(join(bin, 'docker-credential-hub.log'), 'utf8'),
    'https://index.docker.io/v1/\ndocker.io\n',
  )
})

t.test('gives an identity token to the user <token>', unix, async (t) => {
  const { find } = setUp(t, { credsStore: 'x' }, { x: says('<token>', 'I') })
  t.strictSame(await find(), { kind: 'identity-token', token: 'I' })
})

t.test('S15: a helper that fails tells no secret', unix, async (t) => {
  const table: readonly (readonly [why: string, script: string, message: RegExp])[] = [
    ['exit code', 'echo secret; echo secret >&2; exit 3', /it ended with 3/],
    [
      'not found, on standard error',
      `echo 'credentials not found in native keychain' >&2; exit 1`,
      /it ended with 1/,
    ],
    ['a signal', 'echo secret; kill -9 $$', /a signal/],
    ['no JSON', 'echo secret', /not JSON/],
    ['two documents', 'echo \'{"Username":"secret","Secret":"secret"} {}\'', /not JSON/],
    ['no object', `echo '["secret"]'`, /not an object/],
    ['no text', `echo '{"Username":["secret"],"Secret":"secret"}'`, /not text/],
    ['a header', `printf '{"Username":"<token>","Secret":"secret\\\\n"}'`, /cannot be sent/],
    ['a colon', says('secret:', 'secret'), /cannot be sent/],
    [
      'no end',
      'while :; do printf secretsecretsecretsecretsecretsecretsecretsecret; done',
      /said more than 131072 bytes/,
    ],
  ]
  for (const [why, script, message] of table) {
    const { find } = setUp(t, { credsStore: 'x' }, { x: `cat > /dev/null\n${script}` })
    const failure = await find().catch((error: unknown) => error)
    t.match(failure, { code: 'ERR_REGISTRY_CREDENTIALS', message }, why)
    t.match(failure, { message: /^The credential helper "x" gives nothing/ })
    t.notMatch(inspect(failure, { showHidden: true, depth: 9 }), /secret/, why)
  }
})

t.test('S15: a helper is a name, not a path', unix, async (t) => {
  const names = [
    '../x',
    '/bin/x',
    'a/b',
    '..',
    '.x',
    '-x',
    'x y',
    'x;y',
    'x\0',
    '$(x)',
    'x\n',
    'é',
    'x'.repeat(200),
  ]
  for (const name of names) {
    const { find, bin } = setUp(t, { credsStore: name }, { x: LOG })
    const failure = await find().catch((error: unknown) => error)
    t.match(
      failure,
      { code: 'ERR_REGISTRY_CREDENTIALS', message: /its name is not allowed/ },
      JSON.stringify(name),
    )
    t.notOk(existsSync(join(bin, 'docker-credential-x.log')))
  }
})

t.test('S15: a helper comes from the directories of PATH, and not from where we are', unix, async (t) => {
  const { bin, find } = setUp(
    t,
    { credsStore: 'x' },
    { x: says('me', 'secret') },
    { path: () => `.${delimiter}${delimiter}bin` },
  )
  const before = process.cwd()
  process.chdir(bin)
  await t.rejects(find(), { code: 'ERR_REGISTRY_CREDENTIALS', message: /it is not installed/ })
  process.chdir(before)
  const nowhere = createDockerCredentials({
    environment: { DOCKER_AUTH_CONFIG: '{"credsStore":"x"}' },
    homeDirectory: bin,
  })
  await t.rejects(nowhere.find({ host: 'r.io', repository: 'x' }), { message: /it is not installed/ })
  const none = setUp(t, { credsStore: 'y' }, {})
  mkdirSync(join(none.bin, 'docker-credential-y'))
  await t.rejects(
    none.find(),
    { code: 'ERR_REGISTRY_CREDENTIALS', message: /cannot be started/ },
    'a directory',
  )
})

t.test('S15: no shell sees what a helper is asked', unix, async (t) => {
  const { find, home } = setUp(t, { credsStore: 'x' }, { x: `cat > /dev/null; ${says('me', 'secret')}` })
  t.match(await find({ host: `$(touch ${home}/a);touch ${home}/b` }), { username: 'me' })
  t.notOk(existsSync(join(home, 'a')) || existsSync(join(home, 'b')))
})

t.test('a helper that takes too long is ended, as is one that nobody waits for', unix, async (t) => {
  const script = 'echo $$ > "$0.pid"; exec sleep 600'
  const hasEnded = async (bin: string): Promise<boolean> => {
    const pid = Number(readFileSync(join(bin, 'docker-credential-x.pid'), 'utf8'))
    for (let tries = 0; tries < 500; tries += 1) {
      try {
        process.kill(pid, 0)
      } catch {
        return true
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return false
  }
  const late = setUp(t, { credsStore: 'x' }, { x: script }, { helperTimeoutMs: 1000 })
  await t.rejects(late.find(), { code: 'ERR_REGISTRY_CREDENTIALS', message: /it took more than 1000 ms/ })
  t.ok(await hasEnded(late.bin))

  const aborted = setUp(t, { credsStore: 'x' }, { x: script })
  const controller = new AbortController()
  const finding = aborted.find({}, controller.signal)
  while (!existsSync(join(aborted.bin, 'docker-credential-x.pid')))
    await new Promise((resolve) => setTimeout(resolve, 5))
  controller.abort(new Error('enough'))
  await t.rejects(finding, { message: 'enough' })
})

t.test('a helper need not read what it is asked', unix, async (t) => {
  const { find } = setUp(t, { credsStore: 'x' }, { x: `exec <&-; ${says('me', 'secret')}` })
  t.match(await find({ host: 'r.io'.repeat(100_000) }), { username: 'me' })
})
