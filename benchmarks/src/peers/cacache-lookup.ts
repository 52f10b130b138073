/**
 * What {@link ../ours/cache-lookup.ts} does, by cacache, in a cache that it fills first: an index entry and its small
 * content, verified.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { keyDocument, recordOf } from '../records.ts'
import { cacache } from './cacache.ts'

const [, , parent = '', count = '', what = ''] = process.argv
const directory = mkdtempSync(join(parent, 'cacache-'))
const keys = Array.from({ length: Number(count) }, (_, index) => recordOf(index).key)
for (const [index, key] of keys.entries()) {
  await cacache.put(directory, key, keyDocument(index), { algorithms: ['sha256'] })
}
const times: number[] = []
for (let round = 0; round < 2; round++) {
  const started = performance.now()
  for (const key of keys) await cacache.get(directory, key)
  times.push(performance.now() - started)
}
rmSync(directory, { recursive: true })
process.stdout.write(`${what === 'cold' ? times[0] : times[1]}\n`)
