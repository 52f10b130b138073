import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import t from 'tap'
import { LayerError } from '../src/errors.ts'
import {
  comparePaths,
  compareFrom,
  decodeBinary,
  decodePath,
  encodePath,
  isCleanPath,
  normalizePath,
} from '../src/path.ts'
import { archive, member, readMembers } from './archive.ts'

const letters = fc.string({ unit: fc.constantFrom('a', '.', '/', 'é', '-'), maxLength: 12 })

/** {@link normalizePath} said once more, in the plainest way. */
function cleaned(name: string): string | undefined {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '..' && parts.pop() === undefined) return undefined
    if (part !== '' && part !== '.' && part !== '..') parts.push(part)
  }
  return parts.join('/')
}

t.test('T19: a name is cleaned, whatever dots and slashes are in it', async (t) => {
  fc.assert(
    fc.property(letters, (name) => {
      const expected = cleaned(name)
      if (expected === undefined) {
        assert.throws(
          () => normalizePath(name),
          (error) => error instanceof LayerError && error.code === 'ERR_LAYER_UNSAFE',
        )
      } else {
        assert.equal(normalizePath(name), expected)
        assert.ok(isCleanPath(expected))
      }
    }),
    { numRuns: 2000 },
  )
  t.pass('for every name tried')
})

t.test('T19: and so it is in a header, by one look at its bytes or by two', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      letters.filter((name) => name !== ''),
      fc.constantFrom('0', '5', '7', '\0'),
      async (name, type) => {
        const expected = cleaned(name)
        const directory = type === '5' || (type === '\0' && name.endsWith('/'))
        const read = readMembers(archive(member({ name, type })))
        if (expected === undefined || (expected === '' && !directory)) {
          await assert.rejects(read, { code: 'ERR_LAYER_UNSAFE' })
        } else {
          const [found] = await read
          assert.equal(found!.entry.path, expected)
          assert.equal(found!.entry.type, directory ? 'directory' : 'file')
        }
      },
    ),
    { numRuns: 1000 },
  )
  t.pass('for every name tried')
})

t.test('a name that has a character for every byte is decoded as its bytes are', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const buffer = Buffer.from(bytes)
      assert.equal(decodeBinary(buffer.toString('latin1')), decodePath(buffer))
    }),
  )
  t.equal(decodeBinary('\u00c3\u00a9'), 'é')
  t.equal(decodeBinary('\u00ff'), '\uDCFF')
})

t.test('comparing from a common slash on is comparing', async (t) => {
  const part = fc.string({ unit: fc.constantFrom('a', '/', '.', 'é', '\uDC80', '😀'), maxLength: 6 })
  fc.assert(
    fc.property(part, part, part, (common, left, right) => {
      const [a, b] = [`${common}/${left}`, `${common}/${right}`]
      assert.equal(Math.sign(compareFrom(a, b, common.length + 1)), Math.sign(comparePaths(a, b)))
      const bytes = (path: string): Uint8Array =>
        Buffer.from(encodePath(path)).map((byte) => (byte === 0x2f ? 0 : byte))
      assert.equal(Math.sign(comparePaths(a, b)), Buffer.compare(bytes(a), bytes(b)))
    }),
    { numRuns: 1000 },
  )
  t.pass('for every pair tried')
})
