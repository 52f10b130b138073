/**
 * Descriptors: how OCI documents point at bytes.
 *
 * @module
 */
import { type Digest, digestOf } from './digest.ts'
import type { OciAlgorithm } from './hash.ts'

/** A typed, measured and named reference to bytes: image-spec v1.1.1, descriptor.md, "Properties". */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Length of the raw content in bytes. */
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  /** Places to fetch the content from; never followed unless asked for. */
  readonly urls?: readonly string[]
  /** The content itself, base64 (RFC 4648 §4). */
  readonly data?: string
}

/** Describes bytes already in memory. */
export function describe(
  mediaType: string,
  bytes: Uint8Array,
  algorithm: OciAlgorithm = 'sha256',
): Descriptor {
  return { mediaType, digest: digestOf(bytes, algorithm), size: bytes.byteLength }
}
