/**
 * Copying images, indexes and artifacts from one place to another.
 *
 * @module
 */
import {
  type ByteSource,
  bytesSource,
  type Descriptor,
  unverifiedSource,
  verifiedSource,
  withSignal,
} from '@varve/digest'
import type { ContentOptions, ContentReader, ContentWriter } from './content.ts'
import { type CopyPlan, planCopy, type PlannedDocument, type PlanOptions } from './copy-plan.ts'
import { inlineContent } from './descriptor.ts'
import { notFound } from './graph.ts'
import { isNondistributableType } from './media-types.ts'
import { eachOf } from './workers.ts'

/** A reader that can begin with a blob at once, where asking whether it has it would cost a request. */
export interface BlobReader {
  /** The bytes of a blob. Opening fails if it is not there. */
  blob(descriptor: Descriptor): ByteSource
}

/** A writer that finds the cheapest way for a blob to come to it. */
export interface BlobWriter {
  /**
   * Takes a blob, unless it is there, or can be had without its bytes: from another repository of the same registry,
   * if that is what `from` is. The source is only opened if it must be.
   */
  pushBlob(
    descriptor: Descriptor,
    source: ByteSource,
    options?: ContentOptions & { readonly from?: ContentReader },
  ): Promise<'copied' | 'existed' | 'mounted'>
}

/** What became of one descriptor. */
export type CopyOutcome = 'copied' | 'existed' | 'mounted' | 'nondistributable'

/** What happens to one descriptor. Every one ends with `done`. */
export type CopyEvent =
  | { readonly type: 'transfer'; readonly descriptor: Descriptor; readonly bytes: number }
  | { readonly type: 'done'; readonly descriptor: Descriptor; readonly outcome: CopyOutcome }

/** How to copy, and how much. */
export interface CopyOptions extends PlanOptions {
  /** Blobs, or documents, at a time. Default 4. */
  readonly concurrency?: number
  /**
   * Takes a manifest that the destination has for a sign that it has the config and the layers too, so that nothing of
   * it is read or asked for. True of registries, which check before they take a manifest. Default false.
   */
  readonly trustManifests?: boolean
  /** Writes the root instead of the destination: straight under a name, for example. */
  readonly writeRoot?: (root: PlannedDocument, signal: AbortSignal) => Promise<'copied' | 'existed'>
  /** `bytes` of a `transfer` counts from the start of that blob, and starts again when a transfer is repeated. */
  readonly onProgress?: (event: CopyEvent) => void
}

/** What a copy did. */
export interface CopyResult {
  /** Of what is now at the destination; another one than asked for if an index was written anew. */
  readonly descriptor: Descriptor
  /** Every document of it, the root last. */
  readonly documents: readonly Descriptor[]
  readonly copied: number
  readonly existed: number
  readonly mounted: number
  /** Of all that was copied. */
  readonly bytes: number
}

/**
 * Copies `root` and everything it needs, what is referred to before what refers to it, each once.
 *
 * Content the destination has is not read, so that a copy that was broken off goes on when it is repeated. Layers that
 * may not be distributed are left out. Stops at the first error; what was written until then stays.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND` if something is missing; `_INVALID`, `_LIMIT`, and with
 *   `platforms` `_PLATFORM`.
 * @throws {DigestError} if bytes are not what their descriptor says.
 */
export async function copyContent(
  root: Descriptor,
  from: ContentReader & Partial<BlobReader>,
  to: ContentWriter & Partial<BlobWriter>,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const { trustManifests = false, writeRoot } = options
  const plan = await planCopy(
    root,
    from,
    options,
    trustManifests ? (manifest, signal) => to.has(manifest, { signal }) : undefined,
  )
  const tally = createTally(options.onProgress)
  for (const descriptor of plan.present) tally.done(descriptor, 'existed')
  await eachOf(plan.blobs, options, async (descriptor, signal) => {
    tally.done(descriptor, await copyBlob(descriptor, from, to, signal, options))
  })
  for (const level of plan.levels) {
    await eachOf(level, options, async (document, signal) => {
      const isRoot = document.descriptor.digest === plan.root.digest
      const write = isRoot && writeRoot !== undefined ? writeRoot : copyDocument.bind(undefined, to)
      tally.done(document.descriptor, await write(document, signal))
    })
  }
  return { ...tally.result(), descriptor: plan.root, documents: documentsOf(plan) }
}

async function copyBlob(
  descriptor: Descriptor,
  from: ContentReader & Partial<BlobReader>,
  to: ContentWriter & Partial<BlobWriter>,
  signal: AbortSignal,
  { onProgress }: CopyOptions,
): Promise<CopyOutcome> {
  if (isNondistributableType(descriptor.mediaType)) return 'nondistributable'
  const watched = (source: ByteSource): ByteSource =>
    onProgress === undefined
      ? source
      : verifiedSource(counted(unverifiedSource(source), descriptor, onProgress), descriptor)
  if (to.pushBlob !== undefined) {
    return to.pushBlob(descriptor, watched(blobOf(from, descriptor)), { from, signal })
  }
  if (await to.has(descriptor, { signal })) return 'existed'
  const source = from.blob?.(descriptor) ?? (await from.read(descriptor, { signal }))
  if (source === undefined) throw notFound(descriptor)
  await to.write(descriptor, watched(source), { signal })
  return 'copied'
}

/** The bytes of a blob, looked for only when they are needed. */
function blobOf(from: ContentReader & Partial<BlobReader>, descriptor: Descriptor): ByteSource {
  if (from.blob !== undefined) return from.blob(descriptor)
  return {
    size: descriptor.size,
    async *open(options = {}) {
      const inline = inlineContent(descriptor)
      const source =
        inline === undefined ? await from.read(descriptor, withSignal(options.signal)) : bytesSource(inline)
      if (source === undefined) throw notFound(descriptor)
      yield* source.open(options)
    },
  }
}

async function copyDocument(
  to: ContentWriter,
  { descriptor, bytes }: PlannedDocument,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  if (await to.has(descriptor, { signal })) return 'existed'
  await to.write(descriptor, bytesSource(bytes), { signal })
  return 'copied'
}

function documentsOf({ root, levels, present }: CopyPlan): readonly Descriptor[] {
  const written = levels.flat().map(({ descriptor }) => descriptor)
  return [...present, ...written].toSorted(
    (a, b) => Number(a.digest === root.digest) - Number(b.digest === root.digest),
  )
}

/** Counts outcomes, and tells of them. */
function createTally(onProgress: CopyOptions['onProgress']): {
  done(descriptor: Descriptor, outcome: CopyOutcome): void
  result(): Pick<CopyResult, 'copied' | 'existed' | 'mounted' | 'bytes'>
} {
  const counts = { copied: 0, existed: 0, mounted: 0, nondistributable: 0 }
  let bytes = 0
  return {
    done(descriptor, outcome) {
      counts[outcome] += 1
      if (outcome === 'copied') bytes += descriptor.size
      onProgress?.({ type: 'done', descriptor, outcome })
    },
    result: () => ({ copied: counts.copied, existed: counts.existed, mounted: counts.mounted, bytes }),
  }
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
