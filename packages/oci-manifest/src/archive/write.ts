/**
 * Writing archives: the same images give the same bytes.
 *
 * @module
 */
import {
  algorithmOf,
  type ByteSource,
  bytesSource,
  type Descriptor,
  hexOf,
  verify,
  withSignal,
} from '@varve/digest'
import { type Pack, pack as createPack } from 'tar-stream'
import type { ContentOptions, ContentReader } from '../content.ts'
import { type CopyPlan, planCopy } from '../copy.ts'
import { notFound } from '../graph.ts'
import type { IndexEntry } from '../image-index.ts'
import { compareText } from '../json-writer.ts'
import { versionFile } from '../layout-version.ts'
import { isNondistributableType } from '../media-types.ts'
import type { Platform } from '../platform.ts'
import { assertRefName } from '../roots.ts'
import { formatRoots, openRoots, type RawEntry, withRoot } from '../roots-writer.ts'

/** An image, an index or an artifact, and the name it gets. */
export interface ArchiveRoot {
  readonly descriptor: IndexEntry
  readonly name?: string
}

/** How to write. */
export interface WriteArchiveOptions extends ContentOptions {
  /** Of an index, only what is for this platform, as in `copyContent`. */
  readonly platform?: Platform
}

/** A tar entry; without a source it is a directory. */
interface Entry {
  readonly name: string
  readonly size: number
  readonly open?: () => Promise<AsyncIterable<Uint8Array>>
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
  const entries = await listEntries(roots, from, options)
  const pack = createPack()
  const feeding = feed(pack, entries, options)
  // It is awaited below; if the reader leaves before, what it says no longer matters.
  feeding.catch(() => undefined)
  try {
    for await (const chunk of pack) yield chunk as Uint8Array
    await feeding
  } finally {
    pack.destroy()
    await feeding.catch(() => undefined)
  }
}

async function listEntries(
  roots: readonly ArchiveRoot[],
  from: ContentReader,
  options: WriteArchiveOptions,
): Promise<readonly Entry[]> {
  const blobs = new Map<string, Entry>()
  const { index } = openRoots()
  let listed: readonly RawEntry[] = []
  for (const { descriptor, name } of roots) {
    if (name !== undefined) assertRefName(name)
    listed = withRoot(listed, name, descriptor)
    for (const entry of blobEntries(await planCopy(descriptor, from, options), from, options)) {
      blobs.set(entry.name, entry)
    }
  }
  const directories = new Set([
    'blobs/sha256/',
    ...[...blobs.keys()].map((name) => name.replace(/[^/]+$/, '')),
  ])
  return [
    inMemory('oci-layout', versionFile()),
    inMemory('index.json', formatRoots({ index, entries: listed })),
    { name: 'blobs/', size: 0 },
    ...[...directories].toSorted(compareText).map((name) => ({ name, size: 0 })),
    ...[...blobs.values()].toSorted((a, b) => compareText(a.name, b.name)),
  ]
}

function blobEntries(
  { blobs, documents }: CopyPlan,
  from: ContentReader,
  { signal }: ContentOptions,
): readonly Entry[] {
  const stored = blobs.filter(({ mediaType }) => !isNondistributableType(mediaType))
  return [
    ...stored.map((blob) => blobEntry(blob, () => from.read(blob, withSignal(signal)), signal)),
    ...documents.map(({ descriptor, bytes }) =>
      blobEntry(descriptor, async () => bytesSource(bytes), signal),
    ),
  ]
}

function blobEntry(
  descriptor: Descriptor,
  read: () => Promise<ByteSource | undefined>,
  signal: AbortSignal | undefined,
): Entry {
  const { digest, size } = descriptor
  return {
    name: `blobs/${algorithmOf(digest)}/${hexOf(digest)}`,
    size,
    open: async () => {
      const source = await read()
      if (source === undefined) throw notFound(descriptor)
      return verify(source.open(withSignal(signal)), descriptor)
    },
  }
}

function inMemory(name: string, bytes: Uint8Array): Entry {
  return { name, size: bytes.byteLength, open: async () => bytesSource(bytes).open() }
}

/** Puts the entries into the stream as fast as it is read; an error becomes the stream's. */
async function feed(pack: Pack, entries: readonly Entry[], { signal }: ContentOptions): Promise<void> {
  try {
    for (const entry of entries) {
      signal?.throwIfAborted()
      await addEntry(pack, entry)
    }
    pack.finalize()
  } catch (error) {
    pack.destroy(error as Error)
    throw error
  }
}

async function addEntry(pack: Pack, { name, size, open }: Entry): Promise<void> {
  // Before the header is written: an entry that has begun cannot be taken back.
  const chunks = await open?.()
  const { sink, done } = begin(pack, name, chunks === undefined ? 'directory' : 'file', size)
  if (chunks !== undefined) {
    for await (const chunk of chunks) {
      if (sink.write(chunk)) continue
      await Promise.race([done, new Promise<void>((drained) => void sink.once('drain', () => drained()))])
    }
    sink.end(null)
  }
  await done
}

function begin(
  pack: Pack,
  name: string,
  type: 'file' | 'directory',
  size: number,
): { readonly sink: ReturnType<Pack['entry']>; readonly done: Promise<void> } {
  let settle: (error?: Error | null) => void = () => undefined
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve())
  })
  done.catch(() => undefined)
  // tar-stream fills in the time of day and its own modes where these are missing.
  const mode = type === 'file' ? 0o644 : 0o755
  const header = { name, size, type, mode, mtime: new Date(0), uid: 0, gid: 0 }
  const sink = pack.entry(header, (error) => settle(error))
  // It also tells by an event, which nobody else listens to.
  sink.on('error', () => undefined)
  return { sink, done }
}
