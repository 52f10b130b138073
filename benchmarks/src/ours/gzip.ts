/**
 * Writes a file to standard output, compressed with gzip level 6.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { compress } from '@varve/layer'

const file = fileSource(process.argv[2] ?? '')
for await (const chunk of compress(file.open(), { algorithm: 'gzip', level: 6 })) process.stdout.write(chunk)
