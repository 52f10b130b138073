/**
 * Uploads in progress.
 *
 * An upload belongs to one repository. Its bytes are in an `Ingest` of the store, whose name is made of the id of the
 * upload and its repository: when a handler dies, the next one over the same store goes on where it stood.
 *
 * @module
 */
import type { BlobStore, Ingest } from '@varve/cache-store'
import type { Digest, DigestAndSize } from '@varve/digest'
import { repositoryKey } from './document-name.ts'
import { Fault, storeTakesNothing } from './fault.ts'
import type { RegistryLimits } from './limits.ts'
import type { Quota } from './quota.ts'
import { createTurns } from '../turns.ts'

/** One upload. */
export interface Upload {
  readonly id: string
  readonly repository: string
  /** Bytes held so far. */
  readonly offset: number
  /**
   * Appends a body. What arrived before an error stays, to be resumed.
   *
   * @throws {Fault} 403 when unfinished uploads are too many bytes; 413 when the blob grows too large; 400 if the body has more than `length` bytes, or fewer; 416 if
   *   another handler has taken the upload over; 503 if the store is full.
   */
  append(body: AsyncIterable<Uint8Array>, length: number | undefined): Promise<void>
  /** Ends the upload: as a blob, or with the store's error. */
  commit(digest: Digest): Promise<DigestAndSize>
  abort(): Promise<void>
}

/** The uploads of a handler. */
export interface Uploads {
  /** @throws {Fault} 429 when too many are open. */
  start(repository: string): Promise<Upload>
  /**
   * Finds one of this handler, or goes on with one of a handler that is gone, of which something has arrived.
   *
   * @throws {Fault} 404 if there is none, or it belongs to another repository; 429 when too many are open.
   */
  find(repository: string, id: string): Promise<Upload>
  /**
   * Keeps other writers out while `work` runs.
   *
   * @throws {Fault} 416 while another request writes: its bytes would come out of order.
   */
  exclusive<Result>(upload: Upload, work: () => Promise<Result>): Promise<Result>
}

interface Session extends Upload {
  busy: boolean
  touchedAt: number
}

/** Starts with none. Forgotten uploads are dropped when the next one starts, so no timer keeps a process alive. */
export function createUploads(
  blobs: BlobStore,
  limits: RegistryLimits,
  quota: Pick<Quota, 'hold'>,
  now: () => number,
): Uploads {
  const sessions = new Map<string, Session>()
  const inTurn = createTurns()
  let opening = 0

  const isForgotten = (session: Session): boolean =>
    !session.busy && now() - session.touchedAt > limits.uploadIdleMs

  const dropForgotten = async (): Promise<void> => {
    for (const session of [...sessions.values()].filter(isForgotten)) await session.abort()
  }

  const open = async (repository: string, id: string): Promise<Session> => {
    await dropForgotten()
    if (sessions.size + opening >= limits.uploads) {
      const headers = { 'Retry-After': '5' }
      throw new Fault(429, 'TOOMANYREQUESTS', 'Too many uploads are open', { headers })
    }
    opening += 1
    try {
      const ingest = await blobs.ingest(`registry-${id}-${repositoryKey(repository).slice(0, 32)}`)
      let held = 0
      const hold = (bytes: number): void => {
        quota.hold(repository, bytes)
        held += bytes
      }
      try {
        hold(ingest.offset)
      } catch (error) {
        // One of a handler that is gone, for which there is no room here.
        await ingest.abort()
        throw error
      }
      const session = createSession(id, repository, ingest, limits.blobBytes, {
        onWrite: hold,
        onEnd: () => {
          sessions.delete(id)
          hold(-held)
        },
      })
      session.touchedAt = now()
      sessions.set(id, session)
      return session
    } finally {
      opening -= 1
    }
  }

  const resume = async (repository: string, id: string): Promise<Session> => {
    if (!UUID.test(id)) throw unknownUpload()
    const session = await open(repository, id)
    if (session.offset > 0) return session
    // What an ingest without bytes is like whether somebody began it or not.
    await session.abort()
    throw unknownUpload()
  }

  return {
    async start(repository) {
      return open(repository, crypto.randomUUID())
    },

    find(repository, id) {
      // One at a time, or two requests would take the upload from each other.
      return inTurn(id, async () => {
        const known = sessions.get(id)
        if (known !== undefined && isForgotten(known)) await known.abort()
        else if (known !== undefined) {
          if (known.repository !== repository) throw unknownUpload()
          known.touchedAt = now()
          return known
        }
        return resume(repository, id)
      })
    },

    async exclusive(upload, work) {
      const session = sessions.get(upload.id)
      if (session === undefined) throw unknownUpload()
      if (session.busy) throw outOfOrder(upload, 'Another request is writing to this upload')
      session.busy = true
      try {
        return await work()
      } finally {
        session.busy = false
        session.touchedAt = now()
      }
    },
  }
}

