/** The examples of the README of `@varve/layer`: they work, and are quoted as they are. */
import { fileSource } from '@varve/digest/node'
import { fromTar, pack } from '@varve/layer'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { packChanges } from '../src/layers/changes.ts'
import { packDirectory } from '../src/layers/pack.ts'
import { squash } from '../src/layers/squash.ts'
import { makeRoot } from '../src/layers/unpack.ts'
import { mostWasteful } from '../src/layers/waste.ts'

async function save(file: string, chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  writeFileSync(file, Buffer.concat(parts))
  return file
}

t.test('a directory is packed, changed, packed again, squashed and unpacked', async (t) => {
  const at = (name: string): string => join(t.testdirName, name)
  t.testdir({
    before: { kept: '1', large: 'x'.repeat(5_000) },
    after: { kept: '1', large: 'small', new: '2' },
  })

  for (const name of ['before/kept', 'after/kept']) utimesSync(at(name), 1_000_000_000, 1_000_000_000)

  const { descriptor, diffID } = await packDirectory(at('before'), at('base.tar.gz'))
  t.equal(readFileSync(at('base.tar.gz')).length, descriptor.size)
  const base = await save(at('base.tar'), packChanges(empty(at('nothing')), at('before')))
  const layer = await save(at('layer.tar'), packChanges(at('before'), at('after')))

  const trees = await Promise.all([base, layer].map((file) => fromTar(fileSource(file))))
  t.strictSame(await mostWasteful(trees), ['5000 bytes of large'])

  rmSync(at('before'), { recursive: true })
  const one = await save(at('one.tar'), pack(await squash([base, layer])))
  const layers = [
    { diffID, open: () => createReadStream(at('base.tar.gz')) },
    { open: () => createReadStream(one) },
  ]
  t.strictSame(await makeRoot(at('root'), layers), [])
  t.strictSame(readdirSync(at('root')), ['kept', 'large', 'new'])
  t.equal(readFileSync(at('root/large'), 'utf8'), 'small')

  await t.rejects(makeRoot(at('other'), [{ ...layers[1]!, diffID }]), { code: 'ERR_DIGEST_MISMATCH' })
  t.notOk(existsSync(at('other')), 'nothing is left of a layer that is not what it should be')
})

t.test('the README quotes them', async (t) => {
  const readme = readFileSync(
    fileURLToPath(import.meta.resolve('@varve/layer/package.json')).replace('package.json', 'README.md'),
    'utf8',
  )
  for (const name of ['pack', 'changes', 'unpack', 'squash', 'waste']) {
    const source = readFileSync(fileURLToPath(new URL(`../src/layers/${name}.ts`, import.meta.url)), 'utf8')
    const code = source.slice(source.indexOf('*/') + 3)
    t.ok(readme.includes(`\`\`\`ts\n${code}\`\`\``), name)
  }
})

function empty(path: string): string {
  mkdirSync(path)
  return path
}
