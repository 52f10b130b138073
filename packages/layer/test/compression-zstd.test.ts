import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import { compress, type CompressOptions, encoderName } from '../src/compression/compress.ts'
import { decompress, type DecompressOptions } from '../src/compression/decompress.ts'
import type { EncoderChoice } from '../src/compression/gzip.ts'
import { unzstd } from '../src/compression/unzstd.ts'
import { FRAME_SIZE, zstdFrame } from '../src/compression/zstd.ts'
import { nativeZstd } from '../src/compression/zstd-native.ts'
import { collect, pieces, sample } from './compression-samples.ts'

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * KIBIBYTE
const ENCODERS: readonly EncoderChoice[] = nativeZstd() === undefined ? ['portable'] : ['portable', 'native']

/** What reads must be the same for every decoder there is here. */
const DECODERS: readonly (readonly [
  name: string,
  read: (source: Iterable<Uint8Array>) => AsyncGenerator<Uint8Array>,
])[] = ENCODERS.map((encoder) => [
  encoder,
  (source) => unzstd(asAsync(source), { portable: encoder === 'portable' }),
])

async function* asAsync(source: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* source
}

const zstd = (chunks: Iterable<Uint8Array>, options: Partial<CompressOptions> = {}): Promise<Buffer> =>
  collect(compress(chunks, { algorithm: 'zstd', ...options }))

// RFC 8878 §3.1.1 by hand.
const MAGIC = Buffer.from('28b52ffd', 'hex')
type BlockType = 'raw' | 'rle' | 'compressed' | 'reserved'
function block(type: BlockType, size: number, content: Uint8Array, last = false): Buffer {
  const header = Buffer.alloc(3)
  header.writeUIntLE(
    (size << 3) | (['raw', 'rle', 'compressed', 'reserved'].indexOf(type) << 1) | Number(last),
    0,
    3,
  )
  return Buffer.concat([header, content])
}
const raw = (content: Uint8Array | string, last = false): Buffer =>
  block('raw', content.length, Buffer.from(content), last)
const rle = (size: number, byte: number, last = false): Buffer => block('rle', size, Buffer.of(byte), last)
/** A frame with a window: 0x00 is 1 KiB, 0x68 8 MiB, 0x88 128 MiB. */
const windowed = (window: number, ...blocks: Uint8Array[]): Buffer =>
  Buffer.concat([MAGIC, Buffer.of(0, window), ...blocks])
/** A frame of a single segment, with a content size of four or eight bytes. */
function segment(size: number | bigint, ...blocks: Uint8Array[]): Buffer {
  const field = Buffer.alloc(typeof size === 'bigint' ? 8 : 4)
  if (typeof size === 'bigint') field.writeBigUInt64LE(size)
  else field.writeUInt32LE(size)
  return Buffer.concat([MAGIC, Buffer.of(typeof size === 'bigint' ? 0xe0 : 0xa0), field, ...blocks])
}
function skippable(content: Uint8Array, number = 3): Buffer {
  const header = Buffer.from('502a4d1800000000', 'hex')
  header[0]! += number
  header.writeUInt32LE(content.length, 4)
  return Buffer.concat([header, content])
}
/** Of `abc`, with a checksum, by zstd 1.5. */
const CHECKED = Buffer.from('28b52ffd0458190000616263990977ad', 'hex')
const EMPTY = windowed(0, raw('', true))

