/**
 * Makes a store with a number of small records, each with one blob and one key document of its own.
 *
 *     cache-fill DIRECTORY COUNT
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'
import { bytesSource, digestOf } from '@varve/digest'
import { keyDocument, recordOf } from '../records.ts'

const [, , directory = '', count = ''] = process.argv
const { blobs, actions } = await createLocalStore({ directory, durability: 'rename' })
for (let index = 0; index < Number(count); index++) {
  const document = keyDocument(index)
  await blobs.put(digestOf(document), bytesSource(document))
  await actions.put(recordOf(index), { scope: 'main' })
}
