/**
 * Opens a store's directory, and makes it a valid one.
 *
 * @module
 */
import { accessSync, constants, mkdirSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { BlobFiles, BlobStore, StoreOptions } from '../blob-store.ts'
import type { CollectionOptions, CollectionPolicy, CollectionReport } from '../collection.ts'
import { CacheStoreError } from '../errors.ts'
import type { FlightTable } from '../flight-table.ts'
import type { Pins } from '../pins.ts'
import type { Store } from '../store.ts'
import type { Trust } from '../trust.ts'
import { createLocalBlobs } from './blobs.ts'
import { BLOCK } from './blocks.ts'
import { breathing } from './breath.ts'
import { type CheckOptions, type CheckReport, checkStore } from './check.ts'
import { collect } from './collect.ts'
import { countStore, type StoreUsage } from './count.ts'
import { readFailure, systemCode, writing } from './failure.ts'
import {
  assertSafe,
  ensureDirectory,
  publish,
  publishNew,
  readSmallFile,
  statusOf,
  writeTemporary,
} from './files.ts'
import { createLocalFlights } from './flights.ts'
import { namesIn } from './listing.ts'
import { withSpace } from './outlay.ts'
import { createLocalPins } from './pins.ts'
import { createPlace, DIRECTORIES, type Place } from './place.ts'
import { limitsFrom } from './policy.ts'
import { createLocalActions } from './records.ts'
import { createLocalRefs } from './refs.ts'
import { createRoom } from './room.ts'

/** Where a store lies and how careful it is. */
export interface LocalStoreOptions {
  /** Made if it does not exist; otherwise a store already, or empty. */
  readonly directory: string
  /**
   * `full`, the default: what was written survives a power failure. `rename`: nothing is flushed, which is several
   * times faster; after a power failure files may be torn, which is found when they are read.
   */
  readonly durability?: 'full' | 'rename'
  /** Changes nothing in the directory: blobs and records are `skipped`, other writes fail. Default false. */
  readonly readOnly?: boolean
  /** Signs records, and asks for signatures. */
  readonly trust?: Trust
  /**
   * How much may stay: 20 GiB, and what was used within two hours, unless this says otherwise. `maxBytes` holds while
   * the store is written, too: what does not fit is collected for, and `skipped` if that does not help.
   */
  readonly limits?: CollectionPolicy
}

/** A store in a directory, whose blobs are also files. */
export interface LocalStore extends Store {
  readonly blobs: BlobStore & BlobFiles
  /** What collections leave alone. In a store opened for reading there is nothing that could. */
  readonly pins: Pins
  /** Marks of single-flight for all processes that share the directory. */
  readonly flights: FlightTable
  /**
   * Removes what is not used, until everything is within the limits of the store; `policy` says otherwise, member by
   * member. If somebody else is collecting, the report says so and nothing more.
   *
   * @throws {CacheStoreError} `ERR_CACHE_STORE_UNWRITABLE`, `ERR_CACHE_STORE_UNSAFE`; `ERR_CACHE_STORE_UNREADABLE` if
   *   what has to stay cannot be read, and then nothing went; `ERR_CACHE_STORE_BUSY` if another collector took over
   *   from this one, since it was suspended.
   * @throws {TypeError} if a limit is negative or no number.
   */
  collect(policy?: CollectionPolicy, options?: CollectionOptions): Promise<CollectionReport>
  /** Reads every blob and record; puts away or removes what is damaged, and heals blobs where it can. */
  check(options?: CheckOptions): Promise<CheckReport>
  /** Counts what is there, by looking at every file. */
  usage(options?: StoreOptions): Promise<StoreUsage>
}

/** The only format there has been. */
const FORMAT = 1

const MAX_DOCUMENT = 64 * 1024 * 1024

/** image-spec v1.1.1, image-layout.md, "oci-layout file". */
const OCI_LAYOUT = '{"imageLayoutVersion":"1.0.0"}'

/** An index without entries: image-spec v1.1.1, image-index.md. */
const EMPTY_INDEX = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'

/** Cache Directory Tagging Specification: backups leave the directory out. */
const CACHE_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a build cache made by varve.\n'

/** What may lie in a directory that is to become a store: the rest of a first opening, or what `mkfs` makes. */
const EMPTY_ENOUGH = new Set(['ingest', 'lost+found'])

/**
 * Opens a store, which any number of processes may do at once; there is nothing to close.
 *
 * The directory is a valid OCI image layout at any time. What lies in it and is not of the store is left alone.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_FORMAT` if the directory holds something else, or a newer store;
 *   `ERR_CACHE_STORE_UNSAFE` if others could redirect it; `ERR_CACHE_STORE_UNWRITABLE`, `ERR_CACHE_STORE_FULL`,
 *   `ERR_CACHE_STORE_UNREADABLE`.
 * @throws {TypeError} if a limit is negative or no number.
 * @example
 * const store = await createLocalStore({ directory: '.varve' })
 */
export async function createLocalStore(options: LocalStoreOptions): Promise<LocalStore> {
  const { durability = 'full', readOnly = false, trust = {} } = options
  const limits = limitsFrom(options.limits)
  const root = rootOf(resolve(options.directory), readOnly)
  const place = createPlace(root, { durable: durability === 'full', readOnly })
  assertFormat(place)
  if (readOnly) for (const name of DIRECTORIES) assertSafe(join(place.root, name))
  else prepare(place)
  const room = createRoom(place, limits, (demand) => collect(place, limits, {}, demand))
  const charge = (bytes: number): void => room.charge(bytes)
  const blobs = createLocalBlobs(place, room)
  const refs = createLocalRefs(place, undefined, charge)
  const pins = createLocalPins(place, charge)
  return {
    blobs,
    actions: createLocalActions(place, blobs, room, trust),
    refs: { ...refs, update: (...update) => withSpace(room, BLOCK, () => refs.update(...update)) },
    pins: {
      ...pins,
      pin: (...pin) => withSpace(room, BLOCK, () => pins.pin(...pin)),
      lease: (...lease) => withSpace(room, BLOCK, () => pins.lease(...lease)),
    },
    flights: createLocalFlights(place),
    collect: async (policy, collecting) => collect(place, limitsFrom(policy, limits), collecting),
    check: (checking) => checkStore(place, blobs, trust, checking),
    usage: async ({ signal } = {}) => {
      signal?.throwIfAborted()
      return countStore(place, { breathe: breathing(signal) })
    },
  }
}

/** The directory itself may be a symbolic link, as a home directory often is; below it nothing may. */
function rootOf(directory: string, readOnly: boolean): string {
  if (!readOnly) writing(directory, () => mkdirSync(directory, { recursive: true }))
  try {
    return realpathSync(directory)
  } catch (error) {
    // A store that nobody has made yet is one with nothing in it.
    if (readOnly && systemCode(error) === 'ENOENT') return directory
    throw readFailure(directory, error)
  }
}

function assertFormat(place: Place): void {
  const path = join(place.root, 'store.json')
  const refused = (what: string): CacheStoreError =>
    new CacheStoreError('ERR_CACHE_STORE_FORMAT', `${JSON.stringify(place.root)} ${what}`, { path })
  let text = textOf(path)
  if (text === undefined) {
    if ([...namesIn(place.root)].every((name) => EMPTY_ENOUGH.has(name))) return
    // `store.json` comes before everything else: another process may have made the store after our first look.
    text = textOf(path)
    if (text === undefined) throw refused('is neither empty nor a store')
  }
  // What a power failure may leave of a file that was being made; nothing else was in the store yet.
  if (isBlank(text)) return
  const format = formatIn(text)
  if (format === FORMAT) return
  throw refused(
    typeof format === 'number' ? `is a store of format ${format}, not ${FORMAT}` : 'is not a store',
  )
}

function formatIn(text: string): unknown {
  try {
    const document: unknown = JSON.parse(text)
    return typeof document === 'object' && document !== null && 'format' in document
      ? document.format
      : undefined
  } catch {
    return undefined
  }
}

function prepare(place: Place): void {
  // `store.json` comes first: what lies in the directory afterwards is known to be ours.
  ensureDirectory(place, join(place.root, 'ingest'))
  writing(place.root, () => accessSync(join(place.root, 'ingest'), constants.W_OK))
  settle(place, 'store.json', `{"format":${FORMAT}}\n`, (text) => !isBlank(text))
  for (const name of DIRECTORIES) ensureDirectory(place, join(place.root, name))
  settle(place, 'oci-layout', OCI_LAYOUT, (text) => isObject(text))
  settle(place, 'index.json', EMPTY_INDEX, (text) => isObject(text))
  settle(place, 'CACHEDIR.TAG', CACHE_TAG, (text) => text.startsWith(CACHE_TAG.slice(0, 43)))
}

/** Makes a file that is missing, and makes anew one that is torn. */
function settle(place: Place, name: string, content: string, isWhole: (text: string) => boolean): void {
  const path = join(place.root, name)
  const text = textOf(path)
  if (text !== undefined && isWhole(text)) return
  const temporary = writeTemporary(place, new TextEncoder().encode(content), 0o644)
  if (statusOf(path) === undefined) publishNew(place, temporary, path)
  else publish(place, temporary, path)
}

function textOf(path: string): string | undefined {
  const bytes = readSmallFile(path, MAX_DOCUMENT)
  return bytes && new TextDecoder().decode(bytes)
}

function isBlank(text: string): boolean {
  return text.replaceAll('\0', '').trim() === ''
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
