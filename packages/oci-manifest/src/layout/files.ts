/**
 * Files that are whole or not there: temporary file, fsync, rename.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  constants,
  fsync,
  lstatSync,
  open as openFile,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { lstat, lutimes, open, readdir, unlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { promisify } from 'node:util'
import { OciManifestError } from '../errors.ts'
import { createDirectorySync } from './directory-sync.ts'

/** Temporary files are in the root of a layout, where no tool looks for blobs. */
const TEMPORARY = /^\.varve-[0-9a-f-]{36}\.tmp$/
/** As `partial.ts` names them. */
const PARTIAL = /^\.varve-[a-z0-9]+-[0-9a-f]+(?:\.[0-9a-f-]+)?\.partial$/
/** How long a file that nobody writes to any more is kept. A partial download is worth more than a leftover. */
const ABANDONED_MS = 60 * 60 * 1000
const ABANDONED_PARTIAL_MS = 24 * ABANDONED_MS

/** Other tools write in place, so that a file is cut off for a moment: when to look again, in milliseconds. */
export const REREAD_MS: readonly number[] = [5, 20, 80, 320]

/** What {@link replaceFile} writes, and where. */
export interface Replacement {
  /** Of the layout; the temporary file goes there. */
  readonly root: string
  readonly path: string
  /** Kept in memory until all are there, and not to be changed any more. */
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  /** Asked last of all; if the answer is no, nothing happens. */
  readonly confirm?: () => boolean
}

// Descriptors instead of handles, which cost more and cannot be used without a trip to another thread.
const openLater = promisify(openFile)
const syncFile = promisify(fsync)

/**
 * Puts a small file in place at once, on disk before this resolves. Tells whether it did.
 *
 * Errors of the chunks pass as they are; the temporary file is removed. The chunks are asked for when it is there, so
 * nothing is fetched for a layout that cannot be written to.
 *
 * Only what may take long is left to another thread, since the trip there and back costs more than the other calls do.
 * That is the sync, and making the file: on ext4 it waits for the journal while others sync, half a millisecond where
 * to close and to rename takes less than a tenth of that (measured).
 */
export async function replaceFile({ root, path, chunks, confirm }: Replacement): Promise<boolean> {
  const temporary = temporaryPath(root)
  const file = await system(openLater(temporary, 'wx', 0o644))
  let placed = false
  try {
    await fill(file, chunks)
    placed = await system(place(temporary, path, confirm))
  } finally {
    if (!placed) removeIfThere(temporary)
  }
  if (placed) await syncDirectory(dirname(path))
  return placed
}

/** Writes everything at once, to the disk, and closes the file whatever happens. */
async function fill(file: number, chunks: Replacement['chunks']): Promise<void> {
  try {
    const gathered: Uint8Array[] = []
    for await (const chunk of chunks) gathered.push(chunk)
    await system(writeThrough(file, gathered))
  } finally {
    closeSync(file)
  }
}

async function writeThrough(file: number, chunks: readonly Uint8Array[]): Promise<void> {
  writeFileSync(file, chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks))
  await syncFile(file)
}

/** In one go: a process that is suspended between the two would undo what others have done meanwhile. */
async function place(temporary: string, path: string, confirm: () => boolean = () => true): Promise<boolean> {
  if (!confirm()) return false
  renameSync(temporary, path)
  return true
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // What could not be removed is found by `removeAbandoned`.
  }
}

/** The path of an entry, whose name is known to be one: `join` would look at every character, several times a blob. */
export function pathIn(directory: string, name: string): string {
  return directory.endsWith(sep) ? `${directory}${name}` : `${directory}${sep}${name}`
}

/** A new name that {@link removeAbandoned} knows. */
export function temporaryPath(root: string): string {
  return pathIn(root, `.varve-${randomUUID()}.tmp`)
}

/**
 * Removes temporary files of processes that died, and partial downloads that nobody went on with; what is still being
 * written is younger. Gives the bytes that were in them.
 *
 * `maxAgeMs` replaces both ages; with `dryRun` the files stay.
 */
