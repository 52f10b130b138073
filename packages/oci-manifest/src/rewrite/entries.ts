/**
 * An index with fewer entries.
 *
 * @module
 */
import type { Descriptor, Digest } from '@varve/digest'
import { describeLike, type Parsed } from '../document.ts'
import type { ImageIndex } from '../image-index.ts'
import { type JsonObject, parseJson } from '../json.ts'
import { writeJson } from '../json-writer.ts'
import { DESCRIPTOR_ORDER, INDEX_ORDER, objectOf, objectsOf, rewriteMembers } from './members.ts'

/**
 * The index with only the entries whose digests are keys of `left`, each pointing at what it became; everything else
 * in it stays as it was written. The same bytes if nothing changes; `undefined` if there were entries and none is left.
 */
export function onlyEntries(
  descriptor: Descriptor,
  { bytes, value }: Parsed<ImageIndex>,
  left: ReadonlyMap<Digest, Descriptor>,
): { readonly descriptor: Descriptor; readonly bytes: Uint8Array } | undefined {
  if (value.manifests.every(({ digest }) => left.get(digest)?.digest === digest)) return { descriptor, bytes }
  if (left.size === 0) return undefined
  const index = objectOf(parseJson(bytes))
  const manifests = objectsOf(index.get('manifests')).flatMap((entry) => {
    const became = left.get(entry.get('digest') as Digest)
    return became === undefined ? [] : [pointedAt(entry, became)]
  })
  const written = writeJson(rewriteMembers(index, { manifests }, INDEX_ORDER))
  const { digest, size } = describeLike(descriptor, descriptor.mediaType, written)
  const { data: _, ...rest } = descriptor
  return { descriptor: { ...rest, digest, size }, bytes: written }
}

function pointedAt(entry: JsonObject, { digest, size }: Descriptor): ReturnType<typeof rewriteMembers> {
  if (entry.get('digest') === digest) return entry
  return rewriteMembers(entry, { digest, size, data: undefined }, DESCRIPTOR_ORDER)
}
