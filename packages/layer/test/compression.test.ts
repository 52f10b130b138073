import { randomBytes } from 'node:crypto'
import * as zlib from 'node:zlib'
import * as fc from 'fast-check'
import t from 'tap'
import { compress, type CompressOptions, encoderName } from '../src/compression/compress.ts'
import { decompress, type DecompressOptions } from '../src/compression/decompress.ts'
import { detectCompression } from '../src/compression/detect.ts'
import { collect, pieces, sample } from './compression-samples.ts'

const MEMBER = 1024 * 1024
const gzip = (chunks: Iterable<Uint8Array>, options: Partial<CompressOptions> = {}): Promise<Buffer> =>
  collect(compress(chunks, { algorithm: 'gzip', ...options }))
const restore = (chunks: Iterable<Uint8Array>, options?: DecompressOptions): Promise<Buffer> =>
  collect(decompress(chunks, options))

t.test('the magic number tells the algorithm', async (t) => {
  const heads: readonly (readonly [hex: string, algorithm: string])[] = [
    ['1f8b0800', 'gzip'],
    ['28b52ffd', 'zstd'],
    ['502a4d18', 'zstd'],
    ['5f2a4d18', 'zstd'],
    ['602a4d18', 'none'],
    ['1f8b', 'none'],
    ['2e2f0000', 'none'],
    ['', 'none'],
  ]
  for (const [hex, algorithm] of heads) t.equal(detectCompression(Buffer.from(hex, 'hex')), algorithm, hex)
})

t.test('gzip comes in members of 1 MiB, with headers that tell nothing', async (t) => {
  const input = sample(2 * MEMBER + 100)
  const output = await gzip([input])
  t.ok(zlib.gunzipSync(output).equals(input))
  const header = Buffer.from('1f8b08000000000000ff', 'hex')
  const members: number[] = []
  for (let at = output.indexOf(header); at !== -1; at = output.indexOf(header, at + 1)) members.push(at)
  t.equal(members.length, 3)
  t.ok(zlib.gunzipSync(output.subarray(0, members[1])).equals(input.subarray(0, MEMBER)))
  t.ok(zlib.gunzipSync(output.subarray(members[2])).equals(input.subarray(2 * MEMBER)))
  const whole = await gzip([sample(2 * MEMBER)])
  t.equal(zlib.gunzipSync(whole).length, 2 * MEMBER)
  t.equal(whole.lastIndexOf(header), members[1], 'no empty member at the end')
  t.equal(zlib.gunzipSync(await gzip([])).length, 0, 'nothing is one empty member')
  t.equal((await gzip([])).length, 20)
})

t.test('the bytes depend neither on how the input is cut nor on how much is done at a time', async (t) => {
  const input = sample(2 * MEMBER + 12_345)
  const expected = await gzip([input])
  for (const size of [777, MEMBER - 1, MEMBER + 1])
    t.ok(expected.equals(await gzip(pieces(input, size))), `${size}`)
  for (const inFlight of [1, 16, 0])
    t.ok(expected.equals(await gzip([input], { inFlight })), `${inFlight} at a time`)
  for (const level of [1, 9]) {
    const other = await gzip([input], { level })
    t.equal(expected.equals(other), level === 9, 'this sample gains nothing by level 9')
    t.ok(other.equals(await gzip(pieces(input, 1000), { level, inFlight: 1 })), `level ${level}`)
  }
  t.equal(encoderName({ algorithm: 'gzip' }), `gzip level=6 member=1048576 zlib=${process.versions.zlib}`)
  t.equal(encoderName({ algorithm: 'none' }), 'none')
})

t.test('what cannot be compressed survives too', async (t) => {
  const input = randomBytes(MEMBER + 5)
  for (const level of [0, 6]) t.ok((await restore([await gzip([input], { level })])).equals(input))
})

t.test('reading waits for the reader', async (t) => {
  let taken = 0
  const endless = function* (): Generator<Uint8Array> {
    for (; taken < 1000; taken++) yield new Uint8Array(MEMBER)
  }
  const output = compress(endless(), { algorithm: 'gzip', inFlight: 2 })
  await output.next()
  t.ok(taken <= 3)
  await output.return()
  t.ok(taken <= 3)
})

t.test('no compression passes everything on', async (t) => {
  const chunk = Buffer.from('abc')
  const found: Uint8Array[] = []
  for await (const each of compress([chunk], { algorithm: 'none' })) found.push(each)
  t.equal(found[0], chunk)
  await t.rejects(collect(compress([], { algorithm: 'lzma' as 'gzip' })), { code: 'ERR_LAYER_UNSUPPORTED' })
})

