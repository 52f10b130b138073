/**
 * gzip: RFC 1952.
 *
 * @module
 */
import { createGunzip } from 'node:zlib'
import { damaged, runEngine } from './engine.ts'

/** Output of one turn of the event loop: larger is quicker up to about this (measured). */
const CHUNK_SIZE = 256 * 1024

/**
 * Decompresses all members of a gzip stream. The engine reads on into the next member by itself and stops at a zero
 * byte: after that, as at the end of a tape, there may be only more of them.
 */
export function gunzip(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  return runEngine(createGunzip({ chunkSize: CHUNK_SIZE }), input, (rest) => {
    if (rest.some((byte) => byte !== 0)) throw damaged('Something follows the gzip stream')
  })
}
