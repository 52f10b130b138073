/**
 * A process that pushes many referrers of one subject at once: the repository, its own name and how many are arguments,
 * the subject comes as a message.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import { createRegistryClient } from '../../src/index.ts'
import { makeArtifact, NOTATION, push } from '../../test/image-fixtures.ts'

const [name = '', own = '', count = '0'] = process.argv.slice(2)

process.once('message', (subject: Descriptor) => {
  void pushAll(subject).then(() => process.disconnect())
})
process.send?.('ready')

async function pushAll(descriptor: Descriptor): Promise<void> {
  const client = createRegistryClient()
  const repository = client.repository(name)
  const subject = { descriptor, bytes: new Uint8Array() }
  const made = Array.from({ length: Number(count) }, (_, number) =>
    makeArtifact(NOTATION, subject, `${own} ${number}`),
  )
  await Promise.all(made.map((each) => push(repository, each)))
  await client.close()
}
