/**
 * What is about a subject, in a layout.
 *
 * image-spec v1.1.1, image-layout.md, says nothing of referrers: some tools list them in `index.json`, some under the
 * referrers tag, and in an unpacked copy they are merely there. So all documents are looked at.
 *
 * @module
 */
import { compareDigests, type Descriptor, type Digest } from '@varve/digest'
import type { ImageIndex } from '../image-index.ts'
import { isIndexType } from '../media-types.ts'
import { referrersTag } from '../referrer.ts'
import { refNameOf } from '../roots.ts'
import { hasBlob } from './blobs.ts'
import type { StoredDocuments } from './stored-documents.ts'

/** Referrers of a subject that are here, each once, by digest. */
export async function findReferrers(
  documents: StoredDocuments,
  roots: ImageIndex,
  subject: Digest,
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  const found = new Map<Digest, Descriptor>()
  for (const listed of await listedUnderTag(documents, roots, subject, signal)) {
    if (await hasBlob(documents.root, listed)) found.set(listed.digest, listed)
  }
  // What a document says of itself goes before what a list says of it.
  for (const document of await documents.withSubject(signal)) {
    if (document.subject?.digest === subject) found.set(document.descriptor.digest, document.descriptor)
  }
  return [...found.values()].toSorted((a, b) => compareDigests(a.digest, b.digest))
}

/** The entries of the index that is called as distribution-spec, "Referrers Tag Schema", says. */
async function listedUnderTag(
  documents: StoredDocuments,
  { manifests }: ImageIndex,
  subject: Digest,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  const tag = referrersTag(subject)
  const root = manifests.find((entry) => refNameOf(entry) === tag && isIndexType(entry.mediaType))
  return (root && (await documents.read(root, signal))?.children) ?? []
}