/** What `crypto.randomUUID` gives. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function unknownUpload(): Fault {
  return new Fault(404, 'BLOB_UPLOAD_UNKNOWN', 'There is no such upload in this repository')
}

/** 416, with all a client needs to go on. */
export function outOfOrder(upload: Upload, message: string): Fault {
  return new Fault(416, 'BLOB_UPLOAD_INVALID', message, { headers: uploadHeaders(upload) })
}

/** Where an upload is and how far it got. An empty one says `0-0`, as other registries do; there is no better word. */
export function uploadHeaders(upload: Upload): Record<string, string> {
  return {
    Location: `/v2/${upload.repository}/blobs/uploads/${upload.id}`,
    Range: `0-${Math.max(0, upload.offset - 1)}`,
    'Docker-Upload-UUID': upload.id,
    'Content-Length': '0',
  }
}

function createSession(
  id: string,
  repository: string,
  ingest: Ingest,
  limit: number,
  { onWrite, onEnd }: { readonly onWrite: (bytes: number) => void; readonly onEnd: () => void },
): Session {
  let ended = false
  const end = (): void => {
    ended = true
    onEnd()
  }
  const write = async (chunk: Uint8Array): Promise<void> => {
    if (ended) throw unknownUpload()
    onWrite(chunk.byteLength)
    try {
      await ingest.write(chunk)
    } catch (error) {
      if (ended) throw unknownUpload()
      if (!isTaken(error)) throw refusalOf(error)
      end()
      throw takenOver(session)
    }
  }
  const session: Session = {
    id,
    repository,
    busy: false,
    touchedAt: 0,
    get offset() {
      return ingest.offset
    },
    async append(body, length = Infinity) {
      let size = 0
      for await (const chunk of body) {
        size += chunk.byteLength
        if (size > length) throw new Fault(400, 'SIZE_INVALID', `More than the announced ${length} bytes`)
        if (ingest.offset + chunk.byteLength > limit) {
          throw new Fault(413, 'SIZE_INVALID', `A blob has at most ${limit} bytes here`)
        }
        await write(chunk)
      }
      if (length !== Infinity && size !== length) {
        throw new Fault(400, 'SIZE_INVALID', `Announced ${length} bytes, sent ${size}`)
      }
    },
    async commit(digest) {
      end()
      try {
        return await ingest.commit({ digest })
      } catch (error) {
        throw isTaken(error) ? takenOver(session) : refusalOf(error)
      }
    },
    async abort() {
      end()
      await ingest.abort()
    },
  }
  return session
}

/** The upload is in other hands: whoever asks for it next takes it back, with all that has arrived. */
function isTaken(error: unknown): boolean {
  return codeOf(error) === 'ERR_CACHE_STORE_BUSY'
}

function takenOver(upload: Upload): Fault {
  return outOfOrder(upload, 'Another request or process has gone on with this upload')
}

/** A store that is full is not a store that failed. */
function refusalOf(error: unknown): unknown {
  const isFull = codeOf(error) === 'ERR_CACHE_STORE_FULL' || codeOf(error) === 'ERR_CACHE_STORE_UNWRITABLE'
  return isFull ? storeTakesNothing(error) : error
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
