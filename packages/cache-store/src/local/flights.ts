/**
 * Marks of single-flight as files.
 *
 * The first line of a file is a nonce, so that no two are alike; the digest of the whole is the tag, which a damaged
 * one has as well, and can so be replaced. Creation is a link, and needs no lock; whatever takes the place of a mark,
 * or takes it away, holds the lock of that name meanwhile.
 *
 * Nothing is flushed: a mark that a power failure takes away had a leader that is dead as well.
 *
 * @module
 */
import { renameSync, rmSync, type Stats } from 'node:fs'
import { digestOf } from '@varve/digest'
import { joined } from '../chunks.ts'
import { CacheStoreError } from '../errors.ts'
import { assertFlightEntry, type FlightEntry, type FlightTable, MAX_FLIGHT_ENTRY } from '../flight-table.ts'
import { assertRefName } from '../names.ts'
import { pause } from '../pause.ts'
import { readOnly, writing } from './failure.ts'
import { publishNew, quarantine, readSmallFile, statusOf, writeTemporary } from './files.ts'
import { tryLock } from './lock.ts'
import { flightPath, LOCK_SUFFIX, type Place, randomName } from './place.ts'

/** With the nonce and its newline. */
const MAX_FILE = MAX_FLIGHT_ENTRY + 33

/** The marks of a place. A change gives up after `patienceMs` with `ERR_CACHE_STORE_BUSY`. */
export function createLocalFlights(store: Place, patienceMs = 15_000): FlightTable {
  const place: Place = { ...store, durable: false }

  const write = (name: string, bytes: Uint8Array): { readonly temporary: string; readonly tag: string } => {
    assertFlightEntry(name, bytes)
    const file = joined([new TextEncoder().encode(`${randomName()}\n`), bytes])
    return { temporary: writeTemporary(place, file, 0o644), tag: digestOf(file) }
  }

  /** Runs a change under the lock, if the entry has this tag. */
  const change = async (
    name: string,
    tag: string,
    signal: AbortSignal | undefined,
    operation: (path: string) => void,
  ): Promise<boolean> => {
    const path = flightPath(place, name)
    const deadline = performance.now() + patienceMs
    for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
      if (entryAt(place, path)?.tag !== tag) return false
      const lock = tryLock(place, path + LOCK_SUFFIX)
      if (lock === undefined) {
        if (performance.now() > deadline) throw busy(name, path + LOCK_SUFFIX)
        await pause(wait * Math.random(), signal)
        continue
      }
      try {
        if (entryAt(place, path)?.tag !== tag || !lock.isHeld()) return false
        writing(path, () => operation(path))
        return true
      } finally {
        writing(path, () => lock.release())
      }
    }
  }

  return {
    create: async (name, bytes, { signal } = {}) => {
      begin(place, name, signal)
      assertFlightEntry(name, bytes)
      const path = flightPath(place, name)
      const status = statusOf(path)
      // What is there and can be no mark would keep the name from everybody.
      if (status !== undefined && !isEntry(status)) quarantine(place, path)
      const { temporary, tag } = write(name, bytes)
      return publishNew(place, temporary, path) ? tag : undefined
    },

    read: async (name, { signal } = {}) => {
      signal?.throwIfAborted()
      assertRefName(name)
      return entryAt(place, flightPath(place, name))
    },

    replace: async (name, tag, bytes, { signal } = {}) => {
      begin(place, name, signal)
      assertFlightEntry(name, bytes)
      if (entryAt(place, flightPath(place, name))?.tag !== tag) return undefined
      const next = write(name, bytes)
      try {
        const isDone = await change(name, tag, signal, (path) => renameSync(next.temporary, path))
        return isDone ? next.tag : undefined
      } finally {
        rmSync(next.temporary, { force: true })
      }
    },

    remove: async (name, tag, { signal } = {}) => {
      begin(place, name, signal)
      return change(name, tag, signal, (path) => rmSync(path, { force: true }))
    },
  }
}

function begin(place: Place, name: string, signal: AbortSignal | undefined): void {
  signal?.throwIfAborted()
  assertRefName(name)
  if (place.readOnly) throw readOnly(flightPath(place, name))
}

function entryAt(place: Place, path: string): FlightEntry | undefined {
  const file = readSmallFile(path, MAX_FILE)
  if (file === undefined) return undefined
  const status = statusOf(path)
  // Went away in between; one that came instead is met next time.
  if (status === undefined) return undefined
  // A time from the future is no leader's either, and must not last until then.
  const ageMs = Math.abs(place.clock.now() - status.mtimeMs)
  return { bytes: file.slice(file.indexOf(0x0a) + 1), tag: digestOf(file), ageMs }
}

function isEntry(status: Stats): boolean {
  return status.isFile() && status.size <= MAX_FILE
}

function busy(name: string, path: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_BUSY', `Others keep locking the mark ${JSON.stringify(name)}`, {
    path,
  })
}
