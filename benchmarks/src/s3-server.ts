/**
 * A real S3 server for the rows about transfers.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'

const SCRIPT = fileURLToPath(new URL('../../scripts/services/ceph-s3.sh', import.meta.url))

/** Those of the server. */
export const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'testtest' }

/** Programs it needs. */
export const S3_PROGRAMS: readonly string[] = ['ceph', 'ceph-mon', 'ceph-osd', 'radosgw']

/** One that runs. */
export interface S3Server {
  readonly endpoint: string
  readonly bucket: string
  stop(): void
}

/** Starts a Ceph cluster in memory with its gateway on loopback. The caller stops it. */
export async function startS3Server(): Promise<S3Server> {
  // Sockets lie in it, whose paths must be short.
  const directory = mkdtempSync(join(tmpdir(), 'ceph-'))
  const env = { ...process.env, CEPH_S3_DIR: join(directory, 's3') }
  const run = (what: string): string => execFileSync('bash', [SCRIPT, what], { env, encoding: 'utf8' })
  const endpoint = run('start').trim().split('\n').at(-1) ?? ''
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
  })
  const bucket = 'benchmark'
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
  return {
    endpoint,
    bucket,
    stop: () => {
      run('stop')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
