/**
 * Standard output as a slow reader wants it.
 *
 * @module
 */
import { once } from 'node:events'

/** Writes chunks, and waits while the pipe is full: what is queued is memory. */
export async function writeOut(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
  }
}
