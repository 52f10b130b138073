/**
 * An archive to be written: a file that appears when it is whole.
 *
 * @module
 */
import { type ArchiveRoot, writeArchive } from '@varve/oci-manifest/archive'
import type { ContentOptions, ContentReader } from '@varve/oci-manifest'
import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** An archive that `copyImage` writes. */
export interface ArchiveTarget {
  /** Of the file. One that is there is replaced, once the new one is whole. */
  readonly path: string
  /** The bytes of an archive of these images. */
  pack(roots: readonly ArchiveRoot[], from: ContentReader, options: ContentOptions): AsyncIterable<Uint8Array>
}

/**
 * A file for `copyImage` to write an oci-archive to.
 *
 * @example
 * await copyImage({ from: client.repository('alpine:3.20'), to: archiveTarget('alpine.tar') })
 */
export function archiveTarget(path: string): ArchiveTarget {
  return { path, pack: writeArchive }
}

/** Writes a file beside its place, and puts it there when it is whole and on the disk. */
export async function writeWhole(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  const file = await open(temporary, 'wx')
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted()
      await file.writeFile(chunk)
    }
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** So that the new name survives a loss of power. Not every system can. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path).catch(() => undefined)
  await directory?.sync().catch(() => undefined)
  await directory?.close()
}
