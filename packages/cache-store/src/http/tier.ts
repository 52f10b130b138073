/**
 * A tier on a cache server.
 *
 * @module
 */
import { hexOf } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import { createRecordIndex } from '../record-index.ts'
import { createSpooledIngests } from '../spool.ts'
import type { Tier } from '../store.ts'
import type { Trust } from '../trust.ts'
import { createHttpBlobs } from './blobs.ts'
import { createEndpoint, type EndpointOptions } from './endpoint.ts'
import { LANES } from './lanes.ts'
import { createHttpRecords } from './records.ts'
import { createRequester } from './requester.ts'
import { createServer } from './server.ts'
import { createWarnings } from './warnings.ts'

/** Which server, and how it is treated. */
export interface HttpTierOptions extends EndpointOptions {
  /**
   * Longest time, in milliseconds, that the server may take for an answer, or without any progress of a blob. Default
   * 30,000.
   */
  readonly timeoutMs?: number
  /** How often a request is tried. Default 4. */
  readonly attempts?: number
  /** Requests at once, in each of three kinds: questions, downloads, uploads. Default 16. */
  readonly concurrency?: number
  /** Writes nothing: puts are `skipped`. Default false. */
  readonly readOnly?: boolean
  /** Signs records, and asks for signatures. */
  readonly trust?: Trust
  /**
   * Where bytes are collected whose number or digest is not known before their end: a store for ingests, or a directory
   * that outlives the process so that these can be resumed. Default: a temporary directory, removed by `close`.
   */
  readonly spool?: BlobStore | string
  /** Told once of each kind of thing that is wrong and was worked around. */
  readonly onWarning?: (error: unknown) => void
}

/** Blobs and records of a server, and its connections. */
export interface HttpTier extends Tier {
  /** Breaks the connections; what is under way fails. Idle connections alone keep no process alive. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a tier on a server of the `/cas/` and `/ac/` form, such as bazel-remote. Nothing is asked yet: whether the
 * server is there is found out by the first operation.
 *
 * @throws {TypeError} for options that make no sense; `ERR_CACHE_STORE_CONFIG` for a certificate or key that is none.
 */
export function createHttpTier(options: HttpTierOptions): HttpTier {
  const { timeoutMs = 30_000, attempts = 4, concurrency = 16, readOnly = false } = options
  for (const [name, value] of Object.entries({ timeoutMs, attempts, concurrency })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`Not a number for ${name}: ${value}`)
  }
  const endpoint = createEndpoint(options, concurrency * LANES.length)
  const requester = createRequester(endpoint, { timeoutMs, attempts, concurrency })
  const server = createServer(requester, createWarnings(options.onWarning ?? (() => undefined)), readOnly)
  const ingests = createSpooledIngests(options.spool, (...put) => blobs.put(...put))
  const blobs = createHttpBlobs(server, {
    concurrency,
    spool: options.spool,
    ingest: async (ref, settings) => {
      requester.assertOpen()
      return ingests.open(ref, settings)
    },
  })
  const records = createHttpRecords(server, (digest, signal) => server.size(`cas/${hexOf(digest)}`, signal))
  const close = async (): Promise<void> => {
    requester.close()
    await ingests.close()
  }
  return {
    blobs,
    actions: createRecordIndex(records, blobs, options.trust),
    close,
    [Symbol.asyncDispose]: close,
  }
}
