/**
 * Uploads in progress.
 *
 * An upload belongs to one handler and one repository. Its bytes are in an `Ingest` of the store; a handler that
 * dies leaves them to the store's garbage collection, and the client begins again.
 *
 * @module
 */
import type { BlobStore, Ingest } from '@varve/cache-store'
import type { Digest, DigestAndSize } from '@varve/digest'
import { Fault } from './fault.ts'
import type { RegistryLimits } from './limits.ts'

/** One upload. */
export interface Upload {
  readonly id: string
  readonly repository: string
  /** Bytes held so far. */
  readonly offset: number
  /**
   * Appends a body. What arrived before an error stays, to be resumed.
   *
   * @throws {Fault} 413 when the blob grows too large; 400 if the body has more than `length` bytes, or fewer.
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
  /** @throws {Fault} 404 if there is none, or it belongs to another repository. */
  find(repository: string, id: string): Upload
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
export function createUploads(blobs: BlobStore, limits: RegistryLimits, now: () => number): Uploads {
  const sessions = new Map<string, Session>()

  const isForgotten = (session: Session): boolean =>
    !session.busy && now() - session.touchedAt > limits.uploadIdleMs

  const dropForgotten = async (): Promise<void> => {
    for (const session of [...sessions.values()].filter(isForgotten)) await session.abort()
  }

  return {
    async start(repository) {
      await dropForgotten()
      if (sessions.size >= limits.uploads) {
        const headers = { 'Retry-After': '5' }
        throw new Fault(429, 'TOOMANYREQUESTS', 'Too many uploads are open', { headers })
      }
      const id = crypto.randomUUID()
      const ingest = await blobs.ingest(`registry-${id}`)
      const session = createSession(id, repository, ingest, limits.blobBytes, () => sessions.delete(id))
      session.touchedAt = now()
      sessions.set(id, session)
      return session
    },

    find(repository, id) {
      const session = sessions.get(id)
      if (session === undefined || session.repository !== repository || isForgotten(session)) {
        throw new Fault(404, 'BLOB_UPLOAD_UNKNOWN', 'There is no such upload in this repository')
      }
      session.touchedAt = now()
      return session
    },

    async exclusive(upload, work) {
      const session = sessions.get(upload.id)
      if (session === undefined) throw new Fault(404, 'BLOB_UPLOAD_UNKNOWN', 'The upload has ended')
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
  onEnd: () => void,
): Session {
  let ended = false
  const end = (): void => {
    ended = true
    onEnd()
  }
  const write = async (chunk: Uint8Array): Promise<void> => {
    try {
      await ingest.write(chunk)
    } catch (error) {
      throw ended ? new Fault(404, 'BLOB_UPLOAD_UNKNOWN', 'The upload was cancelled') : error
    }
  }
  return {
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
      return ingest.commit({ digest })
    },
    async abort() {
      end()
      await ingest.abort()
    },
  }
}
