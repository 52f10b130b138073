/**
 * The directories of resumable writes: made, found again, taken over.
 *
 * Each has a random name and holds `data` and, once it can be resumed, `meta` with its ref. Whoever opens a ref takes
 * it over: the bytes are copied into a new directory, and `meta` is moved there, which only one of many can do. A
 * writer that was believed dead and is not has its own directory still, or none: it can neither append to the bytes
 * nor commit them. Renaming the directory would not do, since a call that has resolved the path before the renaming
 * acts on what the directory holds afterwards.
 *
 * @module
 */
import {
  closeSync,
  type Dirent,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
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
  for (let found = find(place, ref); found !== undefined; found = find(place, ref)) {
    const upload = await takeOver(place, ref, found, signal)
    if (upload !== undefined) return upload
    // Somebody else was faster: what there is now is theirs, and taken over in its turn.
  }
  const upload = create(place, ref)
  const path = metaPath(upload.directory)
  try {
    writing(path, () => createFile(path, new TextEncoder().encode(`${JSON.stringify({ ref })}\n`)))
  } catch (error) {
    remove(upload.directory)
    throw error
  }
  return upload
}

/** A directory without `meta`, which nobody else finds. */
function create(place: Place, ref: string): Upload {
  const directory = temporaryPath(place)
  writing(directory, () => {
    mkdirSync(directory, { mode: 0o775 })
    createFile(dataPath(directory), new Uint8Array())
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

/** Hashes the bytes while it copies them; `undefined` if they became somebody else's meanwhile. */
async function takeOver(
  place: Place,
  ref: string,
  from: string,
  signal: AbortSignal | undefined,
): Promise<Upload | undefined> {
  const source = openFile(dataPath(from))
  if (source === undefined) return undefined
  const upload = create(place, ref)
  try {
    for (const block of readBlocks(source, dataPath(from), 0, Infinity, signal)) {
      append(upload, block)
      await new Promise(setImmediate)
    }
    if (!move(metaPath(from), metaPath(upload.directory))) {
      remove(upload.directory)
      return undefined
    }
    remove(from)
    return upload
  } catch (error) {
    remove(upload.directory)
    throw error
  } finally {
    closeSync(source)
  }
}

/**
 * Adds to the bytes. Synchronous, so that within a process nothing comes between a check of the owner and the write.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_BUSY` if it was taken over; `ERR_CACHE_STORE_FULL`,
 *   `ERR_CACHE_STORE_UNWRITABLE`, after which it can go on.
 */
export function append(upload: Upload, chunk: Uint8Array): void {
  const data = dataPath(upload.directory)
  writing(data, () => {
    const fd = openData(upload, 'r+')
    try {
      writeFully(fd, chunk, upload.offset)
    } catch (error) {
      ftruncateSync(fd, upload.offset)
      throw error
    } finally {
      closeSync(fd)
    }
  })
  upload.digester.update(chunk)
  upload.offset += chunk.byteLength
}

function move(from: string, to: string): boolean {
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

/** Whether nobody took it over, and the bytes are those that were hashed, as far as their number tells. */
export function isIntact({ directory, offset }: Upload): boolean {
  return statusOf(metaPath(directory)) !== undefined && statusOf(dataPath(directory))?.size === offset
}

/** Opens the bytes of an upload; fails with `ERR_CACHE_STORE_BUSY` if it was taken over. */
export function openData(upload: Upload, flags: string): number {
  const path = dataPath(upload.directory)
  return writing(path, () => {
    try {
      return openSync(path, flags)
    } catch (error) {
      throw systemCode(error) === 'ENOENT' ? takenOver(upload.ref, path) : error
    }
  })
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
  writing(directory, () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
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
