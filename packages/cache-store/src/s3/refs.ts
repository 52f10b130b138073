/**
 * Refs as objects: merged, never overwritten.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { newNonce } from '../flight/mark.ts'
import { assertRefName } from '../names.ts'
import { pause } from '../pause.ts'
import { assertRefSize, type RefStore } from '../ref-store.ts'
import { type Access, readOnly } from './access.ts'
import { decodeRef, encodeRef } from './ref-document.ts'
import type { RefVersion, RefVersions } from './ref-versions.ts'
import type { Renewal } from './renewal.ts'
import { createTurns } from './turns.ts'

/** What refs are made of. */
export interface RefSettings {
  readonly versions: RefVersions
  /** Without it refs are read, and not updated. */
  readonly canSwap: boolean
  readonly renewal: Renewal
  readonly access: Access
}

/** An update gives up after so long. */
const PATIENCE_MS = 60_000

const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [10, 1_000]

/** The refs of a bucket. */
export function createS3Refs({ versions, canSwap, renewal, access }: RefSettings): RefStore {
  // Updates of one process need not race each other.
  const turns = createTurns()

  const update = async (
    name: string,
    merge: Parameters<RefStore['update']>[1],
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const options = withSignal(signal)
    const nonce = newNonce()
    const deadline = performance.now() + PATIENCE_MS
    for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
      signal?.throwIfAborted()
      const current = await versions.read(name, options)
      const old = current && decodeRef(current.bytes)
      // A try whose answer was lost had come through, and others have built on it since.
      if (old?.nonces.includes(nonce)) return
      const document = merge(old?.document.slice())
      if (document === undefined) {
        if (isNothing(current) || (await versions.remove(name, current.version, options))) return
      } else {
        assertRefSize(name, document)
        const bytes = encodeRef(document, nonce, old?.nonces ?? [])
        if (await versions.write(name, bytes, current?.version, options)) return
      }
      if (performance.now() > deadline) throw busy(name)
      await pause(wait * Math.random(), signal)
    }
  }

  return {
    read: async (name, { signal } = {}) => {
      signal?.throwIfAborted()
      assertRefName(name)
      const current = await versions.read(name, withSignal(signal))
      const found = current && decodeRef(current.bytes)
      if (found !== undefined && current !== undefined && canSwap && renewal.isDue(current.ageMs)) {
        // The same again is as good as new; if somebody else is faster, so much the better.
        await versions
          .write(name, current.bytes, current.version, withSignal(signal))
          .catch((error: unknown) => access.warn('renew', error))
      }
      return found?.document
    },

    update: async (name, merge, { signal } = {}) => {
      signal?.throwIfAborted()
      assertRefName(name)
      if (access.isReadOnly()) throw readOnly()
      if (!canSwap) throw unswappable()
      await turns.run(name, () => update(name, merge, signal))
    },

    list: async (prefix, { signal } = {}) => {
      signal?.throwIfAborted()
      const names = await versions.list(withSignal(signal))
      return names.filter((name) => name.startsWith(prefix) && isRefName(name)).toSorted()
    },
  }
}

function isNothing(current: RefVersion | undefined): current is undefined {
  return current === undefined || current.bytes.byteLength === 0
}

function isRefName(name: string): boolean {
  try {
    assertRefName(name)
    return true
  } catch {
    return false
  }
}

function busy(name: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_BUSY', `Others keep changing the ref ${JSON.stringify(name)}`)
}

function unswappable(): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_UNAVAILABLE',
    'The S3 server has no atomic writes, so a ref cannot be updated without losing what others write',
    { hint: 'Use a server that honours If-None-Match, or keep refs in another store' },
  )
}
