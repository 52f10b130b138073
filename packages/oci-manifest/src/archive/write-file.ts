/**
 * Archives as files: whole, or not there.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { OciManifestError } from '../errors.ts'
import { createAppender } from '../layout/appender.ts'
import { syncDirectory } from '../layout/files.ts'

/**
 * Writes what `writeArchive` or `writeDockerArchive` gives beside its place, and puts it there when it is whole and on
 * disk. A file that is there already is replaced; if anything fails, it stays as it is.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if the file cannot be written; errors of the archive pass as
 *   they are.
 * @example
 * await writeArchiveFile('app.tar', writeDockerArchive([{ descriptor, name: 'app:1' }], layout))
 */
export async function writeArchiveFile(
  path: string,
  archive: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const target = resolve(path)
  const temporary = `${target}.${randomUUID()}.tmp`
  const handle = await writing(path, open(temporary, 'wx', 0o644))
  try {
    await fill(path, handle, archive)
    await writing(path, rename(temporary, target))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  await syncDirectory(dirname(target))
}

async function fill(
  path: string,
  handle: FileHandle,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  try {
    const appender = createAppender(handle, 0)
    for await (const chunk of chunks) await writing(path, appender.append(chunk))
    await writing(path, appender.finish())
    await writing(path, handle.sync())
  } finally {
    await handle.close()
  }
}

async function writing<T>(path: string, call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (cause) {
    const what = `Cannot write the archive ${JSON.stringify(path)}: ${(cause as Error).message}`
    throw new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', what, { cause })
  }
}
