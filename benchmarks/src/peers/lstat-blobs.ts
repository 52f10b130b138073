/**
 * The least that {@link ../ours/cache-missing.ts} can do: one `lstat` for each blob. Prints its milliseconds.
 *
 * @module
 */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf, hexOf } from '@varve/digest'
import { keyDocument } from '../records.ts'

const [, , directory = '', count = ''] = process.argv
const paths = Array.from({ length: Number(count) }, (_, index) =>
  join(directory, 'blobs', 'sha256', hexOf(digestOf(keyDocument(index)))),
)
for (const path of paths) lstatSync(path)
const started = performance.now()
for (const path of paths) lstatSync(path)
process.stdout.write(`${performance.now() - started}\n`)
