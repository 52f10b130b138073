/**
 * Damage done with method: a generator that a seed repeats, the changes it makes, and the loop that runs cases.
 *
 * VARVE_FUZZ_SECONDS is how long each loop runs (processor time, 1 by default), VARVE_FUZZ_SEED the number of the first
 * case. A failure names its seed; `VARVE_FUZZ_SEED=seed VARVE_FUZZ_SECONDS=0` runs that case alone. Long runs need
 * `npx tap --timeout=0`.
 *
 * @module
 */
import { Worker } from 'node:worker_threads'
import type { Test, TestBase } from 'tap'

/** Numbers that a seed determines: mulberry32. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) >>> 0
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * limit)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}

/** Cuts at random places; often into single bytes, or just beside the borders of blocks. */
export function* randomPieces(all: Uint8Array, random: Random): Generator<Uint8Array, void, void> {
  const sizes =
    random.below(30) === 0 ? [1] : random.pick([[511], [512], [513], [1, 511, 512, 513, 700, 5000]])
  for (let at = 0; at < all.byteLength;) {
    const end = at + random.pick(sizes)
    yield all.subarray(at, end)
    at = end
  }
}

const BLOCK = 512
/** Offset and length of the numbers of a header. */
const NUMBERS = [
  [100, 8],
  [108, 8],
  [116, 8],
  [124, 12],
  [136, 12],
  [148, 8],
  [329, 8],
  [337, 8],
  [386, 12],
  [483, 12],
] as const
const VALUES = [
  '0',
  '1',
  '777',
  '7777777',
  '77777777777',
  '-1',
  '1e3',
  '0x1f',
  '9',
  ' ',
  '1 1',
  '+7',
  '1.5',
  '8589934592',
]
const TYPES = '0 \0 1 2 3 4 5 6 7 g x L K S D V N M A Z'.split(' ')
/** Texts to put where a name, a target or a record is. */
const NAMES = [
  '../V/x',
  '/',
  '.',
  '..',
  '',
  './',
  'l',
  'l/x',
  'd/up/../../V/x',
  '.wh.',
  '.wh..',
  '.wh...',
  '.wh.d',
  'd/.wh..wh..opq',
  'l/.wh.secret',
  '../V/secret',
  '/V/secret',
  'a\\b',
  '//d',
  'd/f',
] as const

type Mutation = (bytes: Buffer, random: Random) => Buffer

const blockOf = (bytes: Buffer, random: Random): number =>
  random.below(Math.ceil(bytes.length / BLOCK)) * BLOCK

/** Changes that any bytes can suffer. */
const ANY: readonly Mutation[] = [
  function flipBits(bytes, random) {
    for (let count = 1 + random.below(8); count > 0; count--) {
      const at = random.below(bytes.length)
      bytes[at] = bytes[at]! ^ (1 << random.below(8))
    }
    return bytes
  },
  function setBytes(bytes, random) {
    const at = random.below(bytes.length)
    random.bytes(1 + random.below(16)).copy(bytes.subarray(at))
    return bytes
  },
  function cut(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length))
  },
  function drop(bytes, random) {
    const at = random.below(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(BLOCK))])
  },
  function repeat(bytes, random) {
    const at = random.below(bytes.length)
    const end = at + 1 + random.below(BLOCK)
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
  },
]

/** Changes that an archive can suffer and still look like one. */
const ARCHIVE: readonly Mutation[] = [
  ...ANY,
  function repeatBlock(bytes, random) {
    const [from, to] = [blockOf(bytes, random), blockOf(bytes, random)]
    const count = BLOCK * (1 + random.below(3))
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, from + count), bytes.subarray(to)])
  },
  function dropBlock(bytes, random) {
    const at = blockOf(bytes, random)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + BLOCK)])
  },
  function overwriteBlock(bytes, random) {
    const [from, to] = [blockOf(bytes, random), blockOf(bytes, random)]
    bytes.subarray(from, from + BLOCK).copy(bytes, to)
    return bytes
  },
  function zeroBlock(bytes, random) {
    const at = blockOf(bytes, random)
    return bytes.fill(0, at, Math.min(at + BLOCK, bytes.length))
  },
  function spliceHeader(bytes, random) {
    const [from, to] = [blockOf(bytes, random), blockOf(bytes, random)]
    const [start, length] = random.pick([
      [0, 100],
      [124, 12],
      [156, 101],
      [257, 8],
      [345, 155],
    ] as const)
    bytes.subarray(from + start, from + start + length).copy(bytes, to + start)
    return bytes
  },
  function editNumber(bytes, random) {
    const [offset, length] = random.pick(NUMBERS)
    const at = blockOf(bytes, random) + offset
    const value = random.below(3) === 0 ? binary(random, length) : Buffer.from(`${random.pick(VALUES)}\0`)
    value.copy(bytes.subarray(at, at + length))
    return bytes
  },
  function editType(bytes, random) {
    patch(bytes, blockOf(bytes, random) + 156, random.pick(TYPES))
    return bytes
  },
  function editName(bytes, random) {
    const at = blockOf(bytes, random) + random.pick([0, 157, 345])
    patch(bytes, at, `${random.pick(NAMES)}\0`)
    return bytes
  },
  function editRecord(bytes, random) {
    const at = bytes.indexOf(
      random.pick(['path=', 'size=', 'linkpath=', 'mtime=', 'GNU.sparse', 'SCHILY']),
      0,
      'latin1',
    )
    if (at < 0) return bytes
    const text = random.pick([...VALUES, ...NAMES, 'size', 'path', '\n', '\0', '=', '99999999999999999999 '])
    patch(bytes, Math.max(0, at + random.below(24) - 8), text)
    return bytes
  },
]

