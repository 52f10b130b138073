/**
 * Writes a file to standard output, compressed with gzip level 6.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { compress } from '@varve/layer'
import { writeOutput } from './output.ts'

const file = fileSource(process.argv[2] ?? '')
for await (const chunk of compress(file.open(), { algorithm: 'gzip', level: 6 })) writeOutput(chunk)
