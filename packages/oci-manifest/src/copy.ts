/**
 * Copying images, indexes and artifacts from one place to another.
 *
 * @module
 */
import { type ByteSource, bytesSource, type Descriptor, type Digest, withSignal } from '@varve/digest'
import { ANNOTATION_REFERENCE_DIGEST } from './annotations.ts'
import type { ContentOptions, ContentReader, ContentWriter } from './content.ts'
import { OciManifestError } from './errors.ts'
import { assertNesting, childrenOf, notFound, readDocument, visit, type Visited } from './graph.ts'
import { readImage } from './image.ts'
import type { Document } from './image-index.ts'
import { isDocumentType, isIndexType, isNondistributableType } from './media-types.ts'
import type { Platform } from './platform.ts'

/** What happens to one descriptor. Every one ends with `done`. */
export type CopyEvent =
  | { readonly type: 'transfer'; readonly descriptor: Descriptor; readonly bytes: number }
  | {
      readonly type: 'done'
      readonly descriptor: Descriptor
      readonly outcome: 'copied' | 'existed' | 'nondistributable'
    }

/** How to copy, and how much. */
export interface CopyOptions extends ContentOptions {
  /**
   * Of an index, only the image for this platform and the attestations about it. The index itself is copied as it is,
   * and so names content that is not there.
   */
  readonly platform?: Platform
  /** Blobs at a time. Default 4. */
  readonly concurrency?: number
  /** `bytes` of a `transfer` counts from the start of that blob, and starts again when a transfer is repeated. */
  readonly onProgress?: (event: CopyEvent) => void
}

/** Content in the order it must be written: blobs, then documents, children first. */
export interface CopyPlan {
  readonly blobs: readonly Descriptor[]
  readonly documents: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[]
}

/** All documents of one copy; they are kept in memory, since registries count each request. */
const MAX_PLAN_BYTES = 64 * 1024 * 1024

/**
 * Copies `root` and everything it needs, what is referred to before what refers to it, each once.
 *
 * Content the destination has is not read. Layers that may not be distributed are left out. Stops at the first error;
 * what was written until then stays.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND` if something is missing; `_INVALID`, `_LIMIT`, and with
 *   `platform` `_PLATFORM`.
 * @throws {DigestError} if bytes are not what their descriptor says.
 */
export async function copyContent(
  root: Descriptor,
  from: ContentReader,
  to: ContentWriter,
  options: CopyOptions = {},
): Promise<void> {
  const { blobs, documents } = await planCopy(root, from, options)
  await eachOf(blobs, options, async (descriptor, signal) => {
    await copyOne(descriptor, () => from.read(descriptor, { signal }), to, signal, options)
  })
  for (const { descriptor, bytes } of documents) {
    // In sequence: a parent may only be written when its children are there.
    await eachOf([descriptor], options, async (each, signal) => {
      await copyOne(each, async () => bytesSource(bytes), to, signal, options)
    })
  }
}

/** Reads the documents below `root`, and lists what they need; errors as {@link copyContent}. */
export async function planCopy(
  root: Descriptor,
  from: ContentReader,
  options: CopyOptions = {},
): Promise<CopyPlan> {
  const { platform, signal } = options
  const blobs: Descriptor[] = []
  const documents: { descriptor: Descriptor; bytes: Uint8Array }[] = []
  const visited: Visited = new Map()
  let total = 0
  const only =
    platform === undefined || !isIndexType(root.mediaType)
      ? undefined
      : (await readImage(from, root, { platform, ...withSignal(signal) })).descriptor.digest

  async function add(descriptor: Descriptor, depth: number): Promise<void> {
    if (!visit(visited, descriptor)) return
    if (!isDocumentType(descriptor.mediaType)) {
      blobs.push(descriptor)
      return
    }
    assertNesting(depth)
    const found = await readDocument(from, descriptor, withSignal(signal))
    total += descriptor.size
    if (total > MAX_PLAN_BYTES) {
      throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `More than ${MAX_PLAN_BYTES} bytes of manifests`)
    }
    for (const child of wantedChildren(found, only)) await add(child, depth + 1)
    documents.push({ descriptor, bytes: found.document.bytes })
  }

  await add(root, 0)
  return { blobs, documents }
}

function wantedChildren(found: Document, only: Digest | undefined): readonly Descriptor[] {
  if (only === undefined || found.kind === 'manifest') return childrenOf(found)
  return found.document.value.manifests.filter(
    ({ annotations, digest, mediaType }) =>
      isIndexType(mediaType) || digest === only || annotations?.[ANNOTATION_REFERENCE_DIGEST] === only,
  )
}

async function copyOne(
  descriptor: Descriptor,
  open: () => Promise<ByteSource | undefined>,
  to: ContentWriter,
  signal: AbortSignal,
  { onProgress }: CopyOptions,
): Promise<void> {
  if (isNondistributableType(descriptor.mediaType)) {
    onProgress?.({ type: 'done', descriptor, outcome: 'nondistributable' })
    return
  }
  if (await to.has(descriptor, { signal })) {
    onProgress?.({ type: 'done', descriptor, outcome: 'existed' })
    return
  }
  const source = await open()
  if (source === undefined) throw notFound(descriptor)
  await to.write(descriptor, onProgress === undefined ? source : counted(source, descriptor, onProgress), {
    signal,
  })
  onProgress?.({ type: 'done', descriptor, outcome: 'copied' })
}

function counted(
  source: ByteSource,
  descriptor: Descriptor,
  onProgress: (event: CopyEvent) => void,
): ByteSource {
  return {
    size: source.size,
    async *open(options = {}) {
      let bytes = options.start ?? 0
      for await (const chunk of source.open(options)) {
        bytes += chunk.byteLength
        onProgress({ type: 'transfer', descriptor, bytes })
        yield chunk
      }
    },
  }
}

/** Works on several at a time. The first error stops the others, and is thrown once they have stopped. */
async function eachOf<T>(
  items: readonly T[],
  { concurrency = 4, signal }: CopyOptions,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const failures: unknown[] = []
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (either.aborted) return
      try {
        await work(item, either)
      } catch (error) {
        failures.push(error)
        stop.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(concurrency, items.length)) }, worker))
  signal?.throwIfAborted()
  if (failures.length > 0) throw failures[0]
}
