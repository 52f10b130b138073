/**
 * Reading archives, entries in any order, without unpacking them.
 *
 * @module
 */
import { type ByteSource, type Descriptor, verifiedSource } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import type { ContentOptions, ContentReader } from '../content.ts'
import type { Parsed } from '../document.ts'
import { OciManifestError } from '../errors.ts'
import { type ImageIndex, type IndexEntry, parseIndex } from '../image-index.ts'
import { assertVersion, MAX_VERSION_BYTES } from '../layout-version.ts'
import { findRoot, namesOf, type ResolveOptions } from '../roots.ts'
import { ROOTS_LIMITS } from '../roots-writer.ts'
import type { DecompressOptions } from '../verify/diff-id.ts'
import { openDockerImages } from './docker.ts'
import { magicOf } from './magic.ts'
import { type ArchiveFiles, openSlot, type OpenedArchive, readSlot } from './files.ts'
import { scanArchive } from './scan.ts'
import { blobName } from './tar-entries.ts'

/** Images inside an archive; reads go to the archive, which must stay as it is. */
export interface ImageArchive extends ContentReader {
  /** `docker` if it has no layout, and the manifests were made from what it has instead. */
  readonly format: 'oci' | 'docker'
  readonly index: Parsed<ImageIndex>
  /** Names of roots, sorted. */
  readonly names: readonly string[]
  /**
   * The root of a name or a digest, or the only one, as `ImageLayout.resolve`.
   *
   * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`, or `_REFERENCE` if several fit, both with `available`;
   *   `_PLATFORM` if several fit and none of them the platform.
   */
  resolve(nameOrDigest?: string, options?: ResolveOptions): IndexEntry
}

/** How to read. A docker-archive with layers compressed with zstd is refused without `decompress`. */
export interface ReadArchiveOptions extends ContentOptions, DecompressOptions {
  /** Entries of the tar file. Default 65 536. */
  readonly maxEntries?: number
}

/**
 * Opens an oci-archive or a docker-archive, whichever it is: a file, or bytes from elsewhere. It is read through once,
 * to learn where everything is.
 *
 * A docker-archive with a layout in it, as `docker save` writes since version 25, is read as the layout. Of an older
 * one, OCI manifests are made, the same for the same archive; compressed layers are then read once more, to learn their
 * digests. Nothing is unpacked, and links and names that lead out of the archive are refused.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if it is none, is cut off, or names are unsafe;
 *   `_UNSUPPORTED` if it is compressed as a whole, or has layers that cannot be decompressed here; `_LIMIT`, `_INVALID`.
 * @throws {DigestError} if a layer of a docker-archive is not the one that the config names.
 */
export async function readArchive(
  archive: ByteSource | string,
  options: ReadArchiveOptions = {},
): Promise<ImageArchive> {
  const { signal, maxEntries = 65_536 } = options
  const source = typeof archive === 'string' ? openFile(archive) : archive
  await refuseCompressed(source, signal)
  const files = await scanArchive(source, maxEntries, signal)
  const isDocker = files.has('manifest.json') && !files.has('oci-layout')
  const opened = isDocker
    ? await openDockerImages(source, files, options)
    : await openLayoutFiles(source, files, signal)
  const { format, index } = opened
  return {
    format,
    index,
    names: namesOf(index.value),
    resolve: (nameOrDigest, each = {}) => findRoot(index.value, nameOrDigest, each),
    read: async (descriptor: Descriptor): Promise<ByteSource | undefined> => {
      const found = opened.find(descriptor)
      return found && verifiedSource(found, descriptor)
    },
  }
}

async function openLayoutFiles(
  source: ByteSource,
  files: ArchiveFiles,
  signal: AbortSignal | undefined,
): Promise<OpenedArchive> {
  if (!files.has('oci-layout') && files.has('repositories')) {
    const what = 'An archive of a Docker before 1.10, without a manifest.json'
    throw new OciManifestError('ERR_OCI_MANIFEST_UNSUPPORTED', what)
  }
  assertVersion(await readSlot(source, files, 'oci-layout', MAX_VERSION_BYTES, signal))
  const bytes = await readSlot(source, files, 'index.json', ROOTS_LIMITS.maxBytes, signal)
  return {
    format: 'oci',
    index: parseIndex(bytes, ROOTS_LIMITS),
    find: ({ digest }) => {
      const slot = files.find(blobName(digest))
      return slot && openSlot(source, slot)
    },
  }
}

/** To find anything in a compressed file, it would have to be unpacked somewhere first. */
async function refuseCompressed(source: ByteSource, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const compression = await magicOf(source, signal)
  if (compression === undefined) return
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_UNSUPPORTED',
    `The archive is compressed with ${compression}; decompress it first`,
  )
}

function openFile(path: string): ByteSource {
  try {
    return fileSource(path)
  } catch (cause) {
    const what = `Cannot read the archive ${JSON.stringify(path)}`
    throw new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', what, { cause })
  }
}
