/**
 * What {@link ../ours/s3-transfer.ts} does, by the SDK's own `Upload` and `GetObject`, which know no digest.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { CREDENTIALS } from '../s3-server.ts'

const [, , endpoint = '', bucket = '', what = '', file = ''] = process.argv
const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: CREDENTIALS })
const object = { Bucket: bucket, Key: 'peer' }
const started = performance.now()
let bytes = 0
if (what === 'upload')
  await new Upload({ client, params: { ...object, Body: createReadStream(file) } }).done()
else {
  const { Body } = await client.send(new GetObjectCommand(object))
  for await (const chunk of Body as AsyncIterable<Uint8Array>) bytes += chunk.byteLength
}
process.stdout.write(`${performance.now() - started}\n`)
client.destroy()
if (what === 'download' && bytes === 0) throw new Error('There is no such object')
