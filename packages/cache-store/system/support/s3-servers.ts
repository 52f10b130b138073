/**
 * S3 servers of others, each on a free port of the loopback and in a directory of its own.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import { findProgram, type Needs, needs } from '@varve/testing/peers'
import { startServer } from '@varve/testing/servers'

const CEPH: string = fileURLToPath(new URL('../../../../scripts/services/ceph-s3.sh', import.meta.url))

const VERSITYGW = 'versitygw'

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

/** What a test of versitygw needs. */
export function needsVersitygw(): Needs {
  return needs(VERSITYGW)
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
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const command = (port: number): readonly string[] => {
    const options = ['--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`]
    return [findProgram(VERSITYGW) ?? VERSITYGW, ...options, 'posix', directory]
  }
  const { accessKeyId, secretAccessKey } = CREDENTIALS
  const env = { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey }
  return (await startServer(t, command, { env })).url
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
