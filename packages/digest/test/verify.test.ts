import assert from 'node:assert/strict'
import t from 'tap'
import * as fc from 'fast-check'
import {
  assertExpected,
  bytesSource,
  type ByteSource,
  concatSources,
  digestOf,
  type Expected,
  streamSource,
  unverifiedSource,
  verifiedSource,
  verify,
} from '../src/index.ts'
import { chunked, collect, utf8 } from './support.ts'

const ABC = utf8('abc')
const EXPECTED: Expected = { digest: digestOf(ABC), size: 3 }

t.test('exactly the right bytes pass, however they are cut', async (t) => {
  const contents = fc.uint8Array({ maxLength: 40 })
  const wrong = fc.oneof(
    contents,
    contents.map((bytes) => bytes.slice(1)),
  )
  await fc.assert(
    fc.asyncProperty(
      contents,
      wrong,
      fc.integer({ min: 1, max: 9 }),
      fc.boolean(),
      async (right, other, length, sized) => {
        const expected = { digest: digestOf(right, 'sha512'), ...(sized ? { size: right.byteLength } : {}) }
        assert.deepEqual(await collect(verify(chunked(right, length), expected)), right)
        if (digestOf(other, 'sha512') === expected.digest) return
        const code =
          sized && other.byteLength !== right.byteLength ? 'ERR_DIGEST_SIZE' : 'ERR_DIGEST_MISMATCH'
        await assert.rejects(collect(verify(chunked(other, length), expected)), { name: 'DigestError', code })
      },
    ),
  )
  t.pass('for every input tried')
})

t.test('the last bytes are held back until all are proven', async (t) => {
  const liars: Readonly<Record<string, readonly Uint8Array[]>> = {
    'in one chunk': [utf8('abd')],
    'in several chunks': [utf8('a'), utf8('b'), utf8('d')],
    'followed by an empty chunk': [utf8('ab'), utf8('d'), new Uint8Array()],
  }
  for (const [title, chunks] of Object.entries(liars)) {
    let received = 0
    const reading = async (): Promise<void> => {
      for await (const chunk of verify(chunks, EXPECTED)) received += chunk.byteLength
    }
    await t.rejects(
      reading(),
      { code: 'ERR_DIGEST_MISMATCH', expected: EXPECTED.digest, actual: digestOf(utf8('abd')) },
      title,
    )
    t.ok(received < 3, `${title}: ${received} of 3 bytes`)
  }
})

t.test('an endless source is left at the first byte too many', async (t) => {
  let given = 0
  let closed = false
  function* endless(): Generator<Uint8Array, void, void> {
    try {
      for (;;) {
        given++
        yield utf8('a')
      }
    } finally {
      closed = true
    }
  }
  await t.rejects(collect(verify(endless(), EXPECTED)), { code: 'ERR_DIGEST_SIZE', expected: 3, actual: 4 })
  t.equal(given, 4)
  t.equal(closed, true)
})

t.test('the size is compared before the digest, since it says more', async (t) => {
  const actual = { digest: digestOf(utf8('ab')), size: 2 }
  t.throws(() => assertExpected(actual, EXPECTED), { code: 'ERR_DIGEST_SIZE', expected: 3, actual: 2 })
  t.throws(() => assertExpected(actual, { digest: EXPECTED.digest }), { code: 'ERR_DIGEST_MISMATCH' })
  t.equal(assertExpected({ digest: EXPECTED.digest, size: 3 }, EXPECTED), undefined)
})

t.test('nothing at all can be verified', async (t) => {
  const expected = { digest: digestOf(new Uint8Array()), size: 0 }
  t.strictSame(await collect(verify([], expected)), new Uint8Array())
  await t.rejects(collect(verify([ABC], expected)), { code: 'ERR_DIGEST_SIZE', expected: 0 })
})

t.test('leaving early closes the source', async (t) => {
  let closed = false
  async function* source(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* chunked(ABC, 1)
    } finally {
      closed = true
    }
  }
  for await (const chunk of verify(source(), EXPECTED)) {
    t.strictSame(chunk, utf8('a'))
    break
  }
  t.equal(closed, true)
})

t.test('an error of the source comes out as it is', async (t) => {
  const reason = Symbol('not even an Error')
  const source = streamSource(() => [ABC])
  const reading = collect(verifiedSource(source, EXPECTED).open({ signal: AbortSignal.abort(reason) }))
  t.equal(await reading.catch((error: unknown) => error), reason)
})

t.test('a whole read of a verified source is checked, a part passes as it is', async (t) => {
  const source = verifiedSource(bytesSource(utf8('abd')), EXPECTED)
  t.equal(source.size, 3)
  t.equal(verifiedSource(bytesSource(ABC), { digest: EXPECTED.digest }).size, 3)
  const wholes = [{}, { start: 0 }, { end: 3 }, { start: 0, end: 99 }]
  for (const options of wholes)
    await t.rejects(collect(source.open(options)), { code: 'ERR_DIGEST_MISMATCH' })
  await t.rejects(collect(source.open()), { code: 'ERR_DIGEST_MISMATCH' })
  await t.rejects(collect(concatSources([source]).open({ end: 3 })), { code: 'ERR_DIGEST_MISMATCH' })
  t.strictSame(await collect(source.open({ start: 1 })), utf8('bd'))
  t.strictSame(await collect(source.open({ end: 2 })), utf8('ab'))
})

t.test('a whole read notices bytes beyond the announced size', async (t) => {
  const longer = bytesSource(utf8('abcd'))
  for (const options of [{}, { end: 3 }]) {
    await t.rejects(collect(verifiedSource(longer, EXPECTED).open(options)), { code: 'ERR_DIGEST_SIZE' })
  }
})

t.test('without any size only a read to the end is checked', async (t) => {
  const unsized: ByteSource = streamSource(() => [utf8('abd')])
  const source = verifiedSource(unsized, { digest: EXPECTED.digest })
  t.equal(source.size, undefined)
  await t.rejects(collect(source.open()), { code: 'ERR_DIGEST_MISMATCH' })
  t.strictSame(await collect(source.open({ end: 3 })), utf8('abd'))
})

t.test(
  'unverifiedSource gives what a verified source was made of, for who verifies by himself',
  async (t) => {
    const source = bytesSource(utf8('abc'))
    const verified = verifiedSource(source, { digest: digestOf(utf8('abd')) })
    t.equal(unverifiedSource(verified), source)
    t.equal(unverifiedSource(source), source, 'any other source is its own')
    await t.rejects(collect(verified.open()), { code: 'ERR_DIGEST_MISMATCH' })
  },
)
