/**
 * Rows about S3: 256 MiB over loopback, to and from a Ceph RADOS Gateway. In-process, but against rclone.
 *
 * @module
 */
import type { Benchmark, Side } from '../contest.ts'
import type { Inputs } from '../inputs.ts'
import { runShell, scriptPath, timeShell } from '../process.ts'
import { CREDENTIALS, S3_PROGRAMS } from '../s3-server.ts'

/** Some versions fail where AWS_CA_BUNDLE is set; loopback needs no certificates. */
const RCLONE =
  'env -u AWS_CA_BUNDLE rclone --config /dev/null --s3-provider Ceph --s3-endpoint "$3" --s3-access-key-id "$4" --s3-secret-access-key "$5" copyto --ignore-times "$1" "$2"'
const SCRIPT = '"$NODE" "$1" "$2" "$3" "$4" "$5" "$6"'

export const s3Upload: Benchmark = transfer(
  's3-upload',
  'upload',
  'upload 256 MiB, verified, to the SDK’s `Upload`',
)
export const s3Download: Benchmark = transfer(
  's3-download',
  'download',
  'download 256 MiB, verified, to the SDK’s `GetObject`',
)

/** Against the program that people copy to buckets with. */
export const s3Rclone: Benchmark = {
  name: 's3-upload-rclone',
  title: 'upload 256 MiB, verified, to `rclone copyto`',
  programs: [...S3_PROGRAMS, 'rclone'],
  unit: 'ms',
  prepare: async (inputs) => {
    const { ours, file, endpoint, bucket } = await sides(inputs, 'upload')
    const { accessKeyId, secretAccessKey } = CREDENTIALS
    const values = [file, `:s3:${bucket}/rclone`, endpoint, accessKeyId, secretAccessKey]
    return { ours, theirs: () => timeShell(RCLONE, ...values) }
  },
}

function transfer(name: string, what: 'upload' | 'download', title: string): Benchmark {
  return {
    name,
    title,
    programs: S3_PROGRAMS,
    unit: 'ms',
    prepare: async (inputs) => {
      const { ours, theirs } = await sides(inputs, what)
      return { ours, theirs }
    },
  }
}

async function sides(
  inputs: Inputs,
  what: 'upload' | 'download',
): Promise<{ ours: Side; theirs: Side; file: string; endpoint: string; bucket: string }> {
  const { endpoint, bucket } = await inputs.s3()
  const file = inputs.quarterFile()
  const digest = runShell('"$NODE" "$1" "$2"', scriptPath('ours/digest-file'), file).trim()
  const side = (script: string, kind: string): Side => {
    const values = [scriptPath(script), endpoint, bucket, kind, file, digest]
    return () => Number(runShell(SCRIPT, ...values))
  }
  if (what === 'download')
    for (const script of ['ours/s3-transfer', 'peers/sdk-transfer']) side(script, 'upload')()
  return {
    ours: side('ours/s3-transfer', what),
    theirs: side('peers/sdk-transfer', what),
    file,
    endpoint,
    bucket,
  }
}
