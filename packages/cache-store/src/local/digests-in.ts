/**
 * Finds the digests that a file names, whatever its format.
 *
 * Deliberately coarse: what is named in a damaged or unknown document is named. It costs some space, where the opposite
 * mistake would cost what somebody wanted to keep.
 *
 * @module
 */
import { closeSync, fstatSync, readSync } from 'node:fs'
import type { Digest } from '@varve/digest'
import { readFailure } from './failure.ts'
import { openFile } from './files.ts'

const DIGEST = /sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64}/g

const LONGEST = 'sha512:'.length + 128

const BLOCK = 1024 * 1024

/** Digests in the file at `path`, of any size; none if there is no regular file. */
export function digestsIn(path: string): Set<Digest> {
  const found = new Set<Digest>()
  const fd = openFile(path)
  if (fd === undefined) return found
  try {
    const block = new Uint8Array(Math.min(BLOCK, fstatSync(fd).size))
    let before = ''
    for (let position = 0, read = -1; read !== 0; position += read) {
      read = readSync(fd, block, 0, block.byteLength, position)
      const text = before + Buffer.from(block.buffer, 0, read).toString('latin1')
      for (const digest of digestsInText(text)) found.add(digest)
      before = text.slice(-LONGEST)
    }
    return found
  } catch (error) {
    throw readFailure(path, error)
  } finally {
    closeSync(fd)
  }
}

/** Digests in a text, in order and as often as they come. */
export function digestsInText(text: string): Digest[] {
  return (text.match(DIGEST) ?? []) as Digest[]
}
