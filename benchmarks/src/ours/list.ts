/**
 * Prints the paths in an archive.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { fromTar } from '@varve/layer'
import { writeOutput } from './output.ts'

const tree = await fromTar(fileSource(process.argv[2] ?? ''))
let text = ''
for (const { path } of tree) text += `${path}\n`
writeOutput(Buffer.from(text))
