import assert from 'node:assert/strict'
import t from 'tap'
import * as fc from 'fast-check'
import {
  type ByteSource,
  bytesSource,
  concatSources,
  digestOf,
  type OpenOptions,
  readAll,
  sliceSource,
  streamSource,
  verifiedSource,
  withSignal,
} from '../src/index.ts'
import { chunked, collect, utf8 } from './support.ts'

/** A source and the bytes it must give. */
interface Model {
  readonly source: ByteSource
  readonly bytes: Uint8Array
}

const leaf: fc.Arbitrary<Model> = fc
  .tuple(
    fc.uint8Array({ maxLength: 12 }),
    fc.constantFrom('array', 'stream', 'stream of unknown size'),
    fc.integer({ min: 1, max: 5 }),
  )
  .map(([bytes, kind, length]) => {
    if (kind === 'array') return { source: bytesSource(bytes), bytes }
    const size = kind === 'stream' ? bytes.byteLength : undefined
    return { source: streamSource(() => chunked(bytes, length), size), bytes }
  })

const offset = fc.option(fc.nat({ max: 30 }), { nil: undefined })

function joined(parts: readonly Model[]): Model {
  return {
    source: concatSources(parts.map((part) => part.source)),
    bytes: Uint8Array.from(parts.flatMap((part) => [...part.bytes])),
  }
}

/** A part; of a source that does not know its size only a part that exists, since its bounds are taken at their word. */
function sliced({ source, bytes }: Model, first: number, length: number | undefined): Model {
  const limit = source.size === undefined ? bytes.byteLength : Infinity
  const start = Math.min(first, limit)
  const end = length === undefined ? undefined : Math.min(start + length, limit)
  return { source: sliceSource(source, start, end), bytes: bytes.slice(start, end) }
}

function range(start: number | undefined, end: number | undefined): OpenOptions {
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }
}

t.test('any part of slices of concatenations of sources equals Array.slice', async (t) => {
  const inner = fc.tuple(fc.array(leaf, { maxLength: 4 }), fc.nat({ max: 20 }), offset)
  const model = fc
    .array(
      inner.map(([parts, start, length]) => sliced(joined(parts), start, length)),
      { maxLength: 3 },
    )
    .map(joined)
  await fc.assert(
    fc.asyncProperty(model, offset, offset, async ({ source, bytes }, start, end) => {
      const expected = bytes.slice(start ?? 0, Math.max(start ?? 0, end ?? Infinity))
      assert.deepEqual(await collect(source.open(range(start, end))), expected)
      assert.deepEqual(await collect(source.open()), bytes, 'and it opens again')
    }),
    { numRuns: 300 },
  )
  t.pass('for every input tried')
})

t.test('blocks of a slice are those of its source, within its bounds', async (t) => {
  const bytes = utf8('0123456789')
  const closed: string[] = []
  const whole: ByteSource = {
    size: 10,
    open: () => [] as unknown as AsyncIterable<Uint8Array>,
    openBlocks: () => ({
      size: 10,
      read: (target, position) => {
        const part = bytes.subarray(position, position + target.byteLength)
        target.set(part)
        return part.byteLength
      },
      close: () => void closed.push('closed'),
    }),
  }
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 12 }), fc.nat({ max: 12 })), { minLength: 1, maxLength: 3 }),
      fc.nat({ max: 12 }),
      fc.nat({ max: 12 }),
      (cuts, position, length) => {
        let source = whole
        let expected = bytes
        for (const [start, end] of cuts) {
          source = sliceSource(source, start, end)
          expected = expected.subarray(start, Math.max(start, end))
        }
        const reader = source.openBlocks?.()
        assert.ok(reader)
        assert.equal(reader.size, source.size)
        const target = new Uint8Array(length)
        const read = reader.read(target, position)
        assert.deepEqual(target.subarray(0, read), expected.subarray(position, position + length))
        reader.close()
      },
    ),
  )
  t.ok(closed.length > 0, 'and closing one closes its source')
  t.equal(sliceSource(bytesSource(bytes), 2).openBlocks?.(), undefined, 'none where the source has none')
  const endless = sliceSource({ ...whole, size: undefined }, 2)
  t.equal(endless.openBlocks?.(), undefined, 'none where no size is known')
  t.notOk('openBlocks' in verifiedSource(whole, { digest: digestOf(bytes) }), 'none past a verification')
})