export async function removeAbandoned(
  root: string,
  { maxAgeMs, dryRun = false }: { readonly maxAgeMs?: number; readonly dryRun?: boolean } = {},
): Promise<number> {
  const now = Date.now()
  let bytes = 0
  for (const name of await system(readdir(root))) {
    const isPartial = PARTIAL.test(name)
    if (!isPartial && !TEMPORARY.test(name)) continue
    const path = join(root, name)
    const found = await lstat(path).catch(() => undefined)
    const limit = maxAgeMs ?? (isPartial ? ABANDONED_PARTIAL_MS : ABANDONED_MS)
    if (found === undefined || now - found.mtimeMs < limit) continue
    bytes += found.size
    if (!dryRun) await unlink(path).catch(() => undefined)
  }
  return bytes
}

/** Size of a regular file, not through a link; `undefined` if there is none. */
export async function fileSize(path: string): Promise<number | undefined> {
  const found = await entryOf(path)
  if (found === undefined) return undefined
  if (!found.isFile()) throw unsafe(path, 'not a regular file')
  return found.size
}

/** Size of a regular file that has no other name; `undefined` for whatever somebody else has put there. */
export async function loneFileSize(path: string): Promise<number | undefined> {
  const found = await entryOf(path)
  return found?.isFile() === true && found.nlink === 1 ? found.size : undefined
}

/** Makes a file count as new if it is older than `ageMs`; tells whether it is still there. */
export async function touchFile(path: string, ageMs: number): Promise<boolean> {
  const found = await entryOf(path)
  if (found === undefined) return false
  const now = Date.now()
  if (now - found.mtimeMs < ageMs) return true
  try {
    await lutimes(path, found.atime, new Date(now))
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    // Who may not write here cannot keep others from it either.
    if (isSystemError(error, 'EACCES', 'EPERM', 'EROFS')) return true
    return system(Promise.reject(error))
  }
}

/** Whether a directory is there, and not a link to one. */
export async function isDirectory(path: string): Promise<boolean> {
  const found = await entryOf(path)
  if (found !== undefined && !found.isDirectory()) throw unsafe(path, 'not a directory')
  return found !== undefined
}

/** Reads a regular file of at most `limit` bytes, not through a link. */
export async function readSmallFile(path: string, limit: number): Promise<Uint8Array | undefined> {
  const size = await fileSize(path)
  if (size === undefined) return undefined
  if (size > limit) {
    throw new OciManifestError(
      'ERR_OCI_MANIFEST_LIMIT',
      `${JSON.stringify(path)} has ${size} bytes; ${limit} are allowed`,
    )
  }
  // A link put there in between is refused by the flag, which Windows lacks and does not need.
  const handle = await system(open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)))
  try {
    const bytes = await system(handle.readFile())
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  } finally {
    await handle.close()
  }
}

/** Waits for a call to the system; its error becomes ours. */
export async function system<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (cause) {
    throw new OciManifestError('ERR_OCI_MANIFEST_LAYOUT', `The layout cannot be used: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** Whether an error is one of the given codes of the system. */
export function isSystemError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

/** Without a trip to another thread, which costs ten times the call itself, three times a blob (measured). */
async function entryOf(path: string): Promise<Stats | undefined> {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (isSystemError(error, 'ENOTDIR')) return undefined
    return system(Promise.reject(error))
  }
}

/** Makes a rename last. Windows cannot open directories, and does without. */
export const syncDirectory: (path: string) => Promise<void> = createDirectorySync(async (path) => {
  let directory: number
  try {
    directory = openSync(path, 'r')
  } catch {
    return
  }
  try {
    await syncFile(directory)
  } catch (error) {
    if (!isSystemError(error, 'EINVAL', 'EPERM', 'ENOTSUP')) await system(Promise.reject(error))
  } finally {
    closeSync(directory)
  }
})

function unsafe(path: string, why: string): OciManifestError {
  return new OciManifestError('ERR_OCI_MANIFEST_LAYOUT', `${JSON.stringify(path)} is ${why}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
