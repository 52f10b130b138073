/**
 * A cache server: files that are looked at, read and written, and what its answers mean.
 *
 * @module
 */
import { type ByteSource, readAll, withSignal } from '@varve/digest'
import { CacheStoreError } from '../errors.ts'
import { connectionFailure, statusFailure } from './failure.ts'
import type { Requester } from './requester.ts'
import { Transient, withRetries } from './retry.ts'
import type { HttpReply } from './transport.ts'
import type { Warnings } from './warnings.ts'

/** What became of a write; `exists` only where it was to create. */
export type WriteOutcome = 'written' | 'exists' | 'skipped'

/** How a write is made. */
export interface WriteOptions {
  /** Only if there is no such file, as far as the server cares. */
  readonly create?: boolean
  readonly signal?: AbortSignal | undefined
}

/** Files of a server by their path below its prefix. */
export interface Server {
  readonly requester: Requester
  /** Whether writes are `skipped`: by option, or since one was refused. */
  isReadOnly(): boolean
  /** The size of a file; `undefined` if there is none. */
  size(path: string, signal?: AbortSignal): Promise<number | undefined>
  /** A file of at most `limit` bytes; `undefined` if there is none, or a larger one. */
  read(path: string, limit: number, signal?: AbortSignal): Promise<Uint8Array | undefined>
  /** A reply of 200, 206 or 416, whose body is still to be read; `undefined` if there is no such file. */
  open(path: string, range: string | undefined, signal?: AbortSignal): Promise<HttpReply | undefined>
  /** Writes a file, whose source knows its size. */
  write(path: string, source: ByteSource, options?: WriteOptions): Promise<WriteOutcome>
  /** Tells whether the server has removed a file. Most of them do not. */
  remove(path: string, signal?: AbortSignal): Promise<boolean>
}

/** Refusals of a write that are of no particular file: RFC 9110 sections 15.5.2, 15.5.4, 15.5.6. */
const NO_WRITER: ReadonlySet<number> = new Set([401, 403, 405])

/** Refusals of a file for its size, or for lack of room: RFC 9110 section 15.5.14, RFC 4918 section 11.5. */
const NO_ROOM: ReadonlySet<number> = new Set([413, 507])

/** The files that `requester` can reach. */
export function createServer(requester: Requester, warnings: Warnings, readOnly: boolean): Server {
  const { attempts } = requester
  let isReadOnly = readOnly
  // Until the server says that it does not want to be asked (RFC 9110 section 15.5.18).
  let ask = true

  /** Discards a reply, and gives the error that it is. */
  const refusal = async (reply: HttpReply, method: string, path: string): Promise<CacheStoreError> => {
    await reply.discard()
    const failure = statusFailure(reply, requester.describe(method, path))
    return failure instanceof Transient ? failure.error : failure
  }

  /** Whether a reply to a read says that there is no such file. */
  const isAbsence = ({ status }: HttpReply, method: string, path: string): boolean => {
    if (status === 403) warnings.readForbidden(requester.describe(method, path))
    return status === 403 || status === 404 || status === 410
  }

  const sizeByGet = async (path: string, signal: AbortSignal | undefined): Promise<number | undefined> => {
    const reply = await requester.send('question', { method: 'GET', path, signal })
    const size = lengthOf(reply)
    await reply.discard()
    if (reply.status === 200 && size !== undefined) return size
    if (isAbsence(reply, 'GET', path)) return undefined
    const what = `${requester.describe('GET', path)} was answered ${reply.status} without a length`
    throw new CacheStoreError('ERR_CACHE_STORE_CONFIG', what, {
      status: reply.status,
      hint: 'The server, or a proxy before it, has to send Content-Length',
    })
  }

  const readOnce = async (
    path: string,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> => {
    const reply = await requester.sendOnce('question', { method: 'GET', path, signal })
    if (reply.status !== 200 && !isAbsence(reply, 'GET', path)) throw await refusal(reply, 'GET', path)
    if (reply.status !== 200 || (lengthOf(reply) ?? 0) > limit) {
      await reply.discard()
      return undefined
    }
    try {
      return await readAll(reply.body, limit)
    } catch (error) {
      signal?.throwIfAborted()
      if (isLimit(error)) return undefined
      throw connectionFailure(error, requester.describe('GET', path))
    }
  }

  const put = async (path: string, source: ByteSource, options: WriteOptions): Promise<HttpReply> => {
    const { create = false, signal } = options
    const { size } = source
    if (size === undefined) throw new TypeError('A request has a known size')
    const headers = { 'content-type': 'application/octet-stream' }
    const reply = await requester.send('upload', {
      method: 'PUT',
      path,
      headers: create ? { ...headers, 'if-none-match': '*' } : headers,
      upload: { size, ask, open: () => source.open(withSignal(signal)) },
      signal,
    })
    await reply.discard()
    if (reply.status !== 417 || !ask) return reply
    ask = false
    return put(path, source, options)
  }

  return {
    requester,
    isReadOnly: () => isReadOnly,

    size: async (path, signal) => {
      const reply = await requester.send('question', { method: 'HEAD', path, signal })
      if (reply.status !== 200 && !isAbsence(reply, 'HEAD', path)) throw await refusal(reply, 'HEAD', path)
      await reply.discard()
      if (reply.status !== 200) return undefined
      if (isPage(reply)) {
        warnings.webPage(requester.describe('HEAD', path))
        return undefined
      }
      return lengthOf(reply) ?? sizeByGet(path, signal)
    },

    read: (path, limit, signal) => withRetries(attempts, () => readOnce(path, limit, signal), signal),

    open: async (path, range, signal) => {
      const headers = range === undefined ? {} : { range }
      const reply = await requester.send('download', { method: 'GET', path, headers, signal })
      if (reply.status === 200 || (range !== undefined && [206, 416].includes(reply.status))) return reply
      if (!isAbsence(reply, 'GET', path)) throw await refusal(reply, 'GET', path)
      await reply.discard()
      return undefined
    },

    write: async (path, source, options = {}) => {
      if (isReadOnly) return 'skipped'
      const reply = await put(path, source, options)
      const { status, isSent } = reply
      if (isSent && status >= 200 && status < 300) return 'written'
      if (options.create === true && status === 412) return 'exists'
      if (NO_ROOM.has(status)) return 'skipped'
      const error = await refusal(reply, 'PUT', path)
      if (status === 400) {
        // What bazel-remote says of a blob beyond its limit. It may also mean that this is no cache at all.
        warnings.writeRefused(error)
        return 'skipped'
      }
      if (!NO_WRITER.has(status)) throw error
      isReadOnly = true
      warnings.readOnly(error)
      return 'skipped'
    },

    remove: async (path, signal) => {
      const reply = await requester.send('question', { method: 'DELETE', path, signal })
      await reply.discard()
      return reply.status >= 200 && reply.status < 300
    },
  }
}

/** Web pages come in place of files: a login page, a proxy's apology. They must not pass for what was asked for. */
function isPage({ headers }: HttpReply): boolean {
  return /^text\/html\b/i.test(headers['content-type'] ?? '')
}

function lengthOf({ headers }: HttpReply): number | undefined {
  const text = headers['content-length'] ?? ''
  const length = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(length) ? length : undefined
}

function isLimit(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_DIGEST_LIMIT'
}
