/**
 * What the roots of a layout need: their documents and blobs, what those are about, and what is about them.
 *
 * @module
 */
import { type Descriptor, type Digest, DigestError } from '@varve/digest'
import { setTimeout as sleep } from 'node:timers/promises'
import { OciManifestError } from '../errors.ts'
import { isDocumentType, isIndexType } from '../media-types.ts'
import { relyOnBlob, touchBlob } from './blobs.ts'
import { REREAD_MS } from './files.ts'
import type { StoredDocument, StoredDocuments } from './stored-documents.ts'

/** A descriptor to be followed, and whether an index names it, which may name documents of types not known here. */
interface Step {
  readonly descriptor: Descriptor
  readonly isListed: boolean
}

/**
 * Every digest that is needed by `roots`: children at any depth, attestations among them, subjects, and referrers of
 * all of these. Content that is missing is passed over: an index may name platforms that are not there.
 *
 * @throws {OciManifestError} and {DigestError} if a document that is there cannot be read, since nothing can be said of
 *   what it needs.
 */
export async function findReachable(
  documents: StoredDocuments,
  roots: readonly Descriptor[],
  signal?: AbortSignal,
): Promise<ReadonlySet<Digest>> {
  const reached = new Set<Digest>()
  const followed = new Set<string>()
  const referrers = new Map<Digest, Descriptor[]>()
  for (const { subject, descriptor } of await documents.withSubject(signal)) {
    const about = subject && referrers.get(subject.digest)
    if (about !== undefined) about.push(descriptor)
    else if (subject !== undefined) referrers.set(subject.digest, [descriptor])
  }
  await follow(documents, roots, { reached, followed }, signal)
  // A set is walked through to its end, and that moves.
  for (const digest of reached) {
    const about = referrers.get(digest)
    if (about !== undefined) await follow(documents, about, { reached, followed }, signal)
  }
  return reached
}

/** Whether a blob is there, as {@link relyOnBlob}; what it needs, if it is a document, counts as new as well. */
export async function relyOnContent(
  documents: StoredDocuments,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<boolean> {
  const { root } = documents
  for (let attempt = 0; !(await relyOnBlob(root, descriptor)); attempt += 1) {
    const wait = REREAD_MS[attempt]
    if (wait === undefined) return false
    await sleep(wait)
  }
  const reached = new Set<Digest>()
  try {
    await follow(documents, [descriptor], { reached, followed: new Set() }, signal)
  } catch (error) {
    // What cannot be read may be named all the same; `verifyImage` tells what is wrong with it.
    if (!(error instanceof OciManifestError || error instanceof DigestError)) throw error
  }
  for (const digest of reached) await touchBlob(root, digest)
  return true
}

async function follow(
  documents: StoredDocuments,
  from: readonly Descriptor[],
  { reached, followed }: { readonly reached: Set<Digest>; readonly followed: Set<string> },
  signal: AbortSignal | undefined,
): Promise<void> {
  const queue: Step[] = from.map((descriptor) => ({ descriptor, isListed: true }))
  for (let step = queue.pop(); step !== undefined; step = queue.pop()) {
    signal?.throwIfAborted()
    const { descriptor, isListed } = step
    const { digest, mediaType } = descriptor
    reached.add(digest)
    const isDocument = isDocumentType(mediaType)
    const key = `${digest} ${isDocument ? mediaType : isListed}`
    if (followed.has(key)) continue
    followed.add(key)
    if (isDocument) {
      const found = await documents.read(descriptor, signal)
      const isListing = isIndexType(mediaType)
      for (const each of neededBy(found)) queue.push({ descriptor: each, isListed: isListing })
    } else if (isListed) {
      for (const each of await documents.mentions(digest, signal)) {
        queue.push({ descriptor: { ...descriptor, digest: each }, isListed: true })
      }
    }
  }
}

function neededBy(found: StoredDocument | undefined): readonly Descriptor[] {
  if (found === undefined) return []
  return found.subject === undefined ? found.children : [...found.children, found.subject]
}
