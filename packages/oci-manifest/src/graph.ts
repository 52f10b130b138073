/**
 * Following descriptors: reading the documents they name, and what those name in turn.
 *
 * @module
 */
import { type Descriptor, type Digest, readAll, verify, withSignal } from '@varve/digest'
import type { ContentOptions, ContentReader } from './content.ts'
import { inlineContent } from './descriptor.ts'
import { invalid, OciManifestError } from './errors.ts'
import { type Document, parseDocument } from './image-index.ts'
import { MAX_DOCUMENT_BYTES } from './json.ts'
import { isIndexType, isManifestType } from './media-types.ts'

/** Indexes within indexes; more has no use and no end. */
export const MAX_NESTING = 8

/** What a digest was referred to as. The same bytes may not be two of these. */
type Kind = 'index' | 'manifest' | 'blob'

/** What a walk has met. */
export type Visited = Map<Digest, Kind>

/**
 * Reads a whole document or config, verified, from the descriptor itself if it carries it.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`; `ERR_OCI_MANIFEST_LIMIT` if it is over 8 MiB.
 * @throws {DigestError} if the bytes are other ones.
 */
export async function readBytes(
  reader: ContentReader,
  descriptor: Descriptor,
  { signal }: ContentOptions = {},
): Promise<Uint8Array> {
  signal?.throwIfAborted()
  const { digest, size } = descriptor
  if (size > MAX_DOCUMENT_BYTES) {
    throw new OciManifestError(
      'ERR_OCI_MANIFEST_LIMIT',
      `A document of ${size} bytes; ${MAX_DOCUMENT_BYTES} are allowed`,
      { digest },
    )
  }
  const inline = inlineContent(descriptor)
  if (inline !== undefined) return inline
  const source = await reader.read(descriptor, withSignal(signal))
  if (source === undefined) throw notFound(descriptor)
  return readAll(verify(source.open(withSignal(signal)), descriptor), size)
}

/** Reads and parses a manifest or an index; errors as {@link readBytes} and {@link parseDocument}. */
export async function readDocument(
  reader: ContentReader,
  descriptor: Descriptor,
  options: ContentOptions = {},
): Promise<Document> {
  return parseDocument(await readBytes(reader, descriptor, options), { descriptor })
}

/** What a document needs to be whole. Its subject is not among it: that may be missing anywhere. */
export function childrenOf({ kind, document }: Document): readonly Descriptor[] {
  return kind === 'index' ? document.value.manifests : [document.value.config, ...document.value.layers]
}

/**
 * Notes a visit; tells whether it is the first.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if the digest was met as something else: CVE-2021-41190.
 */
export function visit(visited: Visited, { digest, mediaType }: Descriptor): boolean {
  const kind = isIndexType(mediaType) ? 'index' : isManifestType(mediaType) ? 'manifest' : 'blob'
  const before = visited.get(digest)
  if (before !== undefined && before !== kind)
    throw invalid('', `${digest} is referred to as ${before} and as ${kind}`)
  visited.set(digest, kind)
  return before === undefined
}

/** @throws {OciManifestError} `ERR_OCI_MANIFEST_LIMIT` */
export function assertNesting(depth: number): void {
  if (depth <= MAX_NESTING) return
  throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `More than ${MAX_NESTING} indexes within each other`)
}

export function notFound({ digest, mediaType }: Descriptor): OciManifestError {
  return new OciManifestError(
    'ERR_OCI_MANIFEST_NOT_FOUND',
    `No ${digest}, of type ${JSON.stringify(mediaType)}`,
    {
      digest,
    },
  )
}
