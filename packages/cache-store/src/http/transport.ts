/**
 * One HTTP exchange, and nothing more: no redirects, no retries, no decoding.
 *
 * @module
 */
import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as http,
} from 'node:http'
import { request as https } from 'node:https'
import type { Endpoint } from './endpoint.ts'
import { asksFirst, sendBody, type Upload } from './upload.ts'
import { createWatch, type Patience, type Watch } from './watch.ts'

/** A request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** Below the endpoint's prefix, without a slash before it. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly upload?: Upload
  readonly patience: Patience
  readonly signal?: AbortSignal | undefined
}

/** A reply. Its body is read, once, or discarded; otherwise it holds its connection. */
export interface HttpReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Whether all of the request's body was sent before the reply came. */
  readonly isSent: boolean
  /** The bytes of the wire. Ends with an error if the connection breaks or patience is at its end. */
  readonly body: AsyncGenerator<Uint8Array, void, void>
  /** Reads a short rest, which keeps the connection, or closes it. Never fails. */
  discard(): Promise<void>
}

/** A body that is not wanted is read on to here. */
const DISCARD_LIMIT = 64 * 1024

/** Sends a request. Rejects with whatever went wrong underneath, also on an abort. */
export async function exchange(endpoint: Endpoint, request: HttpRequest): Promise<HttpReply> {
  const { upload, signal } = request
  let stopped: Error | undefined
  let incoming: IncomingMessage | undefined
  let isSent = false
  const outgoing = begin(endpoint, request)
  const stop = (error: Error): void => {
    stopped ??= error
    incoming?.destroy(error)
    outgoing.destroy(error)
  }
  const onAbort = (): void => stop(new Error('Aborted'))
  const watch = createWatch(request.patience, stop)
  const finish = (): void => {
    watch.finish()
    signal?.removeEventListener('abort', onAbort)
    // The connection of a whole exchange went back to the pool by itself; of half a one nothing can be used again.
    if (isSent && incoming?.readableEnded === true) return
    incoming?.destroy()
    outgoing.destroy()
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  const answered = replyTo(outgoing)
  const sending = async (): Promise<IncomingMessage> => {
    isSent = await send(outgoing, upload, watch)
    return answered
  }
  try {
    incoming = await Promise.race([answered, sending()])
  } catch (error) {
    finish()
    throw stopped ?? error
  }
  watch.stop()
  const body = bodyOf(incoming, watch, finish, () => stopped)
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    isSent,
    body,
    discard: () => discard(body),
  }
}

function begin(endpoint: Endpoint, { method, path, headers, upload }: HttpRequest): ClientRequest {
  const { protocol, hostname, port, prefix, agent } = endpoint
  return (protocol === 'https:' ? https : http)({
    protocol,
    hostname,
    port,
    agent,
    method,
    path: `${prefix}${path}`,
    headers: {
      ...endpoint.headers,
      ...headers,
      ...(upload === undefined ? {} : { 'content-length': upload.size }),
      ...(upload !== undefined && asksFirst(upload) ? { expect: '100-continue' } : {}),
    },
  })
}

async function send(outgoing: ClientRequest, upload: Upload | undefined, watch: Watch): Promise<boolean> {
  if (upload === undefined) {
    watch.start()
    outgoing.end()
    return true
  }
  const isWhole = await sendBody(outgoing, upload, watch)
  if (isWhole) watch.start()
  return isWhole
}

function replyTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', (incoming) => {
      // Errors come out of the iteration, where there is one.
      incoming.on('error', () => undefined)
      resolve(incoming)
    })
    // Stays: errors may come after the reply, and are then told by its body.
    outgoing.on('error', reject)
    outgoing.once('close', () => reject(new Error('The connection was closed')))
  })
  // The source of the request's body may fail first.
  answered.catch(() => undefined)
  return answered
}

async function* bodyOf(
  incoming: IncomingMessage,
  watch: Watch,
  finish: () => void,
  reasonToStop: () => Error | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer, void, void>
    for (;;) {
      watch.start()
      const next = await chunks.next()
      watch.stop()
      if (next.done === true) return
      const { buffer, byteOffset, byteLength } = next.value
      yield new Uint8Array(buffer, byteOffset, byteLength)
    }
  } catch (error) {
    throw reasonToStop() ?? error
  } finally {
    finish()
  }
}

async function discard(body: AsyncGenerator<Uint8Array, void, void>): Promise<void> {
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.byteLength
      if (size > DISCARD_LIMIT) return
    }
  } catch {
    // What happens to an unwanted body interests nobody.
  }
}
