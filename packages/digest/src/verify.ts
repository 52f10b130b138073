/**
 * Verified reads: bytes that are what their descriptor says, or an error.
 *
 * @module
 */
import { algorithmOf, createDigester, type Digest, type DigestAndSize } from './digest.ts'
import { DigestError } from './errors.ts'
import { type ByteSource, type OpenOptions, withSignal } from './source.ts'

/** What is known of the bytes; without `size` only the digest is checked. */
export interface Expected {
  readonly digest: Digest
  readonly size?: number | undefined
}

/**
 * Passes `source` through and throws unless it has the expected size and digest.
 *
 * The last chunk is held back until both are proven, so a reader that has received every byte has received the right
 * ones. Reading stops at the first byte too many: a lying server cannot make us hash without end. Leaving the loop
 * early closes the source and proves nothing.
 *
 * @throws {DigestError} `ERR_DIGEST_SIZE` or `ERR_DIGEST_MISMATCH`
 * @example
 * for await (const chunk of verify(response, descriptor)) await file.write(chunk)
 */
export async function* verify(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  expected: Expected,
): AsyncGenerator<Uint8Array, void, void> {
  const digester = createDigester(algorithmOf(expected.digest))
  const limit = expected.size ?? Infinity
  let held: Uint8Array | undefined
  let size = 0
  for await (const chunk of source) {
    // An empty chunk must not release the one held back: it may be the last of the bytes.
    if (chunk.byteLength === 0) continue
    size += chunk.byteLength
    if (size > limit) throw sizeError(expected.digest, limit, size)
    digester.update(chunk)
    if (held !== undefined) yield held
    held = chunk
  }
  assertExpected(digester.finish(), expected)
  if (held !== undefined) yield held
}

/**
 * Compares what was found with what was announced; the size first, since it says more.
 *
 * @throws {DigestError} `ERR_DIGEST_SIZE` or `ERR_DIGEST_MISMATCH`
 */
export function assertExpected(actual: DigestAndSize, expected: Expected): void {
  if (expected.size !== undefined && actual.size !== expected.size) {
    throw sizeError(expected.digest, expected.size, actual.size)
  }
  if (actual.digest !== expected.digest) {
    throw new DigestError('ERR_DIGEST_MISMATCH', `Expected ${expected.digest}, got ${actual.digest}`, {
      expected: expected.digest,
      actual: actual.digest,
    })
  }
}

/** What verified sources were made of. */
const unverified = new WeakMap<ByteSource, ByteSource>()

/** A source whose whole reads are verified. A read of a part cannot be checked by a digest and passes as it is. */
export function verifiedSource(source: ByteSource, expected: Expected): ByteSource {
  const size = expected.size ?? source.size
  const verified: ByteSource = {
    size,
    open: (options: OpenOptions = {}) => {
      const { start = 0, end = Infinity, signal } = options
      const whole = start === 0 && end >= (size ?? Infinity)
      // Without `end`, so that a byte too many is noticed.
      return whole ? verify(source.open(withSignal(signal)), expected) : source.open(options)
    },
  }
  unverified.set(verified, source)
  return verified
}

/**
 * The source that a verified one was made of, for a reader that verifies everything itself, so that nothing is hashed
 * twice; any other source as it is.
 */
export function unverifiedSource(source: ByteSource): ByteSource {
  return unverified.get(source) ?? source
}

function sizeError(digest: Digest, expected: number, actual: number): DigestError {
  const message = `Expected ${expected} bytes of ${digest}, got ${actual}`
  return new DigestError('ERR_DIGEST_SIZE', message, { expected, actual })
}
