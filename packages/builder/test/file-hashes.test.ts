import { appendFileSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '@varve/digest'
import { FileHashes } from '../src/execute/file-hashes.ts'

const digest = (text: string): string => digestOf(new TextEncoder().encode(text))

t.test('digests are those of the files', async (t) => {
  const directory = t.testdir({ a: 'hello', sub: { b: '' } })
  const hashes = new FileHashes(directory)
  t.equal(hashes.digest('a'), digest('hello'))
  t.equal(hashes.digest('sub/b'), digest(''))
  t.throws(() => hashes.digest('gone'), { code: 'ERR_BUILDER_CONTEXT' })
})

t.test(
  'a digest is remembered only for a file that was at rest, and only while nothing about it changes',
  async (t) => {
    const directory = t.testdir({ context: { a: 'hello' } })
    const index = join(directory, 'cache/index')
    const context = join(directory, 'context')
    const read = (): string => {
      const hashes = new FileHashes(context, index)
      const found = hashes.digest('a')
      hashes.save()
      return found
    }
    read()
    t.equal(readFileSync(index, 'utf8').includes('"a"'), false, 'changed a moment ago: not to be trusted')

    await new Promise((resolve) => {
      setTimeout(resolve, 2100)
    })
    t.equal(read(), digest('hello'))
    const remembered = readFileSync(index, 'utf8')
    t.ok(remembered.includes('"a"'))
    read()
    t.equal(readFileSync(index, 'utf8'), remembered)

    writeFileSync(join(context, 'a'), 'HELLO')
    utimesSync(join(context, 'a'), 1, 1)
    t.equal(read(), digest('HELLO'), 'same size, old time: the change time tells')

    for (const damage of ['', 'nonsense', `${remembered}x`]) {
      writeFileSync(index, damage)
      t.equal(read(), digest('HELLO'), 'a damaged index is no index')
    }
    rmSync(join(directory, 'cache'), { recursive: true })
    writeFileSync(join(directory, 'cache'), 'in the way')
    t.equal(read(), digest('HELLO'), 'an index that cannot be written costs nothing')
  },
)

t.test('a file touched between hashing and packing is found', async (t) => {
  const directory = t.testdir({ a: 'hello', b: 'other' })
  const hashes = new FileHashes(directory)
  hashes.digest('a')
  hashes.assertUnchanged(['a', 'b'])
  appendFileSync(join(directory, 'a'), '!')
  t.throws(() => hashes.assertUnchanged(['a']), { code: 'ERR_BUILDER_CONTEXT', message: /"a"/ })
})
