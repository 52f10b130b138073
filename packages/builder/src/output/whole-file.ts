/**
 * Files that are whole or not there.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { BuilderError } from '../errors.ts'

/** Takes the next bytes; they may be used again when the promise is fulfilled. */
export type Write = (chunk: Uint8Array) => Promise<void>

/**
 * Has a file written beside its place, and renames it when it is whole; gives what `fill` gives.
 *
 * @throws {BuilderError} `ERR_BUILDER_OUTPUT` if it cannot be written; whatever `fill` throws.
 */
export async function writeWholeFile<T>(file: string, fill: (write: Write) => Promise<T>): Promise<T> {
  const path = resolve(file)
  const temporary = `${path}.${randomUUID()}.tmp`
  return asOutput(file, async () => {
    await mkdir(dirname(path), { recursive: true })
    try {
      const handle = await open(temporary, 'wx')
      let result: T
      try {
        // It writes all of the chunk, in as many calls as that takes.
        result = await fill((chunk) => handle.writeFile(chunk))
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
      return result
    } finally {
      await rm(temporary, { force: true })
    }
  })
}

/** Runs what writes to `place`; what the system refuses becomes an error that names it. */
export async function asOutput<T>(place: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const refused = code !== undefined && /^(?:E[A-Z]+|ERR_OCI_MANIFEST_(?:ARCHIVE|LAYOUT))$/.test(code)
    if (cause instanceof BuilderError || !refused) throw cause
    throw new BuilderError('ERR_BUILDER_OUTPUT', `Cannot write ${JSON.stringify(place)}: ${message}`, {
      cause,
    })
  }
}
