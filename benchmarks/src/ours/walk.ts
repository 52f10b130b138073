/**
 * Reads a directory as a tree, and prints how many milliseconds that took or, asked for the `count`, of how many entries
 * it is.
 *
 * @module
 */
import { fromDirectory } from '@varve/layer'

const [, , directory = '', what] = process.argv
const started = performance.now()
const { size } = await fromDirectory(directory)
process.stdout.write(`${what === 'count' ? size : performance.now() - started}\n`)
