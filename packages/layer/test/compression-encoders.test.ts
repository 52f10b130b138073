import { createHash, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, inflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import t from 'tap'
import { CodecPool } from '../src/compression/codec-worker.ts'
import { compress, type CompressOptions, encoderName } from '../src/compression/compress.ts'
import { decompress } from '../src/compression/decompress.ts'
import { fflateThreads } from '../src/compression/fflate.ts'
import { type EncoderChoice, gzipMember, MEMBER_SIZE } from '../src/compression/gzip.ts'
import { zstdCodecThreads } from '../src/compression/zstd-codec-encoder.ts'
import { collect, lines, pieces } from './compression-samples.ts'

const ENCODERS: readonly EncoderChoice[] = ['native', 'portable']
const HEADER = Buffer.from('1f8b08000000000000ff', 'hex')
const gzip = (chunks: Iterable<Uint8Array>, options: Partial<CompressOptions> = {}): Promise<Buffer> =>
  collect(compress(chunks, { algorithm: 'gzip', ...options }))
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

// The bytes of portable encoders: equal on every Node and processor, or a new name.
const GOLDEN: readonly (readonly [options: CompressOptions, name: string, digest: string])[] = [
  [
    { algorithm: 'gzip', encoder: 'portable' },
    'gzip level=6 member=1048576 fflate=0.8.3',
    'f0baaa81357bd689442bc79d4c47489f67c0d66dd0703de0a6b70d752f9b8d4a',
  ],
  [
    { algorithm: 'gzip', encoder: 'portable', level: 1, single: true },
    'gzip level=1 single=1048576 fflate=0.8.3',
    'd3ddf90005a1cfe7279aa8041b8e2140791c61a9648f4583fa01610e0134dc81',
  ],
  [
    { algorithm: 'zstd', encoder: 'portable' },
    'zstd level=3 frame=4194304 zstd-codec=0.1.5',
    'd4bec05e22211b70de1cb1c385ae835ffbf4a4579faa2a3f87eb30ab1e3e9add',
  ],
  [
    { algorithm: 'zstd', encoder: 'portable', level: 9, single: true },
    'zstd level=9 single=1048576 zstd-codec=0.1.5',
    'f7c1850aaf557566ecc3e7142af94eea1fe24b09b1bfaa57442c24ae92a00d64',
  ],
]

t.test('portable encoders give the same bytes on every runtime', async (t) => {
  const input = lines(4 * MEMBER_SIZE + 777)
  t.equal(sha256(input), 'b6a3f6f81a1e12f0c5ea4d68752fee7e641d535ce03519908f7eaefe46fb1ab9')
  for (const [options, name, digest] of GOLDEN) {
    t.equal(encoderName(options), name)
    const output = await collect(compress(pieces(input, 300_000), options))
    t.equal(sha256(output), digest, name)
    t.ok((await collect(decompress([output]))).equals(input))
  }
})

t.test('gzip members are the same pieces for both encoders', async (t) => {
  const input = Buffer.concat([lines(MEMBER_SIZE), randomBytes(1000)])
  for (const encoder of ENCODERS) {
    for (const level of [0, 1, 9]) {
      const options = { encoder, level }
      const output = await gzip(pieces(input, 99_999), options)
      const members: Uint8Array[] = []
      for (const piece of pieces(input, MEMBER_SIZE)) members.push(await gzipMember(piece, options))
      t.ok(output.equals(Buffer.concat(members)), `${encoder}, level ${level}`)
      t.ok(members.every((member) => HEADER.equals(member.subarray(0, 10))))
      t.ok(gunzipSync(output).equals(input))
    }
    t.equal(gunzipSync(await gzip([], { encoder })).length, 0, 'nothing is an empty member')
  }
})

t.test('one gzip member, if that is asked for', async (t) => {
  const input = Buffer.concat([lines(2 * MEMBER_SIZE + 5), randomBytes(100_000)])
  for (const encoder of ENCODERS) {
    for (const level of [0, 6, 9]) {
      const options = { encoder, level, single: true }
      const output = await gzip([input], options)
      t.ok(HEADER.equals(output.subarray(0, 10)), `${encoder}, level ${level}`)
      t.ok(inflateRawSync(output.subarray(10)).equals(input), 'one DEFLATE stream holds all of it')
      t.ok(gunzipSync(output).equals(input), 'and the checksum is right')
      if (level === 9) continue
      t.ok(output.equals(await gzip(pieces(input, 1000), { ...options, inFlight: 1 })), 'however it is cut')
    }
    for (const short of [Buffer.alloc(0), Buffer.from('a'), lines(MEMBER_SIZE)]) {
      const output = await gzip([short], { encoder, single: true })
      t.ok(gunzipSync(output).equals(short), `${encoder}: ${short.length} bytes`)
    }
  }
  const names = [true, false].map((single) => encoderName({ algorithm: 'gzip', single }))
  t.equal(names[0], `gzip level=6 single=1048576 zlib=${process.versions.zlib}`)
  t.equal(names[1], `gzip level=6 member=1048576 zlib=${process.versions.zlib}`)
})

t.test('one member is smaller than many, since matches reach across pieces', async (t) => {
  const input = lines(2 * MEMBER_SIZE)
  for (const encoder of ENCODERS) {
    const [single, members] = await Promise.all(
      [true, false].map((each) => gzip([input], { encoder, single: each })),
    )
    t.ok(single!.length < members!.length, encoder)
  }
})

t.test('what portable gzip compresses comes back, whatever it is', async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc.string({ maxLength: 300, unit: 'binary' }).map((text) => Buffer.from(text.repeat(400))),
    fc.nat(100_000).map((length) => Buffer.alloc(length, 7)),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(content, { maxLength: 3 }),
      fc.nat(9),
      fc.boolean(),
      async (parts, level, single) => {
        const input = Buffer.concat(parts)
        const output = await gzip(parts, { encoder: 'portable', level, single })
        if (!gunzipSync(output).equals(input)) throw new Error('different')
      },
    ),
    { numRuns: 60 },
  )
})

