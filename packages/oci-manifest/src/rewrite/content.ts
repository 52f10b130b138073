/**
 * Rewriting images of an index: new manifests in their places, and everything above them anew.
 *
 * @module
 */
import { type Descriptor, type Digest, withSignal } from '@varve/digest'
import { ANNOTATION_REFERENCE_DIGEST } from '../annotations.ts'
import type { ContentOptions, ContentReader } from '../content.ts'
import { describeLike, type Parsed } from '../document.ts'
import { OciManifestError } from '../errors.ts'
import { assertNesting, readDocument, visit, type Visited } from '../graph.ts'
import { type ImageIndex, type IndexEntry, parseIndex } from '../image-index.ts'
import { type JsonObject, parseJson } from '../json.ts'
import { type JsonInput, sortedMap, writeJson } from '../json-writer.ts'
import { type Manifest, parseManifest } from '../manifest.ts'
import { isDocumentType } from '../media-types.ts'
import { aboutOf, isAboutAnother } from './about.ts'
import {
  DESCRIPTOR_ORDER,
  INDEX_ORDER,
  MANIFEST_ORDER,
  type MemberChanges,
  objectOf,
  objectsOf,
  rewriteMembers,
} from './members.ts'
import { withDocuments } from './with-documents.ts'

/** What a rewrite gives. */
export interface RewrittenContent {
  /** The new root; the old one, if nothing changed. */
  readonly descriptor: Descriptor
  /** What is new, in the order to write it: configs, manifests, then indexes. */
  readonly documents: readonly Parsed<unknown>[]
  /** Entries that were left out of an index. */
  readonly dropped: readonly IndexEntry[]
}

/** What happens to entries that are about an image that has changed. */
export interface RewriteOptions extends ContentOptions {
  /**
   * `drop` (default) leaves them out: what they claim is of other bytes. `repoint` names the new image in the
   * annotation and the subject; a statement within still names the old one.
   */
  readonly attestations?: 'drop' | 'repoint'
}

/** What to change. Each may be called in any order. */
export interface Rewrite {
  /** The documents to put in place of a manifest, itself last; the same manifest to keep it, nothing to leave it out. */
  readonly manifest: (manifest: Parsed<Manifest>, entry: IndexEntry) => Promise<readonly Parsed<unknown>[]>
  /** Other entries: `false` leaves them out. Default: they stay. */
  readonly keeps?: (entry: IndexEntry, at: string) => boolean
  /** Members of an index to change besides its entries. */
  readonly index?: (object: JsonObject, index: Parsed<ImageIndex>) => MemberChanges
  /** Members of an entry to change besides what it points at; `documents` are those of a new manifest. */
  readonly entry?: (
    object: JsonObject,
    at: string,
    documents: readonly Parsed<unknown>[],
  ) => MemberChanges | Promise<MemberChanges>
}

/** All new documents of one rewrite; they are kept in memory. */
const MAX_REWRITTEN_BYTES = 64 * 1024 * 1024

/** A rewrite in progress. */
interface Work {
  readonly reader: ContentReader
  readonly rewrite: Rewrite
  readonly options: RewriteOptions
  readonly visited: Visited
  /** What became of a digest; the same thing wherever it is met. */
  readonly results: Map<Digest, readonly Parsed<unknown>[]>
  readonly documents: Map<Digest, Parsed<unknown>>
  readonly dropped: IndexEntry[]
  bytes: number
}

/** An entry and what has become of it. */
interface Rewritten {
  readonly entry: IndexEntry
  readonly object: JsonObject
  /** Of the new document. */
  readonly descriptor: Descriptor
  readonly documents: readonly Parsed<unknown>[]
  /** Digest of what it is about, by annotation or subject. */
  readonly about: string | undefined
}

/**
 * Rewrites the manifest that `root` names, or all of an index, nested ones included.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`, `_INVALID`, `_LIMIT`, and what `rewrite` throws.
 * @throws {DigestError} if bytes are not what their descriptor says.
 */
export async function rewriteContent(
  reader: ContentReader,
  root: Descriptor,
  rewrite: Rewrite,
  options: RewriteOptions = {},
): Promise<RewrittenContent> {
  const work: Work = {
    reader,
    rewrite,
    options,
    visited: new Map(),
    results: new Map(),
    documents: new Map(),
    dropped: [],
    bytes: 0,
  }
  const documents = await rewriteDocument(work, root, 0)
  const rewritten = documents.at(-1)?.descriptor
  const descriptor = rewritten === undefined || rewritten.digest === root.digest ? root : rewritten
  return { descriptor, documents: [...work.documents.values()], dropped: work.dropped }
}

/** Documents in place of one; only those that are new are noted. */
async function rewriteDocument(
  work: Work,
  entry: IndexEntry,
  depth: number,
): Promise<readonly Parsed<unknown>[]> {
  assertNesting(depth)
  if (!visit(work.visited, entry)) return work.results.get(entry.digest) ?? []
  const { platform: _, ...descriptor } = entry
  const found = await readDocument(work.reader, descriptor, withSignal(work.options.signal))
  const documents =
    found.kind === 'manifest'
      ? await work.rewrite.manifest(found.document, entry)
      : [await rewriteIndex(work, found.document, depth)]
  work.results.set(entry.digest, documents)
  if (documents.at(-1)?.descriptor.digest !== entry.digest) note(work, documents)
  return documents
}

