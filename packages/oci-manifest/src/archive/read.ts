/**
 * Reading archives, entries in any order, without unpacking them.
 *
 * @module
 */
import {
  type ByteSource,
  type Descriptor,
  readAll,
  sliceSource,
  verifiedSource,
  withSignal,
} from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import type { ContentOptions, ContentReader } from '../content.ts'
import type { Parsed } from '../document.ts'
import { OciManifestError } from '../errors.ts'
import { type ImageIndex, type IndexEntry, parseIndex } from '../image-index.ts'
import { assertVersion, MAX_VERSION_BYTES } from '../layout-version.ts'
import { findRoot, refNamesOf } from '../roots.ts'
import { ROOTS_LIMITS } from '../roots-writer.ts'
import { blobName, scanArchive, type Slot } from './scan.ts'

/** A layout inside an archive; reads go to the archive, which must stay as it is. */
export interface ImageArchive extends ContentReader {
  readonly index: Parsed<ImageIndex>
  /** Names of roots, sorted. */
  readonly names: readonly string[]
  /**
   * The root of a name or a digest, or the only one.
   *
   * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`, or `_REFERENCE` if several fit; both with `available`.
   */
  resolve(nameOrDigest?: string): IndexEntry
}

/** How to read. */
export interface ReadArchiveOptions extends ContentOptions {
  /** Entries of the tar file. Default 65 536. */
  readonly maxEntries?: number
}

/**
 * Opens an oci-archive: a file, or bytes from elsewhere. It is read through once, to learn where everything is.
 *
 * Blobs may be hard links of each other. Nothing is unpacked, and names that lead out of the archive are refused.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if it is none, is cut off, or names are unsafe;
 *   `_UNSUPPORTED` for a docker-archive; `_LIMIT`, `_INVALID`.
 */
export async function readArchive(
  archive: ByteSource | string,
  options: ReadArchiveOptions = {},
): Promise<ImageArchive> {
  const { signal, maxEntries = 65_536 } = options
  const source = typeof archive === 'string' ? openFile(archive) : archive
  const slots = await scanArchive(source, maxEntries, signal)
  const version = await readSlot(source, slots, 'oci-layout', MAX_VERSION_BYTES, signal)
  assertVersion(version)
  const bytes = await readSlot(source, slots, 'index.json', ROOTS_LIMITS.maxBytes, signal)
  const index = parseIndex(bytes, ROOTS_LIMITS)
  return {
    index,
    names: refNamesOf(index.value),
    resolve: (nameOrDigest) => findRoot(index.value, nameOrDigest),
    read: async (descriptor: Descriptor): Promise<ByteSource | undefined> => {
      const slot = slots.get(blobName(descriptor.digest))
      return slot && verifiedSource(sliceSource(source, slot.offset, slot.offset + slot.size), descriptor)
    },
  }
}

function openFile(path: string): ByteSource {
  try {
    return fileSource(path)
  } catch (cause) {
    const what = `Cannot read the archive ${JSON.stringify(path)}`
    throw new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', what, { cause })
  }
}

async function readSlot(
  source: ByteSource,
  slots: ReadonlyMap<string, Slot>,
  name: string,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const slot = slots.get(name)
  if (slot === undefined) {
    if (slots.has('manifest.json')) {
      throw new OciManifestError('ERR_OCI_MANIFEST_UNSUPPORTED', `A docker-archive: it has no ${name}`)
    }
    throw new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', `Not an oci-archive: it has no ${name}`)
  }
  if (slot.size > limit) {
    const what = `${name} has ${slot.size} bytes; ${limit} are allowed`
    throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', what)
  }
  return readAll(
    sliceSource(source, slot.offset, slot.offset + slot.size).open(withSignal(signal)),
    slot.size,
  )
}
