/** `varve serve`, run in this process. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { digestOf } from '@varve/digest'
import { makeCertificates } from '@varve/testing/certificates'
import { findProgram, needs } from '@varve/testing/peers'
import { temporaryDirectory } from '@varve/testing/registries'
import { startServer } from '@varve/testing/servers'
import { hash } from 'bcryptjs'
import t, { type Test } from 'tap'
import { readPasswords } from '../src/cli/htpasswd.ts'
import { createProgram } from '../src/cli/program.ts'
import { Capture, commands } from './cli-support.ts'

/** Runs the command until the test ends; its URL. */
async function serve(t: Test, ...args: string[]): Promise<{ readonly url: string; readonly err: Capture }> {
  const interruption = new AbortController()
  const [stdout, stderr] = [new Capture(), new Capture()]
  const environment = { VARVE_CACHE_DIR: join(t.testdirName, 'store') }
  const context = { stdin: Readable.from([]), stdout, stderr, environment, signal: interruption.signal }
  const ended = createProgram(context).parseAsync(['serve', '--port=0', ...args], { from: 'user' })
  t.teardown(async () => {
    interruption.abort()
    await ended
  })
  while (stdout.text === '') {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10))])
  }
  return { url: stdout.text.trim(), err: stderr }
}

const bytes = Buffer.from('some bytes')
const digest = digestOf(bytes)

const push = async (url: string, init: RequestInit = {}): Promise<number> =>
  (await fetch(`${url}/v2/r/blobs/uploads/?digest=${digest}`, { method: 'POST', body: bytes, ...init }))
    .status

const status = async (url: string, method: string, init: RequestInit = {}): Promise<number> =>
  (await fetch(`${url}/v2/r/blobs/${digest}`, { method, ...init })).status

t.test('serves a directory, with deletes and quotas where they are asked for', async (t) => {
  const directory = t.testdir({})
  const store = join(directory, 'given')
  const plain = await serve(t, '--store', store)
  t.equal(await push(plain.url), 201)
  t.equal(await status(plain.url, 'DELETE'), 405)
  const same = await serve(t, `--store=type=local,dir=${store}`, '--allow-delete', '--quota=20B')
  t.equal(await status(same.url, 'GET'), 200)
  t.equal(
    (await fetch(`${same.url}/v2/other/blobs/uploads/?mount=${digest}`, { method: 'POST' })).status,
    201,
  )
  t.equal(
    (await fetch(`${same.url}/v2/third/blobs/uploads/?mount=${digest}`, { method: 'POST' })).status,
    403,
  )
  t.equal(await status(same.url, 'DELETE'), 202)
  const small = await serve(t, '--repository-quota=9B')
  t.equal(await push(small.url), 403)
  const frozen = await serve(t, '--store', store, '--read-only')
  t.equal(await push(frozen.url), 405)
})

t.test('prunes blobs that no manifest names, when it starts', async (t) => {
  const store = join(t.testdir({}), 'given')
  const before = await serve(t, '--store', store)
  t.equal(await push(before.url), 201)
  await new Promise((resolve) => setTimeout(resolve, 5))
  const { url, err } = await serve(t, '--store', store, '--prune', '0s')
  while (!err.text.includes('Pruned')) await new Promise((resolve) => setTimeout(resolve, 10))
  t.match(err.text, `Pruned blobs: 1, of ${bytes.byteLength} bytes`)
  t.equal(await status(url, 'GET'), 404)
})

t.test('serves a bucket of S3', needs('versitygw'), async (t) => {
  const directory = temporaryDirectory(t, 'versitygw-')
  mkdirSync(join(directory, 'registry'))
  const [id, secret] = ['test', 'testtest']
  const program = findProgram('versitygw') ?? ''
  const gateway = await startServer(
    t,
    (port) => [program, '--quiet', '--port', `127.0.0.1:${port}`, 'posix', directory],
    { env: { ROOT_ACCESS_KEY: id, ROOT_SECRET_KEY: secret } },
  )
  t.intercept(process, 'env', {
    value: { ...process.env, AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: 'us-east-1' },
  })
  const { url } = await serve(t, `--store=type=s3,bucket=registry,prefix=images/,endpoint=${gateway.url}`)
  t.equal(await push(url), 201)
  t.equal(await status(url, 'GET'), 200)
  t.ok(readdirSync(join(directory, 'registry')).includes('images'), 'it is in the bucket')
})

