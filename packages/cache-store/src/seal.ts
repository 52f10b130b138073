/**
 * Documents that prove themselves: the payload, a newline, and the payload's digest on a line of its own.
 *
 * A torn, zeroed or edited file does not unseal, and is then treated as if it were not there.
 *
 * @module
 */
import { digestOf } from '@varve/digest'

/** Newline, `sha256:`, 64 hexadecimal digits, newline. */
const TRAILER = 1 + 7 + 64 + 1

/** Appends the digest of `payload`. */
export function seal(payload: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(payload.byteLength + TRAILER)
  sealed.set(payload)
  new TextEncoder().encodeInto(`\n${digestOf(payload)}\n`, sealed.subarray(payload.byteLength))
  return sealed
}

/** The payload, or `undefined` if it is not what was sealed. */
export function unseal(sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.byteLength < TRAILER) return undefined
  const payload = sealed.subarray(0, sealed.byteLength - TRAILER)
  const trailer = new TextDecoder().decode(sealed.subarray(payload.byteLength))
  return trailer === `\n${digestOf(payload)}\n` ? payload : undefined
}
