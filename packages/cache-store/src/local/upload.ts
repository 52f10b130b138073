/**
 * The directories of resumable writes: made, found again, taken over.
 *
 * Each has a random name and holds `data` and, once it can be resumed, `meta` with its ref. Whoever opens a ref takes
 * it over: the directory gets a new name and the bytes a new file, so that a writer that was believed dead and is not
 * can neither append to them nor commit them.
 *
 * @module
 */
import { closeSync, type Dirent, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createDigester, type Digester } from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { readBlocks } from './blob-file.ts'
import { readFailure, systemCode, writing } from './failure.ts'
import { openFile, readSmallFile, statusOf, writeFully } from './files.ts'
import { ingestDirectory, type Place, temporaryPath } from './place.ts'

const MAX_META = 4096

/** What is known of an ingest by the process that writes it. */
export interface Upload {
  readonly ref: string
  readonly directory: string
  readonly digester: Digester
  offset: number
  /** The handle that may write; another one was opened later if this is not it. */
  owner: symbol
}

/** Takes over what is there under this ref, or starts anew. */
export async function resume(place: Place, ref: string, signal: AbortSignal | undefined): Promise<Upload> {
  const directory = temporaryPath(place)
  for (let found = find(place, ref); found !== undefined; found = find(place, ref)) {
    // Only one of several that try gets it; the others look again and find it under its new name.
    if (!claim(found, directory)) continue
    const upload = await copyOf(directory, ref, signal)
    if (upload !== undefined) return upload
    remove(directory)
  }
  writing(directory, () => {
    mkdirSync(directory, { mode: 0o775 })
    createFile(dataPath(directory), new Uint8Array())
    createFile(metaPath(directory), new TextEncoder().encode(`${JSON.stringify({ ref })}\n`))
  })
  return { ref, directory, digester: createDigester(), offset: 0, owner: Symbol(ref) }
}

/** The directory that has most of this ref. Only two processes that started it at the same time make more than one. */
function find(place: Place, ref: string): string | undefined {
  let best: { readonly directory: string; readonly size: number } | undefined
  for (const entry of listed(ingestDirectory(place))) {
    if (!entry.isDirectory()) continue
    const directory = join(ingestDirectory(place), entry.name)
    if (refOf(directory) !== ref) continue
    const data = statusOf(dataPath(directory))
    if (data?.isFile() && data.size > (best?.size ?? -1)) best = { directory, size: data.size }
  }
  return best?.directory
}

function refOf(directory: string): string | undefined {
  const bytes = readSmallFile(metaPath(directory), MAX_META)
  if (bytes === undefined) return undefined
  try {
    const meta: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof meta === 'object' && meta !== null && 'ref' in meta ? String(meta.ref) : undefined
  } catch {
    // Torn by a crash: nobody can want it.
    return undefined
  }
}

function claim(from: string, to: string): boolean {
  return writing(to, () => {
    try {
      renameSync(from, to)
      return true
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false
      throw error
    }
  })
}

/** Hashes the bytes while it moves them into a file that only this process knows. */
async function copyOf(
  directory: string,
  ref: string,
  signal: AbortSignal | undefined,
): Promise<Upload | undefined> {
  const [data, copy] = [dataPath(directory), join(directory, 'copy')]
  const source = openFile(data)
  if (source === undefined) return undefined
  try {
    const target = owned(ref, copy, () => {
      rmSync(copy, { force: true })
      return openSync(copy, 'wx', 0o644)
    })
    const upload: Upload = { ref, directory, digester: createDigester(), offset: 0, owner: Symbol(ref) }
    try {
      for (const block of readBlocks(source, data, 0, Infinity, signal)) {
        writing(copy, () => writeFully(target, block, upload.offset))
        upload.digester.update(block)
        upload.offset += block.byteLength
        await new Promise(setImmediate)
      }
    } finally {
      closeSync(target)
    }
    owned(ref, data, () => renameSync(copy, data))
    return upload
  } catch (error) {
    rmSync(copy, { force: true })
    throw error
  } finally {
    closeSync(source)
  }
}

/** Runs operations in the directory of an upload; that it is gone means that another writer took it over. */
function owned<T>(ref: string, path: string, operation: () => T): T {
  return writing(path, () => {
    try {
      return operation()
    } catch (error) {
      throw systemCode(error) === 'ENOENT' ? takenOver(ref, path) : error
    }
  })
}

/** Whether the bytes on the disk are those that were hashed, as far as their number tells. */
export function isIntact(upload: Upload): boolean {
  return statusOf(dataPath(upload.directory))?.size === upload.offset
}

/** Opens the bytes of an upload; fails with `ERR_CACHE_STORE_BUSY` if it was taken over. */
export function openData(upload: Upload, flags: string): number {
  const path = dataPath(upload.directory)
  return owned(upload.ref, path, () => openSync(path, flags))
}

function createFile(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'wx', 0o644)
  try {
    writeFully(fd, bytes, 0)
  } finally {
    closeSync(fd)
  }
}

function listed(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    throw readFailure(path, error)
  }
}

/** Removes an upload. */
export function remove(directory: string): void {
  writing(directory, () => rmSync(directory, { recursive: true, force: true }))
}

/** The file with the bytes. */
export function dataPath(directory: string): string {
  return join(directory, 'data')
}

function metaPath(directory: string): string {
  return join(directory, 'meta')
}

/** What the earlier of two writers is told. */
export function takenOver(ref: string, path: string): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_BUSY',
    `Another writer took over the ingest ${JSON.stringify(ref)}`,
    { path },
  )
}