t.test('errors and signals reach the reader', async (t) => {
  const failure = new Error('source')
  const failing = function* (): Generator<Uint8Array> {
    yield sample(MEMBER)
    yield sample(MEMBER)
    throw failure
  }
  await t.rejects(gzip(failing()), failure)
  await t.rejects(restore(failing(), { algorithm: 'none' }), failure)
  const compressed = await gzip([sample(3 * MEMBER)])
  const breaking = function* (): Generator<Uint8Array> {
    yield compressed.subarray(0, 1000)
    throw failure
  }
  await t.rejects(restore(breaking()), failure)
  const reason = new Error('enough')
  await t.rejects(gzip([], { signal: AbortSignal.abort(reason) }), reason)
  await t.rejects(restore([], { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const output = decompress(pieces(compressed, 1000), { signal: controller.signal })
  await output.next()
  controller.abort(reason)
  await t.rejects(collect(output), reason)
})

t.test('decompression closes its source when the reader leaves', async (t) => {
  for (const source of [await gzip([sample(3 * MEMBER)]), sample(MEMBER)]) {
    let closed = false
    const spied = function* (): Generator<Uint8Array> {
      try {
        yield* pieces(source, 1000)
      } finally {
        closed = true
      }
    }
    for await (const _ of decompress(spied())) break
    t.ok(closed)
  }
})

t.test('gzip is read whole: all members, zero padding, and nothing else', async (t) => {
  const one = zlib.gzipSync('one')
  const two = zlib.gzipSync('two')
  const zeros = Buffer.alloc(700)
  const cases: readonly (readonly [why: string, source: Buffer, text: string])[] = [
    ['one member', one, 'one'],
    ['several', Buffer.concat([one, two, one]), 'onetwoone'],
    ['an empty one between', Buffer.concat([one, zlib.gzipSync(''), two]), 'onetwo'],
    ['zero padding', Buffer.concat([one, zeros]), 'one'],
    ['a name and a comment', withName(one), 'one'],
  ]
  for (const [why, source, text] of cases) {
    for (const size of [source.length, 1, 7])
      t.equal((await restore(pieces(source, size))).toString(), text, `${why}, in pieces of ${size}`)
  }
  const damaged = Buffer.from(one)
  damaged[one.length - 6]! ^= 1
  const refused: readonly (readonly [why: string, source: Buffer])[] = [
    ['junk', Buffer.concat([one, Buffer.from('junk')])],
    ['junk after zeros', Buffer.concat([one, zeros, Buffer.from('junk')])],
    ['a member after zeros', Buffer.concat([one, zeros, two])],
    ['a wrong checksum', damaged],
    ['a truncated member', one.subarray(0, -3)],
    ['a truncated second member', Buffer.concat([one, two]).subarray(0, -9)],
    ['only a header', one.subarray(0, 10)],
  ]
  for (const [why, source] of refused) {
    for (const size of [source.length, 1, 7, 25]) {
      await t.rejects(
        restore(pieces(source, size)),
        { name: 'LayerError', code: 'ERR_LAYER_COMPRESSION' },
        `${why}, in pieces of ${size}`,
      )
    }
  }
  await t.rejects(restore([Buffer.from('plain')], { algorithm: 'gzip' }), { code: 'ERR_LAYER_COMPRESSION' })
  t.equal((await restore([one], { algorithm: 'none' })).toString('hex'), one.toString('hex'))
})

function withName(member: Buffer): Buffer {
  const header = Buffer.from(member.subarray(0, 10))
  header[3] = 0x18
  return Buffer.concat([header, Buffer.from('name\0comment\0'), member.subarray(10)])
}

t.test('what is compressed comes back, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 5000 }),
      fc.integer({ min: 1, max: 600 }),
      async (input, size) => {
        const output = await gzip(pieces(input, size))
        if (!(await restore(pieces(output, size))).equals(input)) throw new Error('different')
      },
    ),
    { numRuns: 50 },
  )
})

t.test('C1: bombs are stopped', async (t) => {
  const bomb = zlib.gzipSync(Buffer.alloc(160 * MEMBER), { level: 9 })
  await t.rejects(restore(pieces(bomb, 10_000)), { code: 'ERR_LAYER_LIMIT', limit: 'ratio' })
  await t.rejects(restore([bomb]), { limit: 'ratio', code: 'ERR_LAYER_LIMIT' }, 'all at once')
  await t.rejects(restore([bomb], { limits: { bytes: 1000 } }), { code: 'ERR_LAYER_LIMIT', limit: 'bytes' })
  await t.rejects(
    restore([Buffer.alloc(1001)], { limits: { bytes: 1000 } }),
    { code: 'ERR_LAYER_LIMIT' },
    'or large',
  )
  t.equal(
    (await restore([bomb], { limits: { ratio: 5000 } })).length,
    160 * MEMBER,
    'unless that is asked for',
  )
})