t.test('levels and encoders are checked', async (t) => {
  for (const level of [-1, 10, 1.5, Number.NaN, '6' as unknown as number])
    await t.rejects(gzip([], { level }), TypeError, `${level}`)
  await t.rejects(gzip([], { encoder: 'best' as 'native' }), TypeError)
  t.throws(() => encoderName({ algorithm: 'gzip', level: 10 }), TypeError)
  t.throws(() => encoderName({ algorithm: 'brotli' as 'gzip' }), { code: 'ERR_LAYER_UNSUPPORTED' })
  t.equal(encoderName({ algorithm: 'none' }), 'none')
})

async function ended(threads: () => number): Promise<boolean> {
  for (let round = 0; round < 200 && threads() > 0; round++) await sleep(20)
  return threads() === 0
}

t.test('threads are as many as processors, and end with their work', async (t) => {
  const input = lines(5 * MEMBER_SIZE)
  for (const [algorithm, threads] of [
    ['gzip', fflateThreads],
    ['zstd', zstdCodecThreads],
  ] as const) {
    const options = { algorithm, encoder: 'portable', inFlight: 64 } as const
    let most = 0
    for await (const _ of compress(pieces(input, 50_000), options)) most = Math.max(most, threads())
    t.ok(most > 0 && most <= availableParallelism(), `${algorithm}: ${most}`)
    t.ok(await ended(threads))
    for await (const _ of compress(pieces(input, 50_000), options)) break
    t.ok(await ended(threads), 'after a reader that left, too')
    t.equal((await collect(decompress(compress([input], options)))).length, input.length, 'and begin again')
    t.ok(await ended(threads))
  }
})

t.test('small inputs need no thread', async (t) => {
  t.ok(gunzipSync(await gzip([lines(10_000)], { encoder: 'portable' })).equals(lines(10_000)))
  t.equal(fflateThreads(), 0)
})

t.test('a thread that fails is an error of its job only', async (t) => {
  const source = `
    const { parentPort } = require('node:worker_threads')
    parentPort.on('message', (text) => {
      if (text === 'exit') process.exit(3)
      if (text !== 'fine') throw new Error(text)
      parentPort.postMessage(Uint8Array.of(1))
    })`
  const pool = new CodecPool({ source, codec: '' })
  const jobs = ['fine', 'bad', 'exit', 'fine', 'bad', 'bad', 'fine'].map((text) => pool.run(text))
  const results = await Promise.allSettled(jobs)
  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled', 'rejected', 'rejected', 'fulfilled'],
  )
  t.match(results[1], { reason: { message: 'bad' } })
  t.match(results[2], { reason: { message: 'The thread of a codec has ended' } })
  t.ok(pool.size <= availableParallelism())
  t.ok(await ended(() => pool.size))
  const broken = new CodecPool({ source: 'not a script', codec: '' })
  await t.rejects(broken.run('fine'), SyntaxError)
  t.equal(broken.size, 0)
})
