/**
 * Writes a file to standard output, compressed with gzip level 6.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { compress } from '@varve/layer'
import { writeOut } from '../write-out.ts'

await writeOut(compress(fileSource(process.argv[2] ?? '').open(), { algorithm: 'gzip', level: 6 }))
