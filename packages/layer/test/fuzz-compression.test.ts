/**
 * Damaged gzip and zstd streams: an error of ours or a result, never a crash or a hang, and never more than the limits
 * allow. How to run it for long stands in fuzz.ts.
 *
 * @module
 */
import t from 'tap'
import * as zlib from 'node:zlib'
import { decompress } from '../src/index.ts'
import { collect } from './archive.ts'
import { damageBytes, fuzz, type Random, randomPieces } from './fuzz.ts'

const LIMITS = { bytes: 2 * 1024 * 1024 }
const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Uint8Array, options?: object) => Buffer }
const { ZSTD_c_checksumFlag, ZSTD_c_windowLog } = zlib.constants as unknown as Record<string, number>

/** Half of it repeats itself, half does not. */
function content(length: number): Buffer {
  let state = 1
  return Buffer.from(
    Array.from({ length }, (_, at) =>
      at % 64 < 32 ? at & 7 : (state = (state * 48_271) % 2_147_483_647) & 0xff,
    ),
  )
}

const PLAIN = content(6000)

/** A member with every optional field of RFC 1952 §2.3. */
function gzipWithFields(): Buffer {
  const whole = zlib.gzipSync(PLAIN.subarray(0, 300))
  const header = Buffer.from([0x1f, 0x8b, 8, 0b11110, 0, 0, 0, 0, 0, 255])
  const fields = Buffer.from('\x04\x00SG\x00\x00name\0comment\0', 'latin1')
  const sum = Buffer.alloc(2)
  sum.writeUInt16LE(crc32(Buffer.concat([header, fields])) & 0xffff)
  return Buffer.concat([header, fields, sum, whole.subarray(10)])
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

const GZIP: readonly Buffer[] = [
  zlib.gzipSync(PLAIN),
  zlib.gzipSync(PLAIN, { level: 0 }),
  zlib.gzipSync(PLAIN, { strategy: zlib.constants.Z_FIXED }),
  Buffer.concat([
    zlib.gzipSync(PLAIN.subarray(0, 700)),
    zlib.gzipSync(''),
    zlib.gzipSync(PLAIN),
    Buffer.alloc(512),
  ]),
  gzipWithFields(),
]

/** Frames made by hand, of a raw and a repeated block: RFC 8878 §3.1.1. */
function frame(descriptor: number, ...fields: readonly number[]): Buffer {
  const raw = Buffer.from([0b110 << 2, 0, 0, ...PLAIN.subarray(0, 6)])
  const repeated = Buffer.from([(5 << 3) | 0b011, 0, 0, 0x61])
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...fields]), raw, repeated])
}

const SKIPPABLE = Buffer.concat([Buffer.from([0x53, 0x2a, 0x4d, 0x18, 7, 0, 0, 0]), Buffer.from('skipped')])
const FRAMES: readonly Buffer[] = [
  frame(0x20, 11),
  frame(0, 0x58),
  Buffer.concat([SKIPPABLE, frame(0, 0), SKIPPABLE]),
]
const compressed = (bytes: Uint8Array, params: object = {}): readonly Buffer[] =>
  zstdCompressSync === undefined ? [] : [zstdCompressSync(bytes, { params })]
const ZSTD: readonly Buffer[] = [
  ...FRAMES,
  ...compressed(PLAIN),
  ...compressed(PLAIN, { [ZSTD_c_checksumFlag ?? 0]: 1 }),
  ...compressed(PLAIN, { [ZSTD_c_windowLog ?? 0]: 20 }),
  Buffer.concat([...compressed(PLAIN.subarray(0, 3000)), SKIPPABLE, ...FRAMES, ...compressed(PLAIN)]),
]

/** Bytes, or the code of the error. */
async function outcome(chunks: Iterable<Uint8Array>): Promise<string | Buffer> {
  try {
    const bytes = await collect(decompress(chunks, { limits: LIMITS }))
    if (bytes.length > LIMITS.bytes) throw new Error(`${bytes.length} bytes`)
    return bytes
  } catch (error) {
    if ((error as Error).name !== 'LayerError') throw error
    return (error as { code: string }).code
  }
}

function describe(result: string | Buffer): string {
  return typeof result === 'string'
    ? result
    : `${result.length} bytes, ${result.toString('hex').slice(0, 200)}`
}

function same(is: string | Buffer, should: string | Buffer, what: string): void {
  const equal = typeof is === 'string' || typeof should === 'string' ? is === should : is.equals(should)
  if (!equal) throw new Error(`${what}: ${describe(is)} and not ${describe(should)}`)
}

async function check(sources: readonly Buffer[], random: Random): Promise<Buffer> {
  const damaged = damageBytes(random.pick(sources), random)
  const whole = await outcome([damaged])
  same(await outcome(randomPieces(damaged, random)), whole, 'cut')
  // What is no longer compressed at all is passed on.
  if (typeof whole !== 'string' && !whole.equals(damaged)) checkGzip(damaged, whole)
  return damaged
}

function checkGzip(damaged: Buffer, whole: Buffer): void {
  if (damaged[0] === 0x1f) same(zlib.gunzipSync(damaged), whole, 'what zlib makes of all of it')
}

t.test('the streams are sound before they are damaged', async (t) => {
  for (const each of GZIP) t.ok(zlib.gunzipSync(each).equals((await outcome([each])) as Buffer))
  if ((await outcome([FRAMES[0]!])) === 'ERR_LAYER_UNSUPPORTED') return
  for (const each of ZSTD) t.ok(((await outcome([each])) as Buffer).length > 10)
})

for (const [name, sources] of [
  ['gzip', GZIP],
  ['zstd', ZSTD],
] as const) {
  t.test(
    `damaged ${name} streams are read to one result or to an error of ours, however they are cut`,
    async (t) => {
      const cases = await fuzz(t, async (random) => void (await check(sources, random)))
      t.comment(`${cases} cases`)
    },
  )
}
