/**
 * Writes a directory to standard output as an archive.
 *
 * @module
 */
import { fromDirectory, pack } from '@varve/layer'
import { writeOutput } from './output.ts'

for await (const chunk of pack(await fromDirectory(process.argv[2] ?? ''))) writeOutput(chunk)
