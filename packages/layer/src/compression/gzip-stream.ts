/**
 * gzip in one member, compressed in parallel all the same.
 *
 * A DEFLATE stream can be cut where a block ends on a byte: each piece is deflated for itself up to such a place, with
 * the 32 KiB before it as a dictionary, and the parts are joined (as pigz does it).
 *
 * @module
 */
import { promisify } from 'node:util'
import { constants, crc32, deflateRaw } from 'node:zlib'
import { deflatePortablePart } from './fflate.ts'
import { gzipHeader, type GzipOptions, gzipTrailer, outputSize } from './gzip.ts'
import { encodeInOrder, type InFlightOptions } from './in-flight.ts'

/** RFC 1951 §2: matches reach back so far. */
const DICTIONARY_SIZE = 32 * 1024

/** RFC 1951 §3.2.6: a last block with fixed codes and nothing in it. */
const LAST_BLOCK = Uint8Array.of(3, 0)

const deflateRawAsync = promisify(deflateRaw)

/** Compresses pieces, each of them in its place of one member. */
export async function* gzipStream(
  pieces: AsyncIterable<Uint8Array>,
  options: GzipOptions,
  inFlight: InFlightOptions,
): AsyncGenerator<Uint8Array, void, void> {
  let checksum = 0
  let length = 0
  let before: Uint8Array | undefined
  // It is called in the order of the pieces, and reads them before they are released.
  const encode = (piece: Uint8Array): Promise<Uint8Array> => {
    const dictionary = before
    before = new Uint8Array(piece.subarray(-DICTIONARY_SIZE))
    checksum = crc32(piece, checksum)
    length += piece.byteLength
    return deflatePart(piece, dictionary, options)
  }
  yield gzipHeader()
  yield* encodeInOrder(pieces, encode, inFlight)
  yield LAST_BLOCK.slice()
  yield gzipTrailer(checksum, length)
}

function deflatePart(
  piece: Uint8Array,
  dictionary: Uint8Array | undefined,
  { level, encoder }: GzipOptions,
): Promise<Uint8Array> {
  if (encoder === 'portable') return deflatePortablePart(piece, dictionary, level)
  return deflateRawAsync(piece, {
    level,
    finishFlush: constants.Z_SYNC_FLUSH,
    chunkSize: outputSize(piece.byteLength),
    ...(dictionary !== undefined && { dictionary }),
  })
}
