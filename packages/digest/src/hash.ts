/**
 * Incremental and one-shot hashing, native where the runtime has it.
 *
 * `node:crypto` hashes about ten times faster than JavaScript, so it is used whenever it exists; `@noble/hashes`
 * keeps browsers and edge runtimes working, and knows blake3, which OpenSSL lacks.
 *
 * @module
 */
import { blake3 } from '@noble/hashes/blake3.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

/** Algorithms an OCI document may name here: image-spec v1.1.1, descriptor.md, "Registered algorithms". */
export type OciAlgorithm = 'sha256' | 'sha512'

/** Every algorithm this package computes. `blake3` is for internal keys; it is refused in OCI documents. */
export type Algorithm = OciAlgorithm | 'blake3'

/** The algorithms of {@link OciAlgorithm}. */
export const OCI_ALGORITHMS: readonly OciAlgorithm[] = ['sha256', 'sha512']

/** Length of the lower-case hexadecimal encoding, in characters. */
export const HEX_LENGTH: Readonly<Record<Algorithm, number>> = { sha256: 64, sha512: 128, blake3: 64 }

/** A hash in progress. Single use: nothing may be called after `hex()`. */
export interface Hasher {
  /** Takes the next bytes; the chunk may be reused by the caller afterwards. */
  update(chunk: Uint8Array): void
  /** Ends the hash and gives it as lower-case hexadecimal. */
  hex(): string
}

/** Starts a hash. */
export function createHasher(algorithm: Algorithm): Hasher {
  const crypto = nativeCrypto(algorithm)
  if (crypto === undefined) {
    const hash = PORTABLE[algorithm].create()
    return { update: (chunk) => void hash.update(chunk), hex: () => bytesToHex(hash.digest()) }
  }
  const hash = crypto.createHash(algorithm)
  return { update: (chunk) => void hash.update(chunk), hex: () => hash.digest('hex') }
}

/** Hashes bytes already in memory; for small input faster than a {@link Hasher} (measured: 184k/s to 126k/s at 4 KiB). */
export function hashBytes(bytes: Uint8Array, algorithm: Algorithm): string {
  const crypto = nativeCrypto(algorithm)
  return crypto === undefined ? bytesToHex(PORTABLE[algorithm](bytes)) : crypto.hash(algorithm, bytes, 'hex')
}

const PORTABLE = { sha256, sha512, blake3 } as const

function nativeCrypto(algorithm: Algorithm): typeof import('node:crypto') | undefined {
  return algorithm === 'blake3' ? undefined : globalThis.process?.getBuiltinModule?.('node:crypto')
}