t.test('zstd is read whole: all frames, skippable ones left out, alike by every decoder', async (t) => {
  const large = await zstdFrame(Buffer.alloc(300_000, 'x'), { level: 3 })
  const cases: readonly (readonly [why: string, source: Buffer, text: string])[] = [
    ['a raw block', windowed(0x58, raw('abc', true)), 'abc'],
    ['several blocks', windowed(0x58, raw('abc'), rle(5, 0x78), raw('', true)), 'abcxxxxx'],
    ['a single segment', segment(3, raw('abc', true)), 'abc'],
    ['a single segment with a long size', segment(3n, raw('abc', true)), 'abc'],
    [
      'a content size of two bytes',
      Buffer.concat([MAGIC, Buffer.of(0x60, 0, 0), rle(256, 0x79, true)]),
      'y'.repeat(256),
    ],
    ['a checksum', CHECKED, 'abc'],
    ['an empty frame', EMPTY, ''],
    ['an empty single segment', segment(0, raw('', true)), ''],
    ['nothing at all', Buffer.alloc(0), ''],
    ['several frames', Buffer.concat([CHECKED, EMPTY, CHECKED]), 'abcabc'],
    ['an empty frame first', Buffer.concat([EMPTY, EMPTY, CHECKED]), 'abc'],
    [
      'skippable frames around',
      Buffer.concat([skippable(Buffer.alloc(9)), CHECKED, skippable(MAGIC, 15)]),
      'abc',
    ],
    ['only a skippable frame', skippable(CHECKED, 0), ''],
    ['an empty skippable frame', Buffer.concat([skippable(Buffer.alloc(0)), CHECKED]), 'abc'],
    [
      'a frame of a dictionary with the number 0',
      Buffer.concat([MAGIC, Buffer.of(1, 0x58, 0), raw('abc', true)]),
      'abc',
    ],
    ['a large one', Buffer.concat([large, CHECKED]), `${'x'.repeat(300_000)}abc`],
  ]
  for (const [decoder, read] of DECODERS) {
    for (const [why, source, text] of cases) {
      for (const size of [source.length + 1, 1, 5])
        t.ok(
          (await collect(read(pieces(source, size)))).toString() === text,
          `${decoder}: ${why}, by ${size}`,
        )
    }
  }
})

t.test('damaged zstd is refused, alike by every decoder', async (t) => {
  const whole = Buffer.concat([
    CHECKED,
    skippable(Buffer.alloc(3)),
    windowed(0x58, raw('de'), rle(9, 0x66, true)),
  ])
  const wrong = Buffer.from(CHECKED)
  wrong[wrong.length - 1]! ^= 1
  const compressed = Buffer.from(await zstdFrame(sample(100_000), { level: 3 }))
  const broken = Buffer.concat([compressed.subarray(0, 40), Buffer.alloc(compressed.length - 40, 0xff)])
  const cases: readonly (readonly [why: string, source: Buffer, code?: string])[] = [
    ['junk behind', Buffer.concat([CHECKED, Buffer.from('junk!')])],
    ['zeros behind', Buffer.concat([CHECKED, Buffer.alloc(512)])],
    ['half a magic number behind', Buffer.concat([CHECKED, Buffer.of(0x28)])],
    ['a wrong checksum', wrong],
    ['a content longer than its size', segment(3, raw('abcd', true))],
    ['a content shorter than its size', segment(3, raw('ab', true))],
    ['a reserved block', windowed(0x58, block('reserved', 0, Buffer.alloc(0), true))],
    ['a reserved bit', Buffer.concat([MAGIC, Buffer.of(8, 0x58), raw('abc', true)])],
    ['a raw block over 128 KiB', windowed(0x58, raw(Buffer.alloc(128 * KIBIBYTE + 1), true))],
    ['a repeated byte over 128 KiB', windowed(0x58, rle(2 * MEBIBYTE - 1, 0x78, true))],
    ['a compressed block of nothing', windowed(0x58, block('compressed', 0, Buffer.alloc(0), true))],
    ['a damaged block', broken],
    [
      'a dictionary',
      Buffer.concat([MAGIC, Buffer.of(1, 0x58, 7), raw('abc', true)]),
      'ERR_LAYER_UNSUPPORTED',
    ],
  ]
  for (const [decoder, read] of DECODERS) {
    for (const [why, source, code = 'ERR_LAYER_COMPRESSION'] of cases) {
      for (const size of [source.length, 7])
        await t.rejects(
          collect(read(pieces(source, size))),
          { name: 'LayerError', code },
          `${decoder}: ${why}`,
        )
    }
    for (let length = 1; length < whole.length; length++) {
      // Frames end there, and so may the stream.
      if (length === CHECKED.length || length === CHECKED.length + 11) continue
      const code = 'ERR_LAYER_COMPRESSION'
      await t.rejects(
        collect(read([whole.subarray(0, length)])),
        { code },
        `${decoder}: ${length} bytes of it`,
      )
    }
    t.equal((await collect(read([whole]))).toString(), 'abcdefffffffff', 'the same decoder goes on')
  }
})

