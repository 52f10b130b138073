/**
 * What a copy must move, and in which order.
 *
 * @module
 */
import { type ByteSource, type Descriptor, type Digest, withSignal } from '@varve/digest'
import { ANNOTATION_REFERENCE_DIGEST, ANNOTATION_REFERENCE_TYPE } from './annotations.ts'
import type { ContentOptions, ContentReader } from './content.ts'
import { OciManifestError } from './errors.ts'
import { assertNesting, childrenOf, readDocument, visit, type Visited } from './graph.ts'
import { readImage } from './image.ts'
import type { Document } from './image-index.ts'
import { isDocumentType, isIndexType, isManifestType, isNondistributableType } from './media-types.ts'
import type { Platform } from './platform.ts'
import { onlyEntries } from './rewrite/entries.ts'
import { eachOf } from './workers.ts'

/** Which part of an image is wanted. Without any of these, all of it. */
export interface PlanOptions extends ContentOptions {
  /**
   * Of an index, only the best image for each of these, and the attestations about them. The index is written anew
   * with nothing else in it, and so gets another digest; a lone manifest stays what it is.
   */
  readonly platforms?: readonly Platform[]
  /**
   * With `platforms`, leaves the index as it is, so that it keeps its digest and names content that is not there. Most
   * registries refuse such an index; layouts take it. Default false.
   */
  readonly sparse?: boolean
  /** Whether the attestations that an index lists beside its images go along. Default true. */
  readonly attestations?: boolean
  /** Documents read at a time. Default 4. */
  readonly concurrency?: number
}

/** A document, ready to be written. */
export interface PlannedDocument {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** Content in the order it must be written: blobs, then documents, children first. */
export interface CopyPlan {
  /** What the root became: another one only where an index was written anew. */
  readonly root: Descriptor
  readonly blobs: readonly Descriptor[]
  /** Those of one level do not refer to each other, only to levels before. */
  readonly levels: readonly (readonly PlannedDocument[])[]
  /** Manifests that need nothing, since the destination has them. */
  readonly present: readonly Descriptor[]
}

/** All documents of one copy; they are kept in memory, since registries count each request. */
const MAX_PLAN_BYTES = 64 * 1024 * 1024

/** A document that was read. */
interface Node {
  readonly descriptor: Descriptor
  readonly found: Document
  readonly children: readonly Descriptor[]
}

/** What a node became: a document at a height above the blobs, or nothing, if an index has lost all of its entries. */
interface Placed {
  readonly document: PlannedDocument
  readonly height: number
}

/** A walk in progress. */
interface Walk {
  readonly nodes: Map<Digest, Node>
  readonly blobs: Descriptor[]
  /** Digests of those that may be distributed. */
  readonly distributable: Set<Digest>
  readonly present: Descriptor[]
  readonly visited: Visited
  bytes: number
}

/**
 * Reads the documents below `root`, level by level, and lists what they need. A manifest for which `isPresent` says
 * true is not read, and nothing that it needs is listed.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`; `_INVALID`, `_LIMIT`; with `platforms` `_PLATFORM`.
 * @throws {DigestError} if a document is not what its descriptor says.
 */
export async function planCopy(
  root: Descriptor,
  from: ContentReader,
  options: PlanOptions = {},
  isPresent?: (manifest: Descriptor, signal: AbortSignal) => Promise<boolean>,
): Promise<CopyPlan> {
  const reader = options.platforms === undefined ? from : remembering(from)
  const wants = await selection(root, reader, options)
  const walk: Walk = {
    nodes: new Map(),
    blobs: [],
    distributable: new Set(),
    present: [],
    visited: new Map(),
    bytes: 0,
  }
  let level: readonly Descriptor[] = unseen(walk, [root])
  for (let depth = 0; level.length > 0; depth++) {
    assertNesting(depth)
    const skipped = new Set<Digest>()
    await eachOf(level, options, async (descriptor, signal) => {
      if (isManifestType(descriptor.mediaType) && (await isPresent?.(descriptor, signal))) {
        skipped.add(descriptor.digest)
        return
      }
      walk.bytes += descriptor.size
      if (walk.bytes > MAX_PLAN_BYTES) {
        throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `More than ${MAX_PLAN_BYTES} bytes of manifests`)
      }
      const found = await readDocument(reader, descriptor, { signal })
      walk.nodes.set(descriptor.digest, { descriptor, found, children: childrenOf(found).filter(wants) })
    })
    walk.present.push(...level.filter(({ digest }) => skipped.has(digest)))
    level = level.flatMap(({ digest }) => unseen(walk, walk.nodes.get(digest)?.children ?? []))
  }
  return { blobs: walk.blobs, present: walk.present, ...place(walk, root, options.sparse === true) }
}

