/**
 * What is in the directories of a store, by name; whatever has another name is somebody else's and is passed over.
 *
 * @module
 */
import { opendirSync, type Stats } from 'node:fs'
import type { Algorithm } from '@varve/digest'
import { assertRefName, assertScope } from '../names.ts'
import { readFailure, systemCode } from './failure.ts'

/** Algorithms whose blobs are kept. */
export const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512', 'blake3']

const HEX: Readonly<Record<Algorithm, RegExp>> = {
  sha256: /^[0-9a-f]{64}$/,
  sha512: /^[0-9a-f]{128}$/,
  blake3: /^[0-9a-f]{64}$/,
}

const RECORD = /^(?:sha512-[0-9a-f]{128}|(?:blake3-)?[0-9a-f]{64})$/

const RANDOM = /^[0-9a-f]{32}$/

const LEASE = /^[0-9a-f]{32}\.json$/

const PAIR = /^[0-9a-f]{2}$/

/** Reads so many names at once: as fast as reading all of them (measured), and no directory is too large. */
const NAMES_AT_ONCE = 1024

const BLOCK = 512

/** Names in a directory, while it is read; none if there is no directory. */
export function* namesIn(directory: string): Generator<string, void, void> {
  let opened: ReturnType<typeof opendirSync>
  try {
    opened = opendirSync(directory, { bufferSize: NAMES_AT_ONCE })
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw readFailure(directory, error)
  }
  try {
    for (let entry = read(directory, opened); entry !== undefined; entry = read(directory, opened))
      yield entry
  } finally {
    opened.closeSync()
  }
}

function read(directory: string, opened: ReturnType<typeof opendirSync>): string | undefined {
  try {
    return opened.readSync()?.name
  } catch (error) {
    throw readFailure(directory, error)
  }
}

export function isBlobName(algorithm: Algorithm, name: string): boolean {
  return HEX[algorithm].test(name)
}

export function isRecordName(name: string): boolean {
  return RECORD.test(name)
}

/** Names of the directories that records of one scope are spread over. */
export function isPair(name: string): boolean {
  return PAIR.test(name)
}

export function isAlgorithm(name: string): name is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(name)
}

export function isScope(name: string): boolean {
  return passes(assertScope, name)
}

export function isRefName(name: string): boolean {
  return passes(assertRefName, name)
}

/** Names that `randomName` gives. */
export function isRandomName(name: string): boolean {
  return RANDOM.test(name)
}

export function isLeaseName(name: string): boolean {
  return LEASE.test(name)
}

function passes(assert: (name: string) => void, name: string): boolean {
  try {
    assert(name)
    return true
  } catch {
    return false
  }
}

/** What a file really takes on the disk. Some file systems only know after a while, and say nothing until then. */
export function diskBytes(status: Stats): number {
  return status.blocks > 0 ? status.blocks * BLOCK : Math.ceil(status.size / BLOCK) * BLOCK
}
