/**
 * A server over a local store as a process of its own, to be killed.
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'
import { createRegistryHandler, listen } from '../../src/server.ts'

const { blobs, refs, pins } = await createLocalStore({ directory: process.argv[2] ?? '' })
const { url } = await listen(createRegistryHandler({ blobs, refs, pins, allowDelete: true }))
process.send?.(url)
