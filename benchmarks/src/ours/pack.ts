/**
 * Writes a directory to standard output as an archive.
 *
 * @module
 */
import { fromDirectory, pack } from '@varve/layer'

for await (const chunk of pack(await fromDirectory(process.argv[2] ?? ''))) process.stdout.write(chunk)
