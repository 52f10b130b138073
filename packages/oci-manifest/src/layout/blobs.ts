/**
 * The blobs of a layout: `blobs/<algorithm>/<encoded>`.
 *
 * image-spec v1.1.1, image-layout.md, "Blobs".
 *
 * @module
 */
import {
  algorithmOf,
  assertExpected,
  type ByteSource,
  type Descriptor,
  type Digest,
  hexOf,
  parseDigest,
  unverifiedSource,
  verifiedSource,
  verify,
  withSignal,
} from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { mkdir } from 'node:fs/promises'
import type { ContentOptions } from '../content.ts'
import { OciManifestError } from '../errors.ts'
import { fileSize, isDirectory, isSystemError, pathIn, replaceFile, system, touchFile } from './files.ts'
import { MIN_PARTIAL_BYTES, writeResumable } from './partial.ts'

/** A blob younger than this need not be touched: no collection may be that impatient while others write. */
const TOUCH_AFTER_MS = 60_000

/** Whether a blob is there with its size. Its bytes are not read. */
export async function hasBlob(root: string, descriptor: Descriptor): Promise<boolean> {
  const directory = await blobDirectory(root, descriptor.digest)
  return directory !== undefined && (await fileSize(blobPath(root, descriptor.digest))) === descriptor.size
}

/** @throws {DigestError} `ERR_DIGEST_SIZE` if the file has another size. */
export async function readBlob(root: string, descriptor: Descriptor): Promise<ByteSource | undefined> {
  const { digest } = descriptor
  if ((await blobDirectory(root, digest)) === undefined) return undefined
  const path = blobPath(root, digest)
  const size = await fileSize(path)
  if (size === undefined) return undefined
  assertExpected({ digest, size }, descriptor)
  return verifiedSource(fileSource(path, size), descriptor)
}

/**
 * As {@link hasBlob}, for those who will refer to the blob: it counts as new from now on, so that a collection in
 * another process leaves it alone.
 */
export async function relyOnBlob(root: string, descriptor: Descriptor): Promise<boolean> {
  return (await hasBlob(root, descriptor)) && touchBlob(root, descriptor.digest)
}

/** Makes a blob count as new; tells whether it is there. */
export function touchBlob(root: string, digest: Digest): Promise<boolean> {
  return touchFile(blobPath(root, digest), TOUCH_AFTER_MS)
}

/**
 * Stores verified bytes; a large blob goes on where an earlier write was interrupted. A blob of the right size is left
 * as it is, one of another size is replaced. Tells which.
 */
export async function writeBlob(
  root: string,
  descriptor: Descriptor,
  source: ByteSource,
  { signal }: ContentOptions,
): Promise<'copied' | 'existed'> {
  signal?.throwIfAborted()
  const path = blobPath(root, descriptor.digest)
  if ((await blobDirectory(root, descriptor.digest)) === undefined) {
    const blobs = pathIn(root, 'blobs')
    await makeDirectory(blobs)
    await makeDirectory(pathIn(blobs, algorithmOf(descriptor.digest)))
  } else if ((await fileSize(path)) === descriptor.size && (await touchBlob(root, descriptor.digest))) {
    return 'existed'
  }
  const bytes = unverifiedSource(source)
  if (descriptor.size < MIN_PARTIAL_BYTES) {
    await replaceFile({ root, path, chunks: verify(bytes.open(withSignal(signal)), descriptor) })
  } else {
    await writeResumable({ root, path, descriptor, source: bytes, signal })
  }
  return 'copied'
}

/** Makes a directory if it is not there; a link to one will not do. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, 0o755)
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) await system(Promise.reject(error))
  }
  await isDirectory(path)
}

/** The directory a blob would be in, if it exists and nothing on the way is a link. */
async function blobDirectory(root: string, digest: Digest): Promise<string | undefined> {
  const blobs = pathIn(root, 'blobs')
  const directory = pathIn(blobs, algorithmOf(checked(digest)))
  return (await isDirectory(blobs)) && (await isDirectory(directory)) ? directory : undefined
}

export function blobPath(root: string, digest: Digest): string {
  return pathIn(pathIn(pathIn(root, 'blobs'), algorithmOf(checked(digest))), hexOf(digest))
}

/** The type says it is validated; but types do not hold back what comes from plain JavaScript. */
function checked(digest: Digest): Digest {
  try {
    return parseDigest(digest)
  } catch (cause) {
    throw new OciManifestError('ERR_OCI_MANIFEST_INVALID', `Not a digest: ${JSON.stringify(digest)}`, {
      cause,
    })
  }
}
