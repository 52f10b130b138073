/**
 * Secrets in keys, for those who want a changed secret to be a miss: a mark in place of the value.
 *
 * @module
 */
import { createHmac } from 'node:crypto'

/**
 * The HMAC-SHA-256 (RFC 2104) of a secret, in hexadecimal, for a field of a key document. By default the value of a
 * secret is no part of a key; nothing that could be guessed is ever written down, hence the key of the store's users.
 *
 * @throws {TypeError} if the key is shorter than 16 bytes.
 */
export function markOfSecret(key: Uint8Array, value: Uint8Array | string): string {
  if (key.byteLength < 16) throw new TypeError('A key has at least 16 bytes')
  return createHmac('sha256', key).update(value).digest('hex')
}
