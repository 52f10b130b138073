/**
 * Prints the digest of a file.
 *
 * @module
 */
import { digestFile } from '@varve/digest/node'

process.stdout.write(`${digestFile(process.argv[2] ?? '').digest}\n`)
