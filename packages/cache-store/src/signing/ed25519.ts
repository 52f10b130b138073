/**
 * Ed25519 (RFC 8032): one machine signs, everybody can verify.
 *
 * @module
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { RecordSigner, RecordVerifier } from '../trust.ts'

const ALGORITHM = 'ed25519'

/**
 * Signs with a private key in PEM (PKCS #8), such as `openssl genpkey -algorithm ed25519` makes.
 *
 * @throws {TypeError} if it is no Ed25519 key.
 */
export function createEd25519Signer(privateKey: string): RecordSigner {
  const key = keyFrom(() => createPrivateKey(privateKey), 'private')
  const keyId = idOf(createPublicKey(key))
  return {
    sign: async (payload) => ({
      algorithm: ALGORITHM,
      keyId,
      value: sign(null, payload, key).toString('base64'),
    }),
  }
}

/**
 * Accepts signatures by any of these public keys in PEM (SubjectPublicKeyInfo).
 *
 * @throws {TypeError} if one is no Ed25519 key.
 */
export function createEd25519Verifier(publicKeys: readonly string[]): RecordVerifier {
  const keys = new Map(
    publicKeys.map((pem) => {
      const key = keyFrom(() => createPublicKey(pem), 'public')
      return [idOf(key), key]
    }),
  )
  return {
    verify: async (payload, { algorithm, keyId, value }) => {
      const key = algorithm === ALGORITHM ? keys.get(keyId) : undefined
      return key !== undefined && verify(null, payload, key, Buffer.from(value, 'base64'))
    },
  }
}

/** The message never repeats the key. */
function keyFrom(parse: () => KeyObject, kind: string): KeyObject {
  let key: KeyObject
  try {
    key = parse()
  } catch (cause) {
    throw new TypeError(`Not a ${kind} key in PEM`, { cause })
  }
  if (key.asymmetricKeyType === ALGORITHM) return key
  throw new TypeError(`Not an Ed25519 ${kind} key, but ${key.asymmetricKeyType ?? 'another kind'}`)
}

/** The first 16 hexadecimal digits of the sha256 of the public key in DER. */
function idOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex').slice(0, 16)
}
