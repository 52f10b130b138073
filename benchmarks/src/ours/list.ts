/**
 * Prints the paths in an archive.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { fromTar } from '@varve/layer'

const tree = await fromTar(fileSource(process.argv[2] ?? ''))
let text = ''
for (const { path } of tree) text += `${path}\n`
process.stdout.write(text)
