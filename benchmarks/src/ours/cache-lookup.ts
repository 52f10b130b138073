/**
 * Looks up records, each with a check that its blobs are there. Prints how many milliseconds the first, cold, or the
 * second, warm, round took.
 *
 *     cache-lookup DIRECTORY COUNT cold|warm
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'
import { recordOf } from '../records.ts'

const [, , directory = '', count = '', what = ''] = process.argv
const keys = Array.from({ length: Number(count) }, (_, index) => recordOf(index).key)
const times: number[] = []
for (let round = 0; round < 2; round++) {
  const started = performance.now()
  const { actions } = await createLocalStore({ directory, durability: 'rename' })
  for (const key of keys) {
    if ((await actions.get(key, ['main'])) === undefined) throw new Error(`No record of ${key}`)
  }
  times.push(performance.now() - started)
}
process.stdout.write(`${what === 'cold' ? times[0] : times[1]}\n`)
