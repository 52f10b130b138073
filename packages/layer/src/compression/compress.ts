/**
 * Compression of layers.
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import { rechunk } from './chunks.ts'
import { DEFAULT_LEVEL, gzipEncoder, gzipMembers, type GzipMembersOptions, MEMBER_SIZE } from './gzip.ts'

/** Algorithms this package writes. */
export type CompressionAlgorithm = 'gzip' | 'none'

/** Options of {@link compress}. */
export interface CompressOptions {
  readonly algorithm: CompressionAlgorithm
  /** 0 (stored) to 9 (smallest). Default 6. */
  readonly level?: number
  /** How many pieces are compressed at a time; no influence on the bytes. Default 4. */
  readonly inFlight?: number
  readonly signal?: AbortSignal
}

/**
 * Compresses a stream. The bytes depend on the input, the algorithm, the level and the zlib of the runtime (see
 * {@link encoderName}), not on how the input is cut or how many pieces are compressed at a time.
 *
 * gzip headers have no time, XFL 0 and OS 255 ("unknown"), wherever they are made.
 */
export async function* compress(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: CompressOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { algorithm, signal, inFlight } = options
  const level = checkLevel(options.level)
  signal?.throwIfAborted()
  if (algorithm === 'none') {
    yield* chunks
    return
  }
  checkAlgorithm(algorithm)
  const gzip: GzipMembersOptions =
    inFlight === undefined ? { level } : { level, inFlight: Math.max(1, inFlight) }
  for await (const chunk of gzipMembers(rechunk(chunks, MEMBER_SIZE), gzip)) {
    signal?.throwIfAborted()
    yield chunk
  }
}

/** Names everything the compressed bytes depend on beside the input: equal names, equal bytes. */
export function encoderName(algorithm: CompressionAlgorithm, level: number = DEFAULT_LEVEL): string {
  return algorithm === 'none' ? 'none' : gzipEncoder(level)
}

/** Checks a level, and fills in the default. */
export function checkLevel(level: number = DEFAULT_LEVEL): number {
  if (!Number.isInteger(level) || level < 0 || level > 9)
    throw new TypeError(`A gzip level is 0 to 9, not ${level}`)
  return level
}

function checkAlgorithm(algorithm: string): void {
  if (algorithm !== 'gzip') {
    throw new LayerError('ERR_LAYER_UNSUPPORTED', `Cannot compress with ${JSON.stringify(algorithm)}`)
  }
}
