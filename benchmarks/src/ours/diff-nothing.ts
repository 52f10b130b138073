/**
 * Finds out by the snapshot index that nothing changed, and prints how many milliseconds that took.
 *
 * @module
 */
import { createSnapshot, diff } from '@varve/layer'

const [, , directory = ''] = process.argv
const before = await createSnapshot(directory)
const started = performance.now()
const after = await createSnapshot(directory, { previous: before })
const changes = await diff(before.tree, after.tree)
if (changes.length > 0) throw new Error(`${changes.length} changes`)
process.stdout.write(`${performance.now() - started}\n`)
