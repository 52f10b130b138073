/**
 * Signatures of records, and marks of secrets, by `node:crypto`: Ed25519 for those who publish, a shared secret for
 * those who trust each other.
 *
 * @module
 */
export { createEd25519Signer, createEd25519Verifier } from './signing/ed25519.ts'
export { createSharedSecret } from './signing/shared-secret.ts'
export { markOfSecret } from './signing/secret-mark.ts'
