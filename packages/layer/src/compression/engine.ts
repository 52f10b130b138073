/**
 * A decompressor of `node:zlib`, driven chunk by chunk.
 *
 * @module
 */
import type { Transform } from 'node:stream'
import { LayerError } from '../errors.ts'

/** What `createGunzip` and `createZstdDecompress` return, as far as it is used here. */
export interface ZlibStream extends Transform {
  /** Compressed bytes the engine has taken. */
  readonly bytesWritten: number
}

/**
 * Runs a stream over the input. When the engine has ended before its input, `rest` is told what it left and every chunk
 * after that; it throws for what may not be there.
 *
 * @throws {LayerError} `ERR_LAYER_COMPRESSION` for what the engine refuses
 */
export async function* runEngine(
  stream: ZlibStream,
  input: AsyncIterable<Uint8Array>,
  rest: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, void> {
  const feeding = feed(stream, input, rest)
  // A failure ends the stream, whose reader then gets it.
  feeding.catch((error: unknown) => stream.destroy(error as Error))
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
    await feeding
  } catch (error) {
    throw isZlibError(error) ? damaged('A damaged or truncated compressed stream', error) : error
  } finally {
    stream.destroy()
  }
}

/** The error for a stream that is not what it should be. */
export function damaged(message: string, cause?: unknown): LayerError {
  return new LayerError('ERR_LAYER_COMPRESSION', message, { cause })
}

async function feed(
  stream: ZlibStream,
  input: AsyncIterable<Uint8Array>,
  rest: (bytes: Uint8Array) => void,
): Promise<void> {
  let fed = 0
  let over = false
  let wake: (() => void) | undefined
  // The callback of a write does not come if the engine ends within it: then the stream ends.
  for (const event of ['end', 'close', 'error']) {
    stream.once(event, () => {
      over = true
      wake?.()
    })
  }
  let leftOver = false
  for await (const chunk of input) {
    if (leftOver) {
      rest(chunk)
      continue
    }
    if (stream.destroyed) return
    fed += chunk.byteLength
    await new Promise<void>((resolve) => {
      wake = resolve
      if (over) resolve()
      else stream.write(chunk, () => resolve())
    })
    const left = fed - stream.bytesWritten
    if (left === 0 || stream.destroyed) continue
    leftOver = true
    rest(chunk.subarray(chunk.byteLength - left))
  }
  if (!leftOver) stream.end()
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && /^(?:Z_|ZSTD_|ERR_ZLIB)/.test((error as NodeJS.ErrnoException).code ?? '')
}