t.test('asks for passwords of a file', needs('htpasswd'), async (t) => {
  const directory = t.testdir({})
  const file = join(directory, 'passwords')
  writeFileSync(
    file,
    `# people\n\n${execFileSync(findProgram('htpasswd') ?? '', ['-Bbn', 'me', 'p:ss wörd']).toString()}`,
  )
  const login = (name: string, password: string): RequestInit => ({
    headers: { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` },
  })
  const closed = await serve(t, '--htpasswd', file)
  for (const [why, init, expected] of [
    ['nobody', {}, 401],
    ['a wrong password', login('me', 'wrong'), 401],
    ['a name that is not there', login('you', 'p:ss wörd'), 401],
    ['more than bcrypt reads', login('me', `p:ss wörd${' '.repeat(80)}`), 401],
    ['the right one', login('me', 'p:ss wörd'), 201],
    ['again', login('me', 'p:ss wörd'), 201],
  ] as const) {
    t.equal(await push(closed.url, init), expected, why)
  }
  t.equal(await status(closed.url, 'GET'), 401)
  const open = await serve(t, '--htpasswd', file, '--anonymous-pull')
  const challenged = await fetch(`${open.url}/v2/`)
  t.equal(challenged.status, 401, 'so that clients log in')
  const realm = `${open.url}/token`
  t.equal(challenged.headers.get('www-authenticate'), `Bearer realm="${realm}",service="varve"`)
  const tokenFor = async (actions: string, init: RequestInit): Promise<RequestInit> => {
    const response = await fetch(`${realm}?service=varve&scope=repository:r:${actions}`, init)
    const { token } = (await response.json()) as { readonly token?: string }
    return { headers: { authorization: `Bearer ${token}` } }
  }
  t.equal(await status(open.url, 'GET', await tokenFor('pull', {})), 200)
  t.equal(await push(open.url, await tokenFor('pull,push', {})), 401, 'nobody')
  const url = 'https://registry.example:8443'
  const behind = await serve(t, '--htpasswd', file, '--anonymous-pull', '--public-url', `${url}/`)
  const led = (await fetch(`${behind.url}/v2/`)).headers.get('www-authenticate')
  t.equal(led, `Bearer realm="${url}/token",service="varve"`)
  t.equal(await push(open.url, await tokenFor('pull,push', login('me', 'wrong'))), 401)
  t.equal(await push(open.url, await tokenFor('pull,push', login('me', 'p:ss wörd'))), 201)
  const everywhere = await serve(t, '--htpasswd', file, '--host', '0.0.0.0')
  t.match(everywhere.err.text, /in the clear/)
})

t.test('speaks HTTPS', needs('openssl'), async (t) => {
  const { authority, server } = makeCertificates(t.testdir({}))
  const { url } = await serve(t, '--tls-cert', server.certPath, '--tls-key', server.keyPath)
  t.match(url, /^https:/)
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpsRequest(`${url}/v2/`, { ca: readFileSync(authority.certPath), agent: false })
    request.once('response', (response) => resolve(response.resume().statusCode))
    request.once('error', reject).end()
  })
  t.equal(answer, 200)
})

t.test('refuses what it cannot serve', async (t) => {
  const { directory, varve } = commands(t)
  const secret = join(directory, 'secret')
  writeFileSync(secret, 'me:$apr1$abcdefgh$0123456789abcdefghijkl\n')
  const cases: ReadonlyArray<readonly [args: string[], message: RegExp]> = [
    [['--store', 'type=http,url=http://127.0.0.1'], /needs a store with names/],
    [['--store', 'type=s3'], /lacks bucket=/],
    [['--anonymous-pull'], /means nothing/],
    [['--public-url', 'registry.example'], /Not an address such as/],
    [['--public-url', 'https://registry.example/path'], /Not an address such as/],
    [['--tls-cert', secret], /both/],
    [['--tls-cert', secret, '--tls-key', join(directory, 'missing')], /Cannot read/],
    [['--htpasswd', join(directory, 'missing')], /Cannot read/],
    [['--htpasswd', secret], /Line 1 of .* is no name with a bcrypt hash/],
    [['--prune', 'daily'], /Not a time/],
    [['--quota', 'much'], /Not a number of bytes/],
    [['--repository-quota', '-1'], /Not a number of bytes/],
  ]
  for (const [args, message] of cases) {
    const { code, err } = await varve('serve', '--port=0', ...args)
    t.equal(code, 2, args.join(' '))
    t.match(err, message)
    t.notMatch(err, /apr1/, 'the file is not quoted')
  }
})

t.test('a file without passwords lets nobody in', async (t) => {
  const file = join(t.testdir({ empty: '' }), 'empty')
  t.equal(await readPasswords(file, () => t.fail('it can be read'))('me', ''), false)
})

t.test('a file that changes is read again, and the old one holds while it cannot be', async (t) => {
  const line = async (name: string, password: string) => `${name}:${await hash(password, 4)}\n`
  const file = join(t.testdir({ passwords: await line('me', 'one') }), 'passwords')
  const problems: unknown[] = []
  const isRight = readPasswords(file, (error) => problems.push(error))
  // As the file is looked at once a second.
  const later = () => new Promise((resolve) => setTimeout(resolve, 1050))
  t.equal(await isRight('me', 'one'), true)
  writeFileSync(file, (await line('me', 'two')) + (await line('you', 'three')))
  await later()
  t.equal(await isRight('me', 'one'), false, 'also what was right a moment ago')
  t.equal(await isRight('me', 'two'), true)
  t.equal(await isRight('you', 'three'), true)
  writeFileSync(file, 'me:plain\n')
  await later()
  t.equal(await isRight('you', 'three'), true)
  t.match(problems, [{ code: 'ERR_BUILDER_USAGE', message: /Line 1/ }])
  rmSync(file)
  await later()
  t.equal(await isRight('you', 'three'), true)
  t.equal(problems.length, 2, 'told once for each change')
  writeFileSync(file, await line('you', 'four'))
  await later()
  t.equal(await isRight('me', 'two'), false)
  t.equal(await isRight('you', 'four'), true)
})
