/**
 * Where single-flight leaves its marks: small named entries that change only under compare-and-swap.
 *
 * @module
 */
import type { StoreOptions } from './blob-store.ts'
import { CacheStoreError } from './errors.ts'
import { assertRefName } from './names.ts'

/** An entry as it was found. */
export interface FlightEntry {
  readonly bytes: Uint8Array
  /** Changes whenever the entry does. */
  readonly tag: string
  /** Milliseconds since it was written, by the clock of the store alone: those of its users differ. */
  readonly ageMs: number
}

/** Largest entry, in bytes. */
export const MAX_FLIGHT_ENTRY: number = 4096

/** Entries of at most 4 KiB. Names are as those of refs. */
export interface FlightTable {
  /** Writes an entry and gives its tag; `undefined` if the name is taken. */
  create(name: string, bytes: Uint8Array, options?: StoreOptions): Promise<string | undefined>
  read(name: string, options?: StoreOptions): Promise<FlightEntry | undefined>
  /** Writes it anew and gives the new tag; `undefined` if it has not this tag any more. */
  replace(name: string, tag: string, bytes: Uint8Array, options?: StoreOptions): Promise<string | undefined>
  /** Tells `false` if it has not this tag any more. */
  remove(name: string, tag: string, options?: StoreOptions): Promise<boolean>
}

/**
 * For tables: refuses a name or an entry that no table would take.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_NAME`, `ERR_CACHE_STORE_LIMIT`
 */
export function assertFlightEntry(name: string, bytes: Uint8Array): void {
  assertRefName(name)
  if (bytes.byteLength <= MAX_FLIGHT_ENTRY) return
  throw new CacheStoreError(
    'ERR_CACHE_STORE_LIMIT',
    `The mark ${JSON.stringify(name)} would have ${bytes.byteLength} bytes`,
  )
}
