/**
 * DEFLATE (RFC 1951) by fflate: plain JavaScript, so that the bytes are the same on every Node and processor.
 *
 * @module
 */
import type { DeflateOptions } from 'fflate'
import { createRequire } from 'node:module'
import { CodecPool } from './codec-worker.ts'

/** Below so many bytes a thread costs more than it saves (measured). */
const THREAD_MINIMUM = 64 * 1024

/**
 * Size of the hash table, as fflate counts it: larger ones only take memory (measured). Without it fflate derives one
 * from a floating-point logarithm.
 */
const MEMORY = 6

/** RFC 1951 §3.2.4: the length of a stored block has 16 bits. */
const MAXIMUM_STORED = 0xffff

/**
 * A part of a stream is pushed and flushed, then ended by nothing: that makes a last block with fixed codes and without
 * symbols, RFC 1951 §3.2.6, bits 1, 1, 0 and zeros. It is replaced by a stored block that is not the last, bits 0, 0, 0,
 * which fills its byte. (`flush(true)` of fflate 0.8.3, which should do it, writes wrong bytes.)
 */
const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads')
const { Deflate, deflateSync } = require(workerData)
const deflatePart = (bytes, options) => {
  const parts = []
  const stream = new Deflate(options, (part) => parts.push(part))
  stream.push(bytes, false)
  stream.flush()
  stream.push(new Uint8Array(), true)
  const whole = Buffer.concat(parts)
  let byte = whole.length - 1
  while (whole[byte] === 0) byte--
  const end = byte * 8 + 31 - Math.clz32(whole[byte]) - 1
  const stored = Math.ceil((end + 3) / 8)
  const part = new Uint8Array(stored + 4)
  part.set(whole.subarray(0, Math.ceil(end / 8)))
  if (end % 8 > 0) part[end >> 3] &= (1 << end % 8) - 1
  part.fill(255, stored + 2)
  return part
}
parentPort.on('message', ({ bytes, options, part }) => {
  const deflated = part ? deflatePart(bytes, options) : deflateSync(bytes, options)
  parentPort.postMessage(deflated, [deflated.buffer])
})
`

const require = createRequire(import.meta.url)

let pool: CodecPool | undefined

/** Version of the fflate that is installed. */
export function fflateVersion(): string {
  return (require('fflate/package.json') as { readonly version: string }).version
}

/** Threads that deflate now. */
export function fflateThreads(): number {
  return pool?.size ?? 0
}

/** A whole DEFLATE stream; made in a thread unless it is small. */
export async function deflatePortable(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  const options = { level: asLevel(level), mem: MEMORY } as const
  if (bytes.byteLength < THREAD_MINIMUM) {
    const { deflateSync } = await import('fflate')
    return deflateSync(bytes, options)
  }
  return inThread({ bytes, options, part: false })
}

/** A part of a DEFLATE stream that is not the last and ends on a byte; `dictionary` is what stands before it. */
export async function deflatePortablePart(
  bytes: Uint8Array,
  dictionary: Uint8Array | undefined,
  level: number,
): Promise<Uint8Array> {
  if (level === 0) return storedBlocks(bytes)
  return inThread({ bytes, options: { level, mem: MEMORY, dictionary }, part: true })
}

function inThread(message: object): Promise<Uint8Array> {
  pool ??= new CodecPool({ source: SCRIPT, codec: require.resolve('fflate') })
  return pool.run(message)
}

/** RFC 1951 §3.2.4. fflate's stream cannot store. */
function storedBlocks(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.byteLength; at += MAXIMUM_STORED) {
    const block = bytes.subarray(at, at + MAXIMUM_STORED)
    const header = Buffer.alloc(5)
    header.writeUInt16LE(block.byteLength, 1)
    header.writeUInt16LE(block.byteLength ^ MAXIMUM_STORED, 3)
    parts.push(header, block)
  }
  return Buffer.concat(parts)
}

/** The level was checked; the types of fflate want to know it one by one. */
function asLevel(level: number): DeflateOptions['level'] & number {
  return level as DeflateOptions['level'] & number
}
