/**
 * S3 servers of others, each on a free port of the loopback and in a directory of its own.
 *
 * @module
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import { type Needs, needs } from './peers.ts'

const CEPH: string = fileURLToPath(new URL('../../../../scripts/services/ceph-s3.sh', import.meta.url))

/** Where `scripts/services/build-go` puts it. */
const VERSITYGW: string = fileURLToPath(
  new URL('../../../../node_modules/.cache/services/versitygw', import.meta.url),
)

/** Both servers are started with these. */
export const CREDENTIALS: { readonly accessKeyId: string; readonly secretAccessKey: string } = {
  accessKeyId: 'test',
  secretAccessKey: 'testtest',
}

/** What a test of Ceph needs. With `VARVE_TEST_S3_ENDPOINT` one runs already, or another server in its place. */
export function needsCeph(): Needs {
  if (process.env['VARVE_TEST_S3_ENDPOINT'] !== undefined) return {}
  return needs(
    'bash',
    'ceph',
    'ceph-authtool',
    'ceph-mon',
    'ceph-osd',
    'monmaptool',
    'radosgw',
    'radosgw-admin',
  )
}

/** What a test of versitygw needs; where that is missing it is skipped, or fails, as by `needs`. */
export function needsVersitygw(): Needs {
  if (existsSync(VERSITYGW)) return {}
  const reason = 'needs versitygw, which scripts/services/build-go builds'
  if (process.env['VARVE_TEST_REQUIRE_PEERS']) throw new Error(`This test ${reason}`)
  return { skip: reason }
}

/** Starts a Ceph cluster with its gateway, or finds the one that runs; it ends with the test. Gives the endpoint. */
export async function startCeph(t: Test): Promise<string> {
  const running = process.env['VARVE_TEST_S3_ENDPOINT']
  if (running !== undefined) return running
  // Sockets lie in it, whose paths must be short.
  const directory = join(mkdtempSync(join(tmpdir(), 'ceph-')), 's3')
  const env = { PATH: process.env['PATH'], CEPH_S3_DIR: directory }
  const run = (what: string): Promise<{ stdout: string }> =>
    promisify(execFile)('bash', [CEPH, what], { env })
  t.teardown(async () => {
    await run('stop')
    rmSync(join(directory, '..'), { recursive: true, force: true })
  })
  return (await run('start')).stdout.trim()
}

/** Starts versitygw over a directory, whose file system has extended attributes; it ends with the test. */
export async function startVersitygw(t: Test): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'versitygw-'))
  const port = await freePort()
  const child = spawn(
    VERSITYGW,
    ['--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`, 'posix', directory],
    {
      stdio: 'ignore',
      env: { ROOT_ACCESS_KEY: CREDENTIALS.accessKeyId, ROOT_SECRET_KEY: CREDENTIALS.secretAccessKey },
    },
  )
  t.teardown(async () => {
    await stop(child)
    rmSync(directory, { recursive: true, force: true })
  })
  const endpoint = `http://127.0.0.1:${port}`
  for (let tries = 0; tries < 200 && child.exitCode === null; tries += 1) {
    if (await answers(endpoint)) return endpoint
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('versitygw does not run')
}

/** A bucket of its own. */
export async function createBucket(endpoint: string): Promise<string> {
  const client = clientOf(endpoint)
  const bucket = `varve-${crypto.randomUUID()}`
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
    return bucket
  } finally {
    client.destroy()
  }
}

/** A client for what the driver does not do. */
export function clientOf(endpoint: string): S3Client {
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: CREDENTIALS })
}

async function answers(endpoint: string): Promise<boolean> {
  return fetch(endpoint).then(
    (response) => response.arrayBuffer().then(() => true),
    () => false,
  )
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(late)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