t.test('C1: the window of every frame is checked before its decoder sees it', async (t) => {
  for (const [decoder, read] of DECODERS) {
    const portable = decoder === 'portable'
    const limit = { name: 'LayerError', code: 'ERR_LAYER_LIMIT', limit: 'window' }
    const fits = windowed(portable ? 0x68 : 0x88, rle(100, 0x78, true))
    t.equal((await collect(read([fits, fits]))).length, 200, `${decoder}: as large as may be`)
    const segmentLimit = portable ? 8 * MEBIBYTE : 128 * MEBIBYTE
    const refused: readonly (readonly [why: string, source: Buffer])[] = [
      ['an eighth more', windowed(portable ? 0x69 : 0x89, raw('abc', true))],
      ['the largest window there is', windowed(0xff, raw('abc', true))],
      ['a single segment', segment(segmentLimit + 1, raw('abc', true))],
      ['an endless single segment', segment(2n ** 64n - 1n, raw('abc', true))],
    ]
    for (const [why, source] of refused) {
      await t.rejects(collect(read([source])), limit, `${decoder}: ${why}`)
      await t.rejects(
        collect(read([CHECKED, EMPTY, source])),
        limit,
        `${decoder}: ${why}, in the third frame`,
      )
    }
    t.equal((await collect(read([CHECKED]))).toString(), 'abc')
  }
})

t.test('C1: a zstd bomb is stopped, and no chunk of it is large', async (t) => {
  const blocks = Array.from({ length: 2000 }, () => rle(128 * KIBIBYTE, 0))
  const bomb = windowed(0x58, ...blocks, raw('', true))
  for (const [decoder, read] of DECODERS) {
    let produced = 0
    for await (const chunk of read([bomb])) {
      if (chunk.byteLength > 256 * KIBIBYTE) t.fail(`${decoder}: a chunk of ${chunk.byteLength}`)
      produced += chunk.byteLength
    }
    t.equal(produced, 2000 * 128 * KIBIBYTE)
  }
  const restore = (options?: DecompressOptions): Promise<Buffer> =>
    collect(decompress(pieces(bomb, 1000), options))
  await t.rejects(restore(), { code: 'ERR_LAYER_LIMIT', limit: 'ratio' })
  await t.rejects(restore({ limits: { bytes: 1000 } }), { code: 'ERR_LAYER_LIMIT', limit: 'bytes' })
})

t.test('a decoder is left in order by readers that leave, and serves several at once', async (t) => {
  const input = sample(3 * MEBIBYTE)
  const source = await zstd([input])
  for (const [decoder, read] of DECODERS) {
    for (let round = 0; round < 4; round++) {
      for await (const _ of read(pieces(source, 10_000))) break
    }
    const all = await Promise.all([1, 2, 3, 4].map(() => collect(read(pieces(source, 10_000)))))
    t.ok(
      all.every((each) => each.equals(input)),
      decoder,
    )
  }
})

t.test(
  'frames of fixed size: the bytes depend neither on the cut nor on how many are made at a time',
  async (t) => {
    const input = sample(2 * FRAME_SIZE + 12_345)
    for (const encoder of ENCODERS) {
      const expected = await zstd([input], { encoder })
      const frames = [
        input.subarray(0, FRAME_SIZE),
        input.subarray(FRAME_SIZE, 2 * FRAME_SIZE),
        input.subarray(-12_345),
      ]
      const single = await Promise.all(frames.map((frame) => zstdFrame(frame, { level: 3, encoder })))
      t.ok(expected.equals(Buffer.concat(single)), `${encoder}: frame by frame`)
      for (const inFlight of [1, 3])
        t.ok(
          expected.equals(await zstd(pieces(input, 1_000_000), { encoder, inFlight })),
          `${inFlight} at a time`,
        )
      for (const [decoder, read] of DECODERS)
        t.ok((await collect(read([expected]))).equals(input), `${encoder} is read by ${decoder}`)
      t.equal(
        (await collect(decompress([await zstd([], { encoder })]))).length,
        0,
        'nothing is an empty frame',
      )
      t.ok((await zstd([], { encoder })).length > 0)
    }
  },
)

t.test('every level of every encoder can be read by every decoder', async (t) => {
  const input = Buffer.concat([sample(FRAME_SIZE), randomBytes(100_000)])
  for (const encoder of ENCODERS) {
    for (const level of encoder === 'portable' ? [1, 5, 9] : [1, 9, 22]) {
      for (const single of [false, true]) {
        const output = await zstd(pieces(input, 999_999), { encoder, level, single })
        for (const [decoder, read] of DECODERS)
          t.ok(
            (await collect(read([output]))).equals(input),
            `${encoder} ${level} single=${single}, by ${decoder}`,
          )
      }
    }
  }
})

