/**
 * Bodies between async iterables and the streams of the fetch standard.
 *
 * @module
 */
import { DigestError, readAll } from '@varve/digest'
import { Fault } from './fault.ts'

/**
 * A body that pulls one chunk for each that is read, so a slow reader holds the source back. `onError` is told why a
 * body broke off, since its reader only sees that it did.
 */
export function streamOf(
  chunks: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void = () => undefined,
): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const next = await iterator.next()
          if (next.done === true) controller.close()
          else controller.enqueue(next.value)
        } catch (error) {
          onError(error)
          throw error
        }
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

/** The chunks of a request; none if it has no body. */
export async function* bodyOf(request: Request): AsyncGenerator<Uint8Array, void, void> {
  if (request.body !== null) yield* request.body
}

/** The announced length of a request, or `undefined` if it is chunked. */
export function lengthOf(request: Request): number | undefined {
  const header = request.headers.get('content-length')
  if (header === null) return undefined
  if (!/^\d{1,15}$/.test(header)) throw new Fault(400, 'SIZE_INVALID', 'Content-Length is not a length')
  return Number(header)
}

/**
 * The whole body in memory.
 *
 * @throws {Fault} 413 beyond `limit`, before anything is read if the length says so; 400 if it is not as announced.
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  const announced = lengthOf(request)
  const tooLarge = new Fault(413, 'SIZE_INVALID', `More than ${limit} bytes`)
  if (announced !== undefined && announced > limit) throw tooLarge
  try {
    const bytes = await readAll(bodyOf(request), limit)
    if (announced !== undefined && announced !== bytes.byteLength) {
      throw new Fault(400, 'SIZE_INVALID', `Announced ${announced} bytes, sent ${bytes.byteLength}`)
    }
    return bytes
  } catch (error) {
    if (error instanceof DigestError && error.code === 'ERR_DIGEST_LIMIT') throw tooLarge
    throw error
  }
}
