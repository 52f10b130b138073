/**
 * Prints the digest of each file named on standard input, names ending in a zero byte.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { digestFile } from '@varve/digest/node'

const names = readFileSync(0, 'utf8').split('\0').slice(0, -1)
process.stdout.write(names.map((name) => `${digestFile(name).digest}\n`).join(''))
