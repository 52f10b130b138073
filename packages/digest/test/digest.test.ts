import assert from 'node:assert/strict'
import t from 'tap'
import * as fc from 'fast-check'
import {
  type Algorithm,
  algorithmOf,
  compareDigests,
  createDigester,
  type Digest,
  DigestError,
  digestOf,
  digestStream,
  formatDigest,
  hexOf,
  isDigest,
  OCI_ALGORITHMS,
  parseDigest,
} from '../src/index.ts'
import { chunked, utf8 } from './support.ts'

const ABC = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const HEX = ABC.slice('sha256:'.length)
const BLAKE3 = `blake3:${HEX}`

/** Lower-case hexadecimal, and two characters that are not. */
const NEARLY_HEX = Array.from('0123456789abcdefF/')

const ACCEPTED: ReadonlyArray<readonly [why: string, input: string]> = [
  ['sha256', ABC],
  ['sha512', `sha512:${HEX}${HEX}`],
  ['digits only', `sha256:${'0'.repeat(64)}`],
]

const REJECTED = [
  ['nothing', '', 'ERR_DIGEST_INVALID'],
  ['no separator', 'sha256', 'ERR_DIGEST_INVALID'],
  ['bare hexadecimal', HEX, 'ERR_DIGEST_INVALID'],
  ['no algorithm', `:${HEX}`, 'ERR_DIGEST_INVALID'],
  ['no encoding', 'sha256:', 'ERR_DIGEST_INVALID'],
  ['two separators', `${ABC}:x`, 'ERR_DIGEST_INVALID'],
  ['two algorithms', `sha256:${ABC}`, 'ERR_DIGEST_INVALID'],
  ['a path for an encoding', 'sha256:../../x', 'ERR_DIGEST_INVALID'],
  ['a path of the right length', `sha256:${'../'.repeat(21)}x`, 'ERR_DIGEST_INVALID'],
  ['a path for an algorithm', `../sha256:${HEX}`, 'ERR_DIGEST_UNSUPPORTED'],
  ['63 digits', `sha256:${HEX.slice(1)}`, 'ERR_DIGEST_INVALID'],
  ['65 digits', `${ABC}0`, 'ERR_DIGEST_INVALID'],
  ['the length of the other algorithm', `sha512:${HEX}`, 'ERR_DIGEST_INVALID'],
  ['upper-case hexadecimal', ABC.replace(HEX, HEX.toUpperCase()), 'ERR_DIGEST_INVALID'],
  ['an upper-case algorithm', ABC.toUpperCase(), 'ERR_DIGEST_UNSUPPORTED'],
  ['a letter beyond f', `sha256:g${HEX.slice(1)}`, 'ERR_DIGEST_INVALID'],
  ['full-width digits', `sha256:${'０'.repeat(64)}`, 'ERR_DIGEST_INVALID'],
  ['a Cyrillic a', `sha256:\u0430${HEX.slice(1)}`, 'ERR_DIGEST_INVALID'],
  ['a zero byte', `sha256:\0${HEX.slice(1)}`, 'ERR_DIGEST_INVALID'],
  ['a line feed at the end', `${ABC}\n`, 'ERR_DIGEST_INVALID'],
  ['a line feed for the last digit', `${ABC.slice(0, -1)}\n`, 'ERR_DIGEST_INVALID'],
  ['a space before', ` ${ABC}`, 'ERR_DIGEST_UNSUPPORTED'],
  ['an unknown algorithm', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'ERR_DIGEST_UNSUPPORTED'],
  ['an algorithm for internal keys only', BLAKE3, 'ERR_DIGEST_UNSUPPORTED'],
  ['a property of every object', 'constructor:ab', 'ERR_DIGEST_UNSUPPORTED'],
  ['the prototype', `__proto__:${HEX}`, 'ERR_DIGEST_UNSUPPORTED'],
  ['a million digits', `sha256:${'a'.repeat(1_000_000)}`, 'ERR_DIGEST_INVALID'],
  ['a million characters of algorithm', `${'a'.repeat(1_000_000)}:${HEX}`, 'ERR_DIGEST_UNSUPPORTED'],
] as const

t.test('a well-formed digest is returned as it is', async (t) => {
  for (const [why, input] of ACCEPTED) {
    t.equal(parseDigest(input), input, why)
    t.equal(isDigest(input), true, why)
  }
})

