/**
 * HMAC-SHA-256 (RFC 2104): everybody who may read may also write.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { RecordSigner, RecordVerifier } from '../trust.ts'

const ALGORITHM = 'hmac-sha256'
/** RFC 2104, section 3: a key shorter than the hash weakens it. */
const SHORTEST = 16

/**
 * Signs and verifies with a secret of at least 16 bytes. `keyId` tells secrets apart when they are changed.
 *
 * @throws {TypeError} if the secret is shorter.
 */
export function createSharedSecret(
  secret: Uint8Array | string,
  keyId: string = 'shared',
): RecordSigner & RecordVerifier {
  if (Buffer.byteLength(secret) < SHORTEST) throw new TypeError(`A secret has at least ${SHORTEST} bytes`)
  const tagOf = (payload: Uint8Array): Buffer => createHmac('sha256', secret).update(payload).digest()
  return {
    sign: async (payload) => ({ algorithm: ALGORITHM, keyId, value: tagOf(payload).toString('base64') }),
    verify: async (payload, signature) => {
      if (signature.algorithm !== ALGORITHM || signature.keyId !== keyId) return false
      const [ours, theirs] = [tagOf(payload), Buffer.from(signature.value, 'base64')]
      return ours.byteLength === theirs.byteLength && timingSafeEqual(ours, theirs)
    },
  }
}
