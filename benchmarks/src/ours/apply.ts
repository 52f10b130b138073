/**
 * Applies a layer to a new directory.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { apply } from '@varve/layer'
import { mkdirSync } from 'node:fs'

const [, , archive = '', directory = ''] = process.argv
mkdirSync(directory)
await apply(directory, fileSource(archive).open())