t.test('whatever is not a digest is refused with a code and a short message', async (t) => {
  for (const [why, input, code] of REJECTED) {
    t.throws(() => parseDigest(input), { name: 'DigestError', code, message: /^.{0,260}$/ }, why)
    t.equal(isDigest(input), false, why)
  }
  for (const input of [undefined, null, 1, [ABC], { toString: () => ABC }]) t.equal(isDigest(input), false)
})

t.test('the caller decides which algorithms are accepted', async (t) => {
  t.equal(parseDigest(BLAKE3, ['blake3']), BLAKE3)
  t.equal(isDigest(BLAKE3, ['blake3']), true)
  t.equal(isDigest(ABC, ['blake3']), false)
  t.throws(() => parseDigest(ABC, []), { code: 'ERR_DIGEST_UNSUPPORTED' })
  t.strictSame(OCI_ALGORITHMS, ['sha256', 'sha512'])
})

t.test('only 64 or 128 lower-case digits after a known name are a digest, whatever the text', async (t) => {
  const grammar = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/
  const nearly = fc
    .tuple(
      fc.constantFrom('sha256', 'sha512', 'sha384'),
      fc.string({ unit: fc.constantFrom(...NEARLY_HEX), minLength: 62, maxLength: 130 }),
    )
    .map((parts) => parts.join(':'))
  const exact = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => digestOf(bytes))
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearly, exact), (input) => isDigest(input) === grammar.test(input)),
  )
  t.pass('for every input tried')
})

t.test('a digest falls apart into what it was made of', async (t) => {
  const algorithms: readonly Algorithm[] = ['sha256', 'sha512', 'blake3']
  const inputs = fc.tuple(fc.constantFrom(...algorithms), fc.uint8Array())
  fc.assert(
    fc.property(inputs, ([algorithm, bytes]) => {
      const digest = digestOf(bytes, algorithm)
      assert.equal(algorithmOf(digest), algorithm)
      assert.equal(formatDigest(algorithm, hexOf(digest)), digest)
      assert.equal(parseDigest(digest, algorithms), digest)
    }),
  )
  t.throws(() => formatDigest('sha512', HEX), {
    code: 'ERR_DIGEST_INVALID',
    message: /Malformed sha512 digest/,
  })
})

t.test('digests sort as their text does', async (t) => {
  const digests = ['c', 'a', 'b', 'a'].map((text) => digestOf(utf8(text)))
  t.strictSame(digests.toSorted(compareDigests), digests.toSorted())
  const [first, second] = digests as [Digest, Digest]
  t.equal(compareDigests(first, first), 0)
  t.equal(compareDigests(first, second), -compareDigests(second, first))
})

t.test('at once, piece by piece and from a stream give the same', async (t) => {
  t.equal(digestOf(utf8('abc')), ABC, 'sha256 unless told otherwise')
  await fc.assert(
    fc.asyncProperty(fc.uint8Array(), fc.integer({ min: 1, max: 9 }), async (bytes, length) => {
      const digester = createDigester('sha512')
      for (const chunk of chunked(bytes, length)) digester.update(chunk)
      const expected = { digest: digestOf(bytes, 'sha512'), size: bytes.byteLength }
      assert.deepEqual(digester.finish(), expected)
      assert.deepEqual(await digestStream(chunked(bytes, length), 'sha512'), expected)
    }),
  )
  t.strictSame(await digestStream([utf8('a'), utf8('bc')]), { digest: ABC, size: 3 })
  t.strictSame(createDigester().finish().digest, digestOf(new Uint8Array()))
})

t.test('an error of the stream comes out as it is', async (t) => {
  const broken = new Error('broken pipe')
  async function* source(): AsyncGenerator<Uint8Array, void, void> {
    yield utf8('a')
    throw broken
  }
  t.equal(await digestStream(source()).catch((error: unknown) => error), broken)
})

t.test('the error keeps facts and cause, and its name off the instance', async (t) => {
  const cause = new Error('underneath')
  const error = new DigestError('ERR_DIGEST_SIZE', 'Expected 1, got 2', { cause, expected: 1, actual: 2 })
  t.match(error, { code: 'ERR_DIGEST_SIZE', message: 'Expected 1, got 2', expected: 1, actual: 2 })
  t.equal(error.cause, cause)
  t.equal(String(error), 'DigestError: Expected 1, got 2')
  t.notOk(Object.keys(error).includes('name'))
  t.match(new DigestError('ERR_DIGEST_INVALID', 'x'), { expected: undefined, actual: undefined })
})
