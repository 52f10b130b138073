/**
 * Puts blobs into a store and reads them, verified; prints how many milliseconds one of both took.
 *
 *     cache-blobs DIRECTORY put|get SIZE COUNT
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createLocalStore } from '@varve/cache-store/local'
import { bytesSource, digestOf } from '@varve/digest'
import { contents } from '../contents.ts'

const [, , parent = '', what = '', size = '', count = ''] = process.argv
const directory = mkdtempSync(join(parent, 'cache-'))
const { blobs } = await createLocalStore({ directory, durability: 'rename' })
const all = contents(Number(size), Number(count))

const putting = performance.now()
for (const bytes of all) await blobs.put(digestOf(bytes), bytesSource(bytes))
const put = performance.now() - putting

const names = all.map((bytes) => digestOf(bytes))
const getting = performance.now()
let read = 0
for (const digest of names) {
  for await (const chunk of (await blobs.get(digest))?.open() ?? []) read += chunk.byteLength
}
const get = performance.now() - getting
if (read !== Number(size) * Number(count)) throw new Error(`Read ${read} bytes`)
rmSync(directory, { recursive: true })
process.stdout.write(`${what === 'put' ? put : get}\n`)
