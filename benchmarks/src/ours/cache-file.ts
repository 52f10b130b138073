/**
 * Puts a file whose digest is known into a new store.
 *
 *     cache-file FILE DIRECTORY DIGEST
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'
import { parseDigest } from '@varve/digest'
import { fileSource } from '@varve/digest/node'

const [, , file = '', directory = '', digest = ''] = process.argv
const { blobs } = await createLocalStore({ directory, durability: 'rename' })
await blobs.put(parseDigest(digest), fileSource(file))