async function rewriteIndex(
  work: Work,
  index: Parsed<ImageIndex>,
  depth: number,
): Promise<Parsed<ImageIndex>> {
  const object = objectOf(parseJson(index.bytes))
  const objects = objectsOf(object.get('manifests'))
  const rewritten: (Rewritten | undefined)[] = []
  for (const [position, entry] of index.value.manifests.entries()) {
    rewritten.push(await rewriteEntry(work, entry, objects[position] as JsonObject, position, depth))
  }
  const moved = new Map<string, Descriptor | undefined>(
    index.value.manifests.map(({ digest }, position) => [digest, rewritten[position]?.descriptor]),
  )
  const entries: JsonInput[] = []
  for (const [position, each] of rewritten.entries()) {
    const written = each === undefined ? undefined : await writeEntry(work, each, moved, position)
    if (written === undefined) work.dropped.push(index.value.manifests[position] as IndexEntry)
    else entries.push(written)
  }
  const changes = work.rewrite.index?.(object, index) ?? {}
  const same =
    entries.length === objects.length && entries.every((each, position) => each === objects[position])
  if (same && Object.keys(changes).length === 0) return index
  const bytes = writeJson(rewriteMembers(object, { ...changes, manifests: entries }, INDEX_ORDER))
  const mediaType =
    typeof changes['mediaType'] === 'string' ? changes['mediaType'] : index.descriptor.mediaType
  return parseIndex(bytes, { descriptor: describeLike(index.descriptor, mediaType, bytes) })
}

/** What becomes of an entry, but for what it is about; nothing if it is left out. */
async function rewriteEntry(
  work: Work,
  entry: IndexEntry,
  object: JsonObject,
  position: number,
  depth: number,
): Promise<Rewritten | undefined> {
  const unchanged = { entry, object, descriptor: entry, documents: [], about: aboutOf(entry) }
  if (isAboutAnother(entry) || !isDocumentType(entry.mediaType)) {
    return work.rewrite.keeps?.(entry, `manifests[${position}]`) === false ? undefined : unchanged
  }
  const documents = await rewriteDocument(work, entry, depth + 1)
  const last = documents.at(-1)
  if (last === undefined) return undefined
  const { subject } = last.value as Manifest | ImageIndex
  return { ...unchanged, descriptor: last.descriptor, documents, about: subject?.digest }
}

/** The entry as it is written: the very same object, if nothing changed. */
async function writeEntry(
  work: Work,
  rewritten: Rewritten,
  moved: ReadonlyMap<string, Descriptor | undefined>,
  position: number,
): Promise<JsonInput | undefined> {
  const { entry, object, documents, about } = rewritten
  let { descriptor } = rewritten
  let repointed: MemberChanges = {}
  if (about !== undefined && moved.has(about) && moved.get(about)?.digest !== about) {
    const image = moved.get(about)
    // Without its image there is nothing to point at.
    if (image === undefined || work.options.attestations !== 'repoint') return undefined
    descriptor = await repointSubject(work, descriptor, about, image)
    if (aboutOf(entry) === about) {
      const annotations = { ...entry.annotations, [ANNOTATION_REFERENCE_DIGEST]: image.digest }
      repointed = { annotations: sortedMap(annotations) }
    }
  }
  const { mediaType, digest, size } = descriptor
  const own = (await work.rewrite.entry?.(object, `manifests[${position}]`, documents)) ?? {}
  const moves = digest === entry.digest ? {} : { mediaType, digest, size, data: undefined }
  const changes: MemberChanges = { ...moves, ...repointed, ...own }
  return Object.keys(changes).length === 0 ? object : rewriteMembers(object, changes, DESCRIPTOR_ORDER)
}

/** The manifest of an attestation with another subject; one without a subject stays as it is. */
async function repointSubject(
  work: Work,
  descriptor: Descriptor,
  about: string,
  { mediaType, digest, size }: Descriptor,
): Promise<Descriptor> {
  const reader = withDocuments(work.reader, [...work.documents.values()])
  const { digest: own, size: ownSize, mediaType: ownType } = descriptor
  const plain = { digest: own, size: ownSize, mediaType: ownType }
  const found = await readDocument(reader, plain, withSignal(work.options.signal))
  if (found.document.value.subject?.digest !== about) return descriptor
  const object = objectOf(parseJson(found.document.bytes))
  const subject = rewriteMembers(
    objectOf(object.get('subject')),
    { mediaType, digest, size, data: undefined },
    DESCRIPTOR_ORDER,
  )
  const order = found.kind === 'manifest' ? MANIFEST_ORDER : INDEX_ORDER
  const bytes = writeJson(rewriteMembers(object, { subject }, order))
  const options = { descriptor: describeLike(plain, ownType, bytes) }
  const document = found.kind === 'manifest' ? parseManifest(bytes, options) : parseIndex(bytes, options)
  note(work, [document])
  return document.descriptor
}

function note(work: Work, documents: readonly Parsed<unknown>[]): void {
  for (const document of documents) {
    if (work.documents.has(document.descriptor.digest)) continue
    work.documents.set(document.descriptor.digest, document)
    work.bytes += document.bytes.byteLength
    if (work.bytes > MAX_REWRITTEN_BYTES) {
      throw new OciManifestError(
        'ERR_OCI_MANIFEST_LIMIT',
        `More than ${MAX_REWRITTEN_BYTES} bytes of new documents`,
      )
    }
  }
}
