/**
 * What {@link ../ours/cache-blobs.ts} does, by cacache: content by its SHA-256, written by temporary file and rename.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { contents } from '../contents.ts'
import { cacache } from './cacache.ts'

const [, , parent = '', what = '', size = '', count = ''] = process.argv
const directory = mkdtempSync(join(parent, 'cacache-'))
const all = contents(Number(size), Number(count))

const putting = performance.now()
for (const [index, bytes] of all.entries())
  await cacache.put(directory, String(index), bytes, { algorithms: ['sha256'] })
const put = performance.now() - putting

const names = all.map((bytes) => `sha256-${createHash('sha256').update(bytes).digest('base64')}`)
const getting = performance.now()
let read = 0
for (const integrity of names)
  read += (await cacache.get.byDigest(directory, integrity, { memoize: false })).byteLength
const get = performance.now() - getting
if (read !== Number(size) * Number(count)) throw new Error(`Read ${read} bytes`)
rmSync(directory, { recursive: true })
process.stdout.write(`${what === 'put' ? put : get}\n`)
