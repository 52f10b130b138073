/**
 * Pins as files, and leases.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { type Digest, isDigest } from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { assertRefName } from '../names.ts'
import type { Pins } from '../pins.ts'
import { seal, unseal } from '../seal.ts'
import { readOnly, writing } from './failure.ts'
import { publish, readSmallFile, setTime, statusOf, writeTemporary } from './files.ts'
import { beginLease } from './leases.ts'
import { ALGORITHMS, diskBytes, isRefName, namesIn } from './listing.ts'
import { blobPath, leasesDirectory, pinPath, pinsDirectory, type Place } from './place.ts'

/** About 55,000 roots. */
const MAX_PIN = 4 * 1024 * 1024

const SUFFIX = '.json'

/** The pins and leases of a place; `charge` is told how much more, or less, the pins take. */
export function createLocalPins(place: Place, charge: (bytes: number) => void): Pins {
  const sizeOf = (path: string): number => {
    const status = statusOf(path)
    return status === undefined ? 0 : diskBytes(status)
  }

  return {
    lease: async ({ signal, ttlMs } = {}) => {
      signal?.throwIfAborted()
      if (place.readOnly) throw readOnly(leasesDirectory(place))
      return beginLease(place, ttlMs)
    },

    pin: async (name, roots, { signal } = {}) => {
      signal?.throwIfAborted()
      assertRefName(name)
      const path = pinPath(place, name)
      const bytes = encodePin(name, roots)
      if (place.readOnly) throw readOnly(path)
      const before = sizeOf(path)
      publish(place, writeTemporary(place, bytes, 0o644), path)
      charge(sizeOf(path) - before)
      // A collector that has not seen the pin yet sees that these were used.
      for (const root of roots) setTime(blobPath(place, root), place.clock.now())
    },

    unpin: async (name, { signal } = {}) => {
      signal?.throwIfAborted()
      assertRefName(name)
      const path = pinPath(place, name)
      if (place.readOnly) throw readOnly(path)
      if (statusOf(path) === undefined) return false
      const before = sizeOf(path)
      writing(path, () => rmSync(path, { recursive: true, force: true }))
      charge(-before)
      return true
    },

    list: async ({ signal } = {}) => {
      signal?.throwIfAborted()
      return pinNames(place).flatMap((name) => {
        const roots = readPin(place, name)
        return roots === undefined ? [] : [{ name, roots }]
      })
    },
  }
}

/** Names of all pins, sorted; also of those that are damaged. */
export function pinNames(place: Place): string[] {
  return [...namesIn(pinsDirectory(place))]
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length).replaceAll('~', '/'))
    .filter(isRefName)
    .toSorted()
}

/** The roots of a pin, or `undefined` if there is none or it is damaged. */
export function readPin(place: Place, name: string): Digest[] | undefined {
  const sealed = readSmallFile(pinPath(place, name), MAX_PIN)
  const payload = sealed && unseal(sealed)
  if (payload === undefined) return undefined
  try {
    const { roots } = JSON.parse(new TextDecoder().decode(payload)) as { readonly roots?: unknown }
    return Array.isArray(roots) && roots.every((root) => isDigest(root, ALGORITHMS)) ? roots : undefined
  } catch {
    return undefined
  }
}

function encodePin(name: string, roots: readonly Digest[]): Uint8Array {
  const wrong = roots.find((root) => !isDigest(root, ALGORITHMS))
  if (wrong !== undefined) throw new TypeError(`Not a digest: ${JSON.stringify(wrong)}`)
  const bytes = seal(new TextEncoder().encode(JSON.stringify({ roots })))
  if (bytes.byteLength <= MAX_PIN) return bytes
  throw new CacheStoreError(
    'ERR_CACHE_STORE_LIMIT',
    `The pin ${JSON.stringify(name)} would have ${bytes.byteLength} bytes`,
  )
}
