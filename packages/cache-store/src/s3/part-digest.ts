/**
 * Digests of parts, beside the digest of the whole.
 *
 * @module
 */
import { createLimit } from './limit.ts'

/** Hashes a part; hexadecimal. */
export type PartHasher = (part: Uint8Array<ArrayBuffer>) => Promise<string>

/**
 * Hashes in a thread of libuv's pool, while the main thread hashes the whole: an upload hashes everything twice. One
 * part at a time, since each is copied for it.
 */
export function createPartHasher(): PartHasher {
  const turn = createLimit(1)
  return (part) =>
    turn.run(async () => Buffer.from(await crypto.subtle.digest('SHA-256', part)).toString('hex'))
}
