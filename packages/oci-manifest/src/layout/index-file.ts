/**
 * `index.json` of a layout: read whole, changed under a lock.
 *
 * image-spec v1.1.1, image-layout.md, "index.json file".
 *
 * @module
 */
import { join } from 'node:path'
import type { Parsed } from '../document.ts'
import { OciManifestError } from '../errors.ts'
import { type ImageIndex, parseIndex } from '../image-index.ts'
import { formatRoots, openRoots, type RawEntry, ROOTS_LIMITS } from '../roots-writer.ts'
import { readSmallFile, removeAbandoned, replaceFile } from './files.ts'
import { acquireLock, type LockOptions } from './lock.ts'

/** Gives the new entries, or the same array if there is nothing to do. */
export type Change = (entries: readonly RawEntry[]) => readonly RawEntry[]

const RETRIES = 10

/** Updates of one layout by one process take turns, instead of all waiting for the file. */
const turns = new Map<string, Promise<void>>()

/** Reads the file as it is now: the old one or the new one, never a part. */
export async function readIndexFile(root: string): Promise<Parsed<ImageIndex> | undefined> {
  const bytes = await readBytes(root)
  return bytes === undefined ? undefined : parseIndex(bytes, ROOTS_LIMITS)
}

/**
 * Changes the entries, and makes the file if there is none.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_LOCKED`
 */
export async function updateIndexFile(root: string, change: Change, options: LockOptions): Promise<void> {
  const before = turns.get(root) ?? Promise.resolve()
  const update = before.then(() => updateInTurn(root, change, options))
  const settled = update.catch(() => undefined)
  turns.set(root, settled)
  try {
    await update
  } finally {
    if (turns.get(root) === settled) turns.delete(root)
  }
}

async function updateInTurn(root: string, change: Change, options: LockOptions): Promise<void> {
  for (let attempt = 0; attempt < RETRIES; attempt += 1) {
    const lock = await acquireLock(join(root, 'index.json.lock'), options)
    try {
      await removeAbandoned(root)
      const now = await readBytes(root)
      const { index, entries } = openRoots(now)
      const changed = change(entries)
      if (changed === entries && now !== undefined) return
      const chunks = [formatRoots({ index, entries: changed })]
      const path = join(root, 'index.json')
      if (await replaceFile({ root, path, chunks, confirm: () => lock.isHeld() })) return
    } finally {
      await lock.release()
    }
  }
  throw new OciManifestError('ERR_OCI_MANIFEST_LOCKED', `The lock was taken away ${RETRIES} times`)
}

function readBytes(root: string): Promise<Uint8Array | undefined> {
  return readSmallFile(join(root, 'index.json'), ROOTS_LIMITS.maxBytes)
}
