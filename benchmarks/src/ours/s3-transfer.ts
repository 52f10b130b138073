/**
 * Puts a file into a bucket as a blob, or reads it back, verified; prints how many milliseconds that took.
 *
 *     s3-transfer ENDPOINT BUCKET upload|download FILE DIGEST
 *
 * @module
 */
import { createS3Store } from '@varve/cache-store/s3'
import { parseDigest } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { CREDENTIALS } from '../s3-server.ts'

const [, , endpoint = '', bucket = '', what = '', file = '', text = ''] = process.argv
const digest = parseDigest(text)
const store = await createS3Store({ endpoint, bucket, credentials: CREDENTIALS })
const { blobs } = store
if (what === 'upload') await blobs.delete(digest)
const started = performance.now()
let bytes = 0
if (what === 'upload') await blobs.put(digest, fileSource(file))
else for await (const chunk of (await blobs.get(digest))?.open() ?? []) bytes += chunk.byteLength
process.stdout.write(`${performance.now() - started}\n`)
await store.close()
if (what === 'download' && bytes === 0) throw new Error('There is no such blob')
