/**
 * Files inside an archive, and what an archive comes down to.
 *
 * @module
 */
import { type ByteSource, type Descriptor, readAll, sliceSource, withSignal } from '@varve/digest'
import type { Parsed } from '../document.ts'
import { OciManifestError, quoted } from '../errors.ts'
import type { ImageIndex } from '../image-index.ts'

/** Where a file's bytes are. */
export interface Slot {
  readonly offset: number
  readonly size: number
}

/** The files of an archive, by the name they were given: without a leading `./`. */
export interface ArchiveFiles {
  has(name: string): boolean
  /**
   * Where a file is, also if it is a link to another one in the archive.
   *
   * @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if the link leads out of it, to nothing, or in a circle, or if
   *   there are several files of that name.
   */
  find(name: string): Slot | undefined
}

/** An archive of either kind. */
export interface OpenedArchive {
  readonly format: 'oci' | 'docker'
  readonly index: Parsed<ImageIndex>
  /** The bytes of a descriptor, not verified. */
  find(descriptor: Descriptor): ByteSource | undefined
}

/** The bytes of a file; reads go to the archive. */
export function openSlot(source: ByteSource, { offset, size }: Slot): ByteSource {
  return sliceSource(source, offset, offset + size)
}

/** @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if there is no such file. */
export function requireSlot(files: ArchiveFiles, name: string): Slot {
  const slot = files.find(name)
  if (slot !== undefined) return slot
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_ARCHIVE',
    `Not a whole image archive: it has no ${quoted(name)}`,
  )
}

/** Reads a whole file. @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if it is not there; `_LIMIT`. */
export async function readSlot(
  source: ByteSource,
  files: ArchiveFiles,
  name: string,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const slot = requireSlot(files, name)
  if (slot.size > limit) {
    const what = `${quoted(name)} has ${slot.size} bytes; ${limit} are allowed`
    throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', what)
  }
  return readAll(openSlot(source, slot).open(withSignal(signal)), slot.size)
}
