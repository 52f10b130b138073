/**
 * The conformance suite of the distribution-spec, in the version that `scripts/services/conformance` pins, against our
 * server over each store.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createMemoryStore } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import { createS3Store } from '@varve/cache-store/s3'
import { findProgram, needs } from '@varve/testing/peers'
import { temporaryDirectory } from '@varve/testing/registries'
import { startServer } from '@varve/testing/servers'
import t, { type Test } from 'tap'
import { basicAuthorizer, createRegistryHandler, listen, type RegistryHandlerOptions } from '../src/server.ts'

const run = promisify(execFile)

interface Outcome {
  readonly passed: number
  readonly skipped: readonly string[]
  readonly failed: readonly string[]
}

/** Runs the suite, and reads what it says about each of its tests. */
async function conform(
  t: Test,
  options: RegistryHandlerOptions,
  environment: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const errors: unknown[] = []
  const handler = createRegistryHandler({
    allowDelete: true,
    onError: (error) => errors.push(error),
    ...options,
  })
  const server = await listen(handler)
  t.teardown(() => server.close())
  const directory = t.testdir({})
  const program = findProgram('conformance') ?? ''
  const ended = run(program, [], {
    cwd: directory,
    maxBuffer: 256 * 1024 * 1024,
    env: {
      PATH: process.env['PATH'],
      OCI_REGISTRY: `127.0.0.1:${server.port}`,
      OCI_TLS: 'disabled',
      OCI_RESULTS_DIR: join(directory, 'results'),
      ...environment,
    },
  })
  // Its exit code says that something failed, its report what.
  await ended.catch(() => undefined)
  t.strictSame(errors, [], 'nothing failed inside')
  return readResults(readFileSync(join(directory, 'results', 'junit.xml'), 'utf8'))
}

function readResults(junit: string): Outcome {
  const cases = [...junit.matchAll(/<testcase ([^>]*)>(.*?)<\/testcase>/gs)].map(
    ([, attributes = '', details = '']) => ({
      name: /name="([^"]*)"/.exec(attributes)?.[1] ?? '',
      status: /status="([^"]*)"/.exec(attributes)?.[1] ?? '',
      why: /<system-out>(.*?)<\/system-out>/s.exec(details)?.[1] ?? '',
    }),
  )
  const namesOf = (wanted: (status: string) => boolean): string[] =>
    cases.filter(({ status }) => wanted(status)).map(({ name, why }) => `${name} ${why}`.trim())
  return {
    passed: namesOf((status) => status === 'passed').length,
    skipped: namesOf((status) => status === 'skipped' || status === 'disabled'),
    failed: namesOf((status) => !['passed', 'skipped', 'disabled'].includes(status)),
  }
}

/** Many more than any subset of the suite has, so that one that has not run does not pass for one that has. */
const AT_LEAST = 650

const DEV = { OCI_VERSION: 'dev' }

t.test('the conformance suite of the distribution-spec', needs('conformance'), async (t) => {
  const check = (t: Test, name: string, { passed, skipped, failed }: Outcome): void => {
    t.comment(`${name}: ${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
    t.strictSame(failed, [], 'no failure')
    t.ok(passed > AT_LEAST, 'all of it ran')
  }

  t.test('D9: profile 1.1 passes without a failure or a skip', async (t) => {
    const outcome = await conform(t, createMemoryStore(), {
      OCI_VERSION: '1.1',
      OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
    })
    check(t, 'profile 1.1', outcome)
    t.strictSame(outcome.skipped, [])
  })

  t.test('D9: profile dev passes without a failure or a skip, over a local store', async (t) => {
    const { blobs, refs, pins } = await createLocalStore({
      directory: temporaryDirectory(t, 'conformance-'),
      durability: 'rename',
    })
    const outcome = await conform(t, { blobs, refs, pins }, DEV)
    check(t, 'profile dev, local store', outcome)
    t.strictSame(outcome.skipped, [])
  })

  t.test('D9: profile dev passes over a bucket of S3', needs('versitygw'), async (t) => {
    const directory = temporaryDirectory(t, 'versitygw-')
    mkdirSync(join(directory, 'registry'))
    const credentials = { accessKeyId: 'test', secretAccessKey: 'testtest' }
    const { url } = await startServer(
      t,
      (port) => [
        findProgram('versitygw') ?? '',
        '--quiet',
        '--port',
        `127.0.0.1:${port}`,
        'posix',
        directory,
      ],
      { env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey } },
    )
    const store = await createS3Store({ bucket: 'registry', endpoint: url, credentials })
    t.teardown(() => store.close())
    const outcome = await conform(t, { blobs: store.blobs, refs: store.refs }, DEV)
    check(t, 'profile dev, S3', outcome)
    t.strictSame(outcome.skipped, [])
  })

  t.test('D9: profile dev passes with a password', async (t) => {
    const authorize = basicAuthorizer({
      verify: (caller) =>
        caller?.username === 'suite' && caller.password === 'secret' ? 'allow' : 'challenge',
    })
    const login = { OCI_USERNAME: 'suite', OCI_PASSWORD: 'secret' }
    check(
      t,
      'profile dev, basic',
      await conform(t, { ...createMemoryStore(), authorize }, { ...DEV, ...login }),
    )
  })
})
