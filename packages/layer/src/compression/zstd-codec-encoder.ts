/**
 * Compression by zstd-codec: for runtimes whose `node:zlib` has no zstd, and for the same bytes on every runtime.
 *
 * It runs in threads, at levels whose tables fit into its memory, and gets its input in small slices.
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import { CodecPool, CodecWorker, type CodecScript } from './codec-worker.ts'
import { bindingPath } from './zstd-codec-binding.ts'

/** The highest level whose tables fit into its memory (measured). */
export const MAXIMUM_CODEC_LEVEL: number = 9

/** A message is a slice of a frame: it begins one, ends one, or both. Input goes in by 128 KiB, a block of zstd. */
const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads')
const binding = { print() {}, printErr() {} }
let stream
const check = (done) => { if (!done) throw new Error('zstd-codec cannot compress this') }
const run = ({ bytes, level, begin, end }) => {
  const parts = []
  const collect = (part) => parts.push(part)
  if (begin) {
    stream = new binding.ZstdCompressStreamBinding()
    check(stream.begin(level))
  }
  for (let at = 0; at < bytes.length; at += 131072)
    check(stream.transform(bytes.subarray(at, at + 131072), collect))
  if (end) {
    check(stream.end(collect))
    stream.delete()
  }
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let used = 0
  for (const part of parts) {
    result.set(part, used)
    used += part.length
  }
  parentPort.postMessage(result, [result.buffer])
}
binding.onRuntimeInitialized = () => parentPort.on('message', run)
require(workerData)(binding)
`

let pool: CodecPool | undefined

/** Threads that compress now. */
export function zstdCodecThreads(): number {
  return pool?.size ?? 0
}

/** Compresses some bytes into one frame. */
export async function zstdCodecFrame(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  pool ??= new CodecPool(script())
  try {
    return await pool.run({ bytes, level, begin: true, end: true })
  } catch (error) {
    throw codecFailure(error)
  }
}

/** Compresses a stream into one frame, in a thread of its own. */
export async function* zstdCodecStream(
  chunks: AsyncIterable<Uint8Array>,
  level: number,
  release?: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, void> {
  const worker = new CodecWorker(script())
  try {
    let begin = true
    for await (const bytes of chunks) {
      const part = await worker.run({ bytes, level, begin, end: false })
      release?.(bytes)
      begin = false
      if (part.byteLength > 0) yield part
    }
    yield await worker.run({ bytes: new Uint8Array(), level, begin, end: true })
  } catch (error) {
    throw worker.alive ? error : codecFailure(error)
  } finally {
    await worker.end()
  }
}

function codecFailure(cause: unknown): LayerError {
  return new LayerError('ERR_LAYER_UNSUPPORTED', 'The portable zstd encoder has failed', { cause })
}

function script(): CodecScript {
  return { source: SCRIPT, codec: bindingPath() }
}
