/**
 * Refs as files, replaced under compare-and-swap.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import type { RefStore } from '../ref-store.ts'
import { assertRefSize } from '../ref-store.ts'
import { CacheStoreError } from '../errors.ts'
import { assertRefName } from '../names.ts'
import { seal, unseal } from '../seal.ts'
import { inBlocks } from './blocks.ts'
import { readOnly, writing } from './failure.ts'
import { moveOver, readSmallFile, syncDirectory, writeTemporary } from './files.ts'
import { isRefName, namesIn } from './listing.ts'
import { tryLock } from './lock.ts'
import { LOCK_SUFFIX, type Place, refPath, refsDirectory } from './place.ts'

/** More than any document with its seal. */
const MAX_FILE = 2 * 1024 * 1024

const SEAL = seal(new Uint8Array()).byteLength

/** Longest pause between two tries. */
const MAX_PAUSE_MS = 50

/**
 * The refs of a place. An update gives up after `patienceMs` with `ERR_CACHE_STORE_BUSY`; `charge` is told how much
 * more, or less, the documents take.
 */
export function createLocalRefs(
  place: Place,
  patienceMs = 30_000,
  charge: (bytes: number) => void = () => undefined,
): RefStore {
  return {
    read: async (name, { signal } = {}) => {
      signal?.throwIfAborted()
      assertRefName(name)
      return readRef(place, name)
    },

    update: async (name, merge, { signal } = {}) => {
      signal?.throwIfAborted()
      assertRefName(name)
      if (place.readOnly) throw readOnly(refPath(place, name))
      const deadline = Date.now() + patienceMs
      let before = readRef(place, name)
      let change = prepare(place, name, merge(before?.slice()))
      try {
        for (
          let pause = 1;
          !trySwap(place, name, before, change);
          pause = Math.min(pause * 2, MAX_PAUSE_MS)
        ) {
          if (Date.now() > deadline) throw busy(name, refPath(place, name) + LOCK_SUFFIX)
          await delay(pause * Math.random())
          signal?.throwIfAborted()
          const current = readRef(place, name)
          if (isSame(current, before)) continue
          change.discard()
          before = current
          change = prepare(place, name, merge(before?.slice()))
        }
      } finally {
        change.discard()
      }
      charge(change.size - sealedBlocks(before))
      // Only now, so that nobody waits for the disk to get the lock.
      writing(refsDirectory(place), () => syncDirectory(place, refsDirectory(place)))
    },

    list: async (prefix, { signal } = {}) => {
      signal?.throwIfAborted()
      return refNames(place).filter((name) => name.startsWith(prefix))
    },
  }
}

/** Names of all refs, sorted; locks, and whatever else lies there, have names that no ref has. */
export function refNames(place: Place): string[] {
  return [...namesIn(refsDirectory(place))]
    .map((file) => file.replaceAll('~', '/'))
    .filter(isRefName)
    .toSorted()
}

/** A document on its way: written, and not yet in its place. */
interface Change {
  /** `undefined` to delete. */
  readonly temporary: string | undefined
  /** On the disk. */
  readonly size: number
  discard(): void
}

/** Done before the lock is taken, so that it is held for a rename and not for a disk. */
function prepare(place: Place, name: string, document: Uint8Array | undefined): Change {
  if (document === undefined) return { temporary: undefined, size: 0, discard: () => undefined }
  assertRefSize(name, document)
  const temporary = writeTemporary(place, seal(document), 0o644)
  return { temporary, size: sealedBlocks(document), discard: () => rmSync(temporary, { force: true }) }
}

function sealedBlocks(document: Uint8Array | undefined): number {
  return document === undefined ? 0 : inBlocks(document.byteLength + SEAL)
}

/** Tells `false`, and changes nothing, if the lock is taken or the document is not `before` any more. */
function trySwap(place: Place, name: string, before: Uint8Array | undefined, change: Change): boolean {
  const path = refPath(place, name)
  const lock = tryLock(place, path + LOCK_SUFFIX)
  if (lock === undefined) return false
  try {
    if (!isSame(readRef(place, name), before) || !lock.isHeld()) return false
    if (change.temporary === undefined) writing(path, () => rmSync(path, { recursive: true, force: true }))
    else moveOver(place, change.temporary, path)
    return true
  } finally {
    writing(path, () => lock.release())
  }
}

/** A damaged document is read as none: whoever updates it makes it anew. */
export function readRef(place: Place, name: string): Uint8Array | undefined {
  const sealed = readSmallFile(refPath(place, name), MAX_FILE)
  return sealed && unseal(sealed)
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

function busy(name: string, path: string): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_BUSY',
    `Others keep changing or locking the ref ${JSON.stringify(name)}`,
    {
      path,
    },
  )
}
