/**
 * Blobs that may take more than one attempt: a write that was interrupted goes on where it stopped, also in another
 * process.
 *
 * While it is written, a file is named after the blob and its writer; an interrupted writer gives up its name. Another
 * one may take over a file that was given up, or whose writer is dead, and does so by renaming it, so that only one
 * succeeds. What is in it is hashed again, and the whole is verified before it becomes a blob.
 *
 * @module
 */
import {
  algorithmOf,
  type ByteSource,
  type Descriptor,
  type Digest,
  DigestError,
  digestOf,
  hexOf,
  verify,
  withSignal,
} from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OciManifestError } from '../errors.ts'
import { createAppender } from './appender.ts'
import { isSystemError, loneFileSize, syncDirectory, system } from './files.ts'
import { hostScope, isAlive } from './owner.ts'

/** Less is not worth going on with. */
export const MIN_PARTIAL_BYTES: number = 1024 * 1024

/** What is written, and where. */
export interface PartialWrite {
  /** Of the layout; partial files are there. */
  readonly root: string
  /** Of the blob. */
  readonly path: string
  readonly descriptor: Descriptor
  readonly source: ByteSource
  readonly signal: AbortSignal | undefined
}

/** A file of this process, and how much of it an earlier writer left. */
interface Attempt {
  readonly temporary: string
  readonly start: number
}

/**
 * Puts a verified blob in place. Errors of the source and an abort pass as they are, and leave what was written for the
 * next attempt; wrong bytes leave nothing.
 */
export async function writeResumable(write: PartialWrite): Promise<void> {
  const { root, path, descriptor } = write
  const attempt = await takeOver(root, descriptor)
  try {
    await fill(write, attempt)
  } catch (error) {
    if (attempt.start === 0 || !(error instanceof DigestError)) throw error
    // What an earlier writer left may be what is wrong.
    await fill(write, { ...attempt, start: 0 })
  }
  try {
    await rename(attempt.temporary, path)
  } catch (error) {
    await system(Promise.reject(error))
  }
  await syncDirectory(dirname(path))
  await unlink(join(root, givenUpName(descriptor.digest))).catch(() => undefined)
}

/** Takes the longest file that may be gone on with, or names a new one. */
async function takeOver(root: string, { digest, size }: Descriptor): Promise<Attempt> {
  const temporary = join(root, ownName(digest))
  const candidates: { path: string; length: number }[] = []
  for (const name of await system(readdir(root))) {
    if (!mayBeTaken(name, digest)) continue
    const path = join(root, name)
    const length = await loneFileSize(path)
    if (length !== undefined && length > 0 && length <= size) candidates.push({ path, length })
  }
  for (const { path, length } of candidates.toSorted((a, b) => b.length - a.length)) {
    try {
      await rename(path, temporary)
      return { temporary, start: length }
    } catch (error) {
      // Somebody else was faster.
      if (!isSystemError(error, 'ENOENT')) await system(Promise.reject(error))
    }
  }
  return { temporary, start: 0 }
}

async function fill(write: PartialWrite, { temporary, start }: Attempt): Promise<void> {
  const { root, descriptor } = write
  const flags = constants.O_RDWR | constants.O_CREAT | (start === 0 ? constants.O_TRUNC : 0)
  const handle = await system(open(temporary, flags | (constants.O_NOFOLLOW ?? 0), 0o644))
  const appender = createAppender(handle, start)
  let position = 0
  try {
    for await (const chunk of verify(continued(write, temporary, start), descriptor)) {
      const old = Math.max(0, Math.min(chunk.byteLength, start - position))
      if (old < chunk.byteLength) await system(appender.append(chunk.subarray(old)))
      position += chunk.byteLength
    }
    await system(appender.finish())
    await system(handle.sync())
    await handle.close()
  } catch (error) {
    const isWhole = await appender.finish().then(
      () => true,
      () => false,
    )
    await handle.close()
    await giveUp(
      root,
      temporary,
      descriptor.digest,
      isWhole && isWorthKeeping(error) ? Math.max(start, position) : 0,
    )
    throw error
  }
}

/** What is there, then the rest from the source. */
async function* continued(
  { source, descriptor, signal }: PartialWrite,
  temporary: string,
  start: number,
): AsyncGenerator<Uint8Array, void, void> {
  if (start > 0) yield* fileSource(temporary, start).open(withSignal(signal))
  if (start < descriptor.size || start === 0) yield* source.open({ start, ...withSignal(signal) })
}

/** Leaves a file to the next writer, unless there is a longer one already. */
async function giveUp(root: string, temporary: string, digest: Digest, length: number): Promise<void> {
  const path = join(root, givenUpName(digest))
  const isLonger = length >= MIN_PARTIAL_BYTES && length > ((await loneFileSize(path)) ?? 0)
  await (isLonger ? rename(temporary, path) : unlink(temporary)).catch(() => undefined)
}

/** Not after wrong bytes, and not if the file itself is the trouble, such as a full disk. */
function isWorthKeeping(error: unknown): boolean {
  if (error instanceof DigestError) return false
  return !(error instanceof OciManifestError && error.code === 'ERR_OCI_MANIFEST_LAYOUT')
}

function mayBeTaken(name: string, digest: Digest): boolean {
  if (name === givenUpName(digest)) return true
  const prefix = `${stem(digest)}.${scope()}-`
  if (!name.startsWith(prefix) || !name.endsWith('.partial')) return false
  const pid = Number(/^[0-9]+/.exec(name.slice(prefix.length))?.[0])
  return pid > 0 && !isAlive(pid)
}

function givenUpName(digest: Digest): string {
  return `${stem(digest)}.partial`
}

function ownName(digest: Digest): string {
  return `${stem(digest)}.${scope()}-${process.pid}-${randomBytes(8).toString('hex')}.partial`
}

function stem(digest: Digest): string {
  return `.varve-${algorithmOf(digest)}-${hexOf(digest)}`
}

/** Short, and without anything that may not be in a file name. */
function scope(): string {
  return hexOf(digestOf(new TextEncoder().encode(hostScope()))).slice(0, 16)
}
