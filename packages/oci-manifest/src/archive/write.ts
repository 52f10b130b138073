/**
 * Writing oci-archives: the same images give the same bytes.
 *
 * @module
 */
import {
  type ByteSource,
  bytesSource,
  type Descriptor,
  unverifiedSource,
  verify,
  withSignal,
} from '@varve/digest'
import type { ContentOptions, ContentReader } from '../content.ts'
import { type CopyPlan, planCopy, type PlanOptions } from '../copy-plan.ts'
import { notFound } from '../graph.ts'
import type { IndexEntry } from '../image-index.ts'
import { compareText } from '../json-writer.ts'
import { versionFile } from '../layout-version.ts'
import { isNondistributableType } from '../media-types.ts'
import type { Platform } from '../platform.ts'
import { assertRefName } from '../roots.ts'
import { formatRoots, openRoots, type RawEntry, withRoot } from '../roots-writer.ts'
import { blobName, type Entry, fileEntry, writeEntries } from './tar-entries.ts'

/** An image, an index or an artifact, and the name it gets. */
export interface ArchiveRoot {
  readonly descriptor: IndexEntry
  readonly name?: string
}

/** How to write. */
export interface WriteArchiveOptions extends ContentOptions {
  /** Of an index, only what is for this platform; the index is written as it is, and so names what is not there. */
  readonly platform?: Platform
}

/** What a layout in an archive consists of, in the order of the archive. */
export interface LayoutEntries {
  /** Version file and index. */
  readonly files: readonly Entry[]
  /** Directories, then blobs by digest. */
  readonly blobs: readonly Entry[]
}

/**
 * Writes an oci-archive as a stream: version file, index, then the blobs by digest, each once; times and owners are 0.
 *
 * Layers that may not be distributed are left out. Nothing is held in memory but the manifests.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND` if content is missing; `_REFERENCE` if a name is not one that
 *   image-spec allows; as `copyContent` for the rest.
 * @throws {DigestError} if bytes are not what their descriptor says; the archive is then not complete.
 */
export async function* writeArchive(
  roots: readonly ArchiveRoot[],
  from: ContentReader,
  options: WriteArchiveOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { files, blobs } = await listLayout(roots, from, options)
  yield* writeEntries([...files, ...blobs], options)
}

/** Reads the documents, and lists everything that they need. */
export async function listLayout(
  roots: readonly ArchiveRoot[],
  from: ContentReader,
  options: WriteArchiveOptions,
): Promise<LayoutEntries> {
  const blobs = new Map<string, Entry>()
  const { index } = openRoots()
  let listed: readonly RawEntry[] = []
  const { platform, signal } = options
  const plan: PlanOptions = {
    ...withSignal(signal),
    ...(platform === undefined ? {} : { platforms: [platform], sparse: true }),
  }
  for (const { descriptor, name } of roots) {
    if (name !== undefined) assertRefName(name)
    listed = withRoot(listed, name, descriptor)
    for (const entry of blobEntries(await planCopy(descriptor, from, plan), from, options)) {
      blobs.set(entry.name, entry)
    }
  }
  const directories = new Set([
    'blobs/sha256/',
    ...[...blobs.keys()].map((name) => name.replace(/[^/]+$/, '')),
  ])
  return {
    files: [
      fileEntry('oci-layout', versionFile()),
      fileEntry('index.json', formatRoots({ index, entries: listed })),
    ],
    blobs: [
      { name: 'blobs/', size: 0 },
      ...[...directories].toSorted(compareText).map((name) => ({ name, size: 0 })),
      ...[...blobs.values()].toSorted((a, b) => compareText(a.name, b.name)),
    ],
  }
}

function blobEntries(
  { blobs, levels }: CopyPlan,
  from: ContentReader,
  { signal }: ContentOptions,
): readonly Entry[] {
  const stored = blobs.filter(({ mediaType }) => !isNondistributableType(mediaType))
  return [
    ...stored.map((blob) => blobEntry(blob, () => from.read(blob, withSignal(signal)), signal)),
    ...levels
      .flat()
      .map(({ descriptor, bytes }) => blobEntry(descriptor, async () => bytesSource(bytes), signal)),
  ]
}

function blobEntry(
  descriptor: Descriptor,
  read: () => Promise<ByteSource | undefined>,
  signal: AbortSignal | undefined,
): Entry {
  return {
    name: blobName(descriptor.digest),
    size: descriptor.size,
    open: async () => {
      const source = await read()
      if (source === undefined) throw notFound(descriptor)
      return verify(unverifiedSource(source).open(withSignal(signal)), descriptor)
    },
  }
}