t.test('a size is known when it can be', async (t) => {
  const known = bytesSource(utf8('abcdef'))
  const unknown = streamSource(() => [utf8('abcdef')])
  t.equal(streamSource(() => [], 0).size, 0)
  t.equal(concatSources([]).size, 0)
  t.equal(concatSources([known, known]).size, 12)
  t.equal(concatSources([known, unknown]).size, undefined)
  t.equal(sliceSource(known, 2).size, 4)
  t.equal(sliceSource(known, 2, 99).size, 4, 'no more than there is')
  t.equal(sliceSource(known, 99).size, 0)
  t.equal(sliceSource(unknown, 2).size, undefined)
  t.equal(sliceSource(unknown, 2, 4).size, 2)
})

t.test('parts of known size before the offset are not opened', async (t) => {
  const closed: ByteSource = { size: 3, open: () => t.fail('opened') as never }
  const source = concatSources([closed, bytesSource(utf8('abc')), closed])
  t.strictSame(await collect(source.open({ start: 4, end: 6 })), utf8('bc'))
})

t.test('a stream is started anew by each read, with the signal of that read', async (t) => {
  const signals: unknown[] = []
  const source = streamSource((signal) => {
    signals.push(signal)
    return [utf8('abc')]
  })
  const { signal } = new AbortController()
  const first = source.open({ signal })
  t.strictSame(signals, [], 'not before it is read')
  await collect(first)
  await collect(source.open())
  await collect(source.open({ start: 2, end: 2 }))
  t.strictSame(signals, [signal, undefined], 'nor when nothing is wanted')
})

t.test('a stream is closed as soon as the last wanted byte was read', async (t) => {
  let closed = false
  function* endless(): Generator<Uint8Array, void, void> {
    try {
      for (;;) yield utf8('abc')
    } finally {
      closed = true
    }
  }
  t.strictSame(await collect(streamSource(endless).open({ start: 1, end: 6 })), utf8('bcabc'))
  t.equal(closed, true)
})

t.test('an aborted read rejects with the reason, untouched', async (t) => {
  const reason = { why: 'not even an Error' }
  const aborted = AbortSignal.abort(reason)
  const bytes = bytesSource(utf8('abc'))
  const sources: Readonly<Record<string, ByteSource>> = {
    bytes,
    stream: streamSource(() => t.fail('started') as never),
    slice: sliceSource(bytes, 1, 2),
    concatenation: concatSources([bytes]),
    'empty concatenation': concatSources([]),
  }
  for (const [name, source] of Object.entries(sources)) {
    t.equal(await failure(collect(source.open({ signal: aborted }))), reason, name)
  }
})

t.test('a read aborted half way rejects before the next chunk', async (t) => {
  const reason = new Error('enough')
  const controller = new AbortController()
  const stream = streamSource(() => chunked(utf8('abcdef'), 2))
  const seen: Uint8Array[] = []
  const reading = async (): Promise<void> => {
    for await (const chunk of concatSources([stream]).open({ signal: controller.signal })) {
      seen.push(chunk)
      controller.abort(reason)
    }
  }
  t.equal(await failure(reading()), reason)
  t.strictSame(seen, [utf8('ab')])
})

t.test('readAll joins what it was given', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array()), async (chunks) => {
      const whole = await collect(chunks)
      assert.deepEqual(await readAll(chunks, whole.byteLength), whole)
    }),
    { numRuns: 50 },
  )
  const only = utf8('abc')
  t.equal(await readAll([only], 3), only, 'without a copy if there is one chunk')
})

t.test('readAll stops an endless stream at the limit', async (t) => {
  let given = 0
  function* endless(): Generator<Uint8Array, void, void> {
    for (;;) {
      given++
      yield new Uint8Array(10)
    }
  }
  await t.rejects(readAll(endless(), 25), {
    name: 'DigestError',
    code: 'ERR_DIGEST_LIMIT',
    expected: 25,
    actual: 30,
  })
  t.equal(given, 3)
})

t.test('withSignal adds a property only if there is a signal', async (t) => {
  const { signal } = new AbortController()
  t.strictSame(withSignal(undefined), {})
  t.equal(withSignal(signal).signal, signal)
})

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no failure',
    (error: unknown) => error,
  )
}
