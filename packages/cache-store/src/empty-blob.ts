/**
 * The blob of no bytes, which every store has without being given it.
 *
 * @module
 */
import type { Algorithm, Digest } from '@varve/digest'

/** Digests of nothing; constants, since every lookup asks. */
const EMPTY: Readonly<Record<Algorithm, string>> = {
  sha256: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  sha512:
    'sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
  blake3: 'blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
}

/** Whether this names the empty blob, by any algorithm. */
export function isEmptyDigest(digest: Digest): boolean {
  return digest === EMPTY.sha256 || digest === EMPTY.sha512 || digest === EMPTY.blake3
}
