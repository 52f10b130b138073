/**
 * Names bytes and proves them: content digests, re-openable byte sources, verified reads.
 *
 * @packageDocumentation
 */
export { type Descriptor, describe } from './descriptor.ts'
export {
  algorithmOf,
  compareDigests,
  createDigester,
  type Digest,
  type DigestAndSize,
  type Digester,
  digestOf,
  digestStream,
  formatDigest,
  hexOf,
  isDigest,
  parseDigest,
} from './digest.ts'
export { DigestError, type DigestErrorCode, type DigestErrorOptions } from './errors.ts'
export { type Algorithm, OCI_ALGORITHMS, type OciAlgorithm } from './hash.ts'
export {
  type BlockReader,
  type ByteSource,
  bytesSource,
  concatSources,
  type OpenOptions,
  readAll,
  sliceSource,
  streamSource,
  withSignal,
} from './source.ts'
export { assertExpected, type Expected, unverifiedSource, verifiedSource, verify } from './verify.ts'