/** Writes as much as there is room for. */
function patch(bytes: Buffer, at: number, text: string): void {
  Buffer.from(text, 'latin1').copy(bytes.subarray(at))
}

function binary(random: Random, length: number): Buffer {
  const value =
    random.below(2) === 0 ? random.bytes(length) : Buffer.alloc(length, random.pick([0, 0xff, 0x7f]))
  value[0] = random.pick([0x80, 0xff, 0xc0])
  return value
}

/** An archive with one to four changes; in half of the cases with all checksums made right again. */
export function damageArchive(source: Buffer, random: Random): Buffer {
  const damaged = damage(source, random, ARCHIVE)
  if (random.below(2) === 0)
    for (let at = 0; at + BLOCK <= damaged.length; at += BLOCK) repairHeader(damaged, at)
  return damaged
}

/** Bytes of any kind, with one to four changes. */
export function damageBytes(source: Buffer, random: Random): Buffer {
  return damage(source, random, ANY)
}

function damage(source: Buffer, random: Random, mutations: readonly Mutation[]): Buffer {
  let bytes: Buffer = Buffer.from(source)
  for (let count = 1 + random.below(4); count > 0 && bytes.length > 0; count--) {
    bytes = Buffer.from(random.pick(mutations)(bytes, random))
  }
  return bytes
}

/** Makes the checksum of a block right, if it looks like a header. */
function repairHeader(bytes: Buffer, at: number): void {
  const type = bytes[at + 156]!
  if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar' && !TYPES.includes(String.fromCharCode(type)))
    return
  if (bytes.subarray(at, at + BLOCK).every((byte) => byte === 0)) return
  bytes.fill(0x20, at + 148, at + 156)
  let sum = 0
  for (const byte of bytes.subarray(at, at + BLOCK)) sum += byte
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
}

/** Seconds of processor time that one case may take, and seconds after which a case that blocks the process ends it. */
const CASE_BUDGET = 5
const HANG = 60
/** What the whole loop may add to the peak of memory. */
const MEMORY_BUDGET = 384 * 1024 * 1024

/**
 * Runs cases until time is up, and returns how many. Throws with the seed if a case throws, takes too long or too much
 * memory; ends the process if one never returns.
 */
export async function fuzz(t: Test, check: (random: Random, seed: number) => Promise<void>): Promise<number> {
  const seconds = Number(process.env['VARVE_FUZZ_SECONDS'] ?? 1)
  // Processor time is not that of the clock: a busy computer may take several times as long.
  for (let each: TestBase | undefined = t; each !== undefined; each = each.parent) {
    each.setTimeout((seconds * 10 + 300) * 1000)
  }
  const first = Number(process.env['VARVE_FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
  const start = cpuSeconds()
  const memory = process.resourceUsage().maxRSS
  const current = new Int32Array(new SharedArrayBuffer(4))
  const watchdog = startWatchdog(current)
  let seed = first
  try {
    do {
      Atomics.store(current, 0, seed)
      const before = cpuSeconds()
      try {
        await check(new Random(seed), seed)
      } catch (error) {
        throw new Error(`VARVE_FUZZ_SEED=${seed} VARVE_FUZZ_SECONDS=0: ${String(error)}`, { cause: error })
      }
      const took = cpuSeconds() - before
      if (took > CASE_BUDGET) throw new Error(`VARVE_FUZZ_SEED=${seed} took ${took} s`)
      const grown = (process.resourceUsage().maxRSS - memory) * 1024
      if (grown > MEMORY_BUDGET) throw new Error(`VARVE_FUZZ_SEED=${seed} took ${grown} bytes of memory`)
      seed++
    } while (cpuSeconds() - start < seconds)
  } finally {
    await watchdog.terminate()
  }
  return seed - first
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Plain JavaScript in a thread of its own: a case that never returns blocks this one. */
function startWatchdog(current: Int32Array): Worker {
  const code = `
    const { workerData: { current, seconds } } = require('node:worker_threads')
    let [seen, since] = [0, Date.now()]
    setInterval(() => {
      const seed = Atomics.load(current, 0)
      if (seed !== seen) [seen, since] = [seed, Date.now()]
      else if (Date.now() - since > seconds * 1000) {
        require('node:fs').writeSync(2, 'VARVE_FUZZ_SEED=' + seed + ' does not return\\n')
        process.kill(process.pid, 'SIGKILL')
      }
    }, 1000)`
  return new Worker(code, { eval: true, execArgv: [], env: {}, workerData: { current, seconds: HANG } })
}
