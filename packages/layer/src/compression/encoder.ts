/**
 * What compresses a stream, and the name of everything its bytes depend on.
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import { fflateVersion } from './fflate.ts'
import { type EncoderChoice, gzipMember, MEMBER_SIZE } from './gzip.ts'
import { gzipStream } from './gzip-stream.ts'
import { encodeInOrder, type InFlightOptions } from './in-flight.ts'
import { FRAME_SIZE, nativeEncoder, zstdFrame } from './zstd.ts'
import { zstdCodecVersion } from './zstd-codec-binding.ts'
import { SLICE_SIZE, zstdStream } from './zstd-stream.ts'

/** Algorithms this package writes. */
export type CompressionAlgorithm = 'gzip' | 'zstd' | 'none'

/** What compressed bytes depend on, beside the input and the runtime. */
export interface EncoderOptions {
  readonly algorithm: CompressionAlgorithm
  /** gzip: 0 (stored) to 9 (smallest), default 6. zstd: 1 (fastest) to 22, default 3; `portable` only up to 9. */
  readonly level?: number | undefined
  /**
   * `native` is the `node:zlib` of the runtime; `portable` gives the same bytes on every runtime and is slower (gzip by
   * fflate, zstd by zstd-codec). Default `native`, but `portable` for zstd where the runtime has none (before Node
   * 22.15).
   */
  readonly encoder?: EncoderChoice | undefined
  /** One gzip member or zstd frame for consumers that cannot read several. Default: one for each piece of fixed size. */
  readonly single?: boolean | undefined
}

/** Compresses pieces of a fixed size. */
export interface Encoder {
  /** Equal names and equal input: equal bytes. */
  readonly name: string
  /** Uncompressed bytes of each piece but the last. */
  readonly pieceSize: number
  /** Pieces to have in flight, if nothing is said: enough for two processors within 150 MiB. */
  readonly inFlight: number
  encode(pieces: AsyncIterable<Uint8Array>, options: InFlightOptions): AsyncGenerator<Uint8Array, void, void>
}

const GZIP_LEVELS = { first: 0, last: 9, usual: 6 }
const ZSTD_LEVELS = { first: 1, last: 22, usual: 3 }

/** As many as libuv's pool has threads by default: more would only wait, and hold memory. */
const MEMBERS_IN_FLIGHT = 4
/** Frames are larger than members. With a third one, no thread waits while the first is passed on (measured). */
const FRAMES_IN_FLIGHT = 3

/**
 * Checks the options; `undefined` if nothing is to be compressed.
 *
 * @throws {LayerError} `ERR_LAYER_UNSUPPORTED` for an algorithm or encoder that is not to be had here
 * @throws {TypeError} for a level that the algorithm does not have
 */
export function createEncoder(options: EncoderOptions): Encoder | undefined {
  const { algorithm, single = false, encoder } = options
  if (encoder !== undefined && encoder !== 'native' && encoder !== 'portable') {
    throw new TypeError(`An encoder is "native" or "portable", not ${JSON.stringify(encoder)}`)
  }
  switch (algorithm) {
    case 'none':
      return undefined
    case 'gzip':
      return gzipEncoder(checkLevel('gzip', options.level, GZIP_LEVELS), encoder ?? 'native', single)
    case 'zstd':
      return zstdEncoder(checkLevel('zstd', options.level, ZSTD_LEVELS), encoder, single)
    default:
      throw new LayerError('ERR_LAYER_UNSUPPORTED', `Cannot compress with ${JSON.stringify(algorithm)}`)
  }
}

function gzipEncoder(level: number, encoder: EncoderChoice, single: boolean): Encoder {
  const version = encoder === 'native' ? `zlib=${process.versions.zlib}` : `fflate=${fflateVersion()}`
  const options = { level, encoder }
  return {
    name: `gzip level=${level} ${single ? 'single' : 'member'}=${MEMBER_SIZE} ${version}`,
    pieceSize: MEMBER_SIZE,
    inFlight: MEMBERS_IN_FLIGHT,
    encode: (pieces, inFlight) =>
      single
        ? gzipStream(pieces, options, inFlight)
        : encodeInOrder(pieces, (piece) => gzipMember(piece, options), inFlight),
  }
}

function zstdEncoder(level: number, encoder: EncoderChoice | undefined, single: boolean): Encoder {
  const native = nativeEncoder(encoder, level)
  const version =
    native === undefined ? `zstd-codec=${zstdCodecVersion()}` : `zstd=${process.versions['zstd']}`
  const options = { level, encoder }
  return {
    name: `zstd level=${level} ${single ? `single=${SLICE_SIZE}` : `frame=${FRAME_SIZE}`} ${version}`,
    pieceSize: single ? SLICE_SIZE : FRAME_SIZE,
    inFlight: FRAMES_IN_FLIGHT,
    encode: (pieces, inFlight) =>
      single
        ? zstdStream(pieces, options, inFlight)
        : encodeInOrder(pieces, (piece) => zstdFrame(piece, options), inFlight),
  }
}

function checkLevel(algorithm: string, level: number | undefined, levels: typeof GZIP_LEVELS): number {
  const { first, last, usual } = levels
  if (level === undefined) return usual
  if (!Number.isInteger(level) || level < first || level > last) {
    throw new TypeError(`A ${algorithm} level is ${first} to ${last}, not ${level}`)
  }
  return level
}
