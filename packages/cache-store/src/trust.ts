/**
 * Who may say what a step produced: signatures over records, by interfaces that bring no cryptography with them.
 *
 * A signature covers the canonical JSON of the whole record and of its scope, so that a record cannot be replayed
 * under another key or in another scope.
 *
 * @module
 */

/** A signature as it is stored in a record. */
export interface Signature {
  /** Such as `ed25519` or `hmac-sha256`. */
  readonly algorithm: string
  /** Names the key, for a verifier that knows several. */
  readonly keyId: string
  /** Base64. */
  readonly value: string
}

/** Signs records that an index writes. */
export interface RecordSigner {
  sign(payload: Uint8Array): Promise<Signature>
}

/** Decides whether a record may be believed. */
export interface RecordVerifier {
  /** `false` for a signature that is wrong or by a key that is not trusted; rejects only if it cannot tell. */
  verify(payload: Uint8Array, signature: Signature): Promise<boolean>
}

/** What an index does about signatures; by default nothing. */
export interface Trust {
  /** Signs every record that is written and has no signature yet. */
  readonly signer?: RecordSigner
  /** With a verifier, records without a signature that it accepts are misses. */
  readonly verifier?: RecordVerifier
}
