/**
 * Opens a store in a bucket.
 *
 * @module
 */
import type { CollectionOptions, CollectionPolicy, CollectionReport } from '../collection.ts'
import type { FlightTable } from '../flight-table.ts'
import { createSpooledIngests } from '../spool.ts'
import type { Store } from '../store.ts'
import { createAccess } from './access.ts'
import { type BlobSettings, createS3Blobs } from './blobs.ts'
import { createClient } from './client.ts'
import { discover } from './discovery.ts'
import { createS3Flights } from './flights.ts'
import { createKeys } from './keys.ts'
import { createLimit } from './limit.ts'
import { createObjects } from './objects.ts'
import type { S3Capabilities, S3Options } from './options.ts'
import { createPartHasher } from './part-digest.ts'
import { createS3Actions } from './records.ts'
import { createNumberedVersions, createTaggedVersions } from './ref-versions.ts'
import { createS3Refs } from './refs.ts'
import { createRenewal } from './renewal.ts'
import { createRequester } from './requester.ts'
import { loadSdk } from './sdk.ts'
import { sweep } from './sweep.ts'

/** A store in a bucket. */
export interface S3Store extends Store {
  /** Marks of single-flight; `undefined` where the server does not create atomically, and nobody can lead. */
  readonly flights: FlightTable | undefined
  /** What the server can do. */
  readonly capabilities: S3Capabilities
  /**
   * Removes what the policy leaves no room for, oldest first, records before blobs. Refs stay. `graceMs` is an hour by
   * default; if uses are to count as such, it should be more than a third of `ttlMs`. `minFreeBytes` means nothing here.
   *
   * @throws {CacheStoreError} `ERR_CACHE_STORE_DENIED`, `ERR_CACHE_STORE_UNAVAILABLE`.
   */
  sweep(policy: CollectionPolicy, options?: CollectionOptions): Promise<CollectionReport>
  /** Ends connections, unless the client is the caller's, and removes what was spooled. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const MIB = 1024 * 1024

/** Smallest part that servers take: Amazon S3 User Guide, "Amazon S3 multipart upload limits". */
const SMALLEST_PART = 5 * MIB

/** Small requests at once, for each part in flight that the caller allows. */
const SMALL_PER_PART = 4

/**
 * Opens a store in a bucket of S3, or of a server like it. Opening asks the server what it can do, once an hour and
 * process; any number of processes may use one bucket.
 *
 * What the credentials may not do is left undone, with a warning: reads that are denied are misses, and after a write
 * that is denied the store is read-only, its writes `skipped`.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_DEPENDENCY` without `@aws-sdk/client-s3`; `ERR_CACHE_STORE_CONFIG` if the
 *   bucket is not there; `ERR_CACHE_STORE_DENIED`; `ERR_CACHE_STORE_CLOCK`; `ERR_CACHE_STORE_UNAVAILABLE`.
 * @throws {TypeError} for options that cannot be.
 * @example
 * const store = await createS3Store({ bucket: 'our-cache', region: 'eu-central-1' })
 */
export async function createS3Store(options: S3Options): Promise<S3Store> {
  const { bucket, concurrency = 4, partSize = 8 * MIB, attempts = 4 } = options
  assertNumbers({ concurrency, attempts, timeoutMs: options.timeoutMs ?? 1, ttlMs: options.ttlMs ?? 1 })
  if (!(partSize >= SMALLEST_PART)) throw new TypeError(`Parts have at least ${SMALLEST_PART} bytes`)
  if (typeof bucket !== 'string' || bucket === '') throw new TypeError('A store needs the name of a bucket')
  const keys = createKeys(options.prefix)
  const sdk = await loadSdk()
  const { client, destroy } = createClient(sdk, options)
  const access = createAccess(options.onWarning)
  const requester = createRequester({
    sdk,
    client,
    attempts,
    timeoutMs: options.timeoutMs ?? 30_000,
    requestBudget: options.requestBudget ?? Infinity,
  })
  let form: S3Capabilities['ifMatch'] = 'quoted'
  const objects = createObjects({ bucket, requester, access, ifMatch: () => form })
  const setForm = (found: S3Capabilities['ifMatch']): void => {
    form = found
  }
  let capabilities: S3Capabilities
  try {
    capabilities = await discover({ options, objects, keys, access, setForm })
  } catch (error) {
    destroy()
    throw error
  }
  setForm(capabilities.ifMatch)

  const width = concurrency * SMALL_PER_PART
  const renewal = createRenewal(objects, access, options.ttlMs)
  let mayList = capabilities.list
  const settings: BlobSettings = {
    objects,
    keys,
    access,
    renewal,
    partSize,
    concurrency,
    attempts,
    width,
    lines: createLimit(concurrency),
    hashPart: createPartHasher(),
    isConditional: () => capabilities.conditionalMultipart,
    mayCreate: () => capabilities.atomicCreate,
    mayList: () => mayList,
    onListRefused: (error) => {
      mayList = false
      access.warn('list', error)
    },
  }
  const ingests = createSpooledIngests(options.spool, (digest, source, more) =>
    blobs.put(digest, source, more),
  )
  const blobs = createS3Blobs(settings, ingests)
  const versions =
    capabilities.ifMatch === false
      ? createNumberedVersions(objects, keys)
      : createTaggedVersions(objects, keys, capabilities)
  // By numbered versions, the newest one is found by a list.
  const canSwap = capabilities.atomicCreate && (capabilities.ifMatch !== false || capabilities.list)
  const close = async (): Promise<void> => {
    destroy()
    await ingests.close()
  }
  return {
    blobs,
    actions: createS3Actions({ objects, keys, access, renewal, capabilities }, blobs, options.trust),
    refs: createS3Refs({ versions, canSwap, renewal, access }),
    flights: capabilities.atomicCreate ? createS3Flights(objects, keys, capabilities) : undefined,
    capabilities,
    sweep: (policy, how = {}) => sweep({ objects, keys, access, capabilities, width }, policy, how),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function assertNumbers(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!(value >= 1)) throw new TypeError(`Not a number of 1 or more: ${name}`)
  }
}
