/**
 * New documents beside the content they refer to.
 *
 * @module
 */
import { type ByteSource, bytesSource } from '@varve/digest'
import type { ContentReader } from '../content.ts'
import type { Parsed } from '../document.ts'

/** A reader that also has what was rewritten, so that the result can be copied as a whole. */
export function withDocuments(reader: ContentReader, documents: readonly Parsed<unknown>[]): ContentReader {
  const added = new Map(documents.map(({ descriptor, bytes }) => [descriptor.digest, bytes]))
  return {
    read: async (descriptor, options): Promise<ByteSource | undefined> => {
      options?.signal?.throwIfAborted()
      const bytes = added.get(descriptor.digest)
      return bytes === undefined ? reader.read(descriptor, options) : bytesSource(bytes)
    },
  }
}
