/**
 * Writes a directory as a gzip layer and prints both digests, in one pass.
 *
 * @module
 */
import { fromDirectory, packLayer } from '@varve/layer'
import { closeSync, openSync, writeSync } from 'node:fs'

const [, , directory = '', output = ''] = process.argv
const file = openSync(output, 'w')
const { descriptor, diffID } = await packLayer(await fromDirectory(directory), {
  write: (chunk) => {
    for (let written = 0; written < chunk.byteLength;) written += writeSync(file, chunk, written)
  },
})
closeSync(file)
process.stdout.write(`${diffID}\n${descriptor.digest}\n`)
