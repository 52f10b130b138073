/**
 * Writes a directory as a compressed layer and prints both digests, in one pass.
 *
 * @module
 */
import { type CompressionAlgorithm, fromDirectory, packLayer } from '@varve/layer'
import { closeSync, openSync, writeSync } from 'node:fs'

const [, , directory = '', output = '', compression = '', level = ''] = process.argv
const file = openSync(output, 'w')
const { descriptor, diffID } = await packLayer(
  await fromDirectory(directory),
  {
    transient: true,
    write: (chunk) => {
      for (let written = 0; written < chunk.byteLength;) written += writeSync(file, chunk, written)
    },
  },
  { compression: compression as CompressionAlgorithm, level: Number(level) },
)
closeSync(file)
process.stdout.write(`${diffID}\n${descriptor.digest}\n`)
