/**
 * What the S3 driver is told, and what it finds out about its server.
 *
 * @module
 */
import type { BlobStore } from '../blob-store.ts'
import type { Trust } from '../trust.ts'
import type { S3ClientLike } from './sdk.ts'

/** Keys as AWS names them. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Where a store lies and how it is used. */
export interface S3Options {
  readonly bucket: string
  /** Keys begin with it: letters, digits, `!`, `_`, `.`, `*`, `'`, `(`, `)`, `-` and `/`. Default: none. */
  readonly prefix?: string
  /** Default: what the SDK finds; with an `endpoint`, `AWS_REGION` or `us-east-1`. */
  readonly region?: string
  /** Of another server than that of AWS. */
  readonly endpoint?: string
  /** Puts the bucket into the path rather than the host name. Default: true with an `endpoint`. */
  readonly pathStyle?: boolean
  /** Default: what the SDK finds in the environment, in profiles, or from the machine it runs on. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>)
  /**
   * A client of the caller's own, for whatever is not an option here; the four options above it are then not used. It
   * is not changed and not destroyed. Its retries and checksums are not used: the driver has its own.
   */
  readonly client?: S3ClientLike
  /** Signs records, and asks for signatures. */
  readonly trust?: Trust
  /**
   * How long a lifecycle rule of the bucket lets objects live. What is used and older than a third of it is renewed,
   * by a copy onto itself. Default: nothing is renewed.
   */
  readonly ttlMs?: number
  /** Parts in flight of uploads together, and of each download. Default 4. */
  readonly concurrency?: number
  /** Bytes of a part; memory per transfer is about `concurrency` times that. 5 MiB or more. Default 8 MiB. */
  readonly partSize?: number
  /** Longest time without any progress, in milliseconds. Default 30,000. */
  readonly timeoutMs?: number
  /** How often a request is tried. Default 4. */
  readonly attempts?: number
  /** Requests that this store may make; any more fail with `ERR_CACHE_STORE_UNAVAILABLE`. Default: no limit. */
  readonly requestBudget?: number
  /**
   * Where ingests are collected, as their digest is not known before their end: a store, or a directory that outlives
   * the process so that they can be resumed. Default: a temporary directory, removed by `close`.
   */
  readonly spool?: BlobStore | string
  /** What is known of the server already and is not probed. With all of them, opening makes no request. */
  readonly capabilities?: Partial<S3Capabilities>
  /** Told once of each kind of thing that is wrong and was worked around. */
  readonly onWarning?: (error: unknown) => void
}

/** What a server does, as found by the probe. What it cannot do is done another way, or not at all. */
export interface S3Capabilities {
  /** Of many writers that put one key with `If-None-Match: *` at once, exactly one succeeds. */
  readonly atomicCreate: boolean
  /** Of many writers with one `If-Match`, exactly one succeeds; and how the server wants its ETag. */
  readonly ifMatch: 'quoted' | 'unquoted' | false
  /** A multipart upload with `If-None-Match: *` is refused if the key exists. */
  readonly conditionalMultipart: boolean
  /** A DELETE with another `If-Match` than the ETag is refused, and one with the ETag succeeds. */
  readonly conditionalDelete: boolean
  /** A body that is not what was signed is refused. */
  readonly checksPayload: boolean
  /** Keys can be listed, and what was just written is in the list. */
  readonly list: boolean
  /** An absent key answers 404; otherwise 403, as on AWS without the right to list. */
  readonly tellsAbsence: boolean
}