/** The documents that were not met before; blobs are put on the list. */
function unseen({ blobs, distributable, visited }: Walk, met: readonly Descriptor[]): Descriptor[] {
  const documents: Descriptor[] = []
  for (const each of met) {
    const isFirst = visit(visited, each)
    if (isDocumentType(each.mediaType)) {
      if (isFirst) documents.push(each)
    } else if (isNondistributableType(each.mediaType)) {
      if (isFirst) blobs.push(each)
    } else if (!distributable.has(each.digest)) {
      // Also if it was met as what stays behind: the one that refers to it here needs it.
      distributable.add(each.digest)
      blobs.push(each)
    }
  }
  return documents
}

/** Which children are wanted. */
async function selection(
  root: Descriptor,
  from: ContentReader,
  { platforms, attestations = true, signal }: PlanOptions,
): Promise<(child: Descriptor) => boolean> {
  let only: Set<Digest> | undefined
  if (platforms !== undefined && isIndexType(root.mediaType)) {
    only = new Set()
    for (const platform of platforms) {
      only.add((await readImage(from, root, { platform, ...withSignal(signal) })).descriptor.digest)
    }
  }
  return ({ mediaType, digest, annotations }) => {
    if (!isDocumentType(mediaType)) return true
    const isAttestation = annotations?.[ANNOTATION_REFERENCE_TYPE] !== undefined
    if (isAttestation && !attestations) return false
    if (only === undefined || isIndexType(mediaType)) return true
    return only.has(digest) || only.has((annotations?.[ANNOTATION_REFERENCE_DIGEST] ?? '') as Digest)
  }
}

/** Looking for a platform reads documents that are read again for the plan. */
function remembering(from: ContentReader): ContentReader {
  const sources = new Map<string, Promise<ByteSource | undefined>>()
  return {
    read(descriptor, options) {
      // One digest under two types is two questions.
      const key = `${descriptor.digest} ${descriptor.mediaType}`
      const source = sources.get(key) ?? from.read(descriptor, options)
      sources.set(key, source)
      return source
    },
  }
}

/** From the blobs upwards: at what height each document is, and what it became. */
function place(walk: Walk, root: Descriptor, sparse: boolean): Pick<CopyPlan, 'root' | 'levels'> {
  const placed = new Map<Digest, Placed | undefined>()
  const levels: PlannedDocument[][] = []
  const placeNode = ({ descriptor, found, children }: Node): Placed | undefined => {
    if (placed.has(descriptor.digest)) return placed.get(descriptor.digest)
    let height = 0
    const left = new Map<Digest, Descriptor>()
    for (const child of children) {
      const node = walk.nodes.get(child.digest)
      const below = node && placeNode(node)
      if (below !== undefined) height = Math.max(height, below.height + 1)
      if (node === undefined || below !== undefined)
        left.set(child.digest, below?.document.descriptor ?? child)
    }
    assertNesting(height)
    const unchanged = { descriptor, bytes: found.document.bytes }
    const isWhole = sparse || found.kind === 'manifest'
    const document = isWhole ? unchanged : onlyEntries(descriptor, found.document, left)
    const isGone = document === undefined && descriptor.digest !== root.digest
    const result = isGone ? undefined : { document: document ?? unchanged, height }
    placed.set(descriptor.digest, result)
    if (result !== undefined) (levels[height] ??= []).push(result.document)
    return result
  }
  const top = walk.nodes.get(root.digest)
  return { root: (top && placeNode(top)?.document.descriptor) ?? root, levels }
}
