/**
 * Content digests: parse, format, compare, compute.
 *
 * Grammar: image-spec v1.1.1, descriptor.md, "Digests".
 *
 * @module
 */
import { DigestError } from './errors.ts'
import { type Algorithm, createHasher, hashBytes, HEX_LENGTH, OCI_ALGORITHMS } from './hash.ts'

declare const validated: unique symbol

/** A validated digest, such as `sha256:e3b0c442…`: only this package makes them, so a `Digest` is safe in a path. */
export type Digest = `${Algorithm}:${string}` & { readonly [validated]: true }

/** A digest with the number of bytes behind it. */
export interface DigestAndSize {
  readonly digest: Digest
  readonly size: number
}

const LOWER_HEX = /^[a-f0-9]+$/

/**
 * Validates a digest that came from outside: a manifest, a header, a user.
 *
 * `algorithms` lists what is accepted; the default is the two registered by the image-spec.
 *
 * @throws {DigestError} `ERR_DIGEST_INVALID` if it is malformed; `ERR_DIGEST_UNSUPPORTED` if the algorithm is not
 *   accepted.
 */
export function parseDigest(input: string, algorithms: readonly Algorithm[] = OCI_ALGORITHMS): Digest {
  const [algorithm = '', hex = '', ...rest] = input.split(':')
  if (algorithm === '' || hex === '' || rest.length > 0) {
    throw new DigestError('ERR_DIGEST_INVALID', `Not a digest: ${quoted(input)}`)
  }
  if (!isOneOf(algorithm, algorithms)) {
    throw new DigestError('ERR_DIGEST_UNSUPPORTED', `Unsupported digest algorithm: ${quoted(algorithm)}`)
  }
  return formatDigest(algorithm, hex)
}

/** Whether {@link parseDigest} would accept `input`. */
export function isDigest(input: unknown, algorithms: readonly Algorithm[] = OCI_ALGORITHMS): input is Digest {
  if (typeof input !== 'string') return false
  try {
    parseDigest(input, algorithms)
    return true
  } catch {
    return false
  }
}

/**
 * Joins an algorithm and its hexadecimal encoding.
 *
 * @throws {DigestError} `ERR_DIGEST_INVALID` if `hex` is not lower-case hexadecimal of the algorithm's length.
 */
export function formatDigest(algorithm: Algorithm, hex: string): Digest {
  if (hex.length !== HEX_LENGTH[algorithm] || !LOWER_HEX.test(hex)) {
    throw new DigestError('ERR_DIGEST_INVALID', `Malformed ${algorithm} digest: ${quoted(hex)}`)
  }
  return `${algorithm}:${hex}` as Digest
}

/** The part before the colon. */
export function algorithmOf(digest: Digest): Algorithm {
  return digest.slice(0, digest.indexOf(':')) as Algorithm
}

/** The part after the colon, lower-case hexadecimal ("encoded" in the image-spec). */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** Orders digests by code unit, as sorted documents need it; a comparator for `sort`. */
export function compareDigests(a: Digest, b: Digest): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Digest of bytes already in memory. */
export function digestOf(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return `${algorithm}:${hashBytes(bytes, algorithm)}` as Digest
}

/** A digest in progress, which also counts. Single use: nothing may be called after `finish()`. */
export interface Digester {
  /** Takes the next bytes; the chunk may be reused by the caller afterwards. */
  update(chunk: Uint8Array): void
  finish(): DigestAndSize
}

/** Starts a digest. */
export function createDigester(algorithm: Algorithm = 'sha256'): Digester {
  const hasher = createHasher(algorithm)
  let size = 0
  return {
    update: (chunk) => {
      hasher.update(chunk)
      size += chunk.byteLength
    },
    finish: () => ({ digest: `${algorithm}:${hasher.hex()}` as Digest, size }),
  }
}

/** Reads `source` to its end and tells what it was. */
export async function digestStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  algorithm: Algorithm = 'sha256',
): Promise<DigestAndSize> {
  const digester = createDigester(algorithm)
  for await (const chunk of source) digester.update(chunk)
  return digester.finish()
}

function isOneOf(name: string, algorithms: readonly Algorithm[]): name is Algorithm {
  return (algorithms as readonly string[]).includes(name)
}

/** Keeps messages short whatever a hostile document holds. */
function quoted(input: string): string {
  return JSON.stringify(input.length > 160 ? `${input.slice(0, 160)}…` : input)
}
