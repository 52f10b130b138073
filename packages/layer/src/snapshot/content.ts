/**
 * Contents of files whose digests are on record.
 *
 * @module
 */
import { type ByteSource, type Digest, digestOf, digestStream, withSignal } from '@varve/digest'
import { closeSync } from 'node:fs'
import { FileContent } from '../file-content.ts'

/** The content of a file of a snapshot. What its digest was may be known although the file has changed since. */
export class RecordedContent extends FileContent {
  digest: Digest | undefined = undefined

  /** Whether both are one file on disk: then only the younger one can still be read. */
  isSameFile(other: RecordedContent): boolean {
    return this.path === other.path && String(this.root) === String(other.root)
  }
}

/** The digest that is on record for a content. */
export function recordedDigest(content: ByteSource): Digest | undefined {
  return content instanceof RecordedContent ? content.digest : undefined
}

/** The digest of a content: that on record, or of its bytes, which is then not put on record. */
export async function contentDigest(content: ByteSource, signal?: AbortSignal): Promise<Digest> {
  return recordedDigest(content) ?? (await readDigest(content, signal))
}

/** Reads a content and hashes it; a small file of a directory without streams. */
export async function readDigest(content: ByteSource, signal?: AbortSignal): Promise<Digest> {
  if (content instanceof FileContent && content.size <= SMALL) return readSmall(content)
  const { digest } = await digestStream(content.open(withSignal(signal)))
  return digest
}

const SMALL = 1024 * 1024

function readSmall(content: FileContent): Digest {
  const { size } = content
  const bytes = Buffer.allocUnsafe(size + 1)
  const fd = content.openFile()
  try {
    for (let at = 0; at < size;) at += content.readFile(fd, bytes, at, size - at, size - at)
  } finally {
    closeSync(fd)
  }
  return digestOf(bytes.subarray(0, size))
}
