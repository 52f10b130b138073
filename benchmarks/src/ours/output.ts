/**
 * Standard output, written synchronously.
 *
 * @module
 */
import { writeSync } from 'node:fs'

/** Writes all of a chunk: one write to a pipe may take less. */
export function writeOutput(chunk: Uint8Array): void {
  for (let written = 0; written < chunk.byteLength;) written += writeSync(1, chunk, written)
}
