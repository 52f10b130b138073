/**
 * Writes a directory to standard output as an archive.
 *
 * @module
 */
import { fromDirectory, pack } from '@varve/layer'
import { writeOut } from '../write-out.ts'

await writeOut(pack(await fromDirectory(process.argv[2] ?? '')))
