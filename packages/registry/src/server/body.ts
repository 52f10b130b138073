/**
 * Bodies between async iterables and the streams of the fetch standard.
 *
 * @module
 */
import { DigestError, readAll } from '@varve/digest'
import { Fault } from './fault.ts'

/** What streams of {@link streamOf} are made of, while nobody has read from them. */
const untouched = new WeakMap<ReadableStream<Uint8Array>, AsyncIterable<Uint8Array>>()

/**
 * A body that pulls one chunk for each that is read, so a slow reader holds the source back. `onError` is told why a
 * body broke off, since its reader only sees that it did.
 */
export function streamOf(
  chunks: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void = () => undefined,
): ReadableStream<Uint8Array> {
  const watched = watch(chunks, onError)
  let iterator: AsyncIterator<Uint8Array> | undefined
  const begin = (): AsyncIterator<Uint8Array> => {
    untouched.delete(stream)
    return (iterator ??= watched[Symbol.asyncIterator]())
  }
  const stream: ReadableStream<Uint8Array> = new ReadableStream(
    {
      async pull(controller) {
        const next = await begin().next()
        if (next.done === true) controller.close()
        else controller.enqueue(next.value)
      },
      async cancel() {
        await begin().return?.()
      },
    },
    { highWaterMark: 0 },
  )
  untouched.set(stream, watched)
  return stream
}

/**
 * The chunks of a stream, to be read once. Of one made by {@link streamOf} they are the chunks that it was made of:
 * through a stream of the fetch standard each of them costs several promises.
 */
export function chunksOf(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const chunks = stream.locked ? undefined : untouched.get(stream)
  untouched.delete(stream)
  return chunks ?? stream
}

/** By hand: a generator more costs time for each chunk. */
function watch(
  chunks: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = chunks[Symbol.asyncIterator]()
      return {
        next: () =>
          iterator.next().catch((error: unknown) => {
            onError(error)
            throw error
          }),
        return: async () => {
          await iterator.return?.()
          return { done: true, value: undefined }
        },
      }
    },
  }
}

/** The chunks of a request; none if it has no body. */
export function bodyOf(request: Request): AsyncIterable<Uint8Array> {
  return request.body === null ? nothing() : chunksOf(request.body)
}

async function* nothing(): AsyncGenerator<never, void, void> {}

/** The announced length of a request, or `undefined` if it is chunked. */
export function lengthOf(request: Request): number | undefined {
  const header = request.headers.get('content-length')
  if (header === null) return undefined
  if (!/^\d{1,15}$/.test(header)) throw new Fault(400, 'SIZE_INVALID', 'Content-Length is not a length')
  return Number(header)
}

/**
 * The whole body in memory. `hold` is told of each chunk before it is kept, and may refuse it.
 *
 * @throws {Fault} 413 beyond `limit`, before anything is read if the length says so; 400 if it is not as announced.
 */
export async function readBody(
  request: Request,
  limit: number,
  hold: (bytes: number) => void,
): Promise<Uint8Array> {
  const announced = lengthOf(request)
  const tooLarge = new Fault(413, 'SIZE_INVALID', `More than ${limit} bytes`)
  if (announced !== undefined && announced > limit) throw tooLarge
  try {
    const bytes = await readAll(counted(bodyOf(request), hold), limit)
    if (announced !== undefined && announced !== bytes.byteLength) {
      throw new Fault(400, 'SIZE_INVALID', `Announced ${announced} bytes, sent ${bytes.byteLength}`)
    }
    return bytes
  } catch (error) {
    if (error instanceof DigestError && error.code === 'ERR_DIGEST_LIMIT') throw tooLarge
    throw error
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  hold: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    hold(chunk.byteLength)
    yield chunk
  }
}