t.test('levels and encoders are checked', async (t) => {
  for (const level of [0, 23, 1.5, Number.NaN]) await t.rejects(zstd([], { level }), TypeError, `${level}`)
  await t.rejects(zstd([], { encoder: 'portable', level: 10 }), { code: 'ERR_LAYER_UNSUPPORTED' })
  await t.rejects(zstd([], { encoder: 'fast' as 'native' }), TypeError)
  if (nativeZstd() !== undefined) return
  await t.rejects(zstd([], { encoder: 'native' }), { code: 'ERR_LAYER_UNSUPPORTED' }, 'before Node 22.15')
  await t.rejects(zstd([], { level: 19 }), { code: 'ERR_LAYER_UNSUPPORTED' })
})

t.test('one frame, if that is asked for', async (t) => {
  const input = sample(3 * MEBIBYTE + 5)
  for (const encoder of ENCODERS) {
    const output = await zstd([input], { encoder, single: true })
    t.equal(countFrames(output), 1, encoder)
    t.equal(countFrames(await zstd([sample(FRAME_SIZE + 1)], { encoder })), 2)
    for (const size of [1000, MEBIBYTE, MEBIBYTE + 1])
      t.ok(output.equals(await zstd(pieces(input, size), { encoder, single: true })), `cut by ${size}`)
    t.equal(
      (await collect(decompress([await zstd([], { encoder, single: true })]))).length,
      0,
      'or an empty one',
    )
  }
})

/** By the block headers. */
function countFrames(source: Buffer): number {
  let count = 0
  for (let at = 0; at < source.length; count++) {
    const descriptor = source[at + 4]!
    const single = (descriptor >> 5) & 1
    at += 6 - single + ([0, 2, 4, 8][descriptor >> 6]! || single)
    for (let last = false; !last;) {
      const header = source.readUIntLE(at, 3)
      last = (header & 1) === 1
      at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3)
    }
    at += descriptor & 4
  }
  return count
}

t.test('errors of the source and signals end an encoder', async (t) => {
  const failure = new Error('source')
  const failing = function* (): Generator<Uint8Array> {
    yield sample(FRAME_SIZE)
    throw failure
  }
  const reason = new Error('enough')
  for (const encoder of ENCODERS) {
    for (const single of [false, true]) {
      await t.rejects(zstd(failing(), { encoder, single }), failure)
      const controller = new AbortController()
      const { signal } = controller
      const endless = function* (): Generator<Uint8Array> {
        for (;;) yield sample(MEBIBYTE)
      }
      const output = compress(endless(), { algorithm: 'zstd', encoder, single, signal })
      await output.next()
      controller.abort(reason)
      await t.rejects(collect(output), reason)
    }
  }
})

t.test('names say what the bytes depend on', (t) => {
  const name = encoderName({ algorithm: 'zstd', encoder: 'portable' })
  t.equal(name, 'zstd level=3 frame=4194304 zstd-codec=0.1.5')
  t.match(
    encoderName({ algorithm: 'zstd', encoder: 'portable', single: true, level: 1 }),
    /^zstd level=1 single=1048576 /,
  )
  const native = `zstd level=19 frame=4194304 zstd=${process.versions['zstd']}`
  if (nativeZstd() === undefined) t.equal(encoderName({ algorithm: 'zstd' }), name)
  else t.equal(encoderName({ algorithm: 'zstd', level: 19 }), native)
  t.end()
})

t.test('what is compressed comes back, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 600 }),
      fc.boolean(),
      async (inputs, size, between) => {
        const parts: Uint8Array[] = []
        for (const input of inputs) {
          parts.push(await zstd([input]))
          if (between) parts.push(skippable(input))
        }
        const all = Buffer.concat(inputs)
        for (const [decoder, read] of DECODERS) {
          const found = await collect(read(pieces(Buffer.concat(parts), size)))
          if (!found.equals(all)) throw new Error(decoder)
        }
      },
    ),
    { numRuns: 30 },
  )
})

t.test('a stream changed at random is an error or some bytes, never more', async () => {
  const source = Buffer.concat([await zstdFrame(sample(20_000), { level: 3 }), CHECKED])
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(source.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      async (changes) => {
        const changed = Buffer.from(source)
        for (const [at, byte] of changes) changed[at] = byte
        for (const [, read] of DECODERS) {
          try {
            await collect(read([changed]))
          } catch (error) {
            if ((error as Error).name !== 'LayerError') throw error
          }
        }
      },
    ),
    { numRuns: 150 },
  )
})
