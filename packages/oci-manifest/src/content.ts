/**
 * Where documents and blobs come from and go to: a layout, a registry repository, a blob store.
 *
 * @module
 */
import type { ByteSource, Descriptor } from '@varve/digest'

/** Cancels an operation. */
export interface ContentOptions {
  readonly signal?: AbortSignal
}

/** Something that holds blobs and documents by descriptor. */
export interface ContentReader {
  /**
   * The bytes of a descriptor, whose whole reads are verified against it; or `undefined` if they are not here.
   * The media type tells a registry whether to ask for a manifest or a blob.
   */
  read(descriptor: Descriptor, options?: ContentOptions): Promise<ByteSource | undefined>
}

/** Something that takes blobs and documents. */
export interface ContentWriter {
  /** Whether a write would be a waste. */
  has(descriptor: Descriptor, options?: ContentOptions): Promise<boolean>
  /** Takes verified bytes; idempotent. Referenced content is written before what refers to it. */
  write(descriptor: Descriptor, source: ByteSource, options?: ContentOptions): Promise<void>
}
