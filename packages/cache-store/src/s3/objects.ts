/**
 * Objects of a bucket: what of S3 the driver needs, with its differences between servers.
 *
 * @module
 */
import type { StoreOptions } from '../blob-store.ts'
import { CacheStoreError } from '../errors.ts'
import type { Access } from './access.ts'
import type { RequestBody, ResponseBody } from './attempt.ts'
import { kindOf, wasRetried } from './failure.ts'
import type { S3Capabilities } from './options.ts'
import type { RequestOptions, Requester } from './requester.ts'
import type { Operation } from './sdk.ts'
import type { Answer, Call } from './wire.ts'

/** What is known of an object without its bytes. */
export interface ObjectStatus {
  readonly size: number
  /** The ETag, in its quotes if the server gives it any. */
  readonly tag: string
  /** Milliseconds since it was written, by the clock of the server alone. */
  readonly ageMs: number
}

/** An entry of a list. */
export interface ListedObject extends ObjectStatus {
  readonly key: string
}

/** A part of a list, in the order of the bytes of the keys. */
export interface ListPage {
  readonly objects: readonly ListedObject[]
  /** Whether more follows. */
  readonly isTruncated: boolean
}

/** A condition of a write. */
export type Condition = 'absent' | { readonly tag: string }

/** The objects of one bucket. */
export interface Objects {
  readonly bucket: string
  /** Any request; one that writes and is denied makes the store read-only. */
  send(call: Call, options?: RequestOptions): Promise<Answer>
  head(key: string, options?: StoreOptions): Promise<ObjectStatus | undefined>
  /** The bytes from `start` to `end`, or to the last one. The body must be read or discarded. */
  open(
    key: string,
    start: number,
    end: number | undefined,
    options?: StoreOptions,
  ): Promise<OpenObject | undefined>
  /** Writes, and gives the tag; `undefined` if the condition does not hold. */
  write(
    key: string,
    body: RequestBody,
    condition?: Condition,
    options?: RequestOptions,
  ): Promise<string | undefined>
  /** Removes; tells `false` if the object has not this tag any more. */
  remove(key: string, tag?: string, options?: RequestOptions): Promise<boolean>
  list(prefix: string, startAfter: string, options?: StoreOptions): Promise<ListPage>
}

/** An object whose bytes are on their way. */
export interface OpenObject extends ObjectStatus {
  readonly body: ResponseBody
}

/** What the objects of a bucket need to know. */
export interface ObjectsSettings {
  readonly bucket: string
  readonly requester: Requester
  /** How the server wants the tag of a condition. */
  readonly ifMatch: () => S3Capabilities['ifMatch']
  readonly access: Access
}

/** The objects of a bucket. */
export function createObjects({ bucket, requester, ifMatch, access }: ObjectsSettings): Objects {
  const send = async (call: Call, options?: RequestOptions): Promise<Answer> => {
    try {
      return await requester.send(call, options)
    } catch (error) {
      if (kindOf(error) === 'denied' && WRITES.has(call.operation)) access.denyWrites(error)
      throw error
    }
  }
  const conditionOf = (condition: Condition | undefined): object => {
    if (condition === undefined) return {}
    if (condition === 'absent') return { IfNoneMatch: '*' }
    return { IfMatch: ifMatch() === 'unquoted' ? unquoted(condition.tag) : `"${unquoted(condition.tag)}"` }
  }
  /** Without the right to list, what is not there is forbidden (AWS); a read that is denied is a miss. */
  const found = async <Result>(operation: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await operation()
    } catch (error) {
      const kind = kindOf(error)
      if (kind === 'absent') return undefined
      if (kind !== 'denied') throw error
      access.warn('absent', error)
      return undefined
    }
  }

  return {
    bucket,
    send,

    head: (Key, options) =>
      found(async () => {
        const { output, now } = await send(
          { operation: 'HeadObject', input: { Bucket: bucket, Key } },
          options,
        )
        return statusFrom(output, now, sizeFrom(output['ContentLength']))
      }),

    open: (Key, start, end, options) =>
      found(async () => {
        const range =
          start === 0 && end === undefined ? undefined : `bytes=${start}-${end === undefined ? '' : end - 1}`
        const input = { Bucket: bucket, Key, ...(range !== undefined && { Range: range }) }
        const { output, status, now, body } = await send({ operation: 'GetObject', input }, options)
        if (body === undefined) throw unexpected('an answer without a body')
        try {
          return { ...statusFrom(output, now, totalFrom(output, status, start)), body }
        } catch (error) {
          body.discard()
          throw error
        }
      }),

    write: async (Key, body, condition, options) => {
      const input = { Bucket: bucket, Key, ...conditionOf(condition) }
      try {
        const { output } = await send({ operation: 'PutObject', input, body }, options)
        return tagFrom(output)
      } catch (error) {
        // Without the key, no ETag matches: some say 404.
        const isLost = kindOf(error) === 'condition' || kindOf(error) === 'absent'
        if (condition === undefined || !isLost || wasRetried(error)) throw error
        return undefined
      }
    },

    remove: async (Key, tag, options) => {
      const input = { Bucket: bucket, Key, ...(tag !== undefined && conditionOf({ tag })) }
      try {
        await send({ operation: 'DeleteObject', input }, options)
        return true
      } catch (error) {
        const kind = kindOf(error)
        if (kind === 'absent') return tag === undefined
        if (kind === 'condition') return false
        throw error
      }
    },

    list: async (prefix, StartAfter, options) => {
      const input = { Bucket: bucket, Prefix: prefix, ...(StartAfter !== '' && { StartAfter }) }
      const { output, now } = await send({ operation: 'ListObjectsV2', input }, options)
      const objects = listFrom(output['Contents'])
        .map((entry) => ({ ...statusFrom(entry, now, sizeFrom(entry['Size'])), key: String(entry['Key']) }))
        .filter(({ key }) => key.startsWith(prefix) && key > StartAfter)
      // A page that leads nowhere is the last one, whatever it says.
      return { objects, isTruncated: output['IsTruncated'] === true && objects.length > 0 }
    },
  }
}

const WRITES: ReadonlySet<Operation> = new Set([
  'CompleteMultipartUpload',
  'CreateMultipartUpload',
  'PutObject',
  'UploadPart',
])

type Output = Readonly<Record<string, unknown>>

function statusFrom(output: Output, now: number, size: number): ObjectStatus {
  const modified = output['LastModified']
  const ageMs = modified instanceof Date ? Math.max(0, now - modified.getTime()) : 0
  return { size, tag: tagFrom(output), ageMs: Number.isNaN(ageMs) ? 0 : ageMs }
}

function tagFrom({ ETag }: Output): string {
  if (typeof ETag !== 'string' || ETag === '') throw unexpected('an answer without an ETag')
  return ETag
}

function sizeFrom(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw unexpected('an answer without a size')
  return value as number
}

/** The size of the whole object; RFC 9110, section 14.4. */
function totalFrom(output: Output, status: number, start: number): number {
  if (status !== 206) {
    if (start > 0) throw unexpected('all of an object where a part was asked for')
    return sizeFrom(output['ContentLength'])
  }
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(String(output['ContentRange'])) ?? []
  if (Number(first) !== start) throw unexpected('another part of an object than was asked for')
  return sizeFrom(Number(total))
}

function listFrom(value: unknown): readonly Output[] {
  return Array.isArray(value) ? (value as Output[]) : []
}

function unquoted(tag: string): string {
  return tag.replaceAll('"', '')
}

function unexpected(what: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_UNAVAILABLE', `The S3 server gives ${what}`)
}
