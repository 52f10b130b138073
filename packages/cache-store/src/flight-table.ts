/**
 * Where single-flight leaves its marks: small named entries that change only under compare-and-swap.
 *
 * @module
 */
import type { StoreOptions } from './blob-store.ts'

/** An entry as it was found. */
export interface FlightEntry {
  readonly bytes: Uint8Array
  /** Changes whenever the entry does. */
  readonly tag: string
  /** Milliseconds since it was written, by the clock of the store alone: those of its users differ. */
  readonly ageMs: number
}

/** Entries of at most 4 KiB. A name is made of letters, digits, `.`, `_`, `-` and `/`. */
export interface FlightTable {
  /** Writes an entry and gives its tag; `undefined` if the name is taken. */
  create(name: string, bytes: Uint8Array, options?: StoreOptions): Promise<string | undefined>
  read(name: string, options?: StoreOptions): Promise<FlightEntry | undefined>
  /** Writes it anew and gives the new tag; `undefined` if it has not this tag any more. */
  replace(name: string, tag: string, bytes: Uint8Array, options?: StoreOptions): Promise<string | undefined>
  /** Tells `false` if it has not this tag any more. */
  remove(name: string, tag: string, options?: StoreOptions): Promise<boolean>
}
