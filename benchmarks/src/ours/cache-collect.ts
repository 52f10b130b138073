/**
 * Collects garbage in a store where all may stay, and prints how many milliseconds that took.
 *
 *     cache-collect DIRECTORY
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'

const [, , directory = ''] = process.argv
const store = await createLocalStore({ directory, durability: 'rename' })
const started = performance.now()
const { before, after } = await store.collect({ graceMs: 0 })
process.stdout.write(`${performance.now() - started}\n`)
if (before.count !== after.count) throw new Error(`${before.count - after.count} things were removed`)
