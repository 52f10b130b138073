/**
 * Asks which of many blobs are missing, in one batch; none is. Prints how many milliseconds that took, the second time.
 *
 *     cache-missing DIRECTORY COUNT
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'
import { digestOf } from '@varve/digest'
import { keyDocument } from '../records.ts'

const [, , directory = '', count = ''] = process.argv
const { blobs } = await createLocalStore({ directory, durability: 'rename' })
const digests = Array.from({ length: Number(count) }, (_, index) => digestOf(keyDocument(index)))
await blobs.missing(digests)
const started = performance.now()
const { size } = await blobs.missing(digests)
process.stdout.write(`${performance.now() - started}\n`)
if (size > 0) throw new Error(`${size} are missing`)
